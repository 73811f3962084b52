//! Giving money back: in parts or all of it, because an admin asks, because an order was cancelled, or because money came
//! that no order can take.
//!
//! A refund is a row and its job, like a payment. Never more than was captured goes back: what is open counts as gone.

use poem::http::StatusCode;
use poem_openapi::Object;
use sqlx::FromRow;

use super::{Outcome, Payment, gateway::RefundOutcome, gateway::RefundReport, jobs, lock, move_on, store};
use crate::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
    ids::{PaymentId, RefundId},
    jobs::Job,
    money::{Amount, Currency, Money},
    text_enum,
};

text_enum! {
    /// `queued → processing → succeeded`, or `failed`. It only moves forward.
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
    if !payment.status.is_captured() {
        let detail = format!("This payment is {}; there is no money to give back.", payment.status);
        return Err(Problem::conflict("not_captured", detail));
    }
    let left = left(tx, &payment).await?;
    if left == Money(0) {
        return Err(Problem::conflict("already_refunded", "All of this payment has gone back, or is on its way."));
    }
    let amount = amount.unwrap_or(left);
    if amount > left {
        let detail = format!("At most {} is left of this payment to give back.", payment.currency.format(left));
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refund_exceeds_payment", detail));
    }
    Ok((begin(tx, &payment, amount, Reason::Requested, now).await?, payment))
}

/// Gives back what is left of a payment, if anything is.
pub async fn give_back_rest(tx: &mut Tx, payment: &Payment, reason: Reason, now: Timestamp) -> db::Result<()> {
    match left(tx, payment).await? {
        Money(0) => Ok(()),
        left => begin(tx, payment, left, reason, now).await.map(drop),
    }
}

async fn begin(tx: &mut Tx, payment: &Payment, amount: Money, reason: Reason, now: Timestamp) -> db::Result<Refund> {
    let refund = store::insert_refund(tx, RefundId::random(), payment.id, amount, reason, now).await?;
    jobs::SendRefund { refund: refund.id }.enqueue(tx, now).await?;
    Ok(refund)
}

/// What has not gone back and is not on its way.
async fn left(tx: &mut Tx, payment: &Payment) -> db::Result<Money> {
    let on_its_way: i64 = store::refunds_of(tx, payment.id)
        .await?
        .iter()
        .filter(|refund| refund.is_open())
        .map(|open| open.amount.0)
        .sum();
    Ok(Money((payment.amount.0 - payment.refunded.0 - on_its_way).max(0)))
}

/// Ends a refund that moves no money. What is left of the payment may be asked for again.
pub async fn fail(tx: &mut Tx, id: RefundId, why: &str, now: Timestamp) -> db::Result<()> {
    settle(tx, id, RefundStatus::Failed, None, Some(why), now).await
}

/// Writes down what a provider says of a refund, once, whatever came before it.
pub async fn record(tx: &mut Tx, id: RefundId, report: RefundReport, now: Timestamp) -> db::Result<()> {
    let transaction = report.transaction_id.as_deref();
    match report.outcome {
        RefundOutcome::Processing => settle(tx, id, RefundStatus::Processing, transaction, None, now).await,
        RefundOutcome::Succeeded => settle(tx, id, RefundStatus::Succeeded, transaction, None, now).await,
        RefundOutcome::Failed(why) => settle(tx, id, RefundStatus::Failed, transaction, Some(&why), now).await,
    }
}

async fn settle(
    tx: &mut Tx,
    id: RefundId,
    status: RefundStatus,
    transaction: Option<&str>,
    failure: Option<&str>,
    now: Timestamp,
) -> db::Result<()> {
    let Some(refund) = store::find_refund(tx, id).await? else { return Ok(()) };
    let Some((order, payment)) = lock(tx, refund.payment_id).await? else { return Ok(()) };
    let Some(refund) = store::find_refund(tx, id).await?.filter(Refund::is_open) else { return Ok(()) };
    store::settle_refund(tx, id, status, transaction, failure, now).await?;
    if let Some(why) = failure {
        tracing::error!(refund = %id, payment = %payment.id, why, "money could not be given back");
        store::compare_again(tx, payment.id).await?; // so that it is reported when an order was cancelled for it
    }
    if status != RefundStatus::Succeeded {
        return Ok(());
    }
    let gone: i64 = store::refunds_of(tx, payment.id)
        .await?
        .iter()
        .filter(|other| other.id == refund.id || other.status == RefundStatus::Succeeded)
        .map(|other| other.amount.0)
        .sum();
    let standing = payment.standing().after(payment.amount, &Outcome::Captured, Money(gone));
    move_on(tx, order, payment, standing, None, now).await
}
