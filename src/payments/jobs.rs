//! The jobs of payments. Each calls the provider outside of any transaction, then applies its response.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use platform::{
    clock::Timestamp,
    db,
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    Outcome, Payment, Status, processing,
    providers::{PaymentProvider, ProviderError, Providers, Report},
    reconciliation, refunds,
    settings::Settings,
    store, unsent,
};
use crate::{
    orders,
    shop::{Provider, Queue, Shop, ids::PaymentId},
};

/// How often open payments are checked.
pub const CHECK_EVERY: Duration = Duration::from_mins(1);
/// How long a payment that ended without money is still checked.
const CHECKED_AFTER_END: Duration = Duration::from_hours(1);
/// How long after the first call a provider's error is final: until then the same key is sent again, because what was
/// requested may still turn out to have been done.
pub(super) const FINAL_AFTER: Duration = Duration::from_mins(2);
/// How long one call of a scheduled job may take.
pub(super) const ONE_CALL: Duration = Duration::from_secs(15);
/// How long one run of a scheduled job calls providers; the next run does the rest.
pub(super) const ONE_RUN: Duration = Duration::from_secs(35);

impl From<ProviderError> for JobError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Rejected(_) => Self::GiveUp(error.to_string()),
            ProviderError::Indeterminate(_) | ProviderError::Server(_) => Self::Retry(error.to_string()),
        }
    }
}

/// Creates the payment at its provider.
#[derive(Serialize, Deserialize)]
pub struct Pay {
    pub payment: PaymentId,
}

impl Job for Pay {
    const NAME: &'static str = "payments.pay";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let payment = find(shop, self.payment).await?;
        let provider = provider_of(shop, &payment)?;
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let is_queued = store::mark_first_call(&mut tx, payment.id, now).await? == 1;
        tx.commit().await?;
        if !is_queued {
            return Ok(());
        }
        let tried_for = payment.first_call_at.map(|first| now.since(first));
        if tried_for.is_some_and(|tried| tried >= provider.idempotency_key_lifetime()) {
            // The provider may have forgotten the key: sending again could charge twice.
            return retrieve_before_sending_again(shop, provider, &payment).await;
        }
        match provider.create_payment(&payment).await {
            Ok(report) => apply_report(shop, provider, &payment, report).await,
            Err(ProviderError::Server(_)) if tried_for.is_some_and(|tried| tried >= FINAL_AFTER) => {
                retrieve_before_sending_again(shop, provider, &payment).await
            }
            Err(ProviderError::Rejected(reason)) => rejected(shop, provider, &payment, &reason).await,
            Err(error) => Err(error.into()),
        }
    }
}

/// A stored error is repeated under its key, and an old key is forgotten: so the payment is retrieved, and only when the
/// provider does not have it does the next attempt get a new key.
async fn retrieve_before_sending_again(
    shop: &Shop,
    provider: &dyn PaymentProvider,
    payment: &Payment,
) -> Result<(), JobError> {
    if let Some(report) = provider.retrieve_payment(payment).await? {
        return apply_report(shop, provider, payment, report).await;
    }
    renew_key(shop, payment).await?;
    Err(JobError::Retry("the provider does not know the payment; it will be sent again with a new key".to_owned()))
}

/// Ends a payment that the provider rejects, unless an earlier call has created it.
async fn rejected(
    shop: &Shop,
    provider: &dyn PaymentProvider,
    payment: &Payment,
    reason: &str,
) -> Result<(), JobError> {
    if payment.was_sent()
        && let Some(report) = provider.retrieve_payment(payment).await?
    {
        return apply_report(shop, provider, payment, report).await;
    }
    tracing::error!(payment = %payment.id, reason, "the provider rejected a payment");
    fail_as_rejected(shop, payment.id).await
}

async fn renew_key(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::renew_key(&mut tx, payment).await?;
    tx.commit().await
}

