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

/// A payment. Follow its order's events, or poll it until its status is final.
#[derive(Object)]
#[oai(rename = "Payment")]
pub struct PaymentView {
    /// The id of the payment.
    pub id: PaymentId,
    /// The id of the paid order.
    order: OrderId,
    /// The amount to pay: the order's total.
    amount: Amount,
    /// The amount that the provider received. If it is less than `amount`, the payment is `failed` with the code
    /// `underpaid`, and the money is refunded. If it is more, the surplus is refunded.
    captured: Amount,
    /// The part of `captured` that was refunded. Only refunds with the status `succeeded` count.
    refunded: Amount,
    /// The ISO 4217 code of the currency.
    currency: String,
    /// The payment provider.
    pub(super) provider: Provider,
    /// The status of the payment. It only moves forward.
    status: Status,
    /// The provider's id of the payment; `null` until the provider has accepted it.
    transaction_id: Option<String>,
    /// The client secret for the provider's form in the browser, e.g. Stripe Elements, while the buyer has to act;
    /// otherwise `null`.
    client_secret: Option<String>,
    /// The shop's public key for the provider's form in the browser, e.g. Razorpay's Checkout.js, while the buyer has to
    /// act; otherwise `null`.
    key_id: Option<String>,
    /// The provider's page to redirect the buyer to, e.g. PayPal's, while they have to approve the payment; otherwise
    /// `null`.
    approval_url: Option<String>,
    /// Since when the provider has been processing the payment: the buyer has done their part, and a bank transfer may
    /// take days. `null` if it is not being processed.
    processing_since: Option<Timestamp>,
    /// Why the payment failed; `null` if it did not fail.
    failure: Option<Failure>,
    /// When the payment was created.
    created_at: Timestamp,
    /// When the payment last changed.
    updated_at: Timestamp,
}

/// Why a payment failed.
#[derive(Object)]
#[oai(rename = "PaymentFailure")]
struct Failure {
    /// The error code, in most cases the provider's, e.g. `generic_decline`.
    code: String,
    /// The reason as a text for people.
    message: String,
}

impl PaymentView {
    /// With the public key that the buyer's browser needs.
    #[must_use]
    pub fn of(payment: Payment, shop: &Shop) -> Self {
        let provider = shop.get::<Providers>().get(payment.provider).filter(|_| requires_buyer(&payment));
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
