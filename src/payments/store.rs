//! The SQL of payments.

use platform::{
    clock::Timestamp,
    db::{Query, Result, Tx},
};

use super::{Failure, Payment, PaymentState, providers::Report};
use crate::{
    orders::Order,
    shop::{
        Provider,
        ids::{OrderId, PaymentId, UserId},
    },
};

/// The columns of a [`Payment`].
macro_rules! payment_columns {
    () => {
        "id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
         client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at"
    };
}
pub(super) use payment_columns;

pub async fn insert(
    tx: &mut Tx,
    id: PaymentId,
    order: &Order,
    provider: Provider,
    method: Option<String>,
    now: Timestamp,
) -> Result<Payment> {
    tx.query(concat!(
        "INSERT INTO payments (id, order_id, provider, status, amount, currency, payment_method, provider_key, created_at, updated_at)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $8)
         RETURNING ",
        payment_columns!()
    ))
    .bind(id)
    .bind(order.id)
    .bind(provider)
    .bind(order.total_price)
    .bind(order.currency.to_string())
    .bind(method)
    .bind(format!("payment-{id}-1"))
    .bind(now)
    .fetch_one()
    .await
}

/// A cancelled payment for a second transaction that the provider has of a payment.
pub async fn insert_duplicate(
    tx: &mut Tx,
    id: PaymentId,
    of: &Payment,
    transaction: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "INSERT INTO payments (id, order_id, provider, status, amount, currency, provider_key, first_call_at, transaction_id, created_at, updated_at)
         VALUES ($1, $2, $3, 'cancelled', $4, $5, $6, $7, $8, $7, $7) ON CONFLICT DO NOTHING",
    )
    .bind(id).bind(of.order_id).bind(of.provider).bind(of.amount).bind(of.currency.to_string())
    .bind(format!("payment-{id}-1")).bind(now).bind(transaction.to_owned())
    .execute().await
}

/// A payment by id; `None` when there is no such payment.
///
/// # Errors
/// When the database is unavailable.
pub async fn find(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = $1")).bind(id).fetch_optional().await
}

pub async fn lock(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = $1 /* FOR UPDATE */"))
        .bind(id)
        .fetch_optional()
        .await
}

/// The payments of an order, oldest first.
///
/// # Errors
/// When the database is unavailable.
pub async fn of_order(tx: &mut Tx, order: OrderId) -> Result<Vec<Payment>> {
    tx.query(concat!("SELECT ", payment_columns!(), " FROM payments WHERE order_id = $1 ORDER BY created_at, id"))
        .bind(order)
        .fetch_all()
        .await
}

/// The same, locked.
pub async fn lock_of_order(tx: &mut Tx, order: OrderId) -> Result<Vec<Payment>> {
    tx.query(concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments WHERE order_id = $1 ORDER BY created_at, id /* FOR UPDATE */"
    ))
    .bind(order)
    .fetch_all()
    .await
}

/// One page of payments, newest first, and how many there are: of one user's orders or of all, of one order or of any.
pub async fn list(
    tx: &mut Tx,
    user: Option<UserId>,
    order: Option<OrderId>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Payment>, i64)> {
    let count = tx.query("SELECT COUNT(*) FROM payments WHERE TRUE");
    let (total,) = filtered(count, user, order).fetch_one().await?;
    let rows = tx.query(concat!("SELECT ", payment_columns!(), " FROM payments WHERE TRUE"));
    let page = filtered(rows, user, order)
        .push_bind(" ORDER BY created_at DESC, id DESC LIMIT $?", limit)
        .push_bind(" OFFSET $?", offset);
    Ok((page.fetch_all().await?, total))
}

