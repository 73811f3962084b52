//! The events of an order, for clients that subscribe to it.
//!
//! Every change of an order or of one of its payments inserts an event with the JSON of the new state, in the transaction of
//! the change and while the order's row is locked. So the ids of one order's events grow in the order of their commits, and a
//! client that has received one of them has received all smaller ones.
//!
//! A stream stores nothing in the database. It has the id of the last event it sent, waits for a notice that its order
//! changed ([`subscribers`]), and reads the events after that id ([`stream`]). A notice too many costs a query; after a lost
//! one the stream reads again within seconds.
//!
//! An event contains the whole order, so a client that changes the address again and again would fill the database with
//! copies. A change of the address within a second of the order's last event replaces that event, under a new id: a client
//! that received the replaced event reads on, or begins again with the current state.

mod store;
pub mod stream;
pub mod subscribers;

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    text_enum,
};
use poem_openapi::types::ToJSON;

use super::{
    Hooks, Line, Order,
    view::{self, OrderView},
};
use crate::shop::ids::OrderId;

/// An event younger than this is replaced by a change of the address.
const REPLACED_WITHIN: Duration = Duration::from_secs(1);

text_enum! {
    /// What an event is about.
    pub enum Kind { Order = "order", Payment = "payment" }
}

/// An event to be sent.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// The client sends it to continue after this event. Of the events of the current state only the last has one.
    pub id: Option<i64>,
    pub kind: Kind,
    /// The order or payment in JSON, after the change.
    pub data: String,
}

/// Publishes the state of an order, and returns it. The order must be locked, or new.
///
/// # Errors
/// When the database is unavailable.
pub async fn publish_order(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    let lines = super::lines(tx, order.id).await?;
    publish_new_order(tx, order, lines, now).await
}

/// The same of an order that has these lines.
///
/// # Errors
/// When the database is unavailable.
pub async fn publish_new_order(tx: &mut Tx, order: Order, lines: Vec<Line>, now: Timestamp) -> Result<OrderView> {
    let (id, changed) = (order.id, view::with_lines(order, lines));
    insert(tx, id, Kind::Order, changed.to_json_string(), now).await?;
    Ok(changed)
}

/// The same after a change of its address alone.
///
/// # Errors
/// When the database is unavailable.
pub async fn publish_address(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    store::delete_last(tx, order.id, now - REPLACED_WITHIN).await?;
    publish_order(tx, order, now).await
}

/// Publishes the state of a payment, in JSON. Its order must be locked.
///
/// # Errors
/// When the database is unavailable.
pub async fn publish_payment(tx: &mut Tx, order: OrderId, payment: String, now: Timestamp) -> Result<()> {
    insert(tx, order, Kind::Payment, payment, now).await
}

async fn insert(tx: &mut Tx, order: OrderId, kind: Kind, data: String, now: Timestamp) -> Result<()> {
    store::insert(tx, order, kind, data, now).await?;
    tx.notify(subscribers::notice(order));
    Ok(())
}

/// The first events of a stream, and the id it continues from: the events after `last_seen`, or, when the order has no such
/// event (any more), its current state.
async fn initial_events(
    tx: &mut Tx,
    hooks: &Hooks,
    order: Order,
    last_seen: Option<&str>,
) -> Result<(i64, Vec<Event>)> {
    let named = last_seen.and_then(|id| id.trim().parse().ok());
    if let Some(id) = named
        && store::exists(tx, order.id, id).await?
    {
        let missed = store::after(tx, order.id, id).await?;
        return Ok((missed.last().and_then(|event| event.id).unwrap_or(id), missed));
    }
    let newest = store::newest(tx, order.id).await?;
    let mut events = current_state(tx, hooks, order).await?;
    // A client that loses the connection before it has all of them begins again.
    if let Some(last) = events.last_mut() {
        last.id = newest;
    }
    Ok((newest.unwrap_or(0), events))
}

async fn current_state(tx: &mut Tx, hooks: &Hooks, order: Order) -> Result<Vec<Event>> {
    let payments = (hooks.payment_snapshots)(tx, order.id).await?;
    let order = view::order(tx, order).await?.to_json_string();
    let event = |kind, data| Event { id: None, kind, data };
    let payments = payments.into_iter().map(|payment| event(Kind::Payment, payment));
    Ok(std::iter::once(event(Kind::Order, order)).chain(payments).collect())
}
