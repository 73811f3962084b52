//! Giving money back: in parts or all of it, because an admin asks, because an order was cancelled, or because money came
//! that no order can take.
//!
//! A refund is a row and its job, like a payment. One that somebody made at the provider's own page becomes a row, too, when
//! the provider is asked about the payment: so what has gone back is a sum of rows, whoever made them and whatever was heard
//! first. A row counts as gone back when its money has arrived; until then it is reserved, so that never more than was
//! captured is on its way.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
    jobs::Job,
    money::{Amount, Currency, Money},
    text_enum,
};
use poem_openapi::Object;
use sqlx::FromRow;

use super::{
    Payment,
    gateway::{RefundOutcome, RefundReport},
    jobs, lock, move_on, store,
};
use crate::{
    payments::problems,
    shop::ids::{PaymentId, RefundId},
};

text_enum! {
    /// `queued → processing → succeeded`, or `failed`. It only moves forward; one that had `succeeded` becomes `failed` when
    /// the buyer's bank sends the money back.
    #[oai(rename = "RefundProgress")]
    pub enum RefundStatus {
        Queued = "queued", Processing = "processing", Succeeded = "succeeded", Failed = "failed",
    }
}

text_enum! {
    /// Why money goes back.
    #[oai(rename = "RefundReason")]
    pub enum Reason {
        /// An admin asked for it.
        Requested = "requested",
        OrderCancelled = "order_cancelled",
        /// It came for an order that could not take it any more.
        LateMoney = "late_money",
        /// It was less than was asked for, so it pays no order.
        Underpaid = "underpaid",
        /// It was more than was asked for; this is the surplus.
        Overpaid = "overpaid",
        /// Somebody gave it back on the provider's own page.
        AtProvider = "at_provider",
    }
}

