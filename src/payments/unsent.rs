//! Payments whose job was lost, discarded by an admin, or given up. They would stay open for ever, and their order could
//! not be paid in another way.
//!
//! They fail, so that the buyer or an admin can try again. They are not sent again: an admin who discarded the job did not
//! want that, and a saved card must not be charged hours after its owner left. A payment that the provider may know is
//! retrieved first.

use std::time::{Duration, Instant};

use platform::{
    db,
    jobs::{self, JobError},
};
use tokio::time::timeout;

use super::{Payment, Status, jobs as payment_jobs, settings::Settings, store};
use crate::shop::{Shop, ids::PaymentId};

/// The key of the one job that sends a payment.
pub fn key(payment: PaymentId) -> String {
    format!("payments.pay:{payment}")
}

/// Fails those created longer ago than `PAYMENT_CHECK_AFTER`. Stops after `limit`; the next run does the rest.
pub async fn fail_all(shop: &Shop, limit: Duration) -> Result<(), JobError> {
    let began = Instant::now();
    let mut last = PaymentId::NONE;
    while began.elapsed() < limit {
        let mut tx = shop.db.read().await?;
        let queued = store::queued(&mut tx, last, shop.now() - shop.get::<Settings>().check_after).await?;
        let Some(end) = queued.last() else { break };
        last = end.id;
        let mut unsent = Vec::new();
        for payment in queued {
            if !jobs::is_unfinished(&mut tx, &key(payment.id)).await? {
                unsent.push(payment);
            }
        }
        drop(tx);
        for payment in unsent.iter().take_while(|_| began.elapsed() < limit) {
            fail_unless_known(shop, payment).await?;
        }
    }
    Ok(())
}

/// One that cannot be retrieved now is failed by a later run.
async fn fail_unless_known(shop: &Shop, payment: &Payment) -> db::Result<()> {
    match timeout(payment_jobs::ONE_CALL, is_at_provider(shop, payment)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => fail(shop, payment).await,
        Ok(Err(error)) => {
            tracing::warn!(payment = %payment.id, %error, "cannot check whether the provider has a payment without a job");
            Ok(())
        }
        Err(_) => {
            tracing::warn!(payment = %payment.id, "timed out checking whether the provider has a payment without a job");
            Ok(())
        }
    }
}

/// Whether the provider has it after all. If so, its report is applied.
async fn is_at_provider(shop: &Shop, payment: &Payment) -> Result<bool, JobError> {
    if !payment.was_sent() {
        return Ok(false);
    }
    let provider = payment_jobs::provider_of(shop, payment)?;
    let Some(report) = provider.retrieve_payment(payment).await? else { return Ok(false) };
    payment_jobs::apply_report(shop, provider, payment, report).await?;
    Ok(true)
}

async fn fail(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let locked = super::lock(&mut tx, payment.id).await?;
    if locked.is_some_and(|(_, payment)| payment.status == Status::Queued) {
        tracing::warn!(payment = %payment.id, "no job sends a payment any more; ending it");
        let message = "The payment was not sent to the provider. Try again.";
        super::fail(&mut tx, payment.id, "not_sent", message, shop.now()).await?;
    }
    tx.commit().await
}
