//! The SQL of received webhook events.

use platform::{
    clock::Timestamp,
    db::{Query, Result, Tx},
};
use sqlx::FromRow;

use crate::{
    payments::providers::WebhookEvent,
    shop::{Provider, ids::WebhookId},
};

/// A received event.
#[derive(FromRow)]
pub struct Entry {
    pub id: WebhookId,
    pub provider: Provider,
    pub event_id: String,
    pub kind: String,
    /// JSON.
    pub body: String,
    pub processed_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// The columns of an [`Entry`].
macro_rules! webhook_columns {
    () => {
        "id, provider, event_id, kind, body, processed_at, created_at"
    };
}

/// Stores an event; `None` when one with its id was stored before.
pub async fn insert(
    tx: &mut Tx,
    provider: Provider,
    event: &WebhookEvent,
    now: Timestamp,
) -> Result<Option<WebhookId>> {
    let stored: Option<(WebhookId,)> = tx
        .query(
            "INSERT INTO webhooks (provider, event_id, kind, body, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (provider, event_id) DO NOTHING RETURNING id",
        )
        .bind(provider)
        .bind(event.id.clone())
        .bind(event.kind.clone())
        .bind(event.body.to_string())
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(stored.map(|(id,)| id))
}

pub async fn find(tx: &mut Tx, id: WebhookId) -> Result<Option<Entry>> {
    tx.query(concat!("SELECT ", webhook_columns!(), " FROM webhooks WHERE id = $1")).bind(id).fetch_optional().await
}

pub async fn mark_processed(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE webhooks SET processed_at = $2 WHERE id = $1").bind(id).bind(now).execute().await
}

/// One page of the inbox, newest first, and how many there are: of one provider or of all, processed, pending or both.
pub async fn list(
    tx: &mut Tx,
    provider: Option<Provider>,
    processed: Option<bool>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Entry>, i64)> {
    let count = tx.query("SELECT COUNT(*) FROM webhooks WHERE TRUE");
    let (total,) = filtered(count, provider, processed).fetch_one().await?;
    let rows = tx.query(concat!("SELECT ", webhook_columns!(), " FROM webhooks WHERE TRUE"));
    let page = filtered(rows, provider, processed)
        .push_bind(" ORDER BY id DESC LIMIT $?", limit)
        .push_bind(" OFFSET $?", offset);
    Ok((page.fetch_all().await?, total))
}

fn filtered(mut query: Query<'_>, provider: Option<Provider>, processed: Option<bool>) -> Query<'_> {
    if let Some(provider) = provider {
        query = query.push_bind(" AND provider = $?", provider);
    }
    match processed {
        Some(true) => query.push(" AND processed_at IS NOT NULL"),
        Some(false) => query.push(" AND processed_at IS NULL"),
        None => query,
    }
}

/// Marks an event as not processed. `None` when there is none.
pub async fn reopen(tx: &mut Tx, id: WebhookId) -> Result<Option<Entry>> {
    tx.query(concat!("UPDATE webhooks SET processed_at = NULL WHERE id = $1 RETURNING ", webhook_columns!()))
        .bind(id)
        .fetch_optional()
        .await
}
