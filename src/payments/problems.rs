//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::{
    http::{limits, problem::Problem, problem_types::MALFORMED_JSON},
    problem_types,
};

use super::{Error, providers::VerificationError};
use crate::orders::problems::ORDER_CANCELLED;

problem_types! {
    INVALID_SIGNATURE = 400 "invalid_signature",
        "The signature of the webhook does not match its body, the shop's secret or the time.",
        "Check that the shop is configured with the provider's signing secret and that its clock is right. The event \
         was not stored.";
    ALREADY_REFUNDED = 409 "already_refunded",
        "The payment is already fully refunded, or its refunds are in progress.",
        "Nothing. Show the payment.";
    NOT_CAPTURED = 409 "not_captured",
        "The payment has not been captured.",
        "Cancel the order instead of refunding it.";
    ALREADY_PAID = 409 "already_paid",
        "The order is already paid.",
        "Nothing. Show the order.";
    PAYMENT_IN_PROGRESS = 409 "payment_in_progress",
        "Another payment for this order is in progress.",
        "Continue with that payment: find it with `GET /api/payments?order=`.";
    PROVIDER_NOT_CONFIGURED = 422 "provider_not_configured",
        "This payment provider is not configured in the shop.",
        "Offer another payment method.";
    REFUND_EXCEEDS_PAYMENT = 422 "refund_exceeds_payment",
        "The refund exceeds what is left of the captured amount.",
        "Refund a smaller amount: `captured` minus `refunded` minus the refunds that are in progress.";
    PROVIDER_UNAVAILABLE = 503 "provider_unavailable",
        "The payment provider could not be reached to verify the event. The event was not stored.",
        "Send the event again. Providers do so automatically.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::ProviderNotConfigured(_) => PROVIDER_NOT_CONFIGURED.problem(detail),
            Error::OrderCancelled => ORDER_CANCELLED.problem(detail),
            Error::AlreadyPaid => ALREADY_PAID.problem(detail),
            Error::InProgress => PAYMENT_IN_PROGRESS.problem(detail),
            Error::TooManyDeclined { wait } => {
                limits::refused("payments_of_order", "Too many declined payments for this order.", wait)
            }
            Error::NotFound | Error::WebhookNotFound => Self::not_found(),
            Error::NotCaptured(_) => NOT_CAPTURED.problem(detail),
            Error::AlreadyRefunded => ALREADY_REFUNDED.problem(detail),
            Error::RefundExceedsPayment { .. } => REFUND_EXCEEDS_PAYMENT.problem(detail),
            Error::MalformedWebhook => MALFORMED_JSON.problem(detail),
            Error::Database(error) => error.into(),
        }
    }
}

impl From<VerificationError> for Problem {
    fn from(error: VerificationError) -> Self {
        let detail = error.to_string();
        match error {
            VerificationError::InvalidSignature => INVALID_SIGNATURE.problem(detail),
            VerificationError::NotConfigured(_) => PROVIDER_NOT_CONFIGURED.problem(detail),
            VerificationError::Unavailable => PROVIDER_UNAVAILABLE.problem(detail),
        }
    }
}
