//! What the buyer and their bank do, and the checkout page.

use platform::clock::Timestamp;

use super::{Order, Payment, PaymentStatus, events};
use crate::{
    context::Context,
    credentials,
    provider_api::{BuyerAction, CheckoutPage, Redirect, format_amount},
    webhooks::hmac_hex,
};

impl Order {
    /// The buyer pays, or the bank confirms or rejects the pending payment.
    pub(super) fn pay(&mut self, action: &BuyerAction, context: &mut Context) -> Result<Payment, String> {
        if self.has_captured_payment() {
            return Err(format!("{} is already paid.", self.id));
        }
        let now = context.now();
        let mut payment = self.payment_for(action, now)?;
        let (status, kinds): (_, &[&str]) = match action {
            _ if context.is_declined() => (PaymentStatus::Failed, &["payment.failed"]),
            BuyerAction::Pay { .. } => {
                (PaymentStatus::Captured, &["payment.authorized", "payment.captured", "order.paid"])
            }
            BuyerAction::PayLater => (PaymentStatus::Authorized, &["payment.authorized"]),
            BuyerAction::BankClears => (PaymentStatus::Captured, &["payment.captured", "order.paid"]),
            _ => (PaymentStatus::Failed, &["payment.failed"]),
        };
        payment.status = status;
        payment.amount = context.amount_to_capture(self.amount);
        if status == PaymentStatus::Captured {
            context.ledger.record_capture(self.ledger_capture(&payment, now));
        }
        self.payments.push(payment.clone());
        for kind in kinds.iter().filter(|kind| **kind != "order.paid" || self.is_paid()) {
            context.emit(events::event(kind, self, None, now));
        }
        Ok(payment)
    }

    /// Removes and returns the pending payment if the bank decides on it; otherwise creates a payment.
    fn payment_for(&mut self, action: &BuyerAction, now: Timestamp) -> Result<Payment, String> {
        let is_of_bank = matches!(action, BuyerAction::BankClears | BuyerAction::BankBounces);
        match (is_of_bank, self.is_pending()) {
            (true, false) => Err(format!("{} has no pending payment.", self.id)),
            (false, true) => Err(format!("{} has a pending payment.", self.id)),
            (true, true) => self.payments.pop().ok_or_else(|| format!("{} has no pending payment.", self.id)),
            (false, false) => Ok(Payment::new(PaymentStatus::Failed, self.amount, now)),
        }
    }

    fn is_pending(&self) -> bool {
        self.payments.last().is_some_and(|payment| payment.status == PaymentStatus::Authorized)
    }

    pub(super) fn checkout_page(&self) -> CheckoutPage {
        CheckoutPage {
            id: self.id.clone(),
            amount: format_amount(self.amount, &self.currency),
            currency: self.currency.clone(),
            status: self.status().to_owned(),
            is_open: !self.has_captured_payment() && !self.is_pending(),
            is_pending: self.is_pending(),
            has_pending_refund: self.payments.iter().any(Payment::has_pending_refund),
            accepts_test_cards: false,
        }
    }
}

/// What Razorpay's checkout passes to the shop's page. The shop's server verifies the signature.
pub(super) fn redirect(order_id: &str, payment: &Payment) -> Redirect {
    let params = if payment.status == PaymentStatus::Failed {
        vec![("error", "payment_failed".to_owned())]
    } else {
        let signature = hmac_hex(credentials::RAZORPAY_KEY_SECRET, &format!("{order_id}|{}", payment.id));
        vec![
            ("razorpay_payment_id", payment.id.clone()),
            ("razorpay_order_id", order_id.to_owned()),
            ("razorpay_signature", signature),
        ]
    };
    Redirect { url: None, params }
}
