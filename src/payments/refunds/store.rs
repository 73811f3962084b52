//! The SQL of refunds.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    money::Money,
};

use super::{Reason, Refund, RefundStatus};
use crate::{
    payments::store::next_key,
    shop::ids::{PaymentId, RefundId},
};

/// The columns of a [`Refund`].
macro_rules! refund_columns {
    () => {
        "id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at"
    };
}

pub async fn insert(
    tx: &mut Tx,
    id: RefundId,
    payment: PaymentId,
    amount: Money,
    reason: Reason,
    now: Timestamp,
) -> Result<Refund> {
    tx.query(concat!(
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
         VALUES ($1, $2, 'queued', $3, $4, $5, $6, $6)
         RETURNING ",
        refund_columns!()
    ))
    .bind(id)
    .bind(payment)
    .bind(amount)
    .bind(reason)
    .bind(format!("refund-{id}-1"))
    .bind(now)
    .fetch_one()
    .await
}

/// Stores a refund that somebody made in the provider's dashboard.
pub async fn insert_made_at_provider(
    tx: &mut Tx,
    payment: PaymentId,
    status: RefundStatus,
    amount: Money,
    transaction: &str,
    failure: Option<&str>,
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, transaction_id, failure, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'at_provider', $5, $6, $7, $8, $8)",
    )
    .bind(RefundId::random()).bind(payment).bind(status).bind(amount)
    .bind(format!("at-provider-{payment}-{transaction}")).bind(transaction.to_owned())
    .bind(failure.map(ToOwned::to_owned)).bind(now)
    .execute().await
}

/// Deletes the mere sum that an earlier version knew of refunds at the provider; those refunds take its place.
pub async fn delete_without_transaction(tx: &mut Tx, payment: PaymentId) -> Result<u64> {
    tx.query("DELETE FROM refunds WHERE payment_id = $1 AND reason = 'at_provider' AND transaction_id IS NULL")
        .bind(payment)
        .execute()
        .await
}

pub async fn find(tx: &mut Tx, id: RefundId) -> Result<Option<Refund>> {
    tx.query(concat!("SELECT ", refund_columns!(), " FROM refunds WHERE id = $1")).bind(id).fetch_optional().await
}

/// The refunds of a payment, oldest first.
///
/// # Errors
/// When the database is unavailable.
pub async fn of_payment(tx: &mut Tx, payment: PaymentId) -> Result<Vec<Refund>> {
    tx.query(concat!("SELECT ", refund_columns!(), " FROM refunds WHERE payment_id = $1 ORDER BY created_at, id"))
        .bind(payment)
        .fetch_all()
        .await
}

/// Refunds that are processing and were neither updated nor checked since `before`, those checked longest ago first.
///
/// # Errors
/// When the database is unavailable.
pub async fn to_check(tx: &mut Tx, before: Timestamp) -> Result<Vec<Refund>> {
    tx.query(concat!(
        "SELECT ",
        refund_columns!(),
        " FROM refunds WHERE status = 'processing' AND updated_at < $1 AND (asked_at IS NULL OR asked_at < $1)
         ORDER BY asked_at NULLS FIRST LIMIT 40"
    ))
    .bind(before)
    .fetch_all()
    .await
}

/// Refunds that were created before and not sent yet.
pub async fn forgotten(tx: &mut Tx, before: Timestamp) -> Result<Vec<RefundId>> {
    let found: Vec<(RefundId,)> = tx
        .query("SELECT id FROM refunds WHERE status = 'queued' AND created_at < $1 ORDER BY created_at LIMIT 100")
        .bind(before)
        .fetch_all()
        .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

pub async fn mark_checked(tx: &mut Tx, id: RefundId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refunds SET asked_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

pub async fn set_status(
    tx: &mut Tx,
    id: RefundId,
    status: RefundStatus,
    transaction: Option<&str>,
    failure: Option<&str>,
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE refunds SET status = $2, transaction_id = COALESCE(transaction_id, $3), failure = $4, updated_at = $5
         WHERE id = $1",
    )
    .bind(id)
    .bind(status)
    .bind(transaction.map(ToOwned::to_owned))
    .bind(failure.map(ToOwned::to_owned))
    .bind(now)
    .execute()
    .await
}

/// Stores when a refund's key was first used, before it is. `0` when it has ended.
pub async fn mark_first_call(tx: &mut Tx, id: RefundId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refunds SET first_call_at = COALESCE(first_call_at, $2) WHERE id = $1 AND status = 'queued'")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// A new key, after the provider was found not to have the refund.
pub async fn renew_key(tx: &mut Tx, refund: &Refund) -> Result<u64> {
    tx.query("UPDATE refunds SET provider_key = $2, first_call_at = NULL WHERE id = $1 AND provider_key = $3")
        .bind(refund.id)
        .bind(next_key(&refund.provider_key))
        .bind(refund.provider_key.clone())
        .execute()
        .await
}
