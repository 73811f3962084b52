//! The SQL of the sweeps: each deletes the oldest first, by an index, and skips what somebody holds.

use std::collections::BTreeSet;

use crate::{
    clock::Timestamp,
    db::{Result, Tx},
    ids::SessionId,
};

/// With what is in them.
pub async fn carts(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM carts WHERE id IN (
             SELECT id FROM carts WHERE user_id IS NULL AND updated_at < $1
             ORDER BY updated_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

/// A session goes with its last token.
pub async fn refresh_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let swept: Vec<(SessionId,)> = tx
        .query(
            "DELETE FROM refresh_tokens WHERE token_hash IN (
                 SELECT token_hash FROM refresh_tokens WHERE expires_at < $1
                 ORDER BY expires_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)
             RETURNING session_id",
        )
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?;
    let sessions: BTreeSet<SessionId> = swept.iter().map(|(session,)| *session).collect();
    let sessions: Vec<SessionId> = sessions.into_iter().collect();
    tx.query(
        "DELETE FROM sessions
         WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = sessions.id) AND id IN",
    )
    .push_list(&sessions)
    .execute()
    .await?;
    Ok(u64::try_from(swept.len()).unwrap_or(u64::MAX))
}

pub async fn email_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM email_tokens WHERE token_hash IN (
             SELECT token_hash FROM email_tokens WHERE expires_at < $1
             ORDER BY expires_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

pub async fn idempotency_keys(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (
             SELECT user_id, path, key FROM idempotency_keys WHERE created_at < $1
             ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

pub async fn jobs(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM jobs WHERE id IN (
             SELECT id FROM jobs WHERE state = 'done' AND finished_at < $1
             ORDER BY finished_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

pub async fn webhooks(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM webhooks WHERE id IN (
             SELECT id FROM webhooks WHERE created_at < $1 AND processed_at IS NOT NULL
             ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

pub async fn sent_letters(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM sent_letters WHERE message_id IN (
             SELECT message_id FROM sent_letters WHERE sent_at < $1
             ORDER BY sent_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}

pub async fn order_events(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM order_events WHERE id IN (
             SELECT e.id FROM order_events e
             WHERE e.created_at < $1 AND EXISTS (
                 SELECT 1 FROM orders o
                 WHERE o.id = e.order_id AND o.status IN ('delivered', 'cancelled') AND o.updated_at < $1)
             ORDER BY e.created_at LIMIT $2 /* FOR UPDATE OF e SKIP LOCKED */)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}
