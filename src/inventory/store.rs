//! The SQL of stock and its movements.

use std::collections::HashMap;

use platform::{
    clock::Timestamp,
    db::{Db, Query, Result, Tx},
};

use super::{Checked, Mismatch, Movement};
use crate::shop::ids::{OrderId, ProductId};

/// Takes the units of each product of which there are enough: returns these and what is left of them. The rows are locked
/// in the order of their products, so that two orders cannot deadlock.
pub async fn take(tx: &mut Tx, units: &[(ProductId, i64)]) -> Result<Vec<(ProductId, i64)>> {
    tx.query("WITH taken (product_id, units) AS (VALUES")
        .push_rows(units, |row, (product, units)| row.bind(*product).bind(*units))
        .push(
            "), locked AS (SELECT product_id FROM stock WHERE product_id IN (SELECT product_id FROM taken)
                           ORDER BY product_id /* FOR UPDATE */)
             UPDATE stock SET units = stock.units - taken.units FROM taken JOIN locked ON locked.product_id = taken.product_id
             WHERE stock.product_id = locked.product_id AND stock.units >= taken.units
             RETURNING stock.product_id, stock.units",
        )
        .fetch_all()
        .await
}

pub async fn units(tx: &mut Tx, products: &[ProductId]) -> Result<Vec<(ProductId, i64)>> {
    tx.query("SELECT product_id, units FROM stock WHERE product_id IN").push_list(products).fetch_all().await
}

/// The new stock; `None` when it would be out of range, which changes nothing.
pub async fn adjust(tx: &mut Tx, product: ProductId, delta: i64) -> Result<Option<i64>> {
    let adjusted: Option<(i64,)> = tx
        .query(
            "UPDATE stock SET units = units + $2 WHERE product_id = $1 AND units + $2 BETWEEN 0 AND 2147483647
             RETURNING units",
        )
        .bind(product)
        .bind(delta)
        .fetch_optional()
        .await?;
    Ok(adjusted.map(|(stock,)| stock))
}

/// One page of movements, newest first, and how many there are; of one product, or of all.
///
/// # Errors
/// When the database is unavailable.
pub async fn movements(
    tx: &mut Tx,
    product: Option<ProductId>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Movement>, i64)> {
    let (total,) = of(tx.query("SELECT COUNT(*) FROM stock_movements WHERE TRUE"), product).fetch_one().await?;
    let rows = tx.query(
        "SELECT id, product_id, delta, COALESCE(note, reason) AS reason, order_id, created_at FROM stock_movements WHERE TRUE",
    );
    let page = of(rows, product).push_bind(" ORDER BY id DESC LIMIT $?", limit).push_bind(" OFFSET $?", offset);
    Ok((page.fetch_all().await?, total))
}

fn of(query: Query<'_>, product: Option<ProductId>) -> Query<'_> {
    match product {
        Some(product) => query.push_bind(" AND product_id = $?", product),
        None => query,
    }
}

/// Units of these products that are sold and not sent yet; one that is not named has none. `CROSS JOIN` makes SQLite
/// begin with the open orders, which are few, and not with all that was ever sold.
///
/// # Errors
/// When the database is unavailable.
pub async fn reserved(tx: &mut Tx, products: &[ProductId]) -> Result<HashMap<ProductId, i64>> {
    let rows: Vec<(ProductId, i64)> = tx
        .query(
            "SELECT product_id, units
             FROM (SELECT l.product_id, CAST(SUM(l.quantity) AS BIGINT) AS units FROM orders o CROSS JOIN order_lines l
                   WHERE l.order_id = o.id AND o.status IN ('pending', 'confirmed') GROUP BY l.product_id) open
             WHERE product_id IN",
        )
        .push_list(products)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().collect())
}

pub async fn count_products(tx: &mut Tx) -> Result<i64> {
    let (count,) = tx.query("SELECT COUNT(*) FROM products").fetch_one().await?;
    Ok(count)
}

pub async fn mismatches(tx: &mut Tx) -> Result<Vec<Mismatch>> {
    tx.query(
        "SELECT s.product_id AS product, s.units AS stock, CAST(COALESCE(SUM(m.delta), 0) AS BIGINT) AS movements
         FROM stock s LEFT JOIN stock_movements m ON m.product_id = s.product_id
         GROUP BY s.product_id, s.units HAVING s.units <> COALESCE(SUM(m.delta), 0) ORDER BY s.product_id LIMIT 100",
    )
    .fetch_all()
    .await
}

pub async fn mismatches_of_order(db: &Db, order: OrderId) -> Result<Vec<Mismatch>> {
    db.query(
        "SELECT s.product_id AS product, s.units AS stock, CAST(COALESCE(SUM(m.delta), 0) AS BIGINT) AS movements
         FROM order_lines l JOIN stock s ON s.product_id = l.product_id
                            LEFT JOIN stock_movements m ON m.product_id = s.product_id
         WHERE l.order_id = $1
         GROUP BY s.product_id, s.units HAVING s.units <> COALESCE(SUM(m.delta), 0) ORDER BY s.product_id",
    )
    .bind(order)
    .fetch_all()
    .await
}

/// Stores the result of a comparison, which replaces the one before.
///
/// # Errors
/// When the database is unavailable.
pub async fn save_reconciliation(tx: &mut Tx, checked: &Checked, now: Timestamp) -> Result<()> {
    let mismatches =
        serde_json::to_string(&checked.mismatches).map_err(|error| platform::db::Error::Encode(error.into()))?;
    tx.query(
        "INSERT INTO stock_reconciliation (id, checked_at, products, mismatches) VALUES (1, $1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at, products = excluded.products, mismatches = excluded.mismatches",
    )
    .bind(now).bind(checked.products).bind(mismatches)
    .execute().await?;
    Ok(())
}

/// The last check, if there was one.
///
/// # Errors
/// When the database is unavailable.
pub async fn reconciliation(db: &Db) -> Result<Option<(Timestamp, i64, String)>> {
    db.query("SELECT checked_at, products, mismatches FROM stock_reconciliation WHERE id = 1").fetch_optional().await
}
