//! A refund in JSON.

use platform::{
    clock::Timestamp,
    money::{Amount, Currency},
};
use poem_openapi::Object;

use super::{Reason, Refund, RefundStatus};
use crate::shop::ids::{PaymentId, RefundId};

/// A refund of a payment.
#[derive(Object)]
#[oai(rename = "Refund")]
pub struct RefundView {
    /// The id of the refund.
    id: RefundId,
    /// The id of the refunded payment.
    payment: PaymentId,
    /// The refunded amount.
    amount: Amount,
    /// The ISO 4217 code of the currency.
    currency: String,
    /// The status of the refund.
    status: RefundStatus,
    /// Why the money is refunded.
    reason: Reason,
    /// The provider's id of the refund; `null` until the provider has accepted it.
    transaction_id: Option<String>,
    /// Why the refund failed, as a text for people; `null` if it did not fail.
    failure: Option<String>,
    /// When the refund was created.
    created_at: Timestamp,
    /// When the refund last changed.
    updated_at: Timestamp,
}

impl RefundView {
    #[must_use]
    pub fn of(refund: Refund, currency: Currency) -> Self {
        Self {
            id: refund.id,
            payment: refund.payment_id,
            amount: currency.format(refund.amount),
            currency: currency.to_string(),
            status: refund.status,
            reason: refund.reason,
            transaction_id: refund.transaction_id,
            failure: refund.failure,
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        }
    }
}
