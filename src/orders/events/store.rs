//! The SQL of events.

use platform::{
    clock::Timestamp,
    db::{Db, Result, Tx},
};

use super::{Event, Kind};
use crate::shop::ids::OrderId;

/// How many events are read at once.
pub const BATCH: usize = 100;

pub async fn insert(tx: &mut Tx, order: OrderId, kind: Kind, data: String, now: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO order_events (order_id, kind, data, created_at) VALUES ($1, $2, $3, $4)")
        .bind(order)
        .bind(kind)
        .bind(data)
        .bind(now)
        .execute()
        .await
}

/// Deletes the last event of an order if it is about the order itself and younger than `since`.
pub async fn delete_last(tx: &mut Tx, order: OrderId, since: Timestamp) -> Result<u64> {
    tx.query(
        "DELETE FROM order_events
         WHERE id = (SELECT MAX(id) FROM order_events WHERE order_id = $1) AND kind = 'order' AND created_at > $2",
    )
    .bind(order)
    .bind(since)
    .execute()
    .await
}

pub async fn exists(tx: &mut Tx, order: OrderId, id: i64) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query("SELECT id FROM order_events WHERE id = $1 AND order_id = $2")
        .bind(id)
        .bind(order)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

pub async fn newest(tx: &mut Tx, order: OrderId) -> Result<Option<i64>> {
    let (id,) = tx.query("SELECT MAX(id) FROM order_events WHERE order_id = $1").bind(order).fetch_one().await?;
    Ok(id)
}

/// The next [`BATCH`] after an event.
pub async fn after(tx: &mut Tx, order: OrderId, id: i64) -> Result<Vec<Event>> {
    tx.query("SELECT id, kind, data FROM order_events WHERE order_id = $1 AND id > $2 ORDER BY id LIMIT 100")
        .bind(order)
        .bind(id)
        .fetch_all()
        .await
}

/// The newest event of all orders.
pub async fn newest_of_all(db: &Db) -> Result<i64> {
    let (id,) = db.query("SELECT CAST(COALESCE(MAX(id), 0) AS BIGINT) FROM order_events").fetch_one().await?;
    Ok(id)
}

/// What happened to any order after an event, a thousand at most.
pub async fn of_all_after(db: &Db, id: i64) -> Result<Vec<(i64, OrderId)>> {
    db.query("SELECT id, order_id FROM order_events WHERE id > $1 ORDER BY id LIMIT 1000").bind(id).fetch_all().await
}
