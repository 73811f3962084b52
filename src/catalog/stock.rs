//! The stock of a product, of which every change is a movement, written in the same transaction.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    text_enum,
};

use crate::shop::ids::{OrderId, ProductId};

text_enum! {
    /// Why stock changed.
    pub enum Reason {
        /// The product was made with it, or an import brought it.
        Received = "received",
        /// An admin set another number.
        Adjusted = "adjusted",
        /// An order took it.
        Ordered = "ordered",
        /// A cancelled order gave it back.
        Returned = "returned",
        /// An admin counted the shelf.
        Counted = "counted",
    }
}

/// Writes down the units a new product comes with.
///
/// # Errors
/// When there is no such product, or the database is unavailable.
pub async fn receive(tx: &mut Tx, product: ProductId, units: i64, now: Timestamp) -> Result<()> {
    tx.query("INSERT INTO stock (product_id, units) VALUES ($1, $2)").bind(product).bind(units).execute().await?;
    match units {
        0 => Ok(()),
        units => record(tx, product, units, Reason::Received, None, None, now).await,
    }
}

/// Sets the stock; the movement is the difference.
///
/// # Errors
/// When there is no such product, `stock` is not from 0 to 2,147,483,647, or the database is unavailable.
pub async fn set(tx: &mut Tx, product: ProductId, stock: i64, reason: Reason, now: Timestamp) -> Result<()> {
    let before = lock(tx, product).await?.ok_or(platform::db::Error::RowNotFound)?;
    if before == stock {
        return Ok(());
    }
    set_units(tx, product, stock).await?;
    record(tx, product, stock - before, reason, None, None, now).await
}

/// How many there are, until the transaction ends.
///
/// # Errors
/// When the database is unavailable.
pub async fn lock(tx: &mut Tx, product: ProductId) -> Result<Option<i64>> {
    let found: Option<(i64,)> = tx
        .query("SELECT units FROM stock WHERE product_id = $1 /* FOR UPDATE */")
        .bind(product)
        .fetch_optional()
        .await?;
    Ok(found.map(|(units,)| units))
}

/// The movement is the caller's.
///
/// # Errors
/// When `stock` is not from 0 to 2,147,483,647, or the database is unavailable.
pub async fn set_units(tx: &mut Tx, product: ProductId, stock: i64) -> Result<u64> {
    tx.query("UPDATE stock SET units = $2 WHERE product_id = $1").bind(product).bind(stock).execute().await
}

/// Writes down the movements of the units that an order takes.
///
/// # Errors
/// When the order took units of a product before, or the database is unavailable.
pub async fn record_ordered(tx: &mut Tx, units: &[(ProductId, i64)], order: OrderId, now: Timestamp) -> Result<()> {
    tx.query("INSERT INTO stock_movements (product_id, delta, reason, order_id, created_at) VALUES")
        .push_rows(units, |row, (product, units)| {
            row.bind(*product).bind(-units).bind(Reason::Ordered).bind(order).bind(now)
        })
        .execute()
        .await
        .map(drop)
}

/// Writes down a movement.
///
/// # Errors
/// When there is no such product or order, the order has such a movement of the product already, or the database is
/// unavailable.
pub async fn record(
    tx: &mut Tx,
    product: ProductId,
    delta: i64,
    reason: Reason,
    order: Option<OrderId>,
    note: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO stock_movements (product_id, delta, reason, order_id, note, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(product)
    .bind(delta)
    .bind(reason)
    .bind(order)
    .bind(note.map(ToOwned::to_owned))
    .bind(now)
    .execute()
    .await
    .map(drop)
}
