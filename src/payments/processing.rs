//! Payments that the provider has accepted and is processing, e.g. a SEPA debit at Stripe, a pending capture at PayPal, or
//! what Razorpay has authorized. The buyer has done their part, and a bank takes minutes or days.
//!
//! Such a payment holds its order for `PAYMENT_PROCESSING_LIMIT`: meanwhile the order cannot be paid a second time.
//! What decides is the provider's report, not the payment's status: a payment that was just sent and has no response yet
//! holds nothing, and one that waits for its buyer or was declined may still be accepted, on the provider's own page. The
//! time is stored in `processing_since`. A payment that ended in the shop keeps it until the provider reports the end, so
//! that it is checked, and its money is refunded if it arrives.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    money::Money,
};

use super::{Outcome, Payment, Status, fail_order_payment, settings::Settings, store};
use crate::{
    orders::{self, Order, OrderStatus, PaymentStatus},
    shop::Shop,
};

/// For how long a payment that the provider is processing is checked as often as any other.
pub const FRESH: Duration = Duration::from_hours(1);
/// How often after that. A bank takes days, and the webhook usually comes first.
pub const CHECK_STALE_EVERY: Duration = Duration::from_mins(10);

impl Payment {
    /// Whether the provider is processing it and the order waits for that.
    #[must_use]
    pub fn holds_its_order(&self) -> bool {
        self.processing_since.is_some() && (self.status.is_open() || self.status == Status::Failed)
    }

    /// Whether it has waited too long for the bank that is processing it, or for the buyer to pay.
    pub(super) fn takes_too_long(&self, shop: &Shop, now: Timestamp) -> bool {
        match self.processing_since {
            Some(since) => self.status.is_open() && now.since(since) >= shop.get::<Settings>().processing_limit,
            None => {
                self.status == Status::RequiresAction
                    && now.since(self.created_at) >= shop.get::<orders::Settings>().reservation_ttl
            }
        }
    }
}

/// Stores whether the provider is processing a payment. Its order is reserved meanwhile, and afterwards for as long as any
/// unpaid order.
pub(super) async fn update(
    tx: &mut Tx,
    shop: &Shop,
    order: &Order,
    payment: &Payment,
    outcome: &Outcome,
    now: Timestamp,
) -> db::Result<()> {
    let is_processing = match outcome {
        Outcome::Processing | Outcome::Authorized => payment.provider.is_online() && payment.captured == Money(0),
        Outcome::RequiresAction | Outcome::Approved => return Ok(()), // late: it was so before
        Outcome::Captured(_) | Outcome::Failed { .. } | Outcome::Cancelled => false,
    };
    match (payment.processing_since, is_processing) {
        (None, true) => start(tx, shop, order, payment, now).await,
        (Some(_), false) => stop(tx, shop, order, payment, outcome, now).await,
        _ => Ok(()),
    }
}

async fn start(tx: &mut Tx, shop: &Shop, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    store::set_processing(tx, payment.id, Some(now), now).await?;
    if payment.status == Status::Cancelled || order.status == OrderStatus::Cancelled {
        return Ok(());
    }
    if order.payment_status == PaymentStatus::Failed {
        orders::set_payment_status(tx, order.id, PaymentStatus::Processing, now).await?;
    }
    orders::set_reservation_end(tx, order.id, now + shop.get::<Settings>().processing_limit).await.map(drop)
}

async fn stop(
    tx: &mut Tx,
    shop: &Shop,
    order: &Order,
    payment: &Payment,
    outcome: &Outcome,
    now: Timestamp,
) -> db::Result<()> {
    store::set_processing(tx, payment.id, None, now).await?;
    let paid = outcome.received().is_some_and(|received| received >= payment.amount);
    if paid || !payment.holds_its_order() {
        return Ok(());
    }
    orders::set_reservation_end(tx, order.id, now + shop.get::<orders::Settings>().reservation_ttl).await?;
    fail_order_payment(tx, order, payment, now).await
}
