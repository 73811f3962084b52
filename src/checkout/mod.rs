//! Placing orders, cancelling them, changing their status and expiring unpaid ones.
//!
//! [`place`] is the whole checkout. It runs in one write transaction together with its idempotency key, so all of it
//! exists or none: the order, its lines at current prices, the stock it took, the empty cart, and its jobs.

pub mod api;
pub mod jobs;
pub mod problems;

use std::collections::BTreeMap;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::{Job, enqueue_all},
    money::{Amount, Money},
    validation::{FieldError, ValidationErrors},
};
use serde::Serialize;

use crate::{
    accounts, carts,
    catalog::{self, Part},
    inventory::{self, Taken},
    orders::{
        self, Line, NewOrder, Order, OrderStatus, PaymentStatus, events,
        view::{self, OrderView},
    },
    payments, pricing, reviews,
    shop::{
        Provider, Shop,
        ids::{OrderId, OrderLineId, ProductId, UserId},
    },
};

/// Why an order was not placed, cancelled or moved to another status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The cart is empty.")]
    CartEmpty,
    #[error("{name:?} is no longer sold. Remove it and order the rest.")]
    ProductUnavailable { product: ProductId, name: String },
    #[error("The total is now {total}. Show it to the customer and order again.")]
    TotalChanged { total: Amount },
    #[error("Some products are out of stock; see lines.")]
    OutOfStock { lines: Vec<OutOfStockLine> },
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

/// A line whose product has not enough stock.
#[derive(Debug, Serialize)]
pub struct OutOfStockLine {
    pub product: ProductId,
    pub name: String,
    /// How many were requested.
    pub quantity: i64,
    pub available: i64,
}

/// An order to be placed.
pub struct Checkout {
    pub shipping_address: Option<String>,
    pub payment_method: Provider,
    /// Pieces by product; `None` orders the cart.
    pub items: Option<BTreeMap<ProductId, i64>>,
    /// The total that the customer was shown.
    pub expected_total: Option<Money>,
}

/// Places an order: all of it, or nothing.
///
/// # Errors
/// When the buyer's account was closed, the cart is empty, a product is not sold any more or out of stock, the total is
/// not the expected one, or the payment method is not configured.
pub async fn place(tx: &mut Tx, shop: &Shop, buyer: UserId, checkout: Checkout) -> Result<OrderView> {
    let profile_address = accounts::require_active(tx, buyer).await?;
    let now = shop.now();
    let (quantities, from_cart) = match checkout.items {
        Some(items) => (items, false),
        None => (cart_items(tx, shop, buyer).await?, true),
    };
    let lines = price_lines(tx, shop, &quantities, from_cart).await?;
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
        address: checkout.shipping_address.filter(|given| !given.trim().is_empty()).unwrap_or(profile_address),
        currency: shop.store.currency,
        total,
        held_until: (checkout.payment_method.is_online() && !is_free)
            .then(|| now + shop.get::<orders::Settings>().reservation_ttl),
    };
    let order = orders::insert(tx, new, now).await?;
    let lines = orders::add_lines(tx, order.id, &lines).await?;
    let confirmation = orders::jobs::SendOrderConfirmationEmail { order: order.id }.new_job(now)?;
    let reconciliation = inventory::jobs::ReconcileOrderStock { order: order.id }.new_job(now)?;
    enqueue_all(tx, &[confirmation, reconciliation], now).await?;
    let placed = if is_free {
        mark_free_order_paid(tx, &order, now).await?
    } else {
        events::publish_new_order(tx, order.clone(), lines.clone(), now).await?
    };
    take_stock(tx, shop, order.id, &lines, now).await?; // last, because other orders of these products wait for it
    Ok(placed)
}

