//! Refunds: of all or a part of a payment, because an admin asks for it, because an order was cancelled, or because money
//! was received that no order can take.
//!
//! A refund is a row and its job, like a payment. One that somebody made in the provider's dashboard becomes a row, too,
//! when the payment is retrieved: so what was refunded is a sum of rows, whoever made them and whatever was reported first.
//! A row counts as refunded when it has succeeded; until then its amount is reserved, so that never more than was captured
//! is refunded.

pub mod api;
pub mod jobs;
mod store;
mod view;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    money::Money,
    text_enum,
};
use sqlx::FromRow;

pub use self::store::{of_payment, to_check};
use super::{
    Error, Payment, Result, jobs as payment_jobs,
    providers::RefundReport,
    reconciliation,
    transitions::{lock, transition},
};
use crate::shop::ids::{PaymentId, RefundId};

text_enum! {
    /// The status of a refund: `queued → processing → succeeded`, or `failed`. It only moves forward, but a `succeeded`
    /// refund becomes `failed` when the buyer's bank sends the money back.
    #[oai(rename = "RefundProgress")]
    pub enum RefundStatus {
        Queued = "queued", Processing = "processing", Succeeded = "succeeded", Failed = "failed",
    }
}

text_enum! {
    /// Why money is refunded: `requested` by an admin, `order_cancelled`, `late_money` (captured for an order that
    /// could no longer be paid), `underpaid` (less than the amount was captured), `overpaid` (the surplus is refunded),
    /// or `at_provider` (made in the provider's dashboard).
    #[oai(rename = "RefundReason")]
    pub enum Reason {
        /// An admin asked for it.
        Requested = "requested",
        OrderCancelled = "order_cancelled",
        /// It arrived for an order that could no longer be paid.
        LateMoney = "late_money",
        /// It was less than the requested amount, so it pays no order.
        Underpaid = "underpaid",
        /// It was more than the requested amount; this is the surplus.
        Overpaid = "overpaid",
        /// Somebody refunded it in the provider's dashboard.
        AtProvider = "at_provider",
    }
}

impl Reason {
    /// Whether the shop refunds by itself, because it may not keep the money.
    fn is_automatic(self) -> bool {
        matches!(self, Self::OrderCancelled | Self::LateMoney | Self::Underpaid | Self::Overpaid)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Refund {
    pub id: RefundId,
    pub payment_id: PaymentId,
    pub status: RefundStatus,
    pub amount: Money,
    pub reason: Reason,
    /// The idempotency key of the request to the provider; stored before the first one.
    pub provider_key: String,
    /// When the key was first used.
    pub first_call_at: Option<Timestamp>,
    pub transaction_id: Option<String>,
    pub failure: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Refund {
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.status, RefundStatus::Queued | RefundStatus::Processing)
    }
}

/// Refunds an amount of a payment, or what is left of it.
///
/// # Errors
/// When nothing was captured, or less is left.
pub async fn create(
    tx: &mut Tx,
    payment: PaymentId,
    amount: Option<Money>,
    now: Timestamp,
) -> Result<(Refund, Payment)> {
    let Some((_, payment)) = lock(tx, payment).await? else { return Err(Error::NotFound) };
    if payment.captured == Money(0) {
        return Err(Error::NotCaptured(payment.status));
    }
    let left = refundable(tx, &payment).await?;
    if left == Money(0) {
        return Err(Error::AlreadyRefunded);
    }
    let amount = amount.unwrap_or(left);
    if amount > left {
        return Err(Error::RefundExceedsPayment { left: payment.currency.format(left) });
    }
    Ok((enqueue(tx, &payment, amount, Reason::Requested, now).await?, payment))
}

/// Refunds what is left of a payment beyond what the shop keeps, if anything is.
///
/// # Errors
/// When the database is unavailable.
pub async fn refund_all_but(
    tx: &mut Tx,
    payment: &Payment,
    kept: Money,
    reason: Reason,
    now: Timestamp,
) -> db::Result<()> {
    match Money(refundable(tx, payment).await?.0 - kept.0) {
        beyond if beyond > Money(0) => enqueue(tx, payment, beyond, reason, now).await.map(drop),
        _ => Ok(()),
    }
}

async fn enqueue(tx: &mut Tx, payment: &Payment, amount: Money, reason: Reason, now: Timestamp) -> db::Result<Refund> {
    let refund = store::insert(tx, RefundId::random(), payment.id, amount, reason, now).await?;
    jobs::SendRefund { refund: refund.id }.enqueue(tx, now).await?;
    Ok(refund)
}

/// What was neither refunded nor is reserved by a refund.
async fn refundable(tx: &mut Tx, payment: &Payment) -> db::Result<Money> {
    let refunds = of_payment(tx, payment.id).await?;
    let reserved: i64 =
        refunds.iter().filter(|refund| refund.status != RefundStatus::Failed).map(|refund| refund.amount.0).sum();
    Ok(Money((payment.captured.0 - reserved).max(0)))
}

/// Ends a refund that the provider rejects. What is left of the payment can be refunded again. If the shop may not keep the
/// money, and the refund was rejected because a part was refunded at the provider, the rest is refunded at once.
///
/// # Errors
/// When the database is unavailable.
pub async fn fail(tx: &mut Tx, id: RefundId, reason: &str, now: Timestamp) -> db::Result<()> {
    let Some(refund) = store::find(tx, id).await? else { return Ok(()) };
    let Some((_, payment)) = lock(tx, refund.payment_id).await? else { return Ok(()) };
    let Some(refund) = store::find(tx, id).await?.filter(Refund::is_open) else { return Ok(()) };
    store::set_status(tx, id, RefundStatus::Failed, None, Some(reason), now).await?;
    report_failure(tx, &payment, &refund, reason).await?;
    let kept = if refund.reason == Reason::Overpaid { payment.amount } else { Money(0) };
    let left = Money(refundable(tx, &payment).await?.0 - kept.0);
    if refund.reason.is_automatic() && left < refund.amount {
        refund_all_but(tx, &payment, kept, refund.reason, now).await?;
    }
    Ok(())
}

/// Applies what a provider says of one refund. Somebody may have made others meanwhile, so the payment is retrieved.
///
/// # Errors
/// As for [`apply_reports`].
pub async fn apply_report(tx: &mut Tx, payment: PaymentId, report: RefundReport, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, payment).await? else { return Ok(()) };
    let refunded = apply_reports(tx, &payment, &[report], now).await?;
    if payment.provider.is_online() {
        payment_jobs::Refresh { payment: payment.id }.enqueue(tx, now).await?;
    }
    let state = payment.state().with_refunded(refunded);
    transition(tx, order, payment, state, None, now).await
}

