//! Stock. Every change of it inserts a movement in the same transaction, so that the stock always is the sum of its movements.
//!
//! Units are taken with one conditional statement: check and change together, so that two buyers cannot both take the
//! last one. Whoever locks several products does so in the order of their ids, and a product before its stock, so that none
//! of them deadlock.

pub mod api;
pub mod jobs;
pub mod problems;
mod store;

use std::collections::HashMap;

use platform::{
    clock::Timestamp,
    db::{self, Db, Tx},
    jobs::{Job, NewJob, enqueue_all},
    metrics::Metric,
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

pub const STOCK_MISMATCHES: Metric = Metric::gauge(
    "cartwright_stock_mismatches",
    "Products whose stock was not the sum of their movements in the last comparison, at most 100",
);

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

/// The settings of the inventory.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When an order reduces a product's stock from above this to this or less, the admins are notified.
    pub low_stock_threshold: i64,
}

/// What came of [`take`].
pub enum Taken {
    All,
    /// There are not enough of these products: how many there are. The transaction must not be committed.
    TooFew(HashMap<ProductId, i64>),
}

/// Takes units of products for an order: of all of them or of none. When a stock falls from above the threshold to it or
/// below, the admins are notified. Call it last in a transaction, because others that want these products wait for its end.
///
/// # Errors
/// When the order took units of a product before, or the database is unavailable.
pub async fn take(
    tx: &mut Tx,
    shop: &Shop,
    units: &[(ProductId, i64)],
    order: OrderId,
    now: Timestamp,
) -> db::Result<Taken> {
    stock::record_ordered(tx, units, order, now).await?;
    let left: HashMap<ProductId, i64> = store::take(tx, units).await?.into_iter().collect();
    let short: Vec<ProductId> = units.iter().map(|(product, _)| *product).filter(|id| !left.contains_key(id)).collect();
    if !short.is_empty() {
        return Ok(Taken::TooFew(store::units(tx, &short).await?.into_iter().collect()));
    }
    let threshold = shop.get::<Settings>().low_stock_threshold;
    let fell = |(product, units): &&(ProductId, i64)| left[product] <= threshold && left[product] + units > threshold;
    let low: Vec<ProductId> = units.iter().filter(fell).map(|(product, _)| *product).collect();
    if !low.is_empty() {
        notify_admins(tx, &low, order, now).await?;
    }
    Ok(Taken::All)
}

async fn notify_admins(tx: &mut Tx, low: &[ProductId], order: OrderId, now: Timestamp) -> db::Result<()> {
    let admins = accounts::active_admins(tx).await?;
    for &product in low {
        let email = |&admin| jobs::SendLowStockEmail { product, order, admin }.new_job(now);
        let emails: Vec<NewJob> = admins.iter().map(email).collect::<db::Result<_>>()?;
        enqueue_all(tx, &emails, now).await?;
    }
    Ok(())
}

/// Returns the units of a cancelled order. `false` when the stock would be out of range; then nothing changed.
///
/// # Errors
/// When the order's units of this product were returned before, or the database is unavailable.
pub async fn restock(tx: &mut Tx, product: ProductId, units: i64, order: OrderId, now: Timestamp) -> db::Result<bool> {
    if store::adjust(tx, product, units).await?.is_none() {
        return Ok(false);
    }
    stock::record(tx, product, units, Reason::Returned, Some(order), None, now).await?;
    Ok(true)
}

/// Adds `delta` to a product's stock, with an admin's note. Returns the new stock.
///
/// # Errors
/// [`Error::OutOfStock`], [`Error::OutOfRange`].
pub async fn adjust(tx: &mut Tx, product: &Product, delta: i64, note: &str, now: Timestamp) -> Result<i64> {
    let adjusted = store::adjust(tx, product.id, delta).await?.ok_or_else(|| out_of_range(product, delta))?;
    stock::record(tx, product.id, delta, Reason::Adjusted, None, Some(note), now).await?;
    Ok(adjusted)
}

/// Sets the stock to the counted units less those reserved by open orders. Returns the new stock and the reserved units.
///
/// The stock is locked before the orders are read, so that an order of it is either committed and counted, or waits and
/// takes its units from the new stock.
///
/// # Errors
/// [`Error::CountBelowReserved`], [`Error::NotFound`].
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

fn out_of_range(product: &Product, delta: i64) -> Error {
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
    /// An admin's note, or else a [`Reason`].
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

/// The result of comparing all products: how many, and those whose stock is not the sum of their movements.
pub struct Checked {
    pub products: i64,
    pub mismatches: Vec<Mismatch>,
}

/// Compares every product's stock with its movements. Repairs nothing.
///
/// # Errors
/// When the database is unavailable.
pub async fn reconcile(tx: &mut Tx) -> db::Result<Checked> {
    Ok(Checked { products: store::count_products(tx).await?, mismatches: store::mismatches(tx).await? })
}

/// Updates the gauge of `/metrics` in this process.
///
/// # Errors
/// When the database is unavailable.
pub async fn measure(shop: &Shop) -> db::Result<()> {
    let Some((_, _, mismatches)) = store::reconciliation(&shop.db).await? else { return Ok(()) };
    let mismatches: Vec<Mismatch> = serde_json::from_str(&mismatches).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; at most 100 are counted")]
    metrics::gauge!(STOCK_MISMATCHES.name).set(mismatches.len() as f64);
    Ok(())
}

/// The mismatches among the products of one order.
///
/// # Errors
/// When the database is unavailable.
pub async fn reconcile_order(db: &Db, order: OrderId) -> db::Result<Vec<Mismatch>> {
    store::mismatches_of_order(db, order).await
}
