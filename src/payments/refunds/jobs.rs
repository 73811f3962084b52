//! The jobs of refunds. Each calls the provider outside of any transaction, then applies its response.

use std::time::Duration;

use platform::{
    db,
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Refund, RefundStatus, store};
use crate::{
    payments::{
        Payment,
        jobs::{FINAL_AFTER, ONE_CALL, find, provider_of, refresh},
        providers::{ProviderError, RefundReport},
        reconciliation,
    },
    shop::{Queue, Shop, ids::RefundId},
};

/// How long after it was created a refund whose job was lost or given up is sent again.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// Sends a refund to the provider.
#[derive(Serialize, Deserialize)]
pub struct SendRefund {
    pub refund: RefundId,
}

impl Job for SendRefund {
    const NAME: &'static str = "payments.refund";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let refund = store::find(&mut shop.db.read().await?, self.refund).await?;
        let refund = refund.ok_or_else(|| JobError::GiveUp(format!("there is no refund {}", self.refund)))?;
        let payment = find(shop, refund.payment_id).await?;
        let provider = provider_of(shop, &payment)?;
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let is_queued = store::mark_first_call(&mut tx, refund.id, now).await? == 1;
        tx.commit().await?;
        if !is_queued {
            return Ok(());
        }
        let tried_for = refund.first_call_at.map(|first| now.since(first));
        if tried_for.is_some_and(|tried| tried >= provider.idempotency_key_lifetime()) {
            return retrieve_before_sending_again(shop, &payment, &refund).await;
        }
        match provider.create_refund(&payment, &refund).await {
            Ok(report) => apply_report(shop, &payment, &refund, report).await,
            Err(ProviderError::Server(_)) if tried_for.is_some_and(|tried| tried >= FINAL_AFTER) => {
                retrieve_before_sending_again(shop, &payment, &refund).await
            }
            Err(ProviderError::Rejected(reason)) => rejected(shop, &payment, &refund, &reason).await,
            Err(error) => Err(error.into()),
        }
    }
}

/// As for a payment: only a refund that the provider does not have is sent again, under a new key.
async fn retrieve_before_sending_again(shop: &Shop, payment: &Payment, refund: &Refund) -> Result<(), JobError> {
    if is_at_provider(shop, payment, refund).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    store::renew_key(&mut tx, refund).await?;
    tx.commit().await?;
    Err(JobError::Retry("the provider does not know the refund; it will be sent again with a new key".to_owned()))
}

/// Ends a refund that the provider rejects, unless an earlier call has created it. Refunds made in the provider's dashboard
/// are recorded first.
async fn rejected(shop: &Shop, payment: &Payment, refund: &Refund, reason: &str) -> Result<(), JobError> {
    if is_at_provider(shop, payment, refund).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    super::fail(&mut tx, refund.id, &format!("The provider rejected the refund ({reason})."), shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Whether the provider has a refund that was sent without a clear response. What it says of it is applied.
async fn is_at_provider(shop: &Shop, payment: &Payment, refund: &Refund) -> Result<bool, JobError> {
    refresh(shop, payment).await?;
    let current = store::find(&mut shop.db.read().await?, refund.id).await?;
    Ok(current.is_none_or(|refund| refund.status != RefundStatus::Queued))
}

/// # Errors
/// When the provider reports another amount or currency: then nothing is applied.
async fn apply_report(shop: &Shop, payment: &Payment, refund: &Refund, report: RefundReport) -> Result<(), JobError> {
    if let Some(mismatch) = reconciliation::refund_mismatch(payment, refund, &report) {
        return Err(JobError::Retry(mismatch));
    }
    let mut tx = shop.db.write().await?;
    super::apply_report(&mut tx, payment.id, report, shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Enqueues refunds whose job was given up while the provider or its keys were away.
///
/// # Errors
/// [`JobError::Retry`] when the database is unavailable.
pub async fn send_forgotten(shop: &Shop) -> Result<(), JobError> {
    let now = shop.now();
    let mut tx = shop.db.write().await?;
    for refund in store::forgotten(&mut tx, now - FORGOTTEN_AFTER).await? {
        let hour = now.unix_seconds() / 3_600;
        SendRefund { refund }.enqueue_once(&mut tx, format!("payments.refund:{refund}:{hour}"), now).await?;
    }
    Ok(tx.commit().await?)
}

/// Retrieves the payment of a refund that has been processing for long. A check that fails does not stop the others.
///
/// # Errors
/// When the database is unavailable.
pub async fn check(shop: &Shop, refund: &Refund) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_checked(&mut tx, refund.id, shop.now()).await?;
    tx.commit().await?;
    let refreshed = async { refresh(shop, &find(shop, refund.payment_id).await?).await };
    match timeout(ONE_CALL, refreshed).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(refund = %refund.id, %error, "cannot retrieve a refund"),
        Err(_) => tracing::warn!(refund = %refund.id, "timed out retrieving a refund"),
    }
    Ok(())
}
