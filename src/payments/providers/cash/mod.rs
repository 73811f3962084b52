//! Cash on delivery: nobody outside is asked. The promise to pay is the payment, the parcel handed over captures it.

use std::time::Duration;

use async_trait::async_trait;
use platform::clock::Timestamp;
use poem::http::HeaderMap;
use serde_json::Value;

use super::{
    Payment,
    gateway::{Answer, Disbelief, Event, Gateway, RefundOutcome, RefundReport, Report, Subject},
    refunds::Refund,
};

pub struct Cash;

#[async_trait]
impl Gateway for Cash {
    fn key_life(&self) -> Duration {
        Duration::MAX // nothing is sent twice, because nothing is sent
    }

    async fn create(&self, payment: &Payment) -> Answer<Report> {
        Ok(Report::of(payment))
    }

    async fn capture(&self, payment: &Payment) -> Answer<Report> {
        self.create(payment).await
    }

    async fn look_up(&self, _: &Payment) -> Answer<Option<Report>> {
        Ok(None)
    }

    /// Somebody hands it over; that it is asked for is all that can be known.
    async fn refund(&self, payment: &Payment, refund: &Refund) -> Answer<RefundReport> {
        Ok(RefundReport {
            refund: Some(refund.id),
            transaction_id: None,
            outcome: RefundOutcome::Succeeded,
            amount: refund.amount,
            currency: payment.currency.to_string(),
        })
    }

    async fn believe(&self, _: &HeaderMap, _: &[u8], _: Timestamp) -> Result<Event, Disbelief> {
        Err(Disbelief::InvalidSignature)
    }

    fn subject(&self, _: &Value) -> Option<Subject> {
        None
    }
}
