//! Every movement of money, as it happened. Entries are never changed or removed, so a shop's own records can be compared
//! with them to the cent.

use serde::Serialize;

use crate::Provider;

/// Money that was captured. A payment that was captured twice has two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    pub provider: Provider,
    /// The object that the shop created: Stripe's payment intent, PayPal's or Razorpay's order.
    pub transaction: String,
    /// The provider's id of the capture: Stripe's charge, PayPal's capture, Razorpay's payment.
    pub capture: String,
    /// The shop's own id, from the metadata that it sent. Empty if it sent none.
    pub order_id: String,
    /// The shop's own id, from the metadata that it sent. Empty if it sent none.
    pub payment_id: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217, in capitals.
    pub currency: String,
    /// RFC 3339, UTC.
    pub captured_at: String,
}

/// Money that was refunded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    pub provider: Provider,
    /// See [`Capture::transaction`].
    pub transaction: String,
    /// See [`Capture::capture`].
    pub capture: String,
    /// The provider's id of the refund.
    pub refund: String,
    /// See [`Capture::order_id`].
    pub order_id: String,
    /// See [`Capture::payment_id`].
    pub payment_id: String,
    /// In minor units. Negative if the bank returned a refund that had succeeded.
    pub amount: i64,
    /// ISO 4217, in capitals.
    pub currency: String,
    /// RFC 3339, UTC.
    pub refunded_at: String,
}

/// All captures and refunds, the oldest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ledger {
    pub captures: Vec<Capture>,
    pub refunds: Vec<Refund>,
}

impl Ledger {
    pub(super) fn record_capture(&mut self, capture: Capture) {
        self.captures.push(capture);
    }

    pub(super) fn record_refund(&mut self, capture: &Capture, refund_id: &str, amount: i64, refunded_at: String) {
        self.refunds.push(Refund {
            provider: capture.provider,
            transaction: capture.transaction.clone(),
            capture: capture.capture.clone(),
            refund: refund_id.to_owned(),
            order_id: capture.order_id.clone(),
            payment_id: capture.payment_id.clone(),
            amount,
            currency: capture.currency.clone(),
            refunded_at,
        });
    }

    /// How much of a transaction was refunded, in minor units.
    #[must_use]
    pub fn refunded(&self, transaction: &str) -> i64 {
        self.refunds.iter().filter(|refund| refund.transaction == transaction).map(|refund| refund.amount).sum()
    }
}
