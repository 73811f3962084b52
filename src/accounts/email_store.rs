//! The SQL of pending changes of an e-mail address, and of former addresses.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
};
use sqlx::FromRow;
use uuid::Uuid;

use super::{links::Purpose, lookup_key};
use crate::shop::ids::UserId;

#[derive(FromRow)]
pub struct EmailChange {
    /// Identifies the change in its jobs and e-mails.
    pub id: Uuid,
    pub user_id: UserId,
    pub email: String,
    pub expires_at: Timestamp,
}

pub async fn insert_change(tx: &mut Tx, change: &EmailChange) -> Result<u64> {
    tx.query("INSERT INTO email_changes (id, user_id, email, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(change.id)
        .bind(change.user_id)
        .bind(change.email.clone())
        .bind(change.expires_at)
        .execute()
        .await
}

pub async fn find_change_of_user(tx: &mut Tx, user: UserId) -> Result<Option<EmailChange>> {
    tx.query("SELECT id, user_id, email, expires_at FROM email_changes WHERE user_id = $1")
        .bind(user)
        .fetch_optional()
        .await
}

pub async fn find_change(tx: &mut Tx, id: Uuid) -> Result<Option<EmailChange>> {
    tx.query("SELECT id, user_id, email, expires_at FROM email_changes WHERE id = $1").bind(id).fetch_optional().await
}

/// The change, locked, if it is still pending.
pub async fn lock_change(tx: &mut Tx, id: Uuid) -> Result<Option<EmailChange>> {
    tx.query("SELECT id, user_id, email, expires_at FROM email_changes WHERE id = $1 /* FOR UPDATE */")
        .bind(id)
        .fetch_optional()
        .await
}

/// A change is pending for as long as its newest link works.
pub async fn extend_change(tx: &mut Tx, id: Uuid, until: Timestamp) -> Result<u64> {
    tx.query("UPDATE email_changes SET expires_at = $2 WHERE id = $1").bind(id).bind(until).execute().await
}

pub async fn delete_change(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.query("DELETE FROM email_changes WHERE user_id = $1").bind(user).execute().await
}

pub async fn set_email(tx: &mut Tx, user: UserId, email: &str) -> Result<u64> {
    tx.query("UPDATE users SET email = $2, email_key = $3, email_verified = TRUE WHERE id = $1")
        .bind(user)
        .bind(email.to_owned())
        .bind(lookup_key(email))
        .execute()
        .await
}

/// What a link is for, if there is such a link.
pub async fn purpose_of_link(tx: &mut Tx, hash: &[u8]) -> Result<Option<Purpose>> {
    let found: Option<(Purpose,)> =
        tx.query("SELECT purpose FROM email_tokens WHERE token_hash = $1").bind(hash.to_vec()).fetch_optional().await?;
    Ok(found.map(|(purpose,)| purpose))
}

/// Keeps a former address until an e-mail was sent there to say that it is no longer the account's.
pub async fn insert_former(tx: &mut Tx, id: Uuid, email: &str, now: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO former_emails (id, email, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(email.to_owned())
        .bind(now)
        .execute()
        .await
}

pub async fn former(tx: &mut Tx, id: Uuid) -> Result<Option<(String, Timestamp)>> {
    tx.query("SELECT email, created_at FROM former_emails WHERE id = $1").bind(id).fetch_optional().await
}

pub async fn delete_former(tx: &mut Tx, id: Uuid) -> Result<u64> {
    tx.query("DELETE FROM former_emails WHERE id = $1").bind(id).execute().await
}
