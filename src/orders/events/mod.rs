//! What happens to an order, for pages that follow it.
//!
//! Every change of an order or of one of its payments writes an event: the JSON that the change left behind, in the
//! transaction of the change and while the order's row is locked. So the ids of one order's events grow in the order of
//! their commits, and a reader who has seen one of them has seen all smaller ones.
//!
//! A reader keeps nothing in the database. It holds the id it saw last, waits for a word that its order changed
//! ([`followers`]), and reads on from there ([`stream`]); a word too many costs a query, and one that got lost is made
//! up for by looking now and then.
//!
//! An event has all of the order, so whoever changes its address again and again would fill the database with copies. An
//! address that is changed within a second of the order's last event takes that event's place, under an id of its own: who
//! has seen the earlier one reads on, or begins anew, and nobody misses how things stand.

pub mod followers;
mod store;
pub mod stream;

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    text_enum,
};
use poem_openapi::types::ToJSON;

use super::{
    Hooks, Order,
    view::{self, OrderView},
};
use crate::shop::ids::OrderId;

/// How young an event is whose place another address takes.
const REPLACED_WITHIN: Duration = Duration::from_secs(1);

text_enum! {
    /// What an event is about.
    pub enum Kind { Order = "order", Payment = "payment" }
}

/// An event on its way to a reader.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// What a reader names to go on from here; the state at the start has it on its last event only.
    pub id: Option<i64>,
    pub kind: Kind,
    /// The order or payment in JSON, as it was at that moment.
    pub data: String,
}

/// Tells the order's readers how it stands now, and the caller too. The order is locked, or new.
pub async fn order_changed(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    let (id, changed) = (order.id, view::order(tx, order).await?);
    write(tx, id, Kind::Order, changed.to_json_string(), now).await?;
    Ok(changed)
}

/// The same when only its address has changed, as often as anybody likes.
pub async fn address_changed(tx: &mut Tx, order: Order, now: Timestamp) -> Result<OrderView> {
    store::delete_last(tx, order.id, now - REPLACED_WITHIN).await?;
    order_changed(tx, order, now).await
}

/// Tells the order's readers how one of its payments stands now, in JSON. The order is locked.
pub async fn payment_changed(tx: &mut Tx, order: OrderId, payment: String, now: Timestamp) -> Result<()> {
    write(tx, order, Kind::Payment, payment, now).await
}

async fn write(tx: &mut Tx, order: OrderId, kind: Kind, data: String, now: Timestamp) -> Result<()> {
    store::insert(tx, order, kind, data, now).await?;
    tx.notify(followers::notice(order));
    Ok(())
}

/// What a reader gets first, and the id it goes on from: everything after the event it names, or, when there is no such
/// event of this order (any more), how things stand.
async fn start(tx: &mut Tx, hooks: &Hooks, order: Order, last_seen: Option<&str>) -> Result<(i64, Vec<Event>)> {
    let named = last_seen.and_then(|id| id.trim().parse().ok());
    if let Some(id) = named
        && store::exists(tx, order.id, id).await?
    {
        let missed = store::after(tx, order.id, id).await?;
        return Ok((missed.last().and_then(|event| event.id).unwrap_or(id), missed));
    }
    let newest = store::newest(tx, order.id).await?;
    let mut events = standing(tx, hooks, order).await?;
    // A reader that loses us before it has all of it starts again.
    if let Some(last) = events.last_mut() {
        last.id = newest;
    }
    Ok((newest.unwrap_or(0), events))
}

async fn standing(tx: &mut Tx, hooks: &Hooks, order: Order) -> Result<Vec<Event>> {
    let payments = (hooks.payments)(tx, order.id).await?;
    let order = view::order(tx, order).await?.to_json_string();
    let standing = |kind, data| Event { id: None, kind, data };
    let payments = payments.into_iter().map(|payment| standing(Kind::Payment, payment));
    Ok(std::iter::once(standing(Kind::Order, order)).chain(payments).collect())
}