/// Applies what a provider says, and captures the money if the buyer has approved it and it is still wanted.
pub(super) async fn apply_report(
    shop: &Shop,
    provider: &dyn PaymentProvider,
    payment: &Payment,
    report: Report,
) -> Result<(), JobError> {
    let (outcome, still_open) = (report.outcome.clone(), report.outcome.is_open());
    let was_open = payment.status.is_open();
    let Some(payment) = save_report(shop, payment, report).await? else { return Ok(()) };
    if !payment.status.is_open() && was_open && still_open {
        return cancel(shop, payment.id).await; // it ended here during the call
    }
    if !is_to_be_captured(provider, &payment, &outcome, shop.now()) {
        return Ok(());
    }
    match provider.capture_payment(&payment).await {
        Ok(report) => save_report(shop, &payment, report).await.map(drop),
        Err(ProviderError::Rejected(reason)) => {
            tracing::error!(payment = %payment.id, reason, "the provider rejected the capture of a payment");
            fail_as_rejected(shop, payment.id).await
        }
        Err(error @ ProviderError::Server(_)) => {
            renew_key(shop, &payment).await?; // it may be repeated under its key; a capture happens once under any
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the shop is to capture: what the buyer has approved, and what the provider has authorized and would have captured
/// by itself by now.
fn is_to_be_captured(provider: &dyn PaymentProvider, payment: &Payment, outcome: &Outcome, now: Timestamp) -> bool {
    let processing_for = payment.processing_since.map(|since| now.since(since));
    match outcome {
        Outcome::Approved => payment.status.is_open(),
        Outcome::Authorized => {
            payment.status.is_open() && processing_for.is_some_and(|time| time >= provider.automatic_capture_period())
        }
        _ => false,
    }
}

async fn cancel(shop: &Shop, payment: PaymentId) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    Cancel { payment }.enqueue(&mut tx, shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Applies a report in a transaction of its own. The payment as it is then.
///
/// # Errors
/// When the provider reports another amount or currency: then nothing is applied.
pub(super) async fn save_report(shop: &Shop, payment: &Payment, report: Report) -> Result<Option<Payment>, JobError> {
    if let Some(mismatch) = reconciliation::mismatch(shop, payment, &report).await? {
        return Err(JobError::Retry(mismatch));
    }
    let mut tx = shop.db.write().await?;
    let payment = super::apply_report(&mut tx, shop, payment.id, report, shop.now()).await?;
    tx.commit().await?;
    Ok(payment)
}

async fn fail_as_rejected(shop: &Shop, payment: PaymentId) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    super::fail(&mut tx, payment, "provider_refused", "The provider refused the payment.", shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Cancels a payment at its provider, or learns that it was captured already.
#[derive(Serialize, Deserialize)]
pub struct Cancel {
    pub payment: PaymentId,
}

impl Job for Cancel {
    const NAME: &'static str = "payments.cancel";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let payment = find(shop, self.payment).await?;
        if !matches!(payment.status, Status::Cancelled | Status::Failed) {
            return Ok(());
        }
        match provider_of(shop, &payment)?.cancel_payment(&payment).await? {
            Some(report) => save_report(shop, &payment, report).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Retrieves a payment with its refunds, after one of them was created: others may have been made in the provider's
/// dashboard.
#[derive(Serialize, Deserialize)]
pub struct Refresh {
    pub payment: PaymentId,
}

impl Job for Refresh {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "payments.look_up";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        refresh(shop, &find(shop, self.payment).await?).await
    }
}

/// Retrieves a payment with its refunds, and applies what the provider says.
pub(super) async fn refresh(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let provider = provider_of(shop, payment)?;
    match provider.retrieve_payment(payment).await? {
        Some(report) => apply_report(shop, provider, payment, report).await,
        None => Ok(()),
    }
}

/// Checks payments and refunds whose end was not reported: fails those that no job sends, retrieves the others.
#[derive(Default, Serialize, Deserialize)]
pub struct CheckPending {}

impl Job for CheckPending {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "payments.check_hanging";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let (now, check_after) = (shop.now(), shop.get::<Settings>().check_after);
        let began = Instant::now();
        refunds::jobs::send_forgotten(shop).await?;
        unsent::fail_all(shop, ONE_RUN / 3).await?;
        while began.elapsed() < ONE_RUN {
            let mut tx = shop.db.read().await?;
            let refunds = refunds::to_check(&mut tx, now - check_after).await?;
            let payments = store::to_check(&mut tx, to_check(shop, now)).await?;
            drop(tx);
            if payments.is_empty() && refunds.is_empty() {
                break;
            }
            try_join_all(refunds.iter().map(|refund| refunds::jobs::check(shop, refund))).await?;
            try_join_all(payments.iter().map(|payment| check(shop, payment))).await?;
        }
        Ok(())
    }
}

fn to_check(shop: &Shop, now: Timestamp) -> store::ToCheck {
    let check_after = shop.get::<Settings>().check_after;
    store::ToCheck {
        created_before: now - check_after,
        ended_since: now - CHECKED_AFTER_END,
        checked_before: now - check_after.min(CHECK_EVERY / 2),
        stale_checked_before: now - processing::CHECK_STALE_EVERY,
        fresh: now - processing::FRESH,
        processing_since: now - 2 * shop.get::<Settings>().processing_limit,
    }
}

/// A check that fails does not stop the others.
async fn check(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_checked(&mut tx, payment.id, shop.now()).await?;
    tx.commit().await?;
    match timeout(ONE_CALL, refresh(shop, payment)).await {
        Ok(Ok(())) => cancel_if_abandoned(shop, payment).await?,
        Ok(Err(error)) => tracing::warn!(payment = %payment.id, %error, "cannot retrieve a payment"),
        Err(_) => tracing::warn!(payment = %payment.id, "timed out retrieving a payment"),
    }
    Ok(())
}

/// If an order does not expire, its payment would stay open for ever when the buyer leaves or the bank does not decide.
async fn cancel_if_abandoned(shop: &Shop, payment: &Payment) -> db::Result<()> {
    if shop.now().since(payment.created_at) < shop.get::<orders::Settings>().reservation_ttl {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    super::abandon(&mut tx, shop, payment.id, shop.now()).await?;
    tx.commit().await
}

pub(super) async fn find(shop: &Shop, id: PaymentId) -> Result<Payment, JobError> {
    let found: db::Result<Option<Payment>> = store::find(&mut shop.db.read().await?, id).await;
    found?.ok_or_else(|| JobError::GiveUp(format!("there is no payment {id}")))
}

pub(super) fn provider_of<'shop>(shop: &'shop Shop, payment: &Payment) -> Result<&'shop dyn PaymentProvider, JobError> {
    shop.get::<Providers>().get(payment.provider).ok_or_else(|| no_keys(payment.provider))
}

pub(super) fn no_keys(provider: Provider) -> JobError {
    JobError::Retry(format!("this worker has no keys of {}", provider.display_name()))
}