/// An order with a total of 0 is paid at once, without a payment.
async fn mark_free_order_paid(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<OrderView> {
    orders::set_payment_status(tx, order.id, PaymentStatus::Paid, now).await?;
    orders::confirm(tx, order, now).await?;
    orders::publish(tx, order.id, now).await
}

/// The quantities by product of the buyer's cart, which is empty then.
async fn cart_items(tx: &mut Tx, shop: &Shop, buyer: UserId) -> Result<BTreeMap<ProductId, i64>> {
    let items: BTreeMap<_, _> = carts::take_items(tx, buyer).await?.into_iter().collect();
    if items.is_empty() {
        return Err(Error::CartEmpty);
    }
    let most = shop.get::<carts::Settings>().max_per_product;
    if items.values().any(|quantity| *quantity > most) {
        // Added while the limit was higher.
        return Err(ValidationErrors::one("items", "maximum", too_many_message(most)).into());
    }
    Ok(items)
}

/// The lines at current prices, from the catalog and never from the request. A product that is not sold any more is named in
/// the error only if it was in the cart; otherwise it does not exist for the customer.
async fn price_lines(
    tx: &mut Tx,
    shop: &Shop,
    quantities: &BTreeMap<ProductId, i64>,
    from_cart: bool,
) -> Result<Vec<Line>> {
    let ids: Vec<ProductId> = quantities.keys().copied().collect();
    let mut products = catalog::currency::offers(tx, shop, &ids).await?;
    let mut lines = Vec::new();
    for (&id, &quantity) in quantities {
        let Some(product) = products.remove(&id).filter(|product| product.is_active || from_cart) else {
            return Err(ValidationErrors::one("items", "unknown", unknown_product_message(id)).into());
        };
        if !product.is_active {
            return Err(Error::ProductUnavailable { product: id, name: product.name });
        }
        lines.push(Line { id: OrderLineId(0), product_id: id, name: product.name, price: product.price, quantity });
    }
    Ok(lines)
}

/// Takes the stock of every line.
///
/// # Errors
/// [`Error::OutOfStock`] with every line that has not enough stock.
async fn take_stock(tx: &mut Tx, shop: &Shop, order: OrderId, lines: &[Line], now: Timestamp) -> Result<()> {
    let units: Vec<_> = lines.iter().map(|line| (line.product_id, line.quantity)).collect();
    let Taken::TooFew(available) = inventory::take(tx, shop, &units, order, now).await? else { return Ok(()) };
    let short = lines.iter().filter_map(|line| Some((line, *available.get(&line.product_id)?)));
    let short = short.map(|(line, available)| OutOfStockLine {
        product: line.product_id,
        name: line.name.clone(),
        quantity: line.quantity,
        available,
    });
    Err(Error::OutOfStock { lines: short.collect() })
}

/// The day and eight random characters that are hard to misread. It does not disclose how many orders there are.
fn order_number(now: Timestamp) -> String {
    const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let random: [u8; 8] = rand::random();
    let suffix: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect();
    let day = now.date_time();
    format!("{:04}{:02}{:02}-{suffix}", day.year(), u8::from(day.month()), day.day())
}

/// Validates the `items` of a request. A product that occurs twice becomes one line.
///
/// # Errors
/// All errors, after the `errors` that were found before: products that do not exist or are inactive, and quantities that
/// add up to more than one buyer may order.
pub async fn read_items(
    tx: &mut Tx,
    shop: &Shop,
    items: &[(ProductId, i64)],
    mut errors: Vec<FieldError>,
) -> Result<BTreeMap<ProductId, i64>> {
    let products: Vec<ProductId> = items.iter().map(|(product, _)| *product).collect();
    let known = catalog::find_products(tx, &products).await?;
    let mut quantities = BTreeMap::new();
    for (index, (product, quantity)) in items.iter().enumerate() {
        if known.get(product).is_none_or(|product| !product.is_active) {
            errors.push(FieldError::new(
                format!("items[{index}].product"),
                "unknown",
                unknown_product_message(*product),
            ));
        }
        let sum = quantities.entry(*product).or_insert(0);
        *sum += quantity;
        let most = shop.get::<carts::Settings>().max_per_product;
        if *sum > most {
            errors.push(FieldError::new(format!("items[{index}].quantity"), "maximum", too_many_message(most)));
        }
    }
    ValidationErrors(errors).into_result()?;
    Ok(quantities)
}

fn too_many_message(most: i64) -> String {
    format!("must be at most {most} units of one product")
}

fn unknown_product_message(product: ProductId) -> String {
    format!("refers to product {product}, which does not exist")
}

/// Cancels an order that has not shipped: its stock is restocked, its payments are refunded, and its buyer's reviews of
/// products that no other order of theirs has are deleted. Cancelling again changes nothing.
///
/// # Errors
/// [`Error::InvalidTransition`] when it has shipped; [`Error::StockOutOfRange`].
pub async fn cancel(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    match order.status {
        OrderStatus::Cancelled => return Ok(view::order(tx, order).await?),
        from @ (OrderStatus::Shipped | OrderStatus::Delivered) => {
            return Err(Error::InvalidTransition { from, to: OrderStatus::Cancelled });
        }
        OrderStatus::Pending | OrderStatus::Confirmed => {}
    }
    let lines = orders::lines(tx, order.id).await?;
    // Before their stock and their reviews, as everybody who changes a product.
    catalog::lock_products(tx, &lines.iter().map(|line| line.product_id).collect::<Vec<_>>()).await?;
    for line in lines {
        if !inventory::restock(tx, line.product_id, line.quantity, order.id, now).await? {
            return Err(Error::StockOutOfRange { name: line.name });
        }
    }
    orders::set_status(tx, order.id, OrderStatus::Cancelled, now).await?;
    reviews::delete_without_purchase(tx, order.user_id, order.id).await?;
    if order.total_price == Money(0) && order.payment_status == PaymentStatus::Paid {
        orders::set_payment_status(tx, order.id, PaymentStatus::Refunded, now).await?; // the whole total of 0
    }
    payments::order_cancelled(tx, &order, now).await?;
    Ok(orders::publish(tx, order.id, now).await?)
}

/// Moves an order to a later status, also over several steps, or cancels it.
///
/// # Errors
/// [`Error::InvalidTransition`] for any other status; the errors of [`cancel`].
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
    Ok(orders::publish(tx, order.id, now).await?)
}

/// Cancels an unpaid order if its reservation has ended. Returns whether it had.
///
/// # Errors
/// Those of [`cancel`].
pub async fn expire(tx: &mut Tx, id: OrderId, now: Timestamp) -> Result<bool> {
    let Some(order) = orders::lock_expired(tx, id, now).await? else { return Ok(false) };
    cancel(tx, order, now).await?;
    tracing::info!(order = %id, "an unpaid order expired; its stock was returned");
    Ok(true)
}

/// Cancels an order that was fully refunded, if it has not shipped.
///
/// # Errors
/// Those of [`cancel`].
pub async fn cancel_refunded(shop: &Shop, id: OrderId) -> Result<()> {
    let mut tx = shop.db.write().await?;
    let Some(order) = orders::lock(&mut tx, id).await? else { return Ok(()) };
    let can_be_cancelled = matches!(order.status, OrderStatus::Pending | OrderStatus::Confirmed);
    if can_be_cancelled && order.payment_status == PaymentStatus::Refunded {
        cancel(&mut tx, order, shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
    }
    Ok(())
}
