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
        "A webhook's signature does not fit its body, our secret or the time.",
        "Check that the provider signs with the secret this shop was given, and that both clocks are right. Nothing \
         was kept.";
    ALREADY_REFUNDED = 409 "already_refunded",
        "All of the payment has gone back, or is on its way.",
        "Show the payment; there is nothing left to refund.";
    NOT_CAPTURED = 409 "not_captured",
        "The payment has taken no money.",
        "Cancel the order instead of refunding it.";
    ALREADY_PAID = 409 "already_paid",
        "The order is paid.",
        "Show the customer the order; there is nothing to do.";
    PAYMENT_IN_PROGRESS = 409 "payment_in_progress",
        "A payment of this order is open.",
        "Finish that one: `GET /api/payments?order=` shows it.";
    PROVIDER_NOT_CONFIGURED = 422 "provider_not_configured",
        "This shop does not take payments through that provider.",
        "Offer another payment method.";
    REFUND_EXCEEDS_PAYMENT = 422 "refund_exceeds_payment",
        "More is to go back than is left of what was captured.",
        "Ask for less: the payment shows what was `captured` and what of that is `refunded`; a refund that is on its \
         way counts as gone.";
    PROVIDER_UNAVAILABLE = 503 "provider_unavailable",
        "The payment provider, which must be asked whether an event is its own, does not answer; nothing was kept.",
        "Send the event again, as providers do by themselves.";
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
                limits::refused("payments_of_order", "Too many payments of this order were declined.", wait)
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
