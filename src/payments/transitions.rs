//! What follows when a payment moves to another state: for its order, for its money, and for subscribers to its order.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    money::Money,
};

use super::{
    Failure, Outcome, Payment, PaymentState, Status, attempts, jobs,
    refunds::{self, Reason},
    store, view,
};
use crate::{
    orders::{self, Order, OrderStatus, PaymentStatus, events},
    shop::ids::PaymentId,
};

/// Locks the order first, then the payment, as all code does, so that there is no deadlock.
pub async fn lock(tx: &mut Tx, id: PaymentId) -> db::Result<Option<(Order, Payment)>> {
    let Some(payment) = store::find(tx, id).await? else { return Ok(None) };
    let Some(order) = orders::lock(tx, payment.order_id).await? else { return Ok(None) };
    Ok(store::lock(tx, id).await?.map(|payment| (order, payment)))
}

/// Moves a payment to a state, with what follows for its order, and publishes what changed.
pub async fn transition(
    tx: &mut Tx,
    order: Order,
    payment: Payment,
    to: PaymentState,
    failure: Option<Failure>,
    now: Timestamp,
) -> db::Result<()> {
    let from = payment.state();
    if to != from {
        let failure = failure.filter(|_| to.status == Status::Failed);
        if let Some(failure) = failure.as_ref().filter(|_| from.status != Status::Failed) {
            attempts::count_failed(payment.provider, &failure.code);
        }
        store::set_state(tx, payment.id, to, failure, now).await?;
        apply_effects(tx, &order, &payment, to, now).await?;
    }
    publish_changes(tx, order, payment, now).await
}

async fn apply_effects(
    tx: &mut Tx,
    order: &Order,
    payment: &Payment,
    to: PaymentState,
    now: Timestamp,
) -> db::Result<()> {
    if to.captured > payment.captured || (to.status.is_captured() && !payment.status.is_captured()) {
        money_received(tx, order, payment, to, now).await?;
    }
    match to.status {
        known if known == payment.status => Ok(()),
        Status::Processing if !payment.provider.is_online() => cash_promised(tx, order, now).await,
        Status::Failed | Status::Cancelled => fail_order_payment(tx, order, payment, now).await,
        Status::Refunded => money_returned(tx, order, payment, now).await,
        _ => Ok(()),
    }
}

/// Cash will be paid at the door, or was, if the parcel has been handed over.
async fn cash_promised(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    match order.status {
        OrderStatus::Delivered => super::order_delivered(tx, order, now).await,
        _ => orders::confirm(tx, order, now).await,
    }
}

/// An order that is waiting for its total accepts that amount; all money beyond it is refunded.
pub async fn money_received(
    tx: &mut Tx,
    order: &Order,
    before: &Payment,
    to: PaymentState,
    now: Timestamp,
) -> db::Result<()> {
    let payment = Payment { captured: to.captured, refunded: to.refunded, status: to.status, ..before.clone() };
    let waits = order.status != OrderStatus::Cancelled && !order.payment_status.is_settled();
    let (keeps, why) = match () {
        () if before.captured > Money(0) => (before.captured, Reason::Overpaid), // more, after it was captured
        () if !to.status.is_captured() => (Money(0), Reason::Underpaid),
        () if waits => (payment.amount, Reason::Overpaid),
        () => (Money(0), Reason::LateMoney),
    };
    if keeps != to.captured {
        tracing::warn!(
            payment = %payment.id, order = %order.id, asked = payment.amount.0, received = to.captured.0, %why,
            "received money that the order cannot accept; refunding it"
        );
    }
    if waits && keeps == payment.amount {
        mark_order_paid(tx, order, now).await?;
    }
    refunds::refund_all_but(tx, &payment, keeps, why, now).await
}

async fn mark_order_paid(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    orders::set_payment_status(tx, order.id, PaymentStatus::Paid, now).await?;
    orders::confirm(tx, order, now).await?;
    for other in store::lock_of_order(tx, order.id).await? {
        cancel_open(tx, other, now).await?; // another attempt was captured, so this one must not be paid as well
    }
    Ok(())
}

/// Cancels a payment that is open, here and at the provider. Whether it was open.
pub async fn cancel_open(tx: &mut Tx, payment: Payment, now: Timestamp) -> db::Result<bool> {
    if !payment.status.is_open() {
        return Ok(false);
    }
    let state = payment.state().after(payment.amount, &Outcome::Cancelled);
    store::set_state(tx, payment.id, state, None, now).await?;
    if payment.provider.is_online() && payment.was_sent() {
        jobs::Cancel { payment: payment.id }.enqueue(tx, now).await?;
    }
    publish_payment_if_changed(tx, payment, now).await?;
    Ok(true)
}

/// A payment ended without money: the order's payment has failed, unless another attempt is in progress.
pub async fn fail_order_payment(tx: &mut Tx, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    let goes_on = |other: &Payment| other.id != payment.id && (other.status.is_open() || other.holds_its_order());
    if order.payment_status != PaymentStatus::Processing || store::of_order(tx, order.id).await?.iter().any(goes_on) {
        return Ok(());
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Failed, now).await.map(drop)
}

/// All the money of a payment was refunded. An order that has not shipped is cancelled.
async fn money_returned(tx: &mut Tx, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    let paid_by_another = store::of_order(tx, order.id)
        .await?
        .into_iter()
        .any(|other| other.id != payment.id && matches!(other.status, Status::Captured | Status::PartiallyRefunded));
    if paid_by_another {
        return Ok(());
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Refunded, now).await?;
    orders::jobs::CancelRefunded { order: order.id }.enqueue(tx, now).await
}

/// Publishes what became of an order and a payment since they were locked.
async fn publish_changes(tx: &mut Tx, order: Order, payment: Payment, now: Timestamp) -> db::Result<()> {
    publish_payment_if_changed(tx, payment, now).await?;
    orders::publish_if_changed(tx, order, now).await.map(drop)
}

/// Publishes a snapshot of a payment to subscribers of its order, which is locked.
pub async fn publish(tx: &mut Tx, payment: Payment, now: Timestamp) -> db::Result<()> {
    events::publish_payment(tx, payment.order_id, view::snapshot(payment), now).await
}

pub async fn publish_payment_if_changed(tx: &mut Tx, before: Payment, now: Timestamp) -> db::Result<()> {
    match store::find(tx, before.id).await?.filter(|payment| *payment != before) {
        Some(payment) => publish(tx, payment, now).await,
        None => Ok(()),
    }
}