fn filtered(mut query: Query<'_>, user: Option<UserId>, order: Option<OrderId>) -> Query<'_> {
    if let Some(user) = user {
        query = query.push_bind(" AND order_id IN (SELECT id FROM orders WHERE user_id = $?)", user);
    }
    if let Some(order) = order {
        query = query.push_bind(" AND order_id = $?", order);
    }
    query
}

pub async fn find_by_transaction(tx: &mut Tx, provider: Provider, transaction: &str) -> Result<Option<PaymentId>> {
    let found: Option<(PaymentId,)> = tx
        .query("SELECT id FROM payments WHERE provider = $1 AND transaction_id = $2")
        .bind(provider)
        .bind(transaction.to_owned())
        .fetch_optional()
        .await?;
    Ok(found.map(|(id,)| id))
}

pub async fn find_by_capture(tx: &mut Tx, provider: Provider, capture: &str) -> Result<Option<PaymentId>> {
    let found: Option<(PaymentId,)> = tx
        .query("SELECT id FROM payments WHERE provider = $1 AND capture_id = $2")
        .bind(provider)
        .bind(capture.to_owned())
        .fetch_optional()
        .await?;
    Ok(found.map(|(id,)| id))
}

/// Which online payments are retrieved from their provider by the scheduled check.
pub struct ToCheck {
    /// Those that are open, created before this.
    pub created_before: Timestamp,
    /// Those that ended without money since then, because a buyer may pay late and the webhook be lost.
    pub ended_since: Timestamp,
    /// Not those that were checked since then.
    pub checked_before: Timestamp,
    /// The same for those that the provider is processing since before `fresh`.
    pub stale_checked_before: Timestamp,
    pub fresh: Timestamp,
    /// Those that ended here and that the provider is processing since then.
    pub processing_since: Timestamp,
}

/// Online payments to be checked, those checked longest ago first.
pub async fn to_check(tx: &mut Tx, which: ToCheck) -> Result<Vec<Payment>> {
    tx.query(concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments
         WHERE status IN ('queued', 'processing', 'requires_action', 'failed', 'cancelled')
           AND provider <> 'cash_on_delivery' AND created_at < $1
           AND (first_call_at IS NOT NULL OR provider_key NOT LIKE '%-1')
           AND (status IN ('queued', 'processing', 'requires_action') OR updated_at > $2 OR processing_since > $5)
           AND (asked_at IS NULL OR asked_at < $4
                OR (asked_at < $3 AND (processing_since IS NULL OR processing_since > $6)))
         ORDER BY asked_at NULLS FIRST LIMIT 40"
    ))
    .bind(which.created_before)
    .bind(which.ended_since)
    .bind(which.checked_before)
    .bind(which.stale_checked_before)
    .bind(which.processing_since)
    .bind(which.fresh)
    .fetch_all()
    .await
}

/// The next payments, by id, that were created before and are still queued.
pub async fn queued(tx: &mut Tx, after: PaymentId, before: Timestamp) -> Result<Vec<Payment>> {
    tx.query(concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments WHERE status = 'queued' AND id > $1 AND created_at < $2 ORDER BY id LIMIT 100"
    ))
    .bind(after)
    .bind(before)
    .fetch_all()
    .await
}

/// Puts a payment behind the others that wait to be checked.
pub async fn mark_checked(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET asked_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

/// What lets a buyer pay is deleted when the payment ends. A failure stays while the payment is failed.
pub async fn set_state(
    tx: &mut Tx,
    id: PaymentId,
    to: PaymentState,
    failure: Option<Failure>,
    now: Timestamp,
) -> Result<u64> {
    let (code, message) = failure.map(|failure| (failure.code, failure.message)).unzip();
    tx.query(
        "UPDATE payments SET status = $2, captured = $8, refunded = $3, updated_at = $6,
                failure_code = COALESCE($4, CASE WHEN status = $2 THEN failure_code END),
                failure_message = COALESCE($5, CASE WHEN status = $2 THEN failure_message END),
                client_secret = CASE WHEN $7 THEN client_secret END, approval_url = CASE WHEN $7 THEN approval_url END
         WHERE id = $1",
    )
    .bind(id)
    .bind(to.status)
    .bind(to.refunded)
    .bind(code)
    .bind(message)
    .bind(now)
    .bind(to.status.is_open())
    .bind(to.captured)
    .execute()
    .await
}

/// Stores since when the provider is processing a payment, or that it is not any more.
pub async fn set_processing(tx: &mut Tx, id: PaymentId, since: Option<Timestamp>, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET processing_since = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(since)
        .bind(now)
        .execute()
        .await
}

/// Stores the provider's ids and URLs of a payment that were not known before.
pub async fn set_references(tx: &mut Tx, id: PaymentId, report: &Report, now: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE payments SET transaction_id = COALESCE(transaction_id, $2), client_secret = COALESCE(client_secret, $3),
                approval_url = COALESCE(approval_url, $4), capture_id = COALESCE(capture_id, $5), updated_at = $6
         WHERE id = $1",
    )
    .bind(id)
    .bind(report.transaction_id.clone())
    .bind(report.client_secret.clone())
    .bind(report.approval_url.clone())
    .bind(report.capture_id.clone())
    .bind(now)
    .execute()
    .await
}

/// Stores when the key was first used, before it is. `0` when the payment is not queued any more.
pub async fn mark_first_call(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET first_call_at = COALESCE(first_call_at, $2) WHERE id = $1 AND status = 'queued'")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// The next key after one that had no effect.
pub fn next_key(key: &str) -> String {
    let (thing, attempt) = key.rsplit_once('-').unwrap_or((key, "1"));
    format!("{thing}-{}", attempt.parse::<u32>().unwrap_or(1) + 1)
}

/// A new key, after the old one was found to have had no effect. A payment that the provider has keeps its first call.
pub async fn renew_key(tx: &mut Tx, payment: &Payment) -> Result<u64> {
    tx.query("UPDATE payments SET provider_key = $2, first_call_at = CASE WHEN status = 'queued' THEN NULL ELSE first_call_at END
         WHERE id = $1 AND provider_key = $3")
        .bind(payment.id)
        .bind(next_key(&payment.provider_key))
        .bind(payment.provider_key.clone())
        .execute()
        .await
}