impl Reason {
    /// Whether the shop gives back what it may not keep, of itself.
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
    /// The idempotency key of the provider's call; stored before the first one.
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

/// Money on its way back to the buyer.
#[derive(Object)]
#[oai(rename = "Refund")]
pub struct RefundView {
    pub id: RefundId,
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

/// Gives an amount of a payment back, or what is left of it.
///
/// # Errors
/// 409 when nothing was captured or nothing is left; 422 for more than is left.
pub async fn ask(
    tx: &mut Tx,
    payment: PaymentId,
    amount: Option<Money>,
    now: Timestamp,
) -> ApiResult<(Refund, Payment)> {
    let Some((_, payment)) = lock(tx, payment).await? else { return Err(Problem::not_found()) };
    if payment.captured == Money(0) {
        let detail = format!("This payment is {}; there is no money to give back.", payment.status);
        return Err(problems::NOT_CAPTURED.problem(detail));
    }
    let left = left(tx, &payment).await?;
    if left == Money(0) {
        return Err(problems::ALREADY_REFUNDED.problem("All of this payment has gone back, or is on its way."));
    }
    let amount = amount.unwrap_or(left);
    if amount > left {
        let detail = format!("At most {} is left of this payment to give back.", payment.currency.format(left));
        return Err(problems::REFUND_EXCEEDS_PAYMENT.problem(detail));
    }
    Ok((begin(tx, &payment, amount, Reason::Requested, now).await?, payment))
}

/// Gives back what is left of a payment beyond what the shop keeps, if anything is.
pub async fn give_back_all_but(
    tx: &mut Tx,
    payment: &Payment,
    kept: Money,
    reason: Reason,
    now: Timestamp,
) -> db::Result<()> {
    match Money(left(tx, payment).await?.0 - kept.0) {
        beyond if beyond > Money(0) => begin(tx, payment, beyond, reason, now).await.map(drop),
        _ => Ok(()),
    }
}

async fn begin(tx: &mut Tx, payment: &Payment, amount: Money, reason: Reason, now: Timestamp) -> db::Result<Refund> {
    let refund = store::insert_refund(tx, RefundId::random(), payment.id, amount, reason, now).await?;
    jobs::SendRefund { refund: refund.id }.enqueue(tx, now).await?;
    Ok(refund)
}

/// What has not gone back and is not on its way.
async fn left(tx: &mut Tx, payment: &Payment) -> db::Result<Money> {
    let refunds = store::refunds_of(tx, payment.id).await?;
    let reserved: i64 =
        refunds.iter().filter(|refund| refund.status != RefundStatus::Failed).map(|refund| refund.amount.0).sum();
    Ok(Money((payment.captured.0 - reserved).max(0)))
}

/// Ends a refund that the provider refuses. What is left of the payment may be asked for again; what the shop may not keep
/// is, when the refund was refused because a part of it went back at the provider.
pub async fn refuse(tx: &mut Tx, id: RefundId, why: &str, now: Timestamp) -> db::Result<()> {
    let Some(refund) = store::find_refund(tx, id).await? else { return Ok(()) };
    let Some((_, payment)) = lock(tx, refund.payment_id).await? else { return Ok(()) };
    let Some(refund) = store::find_refund(tx, id).await?.filter(Refund::is_open) else { return Ok(()) };
    store::settle_refund(tx, id, RefundStatus::Failed, None, Some(why), now).await?;
    failed(tx, &payment, &refund, why).await?;
    let kept = if refund.reason == Reason::Overpaid { payment.amount } else { Money(0) };
    let left = Money(left(tx, &payment).await?.0 - kept.0);
    if refund.reason.is_automatic() && left < refund.amount {
        give_back_all_but(tx, &payment, kept, refund.reason, now).await?;
    }
    Ok(())
}

/// Writes down what a provider answered to a refund. Somebody may have made others meanwhile, so it is asked for all.
pub async fn record(tx: &mut Tx, payment: PaymentId, report: RefundReport, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, payment).await? else { return Ok(()) };
    let gone = take_note(tx, &payment, &[report], now).await?;
    if payment.provider.is_online() {
        jobs::LookUp { payment: payment.id }.enqueue(tx, now).await?;
    }
    let standing = payment.standing().given_back(gone);
    move_on(tx, order, payment, standing, None, now).await
}

/// Writes down how refunds of a payment stand, ours and those that somebody made at the provider, once, whatever came
/// before. How much has then gone back in all. The payment is locked.
pub async fn take_note(tx: &mut Tx, payment: &Payment, reports: &[RefundReport], now: Timestamp) -> db::Result<Money> {
    let known = store::refunds_of(tx, payment.id).await?;
    for report in reports {
        match known.iter().find(|refund| report.is_about(refund)) {
            Some(refund) => settle(tx, payment, refund, report, now).await?,
            None => made_elsewhere(tx, payment, report, now).await?,
        }
    }
    let gone = store::refunds_of(tx, payment.id).await?;
    Ok(Money(gone.iter().filter(|refund| refund.status == RefundStatus::Succeeded).map(|refund| refund.amount.0).sum()))
}

async fn settle(
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
    let why = report.outcome.failure().filter(|_| status == RefundStatus::Failed);
    store::settle_refund(tx, refund.id, status, report.transaction_id.as_deref(), why, now).await?;
    match why {
        Some(why) => failed(tx, payment, refund, why).await,
        None => Ok(()),
    }
}

/// One that nobody here asked for.
async fn made_elsewhere(tx: &mut Tx, payment: &Payment, report: &RefundReport, now: Timestamp) -> db::Result<()> {
    let Some(transaction) = &report.transaction_id else { return Ok(()) };
    let status = RefundStatus::Processing.after(true, &report.outcome);
    let failure = report.outcome.failure();
    tracing::info!(payment = %payment.id, transaction, %status, "money was given back at the provider");
    store::delete_nameless_refunds(tx, payment.id).await?;
    store::insert_refund_at_provider(tx, payment.id, status, report.amount, transaction, failure, now).await.map(drop)
}

/// Money that did not reach the buyer is told of, and reported when the shop may not keep it.
async fn failed(tx: &mut Tx, payment: &Payment, refund: &Refund, why: &str) -> db::Result<()> {
    tracing::error!(refund = %refund.id, payment = %payment.id, why, "money could not be given back");
    store::compare_again(tx, payment.id).await.map(drop)
}

impl RefundReport {
    /// By our own id, or by the provider's.
    #[must_use]
    pub fn is_about(&self, refund: &Refund) -> bool {
        let same_name = self.transaction_id.is_some() && self.transaction_id == refund.transaction_id;
        self.refund == Some(refund.id) || same_name
    }

    /// Whether it says more of one of these refunds, or of another, than is known.
    #[must_use]
    pub fn is_news(&self, known: &[Refund]) -> bool {
        known.iter().find(|refund| self.is_about(refund)).map_or(self.transaction_id.is_some(), |refund| {
            refund.status.after(refund.transaction_id.is_some(), &self.outcome) != refund.status
        })
    }
}

impl RefundOutcome {
    fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            _ => None,
        }
    }
}
