//! The SQL of payments and webhooks.

use platform::{
    clock::Timestamp,
    db::{Query, Result, Tx},
    money::Money,
};
use sqlx::FromRow;

use super::{
    Payment, Standing,
    gateway::Report,
    refunds::{Reason, Refund, RefundStatus},
};
use crate::{
    orders::Order,
    shop::{
        Provider,
        ids::{OrderId, PaymentId, RefundId, UserId, WebhookId},
    },
};

pub async fn insert(
    tx: &mut Tx,
    id: PaymentId,
    order: &Order,
    provider: Provider,
    method: Option<String>,
    now: Timestamp,
) -> Result<Payment> {
    tx.query(
        "INSERT INTO payments (id, order_id, provider, status, amount, currency, payment_method, provider_key, created_at, updated_at)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $8)
         RETURNING id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                   client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at",
    )
    .bind(id).bind(order.id).bind(provider).bind(order.total_price).bind(order.currency.to_string()).bind(method)
    .bind(format!("payment-{id}-1")).bind(now)
    .fetch_one().await
}

pub async fn find(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE id = $1",
    )
    .bind(id)
    .fetch_optional().await
}

pub async fn lock(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE id = $1 /* FOR UPDATE */",
    )
    .bind(id)
    .fetch_optional().await
}

pub async fn of_order(tx: &mut Tx, order: OrderId) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE order_id = $1 ORDER BY created_at, id",
    )
    .bind(order)
    .fetch_all().await
}

/// The same, locked.
pub async fn lock_of_order(tx: &mut Tx, order: OrderId) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE order_id = $1 ORDER BY created_at, id /* FOR UPDATE */",
    )
    .bind(order)
    .fetch_all().await
}

/// A payment that ended, of what a provider made a second time.
pub async fn insert_stray(tx: &mut Tx, id: PaymentId, of: &Payment, transaction: &str, now: Timestamp) -> Result<u64> {
    tx.query(
        "INSERT INTO payments (id, order_id, provider, status, amount, currency, provider_key, first_call_at, transaction_id, created_at, updated_at)
         VALUES ($1, $2, $3, 'cancelled', $4, $5, $6, $7, $8, $7, $7) ON CONFLICT DO NOTHING",
    )
    .bind(id).bind(of.order_id).bind(of.provider).bind(of.amount).bind(of.currency.to_string())
    .bind(format!("payment-{id}-1")).bind(now).bind(transaction.to_owned())
    .execute().await
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
    let (total,) = narrowed(count, user, order).fetch_one().await?;
    let rows = tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE TRUE",
    );
    let page = narrowed(rows, user, order)
        .push_bind(" ORDER BY created_at DESC, id DESC LIMIT $?", limit)
        .push_bind(" OFFSET $?", offset);
    Ok((page.fetch_all().await?, total))
}

fn narrowed(mut query: Query<'_>, user: Option<UserId>, order: Option<OrderId>) -> Query<'_> {
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

/// Which online payments the provider is asked about.
pub struct Ask {
    /// Those that are open since then.
    pub before: Timestamp,
    /// Those that ended without money since then, because a buyer may pay late and the message of it be lost.
    pub lately: Timestamp,
    /// Those that were not asked about since then.
    pub asked_before: Timestamp,
    /// The same of those that the provider is processing since before `fresh`.
    pub stale_asked_before: Timestamp,
    pub fresh: Timestamp,
    /// Those that ended here and that the provider is processing since then.
    pub processing_since: Timestamp,
}

/// Online payments that the provider is asked about, those asked longest ago first.
pub async fn to_ask(tx: &mut Tx, ask: Ask) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments
         WHERE status IN ('queued', 'processing', 'requires_action', 'failed', 'cancelled')
           AND provider <> 'cash_on_delivery' AND created_at < $1
           AND (first_call_at IS NOT NULL OR provider_key NOT LIKE '%-1')
           AND (status IN ('queued', 'processing', 'requires_action') OR updated_at > $2 OR processing_since > $5)
           AND (asked_at IS NULL OR asked_at < $4
                OR (asked_at < $3 AND (processing_since IS NULL OR processing_since > $6)))
         ORDER BY asked_at NULLS FIRST LIMIT 40",
    )
    .bind(ask.before).bind(ask.lately).bind(ask.asked_before).bind(ask.stale_asked_before).bind(ask.processing_since)
    .bind(ask.fresh)
    .fetch_all().await
}

