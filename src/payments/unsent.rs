//! Payments that nobody sends any more: their job was lost, discarded by an admin, or given up. They would be open for
//! ever, and their order could not be paid otherwise.
//!
//! They end as `failed`, so that the buyer, or an admin, can try again. They are not sent again: who discarded the job did
//! not want that, and a saved card must not be charged hours after its owner went away. What the provider may have heard of
//! is looked for first.

use std::time::{Duration, Instant};

use platform::{
    db,
    jobs::{self, JobError},
};
use tokio::time::timeout;

use super::{Payment, Status, jobs as payment_jobs, settings::Settings, store};
use crate::shop::{Shop, ids::PaymentId};

/// What the one job that sends a payment is known by.
pub fn key(payment: PaymentId) -> String {
    format!("payments.pay:{payment}")
}

/// Ends those that were asked for longer ago than `PAYMENT_CHECK_AFTER`, for so long at most; the next run ends the rest.
pub async fn end_them(shop: &Shop, patience: Duration) -> Result<(), JobError> {
    let began = Instant::now();
    let mut last = PaymentId::NONE;
    while began.elapsed() < patience {
        let mut tx = shop.db.read().await?;
        let queued = store::queued(&mut tx, last, shop.now() - shop.part::<Settings>().check_after).await?;
        let Some(farthest) = queued.last() else { break };
        last = farthest.id;
        let mut unsent = Vec::new();
        for payment in queued {
            if !jobs::is_alive(&mut tx, &key(payment.id)).await? {
                unsent.push(payment);
            }
        }
        drop(tx);
        for payment in unsent.iter().take_while(|_| began.elapsed() < patience) {
            end(shop, payment).await?;
        }
    }
    Ok(())
}

/// One that cannot be looked for now is ended by a later run.
async fn end(shop: &Shop, payment: &Payment) -> db::Result<()> {
    match timeout(payment_jobs::ONE_QUESTION, is_found(shop, payment)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => fail(shop, payment).await,
        Ok(Err(error)) => {
            tracing::warn!(payment = %payment.id, %error, "cannot learn whether the provider has a payment that nobody sends");
            Ok(())
        }
        Err(_) => {
            tracing::warn!(payment = %payment.id, "cannot learn in time whether the provider has a payment that nobody sends");
            Ok(())
        }
    }
}

/// Whether the provider has it after all. Then it goes on as it stands there.
async fn is_found(shop: &Shop, payment: &Payment) -> Result<bool, JobError> {
    if !payment.was_called() {
        return Ok(false);
    }
    let gateway = payment_jobs::gateway(shop, payment)?;
    let Some(report) = gateway.look_up(payment).await? else { return Ok(false) };
    payment_jobs::heard(shop, gateway, payment, report).await?;
    Ok(true)
}

async fn fail(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let known = super::lock(&mut tx, payment.id).await?;
    if known.is_some_and(|(_, payment)| payment.status == Status::Queued) {
        tracing::warn!(payment = %payment.id, "nobody sends a payment any more; it ends");
        let why = "The payment was not sent to the provider. Try again.";
        super::refuse(&mut tx, payment.id, "not_sent", why, shop.now()).await?;
    }
    tx.commit().await
}
