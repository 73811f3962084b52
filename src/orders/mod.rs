//! Orders: what was bought, at which price, and how far it is. How one is placed and cancelled is the checkout's.
//!
//! Whatever changes an order holds its row's lock, and ends by telling who follows it ([`events`]).

pub mod api;
pub mod events;
pub mod jobs;
mod letters;
mod list;
pub mod problems;
mod store;
pub mod view;

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    money::{Currency, Money},
    text_enum,
};

use crate::{
    accounts::SignedIn,
    shop::{
        Provider, Shop,
        ids::{OrderId, OrderLineId, ProductId, UserId},
    },
};
use events::followers::PER_USER;
use futures_util::future::BoxFuture;
use view::OrderView;

/// What orders are told by the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of one user. Off with the rate limits.
    pub orders_per_hour: usize,
    /// How long an unpaid online order holds its stock.
    pub reservation_ttl: Duration,
}

text_enum! {
    /// The status of an order: `pending → confirmed → shipped → delivered`, and `cancelled` from the first two.
    pub enum OrderStatus {
        Pending = "pending", Confirmed = "confirmed", Shipped = "shipped", Delivered = "delivered", Cancelled = "cancelled",
    }
}

impl OrderStatus {
    /// Whether an order goes from here to there on its way to the customer, over how many steps soever.
    #[must_use]
    pub fn comes_before(self, later: Self) -> bool {
        const WAY: [OrderStatus; 4] =
            [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Shipped, OrderStatus::Delivered];
        let place = |status| WAY.iter().position(|step| *step == status);
        place(self).is_some_and(|here| place(later).is_some_and(|there| here < there))
    }
}

text_enum! {
    /// The payment status of an order.
    pub enum PaymentStatus {
        Unpaid = "unpaid", Processing = "processing", Paid = "paid", Failed = "failed", Refunded = "refunded",
    }
}

impl PaymentStatus {
    /// Whether it was paid, and so takes no other money.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Paid | Self::Refunded)
    }
}

/// Why an order is not shown, followed or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Or it is somebody else's.
    #[error("This order does not exist.")]
    NotFound,
    #[error("This order is {status}; its address can no longer be changed.")]
    AlreadyShipped { status: OrderStatus },
    #[error("This order is cancelled; its address can no longer be changed.")]
    Cancelled,
    #[error("You already have {most} open event streams. Close one first.", most = PER_USER)]
    TooManyStreams,
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What features above do for orders, which know none of them; `app/context.rs` brings it.
pub struct Hooks {
    /// The payments of an order, each as its followers see it.
    pub payments: for<'a> fn(&'a mut Tx, OrderId) -> BoxFuture<'a, db::Result<Vec<String>>>,
    /// Cancels an order whose money has all gone back, unless it has left meanwhile.
    pub cancel_refunded: for<'a> fn(&'a Shop, OrderId) -> BoxFuture<'a, anyhow::Result<()>>,
}

pub use store::{
    NewOrder, expired, find, hold, hold_until, insert, lines, lock, lock_expired, set_payment_status, unfinished,
};

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Order {
    pub id: OrderId,
    pub order_number: String,
    pub user_id: UserId,
    pub status: OrderStatus,
    pub payment_status: PaymentStatus,
    pub payment_method: Provider,
    pub shipping_address: String,
    /// The store's, when it was placed.
    pub currency: Currency,
    pub total_price: Money,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A product of an order, with its name and price at the moment of purchase.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub id: OrderLineId,
    pub product_id: ProductId,
    pub name: String,
    pub price: Money,
    pub quantity: i64,
}

/// Writes the lines of a new order.
pub async fn add_lines(tx: &mut Tx, order: OrderId, lines: &[Line]) -> db::Result<()> {
    for line in lines {
        store::insert_line(tx, order, line).await?;
    }
    Ok(())
}

/// Somebody else's order is as unknown as one that does not exist.
///
/// # Errors
/// Unless it is there and theirs, or they are an admin.
pub fn visible(order: Option<Order>, by: SignedIn) -> Result<Order> {
    order.filter(|order| order.user_id == by.id || by.is_admin()).ok_or(Error::NotFound)
}

/// Sends an order somewhere else, as long as it has not left.
///
/// # Errors
/// When it has shipped or is cancelled.
pub async fn change_address(tx: &mut Tx, order: Order, address: String, now: Timestamp) -> Result<OrderView> {
    match order.status {
        OrderStatus::Pending | OrderStatus::Confirmed => {}
        status @ (OrderStatus::Shipped | OrderStatus::Delivered) => return Err(Error::AlreadyShipped { status }),
        OrderStatus::Cancelled => return Err(Error::Cancelled),
    }
    if order.shipping_address == address {
        return Ok(view::order(tx, order).await?);
    }
    let order = store::set_address(tx, order.id, address, now).await?;
    Ok(events::address_changed(tx, order, now).await?)
}

/// Moves an order to its next status and tells the buyer by e-mail.
pub async fn set_status(tx: &mut Tx, id: OrderId, to: OrderStatus, now: Timestamp) -> db::Result<()> {
    store::set_status(tx, id, to, now).await?;
    jobs::TellStatus { order: id, status: to.to_string() }.enqueue(tx, now).await
}

/// Tells who follows an order how it stands after a change. What has several steps calls this once, at its end.
pub async fn tell(tx: &mut Tx, id: OrderId, now: Timestamp) -> db::Result<OrderView> {
    let order = store::find(tx, id).await?.ok_or(db::Error::RowNotFound)?;
    events::order_changed(tx, order, now).await
}

/// The same, if it stands otherwise than when it was locked.
pub async fn tell_if_changed<E: From<db::Error>>(
    tx: &mut Tx,
    before: Order,
    now: Timestamp,
) -> std::result::Result<(), E> {
    if let Some(order) = store::find(tx, before.id).await?.filter(|order| *order != before) {
        events::order_changed(tx, order, now).await?;
    }
    Ok(())
}

/// Confirms a pending order, because it is paid or will be paid at the door. It holds its stock from now on.
pub async fn confirm(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    if order.status == OrderStatus::Pending {
        set_status(tx, order.id, OrderStatus::Confirmed, now).await?;
    }
    Ok(())
}
