//! The SQL of payments and webhooks.

use sqlx::FromRow;

use super::{Payment, Provider, Status};
use crate::{
    clock::Timestamp,
    db::{Query, Result, Tx},
    ids::{OrderId, PaymentId, UserId, WebhookId},
    money::Currency,
    orders::Order,
};

/// The provider's idempotency key is a function of the payment.
fn provider_key(id: PaymentId, attempt: u32) -> String {
    format!("payment-{id}-{attempt}")
}

pub async fn insert(
    tx: &mut Tx,
    id: PaymentId,
    order: &Order,
    provider: Provider,
    currency: Currency,
    method: Option<String>,
    now: Timestamp,
) -> Result<Payment> {
    tx.query(
        "INSERT INTO payments (id, order_id, provider, status, amount, currency, payment_method, provider_key, created_at, updated_at)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $8)
         RETURNING id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                   client_secret, failure_code, failure_message, created_at, updated_at",
    )
    .bind(id).bind(order.id).bind(provider).bind(order.total_price).bind(currency.to_string()).bind(method)
    .bind(provider_key(id, 1)).bind(now)
    .fetch_one().await
}

pub async fn find(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, failure_code, failure_message, created_at, updated_at
         FROM payments WHERE id = $1",
    )
    .bind(id)
    .fetch_optional().await
}

pub async fn lock(tx: &mut Tx, id: PaymentId) -> Result<Option<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, failure_code, failure_message, created_at, updated_at
         FROM payments WHERE id = $1 /* FOR UPDATE */",
    )
    .bind(id)
    .fetch_optional().await
}

pub async fn of_order(tx: &mut Tx, order: OrderId) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, failure_code, failure_message, created_at, updated_at
         FROM payments WHERE order_id = $1 ORDER BY created_at, id",
    )
    .bind(order)
    .fetch_all().await
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
        "SELECT id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, failure_code, failure_message, created_at, updated_at
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

/// Open online payments that the provider was asked about and nobody has heard of since `before`, the longest unheard of
/// first.
pub async fn hanging(tx: &mut Tx, before: Timestamp) -> Result<Vec<Payment>> {
    tx.query(
        "SELECT id, order_id, provider, status, amount, currency, payment_method, provider_key, first_call_at, transaction_id,
                client_secret, failure_code, failure_message, created_at, updated_at
         FROM payments WHERE status IN ('queued', 'processing', 'requires_action') AND first_call_at < $1 AND updated_at < $1
         ORDER BY updated_at LIMIT 40",
    )
    .bind(before)
    .fetch_all().await
}

pub async fn set_status(tx: &mut Tx, id: PaymentId, status: Status, now: Timestamp) -> Result<()> {
    tx.query("UPDATE payments SET status = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(status)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Puts a payment at the end of the row of those that are asked about.
pub async fn mark_asked(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET updated_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

pub async fn set_transaction(
    tx: &mut Tx,
    id: PaymentId,
    transaction: &str,
    client_secret: Option<&str>,
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE payments SET transaction_id = $2, client_secret = COALESCE($3, client_secret), updated_at = $4
         WHERE id = $1 AND transaction_id IS NULL",
    )
    .bind(id)
    .bind(transaction.to_owned())
    .bind(client_secret.map(ToOwned::to_owned))
    .bind(now)
    .execute()
    .await
}

pub async fn fail(tx: &mut Tx, id: PaymentId, code: &str, message: &str, now: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE payments SET status = 'failed', failure_code = $2, failure_message = $3, updated_at = $4 WHERE id = $1",
    )
    .bind(id)
    .bind(code.to_owned())
    .bind(message.to_owned())
    .bind(now)
    .execute()
    .await
}

/// Remembers when the key was first used, before it is.
pub async fn mark_first_call(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET first_call_at = $2 WHERE id = $1 AND first_call_at IS NULL")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

/// A new key, after a look-up proved that the old one had no effect.
pub async fn renew_key(tx: &mut Tx, payment: &Payment) -> Result<u64> {
    let attempt: u32 = payment.provider_key.rsplit('-').next().and_then(|attempt| attempt.parse().ok()).unwrap_or(1);
    tx.query("UPDATE payments SET provider_key = $2, first_call_at = NULL WHERE id = $1 AND provider_key = $3")
        .bind(payment.id)
        .bind(provider_key(payment.id, attempt + 1))
        .bind(payment.provider_key.clone())
        .execute()
        .await
}

pub async fn refund_all(tx: &mut Tx, id: PaymentId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE payments SET status = 'refunded', refunded = amount, updated_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute()
        .await
}

#[derive(FromRow)]
pub struct Webhook {
    pub kind: String,
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
    tx.query("SELECT kind, body, processed_at FROM webhooks WHERE id = $1").bind(id).fetch_optional().await
}

pub async fn mark_webhook_processed(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE webhooks SET processed_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}
