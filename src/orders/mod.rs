//! Orders, their lines and their statuses. Placing and cancelling is in [`checkout`](crate::checkout).
//!
//! Every change of an order holds its row's lock, and ends by publishing an event ([`events`]).

pub mod api;
mod emails;
pub mod events;
pub mod jobs;
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
use events::subscribers::MAX_STREAMS_PER_USER;
use futures_util::future::BoxFuture;
use view::OrderView;

/// The settings of orders.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Per user. Not applied when rate limits are off.
    pub orders_per_hour: usize,
    /// How long an unpaid online order reserves its stock.
    pub reservation_ttl: Duration,
}

text_enum! {
    /// The status of an order: `pending → confirmed → shipped → delivered`, and `cancelled` from the first two.
    pub enum OrderStatus {
        Pending = "pending", Confirmed = "confirmed", Shipped = "shipped", Delivered = "delivered", Cancelled = "cancelled",
    }
}

impl OrderStatus {
    /// Whether an order in this status can move forward to `later`, also over several steps.
    #[must_use]
    pub fn comes_before(self, later: Self) -> bool {
        const STEPS: [OrderStatus; 4] =
            [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Shipped, OrderStatus::Delivered];
        let position = |status| STEPS.iter().position(|step| *step == status);
        position(self).is_some_and(|from| position(later).is_some_and(|to| from < to))
    }
}

text_enum! {
    /// The payment status of an order.
    pub enum PaymentStatus {
        Unpaid = "unpaid", Processing = "processing", Paid = "paid", Failed = "failed", Refunded = "refunded",
    }
}

impl PaymentStatus {
    /// Whether it was paid, so that no other payment can be made.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Paid | Self::Refunded)
    }
}

/// Why a request about an order was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also for another user's order.
    #[error("This order does not exist.")]
    NotFound,
    #[error("This order is {status}; its address can no longer be changed.")]
    AlreadyShipped { status: OrderStatus },
    #[error("This order is cancelled; its address can no longer be changed.")]
    Cancelled,
    #[error("You already have {most} open event streams. Close one first.", most = MAX_STREAMS_PER_USER)]
    TooManyStreams,
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What orders need of features that depend on them; set in `app/context.rs`.
pub struct Hooks {
    /// The payments of an order in JSON, as its events have them.
    pub payment_snapshots: for<'a> fn(&'a mut Tx, OrderId) -> BoxFuture<'a, db::Result<Vec<String>>>,
    /// Cancels an order that was fully refunded, unless it has shipped.
    pub cancel_refunded: for<'a> fn(&'a Shop, OrderId) -> BoxFuture<'a, anyhow::Result<()>>,
}

pub use store::{
    NewOrder, expired, find, find_unfinished, insert, lines, lock, lock_expired, set_payment_status,
    set_reservation_end, start_reservation,
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
///
/// # Errors
/// When a product has two lines or does not exist, or the database is unavailable.
pub async fn add_lines(tx: &mut Tx, order: OrderId, lines: &[Line]) -> db::Result<Vec<Line>> {
    let mut lines = store::insert_lines(tx, order, lines).await?;
    lines.sort_by_key(|line| line.product_id);
    Ok(lines)
}

/// Requires that the caller may see an order.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is another user's and the caller is no admin.
pub fn visible(order: Option<Order>, by: SignedIn) -> Result<Order> {
    order.filter(|order| order.user_id == by.id || by.is_admin()).ok_or(Error::NotFound)
}

/// Changes the shipping address of an order that has not shipped.
///
/// # Errors
/// [`Error::AlreadyShipped`], [`Error::Cancelled`].
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
    Ok(events::publish_address(tx, order, now).await?)
}

/// Sets the status of an order and notifies the buyer by e-mail.
///
/// # Errors
/// When the database is unavailable.
pub async fn set_status(tx: &mut Tx, id: OrderId, to: OrderStatus, now: Timestamp) -> db::Result<()> {
    store::set_status(tx, id, to, now).await?;
    jobs::SendOrderStatusEmail { order: id, status: to.to_string() }.enqueue(tx, now).await
}

/// Publishes the state of an order after a change. A change of several steps calls this once, at its end.
///
/// # Errors
/// When there is no such order, or the database is unavailable.
pub async fn publish(tx: &mut Tx, id: OrderId, now: Timestamp) -> db::Result<OrderView> {
    let order = store::find(tx, id).await?.ok_or(db::Error::RowNotFound)?;
    events::publish_order(tx, order, now).await
}

/// The same, if it differs from `before`.
///
/// # Errors
/// When the database is unavailable.
pub async fn publish_if_changed<E: From<db::Error>>(
    tx: &mut Tx,
    before: Order,
    now: Timestamp,
) -> std::result::Result<(), E> {
    if let Some(order) = store::find(tx, before.id).await?.filter(|order| *order != before) {
        events::publish_order(tx, order, now).await?;
    }
    Ok(())
}

/// Confirms a pending order, because it is paid or will be paid on delivery. Its reservation has no end from now on.
///
/// # Errors
/// When the database is unavailable.
pub async fn confirm(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    if order.status == OrderStatus::Pending {
        set_status(tx, order.id, OrderStatus::Confirmed, now).await?;
    }
    Ok(())
}
