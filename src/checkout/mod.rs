//! Placing an order, and what becomes of it: it is cancelled, it moves on, it runs out of time.
//!
//! [`place`] is the whole checkout. It runs in one write transaction together with its idempotency key, so all of it
//! exists or none: the order, its lines at today's prices, the stock it took, the empty cart, and its jobs.

pub mod api;
pub mod jobs;
pub mod problems;

use std::collections::BTreeMap;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    money::{Amount, Money},
    validation::{FieldError, ValidationErrors},
};
use serde::Serialize;

use crate::{
    accounts, carts,
    catalog::{self, Part},
    inventory,
    orders::{
        self, Line, NewOrder, Order, OrderStatus, PaymentStatus, events,
        view::{self, OrderView},
    },
    payments, pricing, reviews,
    shop::{
        Provider, Shop,
        ids::{CartId, OrderId, OrderLineId, ProductId, UserId},
    },
};

/// Why an order is not placed, not cancelled, or does not move on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The cart is empty.")]
    CartEmpty,
    #[error("{name:?} is no longer sold. Remove it and order the rest.")]
    ProductUnavailable { product: ProductId, name: String },
    #[error("The total is now {total}. Show it to the customer and order again.")]
    TotalChanged { total: Amount },
    #[error("Some products are out of stock; see lines.")]
    OutOfStock { lines: Vec<Lacking> },
    #[error("The stock of {name:?} would exceed the maximum. Reduce it first.")]
    StockOutOfRange { name: String },
    #[error("The status of the order cannot change from {from} to {to}.")]
    InvalidTransition { from: OrderStatus, to: OrderStatus },
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Pricing(#[from] pricing::Error),
    #[error(transparent)]
    Payments(#[from] payments::Error),
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A line of which there is not enough.
#[derive(Debug, Serialize)]
pub struct Lacking {
    pub product: ProductId,
    pub name: String,
    /// How many were wanted.
    pub quantity: i64,
    pub available: i64,
}

/// What a customer wants to order.
pub struct Checkout {
    pub shipping_address: Option<String>,
    pub payment_method: Provider,
    /// Pieces by product; `None` orders the cart.
    pub items: Option<BTreeMap<ProductId, i64>>,
    /// What the customer was shown.
    pub expected_total: Option<Money>,
}

/// Places an order: all of it, or nothing.
///
/// # Errors
/// When the buyer's account was closed, the cart is empty, a product is gone or there is not enough of it, the total is
/// another than expected, or the shop cannot take it or be paid in that way.
pub async fn place(tx: &mut Tx, shop: &Shop, buyer: UserId, checkout: Checkout) -> Result<OrderView> {
    accounts::hold_open(tx, buyer).await?;
    let now = shop.now();
    let address = shipping_address(tx, buyer, checkout.shipping_address).await?;
    let (wanted, cart) = wanted(tx, shop, buyer, checkout.items, now).await?;
    let lines = priced(tx, &wanted, cart.is_some()).await?;
    catalog::currency::require_unchanged(tx, shop).await?;
    let total = pricing::total(lines.iter().map(|line| (line.price, line.quantity)))?;
    let is_free = total == Money(0);
    if !is_free {
        payments::require_configured(shop, checkout.payment_method)?;
    }
    if checkout.expected_total.is_some_and(|expected| expected != total) {
        return Err(Error::TotalChanged { total: shop.store.currency.format(total) });
    }
    let new = NewOrder {
        number: order_number(now),
        buyer,
        payment_method: checkout.payment_method,
        address,
        currency: shop.store.currency,
        total,
        held_until: (checkout.payment_method.is_online() && !is_free)
            .then(|| now + shop.part::<orders::Settings>().reservation_ttl),
    };
    let order = orders::insert(tx, new, now).await?;
    take_stock(tx, shop, &order, &lines, now).await?;
    orders::add_lines(tx, order.id, &lines).await?;
    if let Some(cart) = cart {
        carts::clear(tx, cart).await?;
    }
    orders::jobs::SendConfirmation { order: order.id }.enqueue(tx, now).await?;
    inventory::jobs::ProveOrderStock { order: order.id }.enqueue(tx, now).await?;
    if is_free {
        return Ok(settle_free(tx, &order, now).await?);
    }
    Ok(events::order_changed(tx, order, now).await?)
}

/// An order that comes to nothing is paid at once, by nobody: there is no payment of it, and no provider is asked.
async fn settle_free(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<OrderView> {
    orders::set_payment_status(tx, order.id, PaymentStatus::Paid, now).await?;
    orders::confirm(tx, order, now).await?;
    orders::tell(tx, order.id, now).await
}

/// The address that was given, else the profile's, else none: a shop may hand things over its counter.
async fn shipping_address(tx: &mut Tx, buyer: UserId, given: Option<String>) -> Result<String> {
    if let Some(given) = given.filter(|given| !given.trim().is_empty()) {
        return Ok(given);
    }
    let user = accounts::find(tx, buyer).await?.ok_or(accounts::Error::NotFound)?;
    let lines: Vec<String> =
        [user.address, user.city, user.country].into_iter().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines.join("\n"))
}

/// What is to be ordered, in product order, and the cart it came from. The cart is locked: of two orders from it at the
/// same moment the second finds it empty.
async fn wanted(
    tx: &mut Tx,
    shop: &Shop,
    buyer: UserId,
    items: Option<BTreeMap<ProductId, i64>>,
    now: Timestamp,
) -> Result<(BTreeMap<ProductId, i64>, Option<CartId>)> {
    if let Some(items) = items {
        return Ok((items, None));
    }
    let (cart, _) = carts::own(tx, buyer, now).await?;
    let items: BTreeMap<_, _> =
        carts::items(tx, cart.id).await?.into_iter().map(|item| (item.product_id, item.quantity)).collect();
    if items.is_empty() {
        return Err(Error::CartEmpty);
    }
    let most = shop.part::<carts::Settings>().max_per_product;
    if items.values().any(|quantity| *quantity > most) {
        // Put in while more were allowed.
        return Err(ValidationErrors::one("items", "maximum", too_many(most)).into());
    }
    Ok((items, Some(cart.id)))
}

/// The lines at today's prices, from the catalog and never from the request. What is not sold any more is named to who had
/// it in the cart; to anybody else it does not exist.
async fn priced(tx: &mut Tx, wanted: &BTreeMap<ProductId, i64>, were_in_cart: bool) -> Result<Vec<Line>> {
    let ids: Vec<ProductId> = wanted.keys().copied().collect();
    let mut products = catalog::find_products(tx, &ids).await?;
    let mut lines = Vec::new();
    for (&id, &quantity) in wanted {
        let Some(product) = products.remove(&id).filter(|product| product.is_active || were_in_cart) else {
            return Err(ValidationErrors::one("items", "unknown", unknown(id)).into());
        };
        if !product.is_active {
            return Err(Error::ProductUnavailable { product: id, name: product.name });
        }
        lines.push(Line { id: OrderLineId(0), product_id: id, name: product.name, price: product.price, quantity });
    }
    Ok(lines)
}

/// Takes every line's units, in product order so that two orders never wait for each other, or names all that lack.
async fn take_stock(tx: &mut Tx, shop: &Shop, order: &Order, lines: &[Line], now: Timestamp) -> Result<()> {
    let mut lacking = Vec::new();
    for line in lines {
        if !inventory::take(tx, shop, line.product_id, line.quantity, order.id, now).await? {
            let available = catalog::find_product(tx, line.product_id).await?.map_or(0, |product| product.stock);
            let (product, name, quantity) = (line.product_id, line.name.clone(), line.quantity);
            lacking.push(Lacking { product, name, quantity, available });
        }
    }
    if lacking.is_empty() { Ok(()) } else { Err(Error::OutOfStock { lines: lacking }) }
}

/// What people quote: the day, and eight letters that cannot be misread. It tells nobody how many orders there are.
fn order_number(now: Timestamp) -> String {
    const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let random: [u8; 8] = rand::random();
    let letters: String = random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect();
    let day = now.date_time();
    format!("{:04}{:02}{:02}-{letters}", day.year(), u8::from(day.month()), day.day())
}

/// Reads `items` of a request: a product named twice is one line.
///
/// # Errors
/// With everything that is wrong, also with what was found before: products that do not exist, or not for customers, and
/// those that add up to too many pieces.
pub async fn add_up(
    tx: &mut Tx,
    shop: &Shop,
    items: &[(ProductId, i64)],
    mut errors: Vec<FieldError>,
) -> Result<BTreeMap<ProductId, i64>> {
    let products: Vec<ProductId> = items.iter().map(|(product, _)| *product).collect();
    let known = catalog::find_products(tx, &products).await?;
    let mut wanted = BTreeMap::new();
    for (index, (product, quantity)) in items.iter().enumerate() {
        if known.get(product).is_none_or(|product| !product.is_active) {
            errors.push(FieldError::new(format!("items[{index}].product"), "unknown", unknown(*product)));
        }
        let sum = wanted.entry(*product).or_insert(0);
        *sum += quantity;
        let most = shop.part::<carts::Settings>().max_per_product;
        if *sum > most {
            errors.push(FieldError::new(format!("items[{index}].quantity"), "maximum", too_many(most)));
        }
    }
    ValidationErrors(errors).into_result()?;
    Ok(wanted)
}

fn too_many(most: i64) -> String {
    format!("must be at most {most} units of one product")
}

fn unknown(product: ProductId) -> String {
    format!("refers to product {product}, which does not exist")
}

/// Cancels an order that has not shipped: the stock returns, money that was paid goes back, and what its buyer says of
/// products goes that only this order had. Cancelling again changes nothing.
///
/// # Errors
/// When it has shipped, or the stock has no room for what returns.
pub async fn cancel(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    match order.status {
        OrderStatus::Cancelled => return Ok(view::order(tx, order).await?),
        from @ (OrderStatus::Shipped | OrderStatus::Delivered) => {
            return Err(Error::InvalidTransition { from, to: OrderStatus::Cancelled });
        }
        OrderStatus::Pending | OrderStatus::Confirmed => {}
    }
    for line in orders::lines(tx, order.id).await? {
        if !inventory::give_back(tx, line.product_id, line.quantity, order.id, now).await? {
            return Err(Error::StockOutOfRange { name: line.name });
        }
    }
    orders::set_status(tx, order.id, OrderStatus::Cancelled, now).await?;
    reviews::delete_unfounded(tx, order.user_id, order.id).await?;
    if order.total_price == Money(0) && order.payment_status == PaymentStatus::Paid {
        orders::set_payment_status(tx, order.id, PaymentStatus::Refunded, now).await?; // all of nothing
    }
    payments::order_cancelled(tx, &order, now).await?;
    Ok(orders::tell(tx, order.id, now).await?)
}

/// Moves an order forward, also over steps: who packs at once need not confirm first. Never back.
///
/// # Errors
/// For any other step, and when it cannot be cancelled.
pub async fn advance(tx: &mut Tx, order: Order, to: OrderStatus, now: Timestamp) -> Result<OrderView> {
    if to == OrderStatus::Cancelled {
        return cancel(tx, order, now).await;
    }
    if !order.status.comes_before(to) {
        return Err(Error::InvalidTransition { from: order.status, to });
    }
    orders::set_status(tx, order.id, to, now).await?;
    if to == OrderStatus::Delivered {
        payments::order_delivered(tx, &order, now).await?;
    }
    Ok(orders::tell(tx, order.id, now).await?)
}

/// Cancels an unpaid order if its time has run out. Whether it had.
///
/// # Errors
/// When it cannot be cancelled.
pub async fn expire(tx: &mut Tx, id: OrderId, now: Timestamp) -> Result<bool> {
    let Some(order) = orders::lock_expired(tx, id, now).await? else { return Ok(false) };
    cancel(tx, order, now).await?;
    tracing::info!(order = %id, "an unpaid order expired; its stock was returned");
    Ok(true)
}

/// Cancels an order whose money has all gone back, if it has not left yet.
///
/// # Errors
/// When it cannot be cancelled.
pub async fn cancel_refunded(shop: &Shop, id: OrderId) -> Result<()> {
    let mut tx = shop.db.write().await?;
    let Some(order) = orders::lock(&mut tx, id).await? else { return Ok(()) };
    let still_here = matches!(order.status, OrderStatus::Pending | OrderStatus::Confirmed);
    if still_here && order.payment_status == PaymentStatus::Refunded {
        cancel(&mut tx, order, shop.now()).await?;
        shop.commit_and_forget(tx, &[Part::Catalog]).await?;
    }
    Ok(())
}
