//! Stock. Every change of it is a movement, written in the same transaction, so that stock always is their sum.
//!
//! Units are taken with one conditional statement: check and change together, so that two buyers cannot both take the
//! last one. Callers take several products in id order, so that two orders cannot wait for each other.

pub mod api;
pub mod jobs;
pub mod problems;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
};
use serde::{Deserialize, Serialize};

use crate::{
    accounts,
    catalog::{
        Product,
        stock::{self, Reason},
    },
    shop::{
        Shop,
        ids::{MovementId, OrderId, ProductId},
    },
};

pub use store::{movements, reconciliation, reserved, save_reconciliation};

/// Why stock was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("This product does not exist.")]
    NotFound,
    #[error("Only {available} of {product:?} are in stock.")]
    OutOfStock { product: String, available: i64 },
    #[error("The stock of {product:?} is {stock} and cannot be increased by {delta}.")]
    OutOfRange { product: String, stock: i64, delta: i64 },
    #[error("Open orders reserve {reserved} of {product:?}, but only {counted} were counted.")]
    CountBelowReserved { product: String, reserved: i64, counted: i64 },
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What the inventory is told by the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pieces. An order that brings a product down to it is told to the admins.
    pub low_stock_threshold: i64,
}

/// Takes units off the shelf for an order. `false` when there are not enough; then nothing changed.
/// The order that brings a product down to the threshold tells the admins.
pub async fn take(
    tx: &mut Tx,
    shop: &Shop,
    product: ProductId,
    units: i64,
    order: OrderId,
    now: Timestamp,
) -> db::Result<bool> {
    let Some(left) = store::take(tx, product, units).await? else { return Ok(false) };
    stock::record(tx, product, -units, Reason::Ordered, Some(order), None, now).await?;
    let threshold = shop.part::<Settings>().low_stock_threshold;
    if left <= threshold && left + units > threshold {
        for admin in accounts::active_admins(tx).await? {
            jobs::TellLowStock { product, order, admin }.enqueue(tx, now).await?;
        }
    }
    Ok(true)
}

/// Puts the units of a cancelled order back. `false` when the stock has no room for them; then nothing changed.
pub async fn give_back(
    tx: &mut Tx,
    product: ProductId,
    units: i64,
    order: OrderId,
    now: Timestamp,
) -> db::Result<bool> {
    if store::adjust(tx, product, units).await?.is_none() {
        return Ok(false);
    }
    stock::record(tx, product, units, Reason::Returned, Some(order), None, now).await?;
    Ok(true)
}

/// Adds units that were found, or takes those that are gone, in an admin's own words. How many there are then.
///
/// # Errors
/// When the stock would become less than nothing, or more than can be counted.
pub async fn adjust(tx: &mut Tx, product: &Product, delta: i64, note: &str, now: Timestamp) -> Result<i64> {
    let adjusted = store::adjust(tx, product.id, delta).await?.ok_or_else(|| no_room(product, delta))?;
    stock::record(tx, product.id, delta, Reason::Adjusted, None, Some(note), now).await?;
    Ok(adjusted)
}

/// Sets the stock to what was counted on the shelf, less what open orders hold of it. What is left, and what they hold.
///
/// The product is locked before the orders are looked at: one that takes its units either has, and is seen, or waits and
/// then takes them from what was counted.
///
/// # Errors
/// When fewer were counted than orders hold, or the product is gone.
pub async fn count(
    tx: &mut Tx,
    product: &Product,
    counted: i64,
    note: Option<&str>,
    now: Timestamp,
) -> Result<(i64, i64)> {
    let before = stock::lock(tx, product.id).await?.ok_or(Error::NotFound)?;
    let reserved = store::reserved(tx, &[product.id]).await?.get(&product.id).copied().unwrap_or(0);
    let stock = counted - reserved;
    if stock < 0 {
        return Err(Error::CountBelowReserved { product: product.name.clone(), reserved, counted });
    }
    if stock != before {
        stock::set_units(tx, product.id, stock).await?;
        stock::record(tx, product.id, stock - before, Reason::Counted, None, note, now).await?;
    }
    Ok((stock, reserved))
}

fn no_room(product: &Product, delta: i64) -> Error {
    let (stock, product) = (product.stock, product.name.clone());
    if delta < 0 {
        Error::OutOfStock { product, available: stock }
    } else {
        Error::OutOfRange { product, stock, delta }
    }
}

/// One change of a product's stock.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Movement {
    pub id: MovementId,
    pub product_id: ProductId,
    pub delta: i64,
    /// Why: an admin's own words, or else a [`Reason`].
    pub reason: String,
    pub order_id: Option<OrderId>,
    pub created_at: Timestamp,
}

/// A product whose stock is not the sum of its movements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow, poem_openapi::Object)]
pub struct Mismatch {
    /// The id of the product.
    pub product: ProductId,
    /// The recorded stock of the product.
    pub stock: i64,
    /// The sum of the product's movements.
    pub movements: i64,
}

/// How many products were checked, and which did not add up.
pub struct Checked {
    pub products: i64,
    pub mismatches: Vec<Mismatch>,
}

/// Compares every product's stock with its movements. Repairs nothing.
pub async fn reconcile(tx: &mut Tx) -> db::Result<Checked> {
    Ok(Checked { products: store::count_products(tx).await?, mismatches: store::mismatches(tx).await? })
}

/// Keeps the gauge of `/metrics` fresh, in every process alike.
pub async fn measure(shop: &Shop) -> db::Result<()> {
    let Some((_, _, mismatches)) = store::reconciliation(&shop.db).await? else { return Ok(()) };
    let mismatches: Vec<Mismatch> = serde_json::from_str(&mismatches).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; at most 100 are counted")]
    metrics::gauge!("cartwright_stock_mismatches").set(mismatches.len() as f64);
    Ok(())
}

/// Whether the stock of one order's products adds up.
pub async fn reconcile_order(tx: &mut Tx, order: OrderId) -> db::Result<Vec<Mismatch>> {
    store::mismatches_of_order(tx, order).await
}
