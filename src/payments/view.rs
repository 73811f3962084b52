//! A payment in JSON: in responses, and in the events of its order.

use platform::{clock::Timestamp, money::Amount};
use poem_openapi::{Object, types::ToJSON};

use super::{
    Payment, Status,
    providers::{PaymentProvider, Providers},
};
use crate::shop::{
    Provider, Shop,
    ids::{OrderId, PaymentId},
};

/// A payment. Follow it by the events of its order, or ask for it again until its status is final.
#[derive(Object)]
#[oai(rename = "Payment")]
pub struct PaymentView {
    pub id: PaymentId,
    /// The id of the order it pays.
    order: OrderId,
    /// The order's total.
    amount: Amount,
    /// How much the provider received. Less than `amount` does not pay the order: the payment is `failed`, its code is
    /// `underpaid`, and the money goes back. What is more than `amount` goes back, too.
    captured: Amount,
    /// How much of that has gone back to the buyer. A refund counts when its money has arrived.
    refunded: Amount,
    /// The ISO 4217 code of the amount's currency.
    currency: String,
    /// Who takes the money.
    pub(super) provider: Provider,
    /// How far it is. It only moves forward.
    status: Status,
    /// The provider's id of it.
    transaction_id: Option<String>,
    /// For Stripe Elements, while the buyer has to act; else null.
    client_secret: Option<String>,
    /// The shop's public key at Razorpay, for Checkout.js, while the buyer has to act; else null.
    key_id: Option<String>,
    /// Where to send the buyer to agree, at PayPal, while they have to; else null.
    approval_url: Option<String>,
    /// Since when the provider, which has accepted it, is processing it: the buyer has done their part, and a bank takes its
    /// time, for days perhaps. Null: it is not.
    processing_since: Option<Timestamp>,
    /// Why it failed; null if it did not.
    failure: Option<Failure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Why a payment failed.
#[derive(Object)]
#[oai(rename = "PaymentFailure")]
struct Failure {
    /// The provider's code, e.g. `generic_decline`.
    code: String,
    /// The same in words.
    message: String,
}

impl PaymentView {
    /// With the public key that the buyer's browser needs.
    #[must_use]
    pub fn of(payment: Payment, shop: &Shop) -> Self {
        let provider = shop.part::<Providers>().get(payment.provider).filter(|_| requires_buyer(&payment));
        let key_id = provider.and_then(PaymentProvider::publishable_key).map(ToOwned::to_owned);
        Self { key_id, ..Self::from(payment) }
    }
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        let requires_buyer = requires_buyer(&payment);
        let failure =
            payment.failure_code.map(|code| Failure { code, message: payment.failure_message.unwrap_or_default() });
        Self {
            id: payment.id,
            order: payment.order_id,
            amount: payment.currency.format(payment.amount),
            captured: payment.currency.format(payment.captured),
            refunded: payment.currency.format(payment.refunded),
            currency: payment.currency.to_string(),
            provider: payment.provider,
            status: payment.status,
            transaction_id: payment.transaction_id,
            client_secret: payment.client_secret.filter(|_| requires_buyer),
            key_id: None,
            approval_url: payment.approval_url.filter(|_| requires_buyer),
            processing_since: payment.processing_since,
            failure,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

/// A payment as subscribers to its order see it. Without what lets the buyer pay: events are stored, so that is read at the
/// payment itself.
#[must_use]
pub fn snapshot(payment: Payment) -> String {
    PaymentView::from(Payment { client_secret: None, approval_url: None, ..payment }).to_json_string()
}

fn requires_buyer(payment: &Payment) -> bool {
    payment.status == Status::RequiresAction && payment.processing_since.is_none()
}