/// Applies what a provider says of refunds of a payment, ours and those made in its dashboard, once, whatever came before.
/// How much was then refunded in all. The payment is locked.
///
/// # Errors
/// When a refund that was made at the provider has no positive amount, or the database is unavailable.
pub async fn apply_reports(
    tx: &mut Tx,
    payment: &Payment,
    reports: &[RefundReport],
    now: Timestamp,
) -> db::Result<Money> {
    let known = of_payment(tx, payment.id).await?;
    for report in reports {
        match known.iter().find(|refund| report.is_of(refund)) {
            Some(refund) => update(tx, payment, refund, report, now).await?,
            None => insert_made_at_provider(tx, payment, report, now).await?,
        }
    }
    let refunds = of_payment(tx, payment.id).await?;
    let succeeded = refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
    Ok(Money(succeeded.map(|refund| refund.amount.0).sum()))
}

async fn update(
    tx: &mut Tx,
    payment: &Payment,
    refund: &Refund,
    report: &RefundReport,
    now: Timestamp,
) -> db::Result<()> {
    let known = refund.transaction_id.is_some();
    let status = refund.status.after(known, &report.outcome);
    if status == refund.status && (known || report.transaction_id.is_none()) {
        return Ok(()); // late or repeated
    }
    let reason = report.outcome.failure().filter(|_| status == RefundStatus::Failed);
    store::set_status(tx, refund.id, status, report.transaction_id.as_deref(), reason, now).await?;
    match reason {
        Some(reason) => report_failure(tx, payment, refund, reason).await,
        None => Ok(()),
    }
}

async fn insert_made_at_provider(
    tx: &mut Tx,
    payment: &Payment,
    report: &RefundReport,
    now: Timestamp,
) -> db::Result<()> {
    let Some(transaction) = &report.transaction_id else { return Ok(()) };
    let status = RefundStatus::Processing.after(true, &report.outcome);
    let failure = report.outcome.failure();
    tracing::info!(payment = %payment.id, transaction, %status, "a refund was made at the provider");
    store::delete_without_transaction(tx, payment.id).await?;
    store::insert_made_at_provider(tx, payment.id, status, report.amount, transaction, failure, now).await.map(drop)
}

/// Money that did not reach the buyer is logged; the next reconciliation reports it when the shop may not keep it.
async fn report_failure(tx: &mut Tx, payment: &Payment, refund: &Refund, why: &str) -> db::Result<()> {
    tracing::error!(refund = %refund.id, payment = %payment.id, why, "a refund failed");
    reconciliation::compare_again(tx, payment.id).await.map(drop)
}
