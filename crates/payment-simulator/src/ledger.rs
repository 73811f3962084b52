//! The books: every cent that was taken or given back, as it happened. Nothing is ever taken out of them, so whatever a
//! shop believes can be held against them to the cent.

use serde::Serialize;

use super::Provider;

/// Money that was taken. Two for one payment are two here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    pub provider: Provider,
    /// What the shop made to be paid: Stripe's payment intent, PayPal's or Razorpay's order.
    pub transaction: String,
    /// The provider's name for the money that moved: Stripe's charge, PayPal's capture, Razorpay's payment.
    pub capture: String,
    /// The shop's own names, as it told the provider; empty when it did not.
    pub order_id: String,
    pub payment_id: String,
    /// Minor units.
    pub amount: i64,
    /// In capitals.
    pub currency: String,
    pub captured_at: String,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    pub provider: Provider,
    pub transaction: String,
    pub capture: String,
    pub refund: String,
    pub order_id: String,
    pub payment_id: String,
    /// Minor units; below zero where the bank sent it back.
    pub amount: i64,
    pub currency: String,
    pub refunded_at: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Ledger {
    /// The oldest first.
    pub captures: Vec<Capture>,
    pub refunds: Vec<Refund>,
}

impl Ledger {
    pub(super) fn took(&mut self, capture: Capture) {
        self.captures.push(capture);
    }

    pub(super) fn gave_back(&mut self, of: &Capture, refund: &str, amount: i64, at: String) {
        self.refunds.push(Refund {
            provider: of.provider,
            transaction: of.transaction.clone(),
            capture: of.capture.clone(),
            refund: refund.to_owned(),
            order_id: of.order_id.clone(),
            payment_id: of.payment_id.clone(),
            amount,
            currency: of.currency.clone(),
            refunded_at: at,
        });
    }

    /// What of a transaction was given back, in minor units.
    #[must_use]
    pub fn refunded(&self, transaction: &str) -> i64 {
        self.refunds.iter().filter(|refund| refund.transaction == transaction).map(|refund| refund.amount).sum()
    }
}
