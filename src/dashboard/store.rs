//! The SQL of the dashboard. Sums are as large as the database counts; a day's sales stay far below that.

use platform::{
    db::{Db, Result, Tx},
    money::{Currency, Money},
};

use super::{Range, TopProduct};
use crate::catalog::{Product, product_columns};

/// The number of users, without closed accounts.
///
/// # Errors
/// When the database is unavailable.
pub async fn total_users(db: &Db) -> Result<i64> {
    let (total,) = db.query("SELECT COUNT(*) FROM users WHERE closed_at IS NULL").fetch_one().await?;
    Ok(total)
}

/// The number of orders, also of cancelled ones.
///
/// # Errors
/// When the database is unavailable.
pub async fn total_orders(db: &Db) -> Result<i64> {
    let (total,) = db.query("SELECT COUNT(*) FROM orders").fetch_one().await?;
    Ok(total)
}

/// The number of active products.
///
/// # Errors
/// When the database is unavailable.
pub async fn total_products(db: &Db) -> Result<i64> {
    let (total,) = db.query("SELECT COUNT(*) FROM products WHERE is_active").fetch_one().await?;
    Ok(total)
}

/// Day, orders and revenue, of days with any. Answered from the index alone.
pub async fn orders_by_day(tx: &mut Tx, currency: Currency, range: Range) -> Result<Vec<(i64, i64, Money)>> {
    tx.query(
        "SELECT day, COUNT(*), CAST(SUM(total_price) AS BIGINT) FROM orders
         WHERE day BETWEEN $1 AND $2 AND status <> 'cancelled' AND currency = $3 GROUP BY day",
    )
    .bind(range.from.number())
    .bind(range.to.number())
    .bind(currency.to_string())
    .fetch_all()
    .await
}

/// Day and pieces sold, of days with any.
pub async fn units_by_day(tx: &mut Tx, currency: Currency, range: Range) -> Result<Vec<(i64, i64)>> {
    tx.query(
        "SELECT o.day, CAST(SUM(l.quantity) AS BIGINT) FROM orders o JOIN order_lines l ON l.order_id = o.id
         WHERE o.day BETWEEN $1 AND $2 AND o.status <> 'cancelled' AND o.currency = $3 GROUP BY o.day",
    )
    .bind(range.from.number())
    .bind(range.to.number())
    .bind(currency.to_string())
    .fetch_all()
    .await
}

/// What sold most, by pieces, then by revenue.
///
/// # Errors
/// When the database is unavailable.
pub async fn top_products(db: &Db, currency: Currency, range: Range, limit: i64) -> Result<Vec<TopProduct>> {
    db.query(
        "SELECT sold.product, p.name, sold.units, sold.revenue
         FROM (SELECT l.product_id AS product, CAST(SUM(l.quantity) AS BIGINT) AS units,
                      CAST(SUM(l.price * l.quantity) AS BIGINT) AS revenue
               FROM orders o JOIN order_lines l ON l.order_id = o.id
               WHERE o.day BETWEEN $1 AND $2 AND o.status <> 'cancelled' AND o.currency = $4
               GROUP BY l.product_id ORDER BY units DESC, revenue DESC, product LIMIT $3) sold
         JOIN products p ON p.id = sold.product ORDER BY sold.units DESC, sold.revenue DESC, sold.product",
    )
    .bind(range.from.number())
    .bind(range.to.number())
    .bind(limit)
    .bind(currency.to_string())
    .fetch_all()
    .await
}

/// One page of what is for sale and nearly gone, the scarcest first, and how many there are.
///
/// # Errors
/// When the database is unavailable.
pub async fn low_stock(tx: &mut Tx, threshold: i64, limit: i64, offset: i64) -> Result<(Vec<Product>, i64)> {
    let (total,) = tx
        .query(
            "SELECT COUNT(*) FROM stock s JOIN products p ON p.id = s.product_id WHERE s.units <= $1 AND p.is_active",
        )
        .bind(threshold)
        .fetch_one()
        .await?;
    let rows = tx
        .query(concat!(
            "SELECT ",
            product_columns!(),
            " FROM stock s JOIN products p ON p.id = s.product_id WHERE s.units <= $1 AND p.is_active
              ORDER BY s.units, p.id LIMIT $2 OFFSET $3"
        ))
        .bind(threshold)
        .bind(limit)
        .bind(offset)
        .fetch_all()
        .await?;
    Ok((rows, total))
}
