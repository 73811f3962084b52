//! Cash on delivery: no provider is called. The promise to pay is the payment; handing over the parcel captures it.

use std::time::Duration;

use async_trait::async_trait;
use platform::clock::Timestamp;
use poem::http::HeaderMap;
use serde_json::Value;

use super::{
    PaymentProvider, ProviderResult, RefundOutcome, RefundReport, Report, VerificationError, WebhookEvent,
    WebhookSubject,
};
use crate::payments::{Payment, refunds::Refund};

pub struct Cash;

#[async_trait]
impl PaymentProvider for Cash {
    fn idempotency_key_lifetime(&self) -> Duration {
        Duration::MAX // no key is ever sent
    }

    async fn create_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        Ok(Report::processing(payment))
    }

    async fn capture_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        self.create_payment(payment).await
    }

    async fn retrieve_payment(&self, _: &Payment) -> ProviderResult<Option<Report>> {
        Ok(None)
    }

    /// Somebody hands the money over; the shop only knows that they were asked to.
    async fn create_refund(&self, payment: &Payment, refund: &Refund) -> ProviderResult<RefundReport> {
        Ok(RefundReport {
            refund: Some(refund.id),
            transaction_id: None,
            outcome: RefundOutcome::Succeeded,
            amount: refund.amount,
            currency: payment.currency.to_string(),
        })
    }

    async fn verify_webhook(&self, _: &HeaderMap, _: &[u8], _: Timestamp) -> Result<WebhookEvent, VerificationError> {
        Err(VerificationError::InvalidSignature)
    }

    fn webhook_subject(&self, _: &Value) -> Option<WebhookSubject> {
        None
    }
}
