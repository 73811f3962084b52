//! A refund in JSON.

use platform::{
    clock::Timestamp,
    money::{Amount, Currency},
};
use poem_openapi::Object;

use super::{Reason, Refund, RefundStatus};
use crate::shop::ids::{PaymentId, RefundId};

/// Money on its way back to the buyer.
#[derive(Object)]
#[oai(rename = "Refund")]
pub struct RefundView {
    id: RefundId,
    /// The id of the payment it gives back.
    payment: PaymentId,
    amount: Amount,
    /// The ISO 4217 code of the amount's currency.
    currency: String,
    /// How far it is. It only moves forward.
    status: RefundStatus,
    reason: Reason,
    /// The provider's id of it.
    transaction_id: Option<String>,
    /// Why it failed, in words; null if it did not.
    failure: Option<String>,
    created_at: Timestamp,
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