/// The next payments, by id, that were asked for before and are not taken up by their provider yet.
pub async fn queued(tx: &mut Tx, after: PaymentId, before: Timestamp) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments WHERE status = 'queued' AND id > $1 AND created_at < $2 ORDER BY id LIMIT 100",
    )
    .bind(after).bind(before)
    .fetch_all().await
}

/// Puts a payment at the end of the row of those that are asked about.
pub async fn mark_asked(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET asked_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

/// What lets a buyer pay is forgotten with the end of the payment. A failure stays while the payment is failed.
pub async fn set_standing(
    tx: &mut Tx,
    id: PaymentId,
    to: Standing,
    failure: Option<(String, String)>,
    now: Timestamp,
) -> Result<u64> {
    let (code, message) = failure.unzip();
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

/// Keeps since when the provider is processing a payment, or that it is not any more.
pub async fn set_processing(tx: &mut Tx, id: PaymentId, since: Option<Timestamp>, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET processing_since = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(since)
        .bind(now)
        .execute()
        .await
}

/// Keeps the ids and addresses of a payment that were not known before.
pub async fn learn(tx: &mut Tx, id: PaymentId, report: &Report, now: Timestamp) -> Result<u64> {
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

/// Remembers when the key was first used, before it is. `0` when the payment is not wanted any more.
pub async fn mark_first_call(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET first_call_at = COALESCE(first_call_at, $2) WHERE id = $1 AND status = 'queued'")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// The next key after one that had no effect.
fn next_key(key: &str) -> String {
    let (thing, attempt) = key.rsplit_once('-').unwrap_or((key, "1"));
    format!("{thing}-{}", attempt.parse::<u32>().unwrap_or(1) + 1)
}

/// A new key, after a look-up proved that the old one had no effect. What was made at the provider stays so.
pub async fn renew_key(tx: &mut Tx, payment: &Payment) -> Result<u64> {
    tx.query("UPDATE payments SET provider_key = $2, first_call_at = CASE WHEN status = 'queued' THEN NULL ELSE first_call_at END
         WHERE id = $1 AND provider_key = $3")
        .bind(payment.id)
        .bind(next_key(&payment.provider_key))
        .bind(payment.provider_key.clone())
        .execute()
        .await
}

#[derive(FromRow)]
pub struct Webhook {
    pub provider: Provider,
    pub body: String,
    pub processed_at: Option<Timestamp>,
}

/// Keeps an event; `None` when it came before.
pub async fn insert_webhook(
    tx: &mut Tx,
    provider: Provider,
    event: &str,
    kind: &str,
    body: &str,
    now: Timestamp,
) -> Result<Option<WebhookId>> {
    let kept: Option<(WebhookId,)> = tx
        .query(
            "INSERT INTO webhooks (provider, event_id, kind, body, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (provider, event_id) DO NOTHING RETURNING id",
        )
        .bind(provider)
        .bind(event.to_owned())
        .bind(kind.to_owned())
        .bind(body.to_owned())
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(kept.map(|(id,)| id))
}

pub async fn find_webhook(tx: &mut Tx, id: WebhookId) -> Result<Option<Webhook>> {
    tx.query("SELECT provider, body, processed_at FROM webhooks WHERE id = $1").bind(id).fetch_optional().await
}

pub async fn mark_webhook_processed(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE webhooks SET processed_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

pub async fn insert_refund(
    tx: &mut Tx,
    id: RefundId,
    payment: PaymentId,
    amount: Money,
    reason: Reason,
    now: Timestamp,
) -> Result<Refund> {
    tx.query(
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
         VALUES ($1, $2, 'queued', $3, $4, $5, $6, $6)
         RETURNING id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at",
    )
    .bind(id).bind(payment).bind(amount).bind(reason).bind(format!("refund-{id}-1")).bind(now)
    .fetch_one().await
}

/// Keeps a refund that somebody made at the provider.
pub async fn insert_refund_at_provider(
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

/// Forgets the mere sum that an earlier version knew of what went back at the provider; its refunds take its place.
pub async fn delete_nameless_refunds(tx: &mut Tx, payment: PaymentId) -> Result<u64> {
    tx.query("DELETE FROM refunds WHERE payment_id = $1 AND reason = 'at_provider' AND transaction_id IS NULL")
        .bind(payment)
        .execute()
        .await
}

pub async fn find_refund(tx: &mut Tx, id: RefundId) -> Result<Option<Refund>> {
    tx.query(
        "SELECT id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at
         FROM refunds WHERE id = $1",
    )
    .bind(id)
    .fetch_optional().await
}

pub async fn refunds_of(tx: &mut Tx, payment: PaymentId) -> Result<Vec<Refund>> {
    tx.query(
        "SELECT id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at
         FROM refunds WHERE payment_id = $1 ORDER BY created_at, id",
    )
    .bind(payment)
    .fetch_all().await
}

/// Refunds that the provider has begun and nobody has heard of since `before`, those asked about longest ago first.
pub async fn refunds_to_ask(tx: &mut Tx, before: Timestamp) -> Result<Vec<Refund>> {
    tx.query(
        "SELECT id, payment_id, status, amount, reason, provider_key, first_call_at, transaction_id, failure, created_at, updated_at
         FROM refunds WHERE status = 'processing' AND updated_at < $1 AND (asked_at IS NULL OR asked_at < $1)
         ORDER BY asked_at NULLS FIRST LIMIT 40",
    )
    .bind(before)
    .fetch_all().await
}

/// Refunds that were not sent since `before`.
pub async fn forgotten_refunds(tx: &mut Tx, before: Timestamp) -> Result<Vec<RefundId>> {
    let found: Vec<(RefundId,)> = tx
        .query("SELECT id FROM refunds WHERE status = 'queued' AND created_at < $1 ORDER BY created_at LIMIT 100")
        .bind(before)
        .fetch_all()
        .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

pub async fn mark_refund_asked(tx: &mut Tx, id: RefundId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refunds SET asked_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

pub async fn settle_refund(
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

/// Remembers when a refund's key was first used, before it is. `0` when it has ended.
pub async fn mark_first_refund_call(tx: &mut Tx, id: RefundId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refunds SET first_call_at = COALESCE(first_call_at, $2) WHERE id = $1 AND status = 'queued'")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// A new key for a refund, after a look-up proved that the old one had no effect.
pub async fn renew_refund_key(tx: &mut Tx, refund: &Refund) -> Result<u64> {
    tx.query("UPDATE refunds SET provider_key = $2, first_call_at = NULL WHERE id = $1 AND provider_key = $3")
        .bind(refund.id)
        .bind(next_key(&refund.provider_key))
        .bind(refund.provider_key.clone())
        .execute()
        .await
}

/// The next payments, by id, that ended and were not compared with the provider's books since they changed, or not since
/// `stale` though they changed `lately`, or of which a difference stands. What has money on its way back is compared when
/// that has arrived, or takes too long.
pub async fn to_compare(
    tx: &mut Tx,
    after: PaymentId,
    stale: Timestamp,
    lately: Timestamp,
    on_its_way_since: Timestamp,
) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, captured, refunded, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, approval_url, capture_id, failure_code, failure_message, processing_since, created_at, updated_at
         FROM payments
         WHERE id > $1 AND status NOT IN ('queued', 'processing', 'requires_action') AND transaction_id IS NOT NULL
           AND (compared_at IS NULL OR compared_at <= updated_at OR difference IS NOT NULL
                OR (compared_at < $2 AND updated_at > $3))
           AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = payments.id AND r.created_at > $4
                                                    AND r.status IN ('queued', 'processing'))
         ORDER BY id LIMIT 40",
    )
    .bind(after).bind(stale).bind(lately).bind(on_its_way_since)
    .fetch_all().await
}

/// Keeps what a comparison found, unless the payment has changed meanwhile.
pub async fn mark_compared(tx: &mut Tx, payment: &Payment, difference: Option<String>, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET compared_at = $3, difference = $4 WHERE id = $1 AND updated_at = $2")
        .bind(payment.id)
        .bind(payment.updated_at)
        .bind(now)
        .bind(difference)
        .execute()
        .await
}

/// How much of a payment is still here though it should not be, and is not on its way back: all of it when its order was
/// cancelled or could not take it, and what is more than the order's total in any case.
pub async fn kept_in_vain(tx: &mut Tx, id: PaymentId) -> Result<Money> {
    let kept: Option<(i64,)> = tx
        .query(
            "SELECT p.captured - p.refunded - CASE
                 WHEN o.status = 'cancelled' OR p.status NOT IN ('captured', 'partially_refunded') OR EXISTS (
                     SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.reason = 'late_money') THEN 0
                 ELSE p.amount END
             FROM payments p JOIN orders o ON o.id = p.order_id
             WHERE p.id = $1
               AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.status IN ('queued', 'processing'))",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(Money(kept.map_or(0, |(kept,)| kept.max(0))))
}

/// Has a payment compared by the next run.
pub async fn compare_again(tx: &mut Tx, id: PaymentId) -> Result<u64> {
    tx.query("UPDATE payments SET compared_at = NULL WHERE id = $1").bind(id).execute().await
}

pub async fn save_reconciliation(tx: &mut Tx, payments: i64, now: Timestamp) -> Result<u64> {
    tx.query(
        "INSERT INTO payment_reconciliation (id, checked_at, payments) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at, payments = excluded.payments",
    )
    .bind(now)
    .bind(payments)
    .execute()
    .await
}

pub async fn reconciliation(tx: &mut Tx) -> Result<Option<(Timestamp, i64)>> {
    tx.query("SELECT checked_at, payments FROM payment_reconciliation WHERE id = 1").fetch_optional().await
}

/// As JSON, oldest first.
pub async fn differences(tx: &mut Tx) -> Result<Vec<String>> {
    let found: Vec<(String,)> = tx
        .query("SELECT difference FROM payments WHERE difference IS NOT NULL ORDER BY updated_at, id")
        .fetch_all()
        .await?;
    Ok(found.into_iter().map(|(difference,)| difference).collect())
}

pub async fn count_differences(tx: &mut Tx) -> Result<i64> {
    let (count,) = tx.query("SELECT COUNT(*) FROM payments WHERE difference IS NOT NULL").fetch_one().await?;
    Ok(count)
}

/// What an event became in the inbox, for admins.
#[derive(FromRow)]
pub struct InboxEntry {
    pub id: WebhookId,
    pub provider: Provider,
    pub event_id: String,
    pub kind: String,
    pub body: String,
    pub processed_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// One page of the inbox, newest first, and how many there are: of one provider or of all, processed, pending or both.
pub async fn inbox(
    tx: &mut Tx,
    provider: Option<Provider>,
    processed: Option<bool>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<InboxEntry>, i64)> {
    let count = tx.query("SELECT COUNT(*) FROM webhooks WHERE TRUE");
    let (total,) = of_inbox(count, provider, processed).fetch_one().await?;
    let rows = tx.query("SELECT id, provider, event_id, kind, body, processed_at, created_at FROM webhooks WHERE TRUE");
    let page = of_inbox(rows, provider, processed)
        .push_bind(" ORDER BY id DESC LIMIT $?", limit)
        .push_bind(" OFFSET $?", offset);
    Ok((page.fetch_all().await?, total))
}

fn of_inbox(mut query: Query<'_>, provider: Option<Provider>, processed: Option<bool>) -> Query<'_> {
    if let Some(provider) = provider {
        query = query.push_bind(" AND provider = $?", provider);
    }
    match processed {
        Some(true) => query.push(" AND processed_at IS NOT NULL"),
        Some(false) => query.push(" AND processed_at IS NULL"),
        None => query,
    }
}

/// Makes it as if an event had not been acted on yet. `None` when there is no such event.
pub async fn reopen_webhook(tx: &mut Tx, id: WebhookId) -> Result<Option<InboxEntry>> {
    tx.query(
        "UPDATE webhooks SET processed_at = NULL WHERE id = $1
         RETURNING id, provider, event_id, kind, body, processed_at, created_at",
    )
    .bind(id)
    .fetch_optional()
    .await
}
