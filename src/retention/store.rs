//! The SQL that deletes expired data: each statement deletes the oldest first, by an index, and skips locked rows.

use std::collections::BTreeSet;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
};

use super::Kind;
use crate::shop::ids::SessionId;

/// Deletes at most `limit` rows of before a time. Returns how many.
pub async fn sweep(tx: &mut Tx, kind: Kind, before: Timestamp, limit: i64) -> Result<u64> {
    let oldest = match kind {
        // Their items are deleted with them.
        Kind::Carts => tx.query(
            "DELETE FROM carts WHERE id IN (
                 SELECT id FROM carts WHERE user_id IS NULL AND updated_at < $1
                 ORDER BY updated_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::RefreshTokens => return refresh_tokens(tx, before, limit).await,
        Kind::EmailTokens => tx.query(
            "DELETE FROM email_tokens WHERE token_hash IN (
                 SELECT token_hash FROM email_tokens WHERE expires_at < $1
                 ORDER BY expires_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::EmailChanges => tx.query(
            "DELETE FROM email_changes WHERE id IN (
                 SELECT id FROM email_changes WHERE expires_at < $1
                 ORDER BY expires_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::FormerEmails => tx.query(
            "DELETE FROM former_emails WHERE id IN (
                 SELECT id FROM former_emails WHERE created_at < $1
                 ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::IdempotencyKeys => tx.query(
            "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (
                 SELECT user_id, path, key FROM idempotency_keys WHERE created_at < $1
                 ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::Jobs => tx.query(
            "DELETE FROM jobs WHERE id IN (
                 SELECT id FROM jobs WHERE state = 'done' AND finished_at < $1
                 ORDER BY finished_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::Webhooks => tx.query(
            "DELETE FROM webhooks WHERE id IN (
                 SELECT id FROM webhooks WHERE created_at < $1 AND processed_at IS NOT NULL
                 ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::SentEmails => tx.query(
            "DELETE FROM sent_letters WHERE message_id IN (
                 SELECT message_id FROM sent_letters WHERE sent_at < $1
                 ORDER BY sent_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
        Kind::OrderEvents => tx.query(
            "DELETE FROM order_events WHERE id IN (
                 SELECT id FROM order_events WHERE created_at < $1
                 ORDER BY created_at LIMIT $2 /* FOR UPDATE SKIP LOCKED */)",
        ),
    };
    oldest.bind(before).bind(limit).execute().await
}

/// A session is deleted with its last token.
async fn refresh_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
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
