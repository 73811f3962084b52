//! The SQL of users, sessions and refresh tokens.

use sqlx::FromRow;

use super::{NewUser, Role, SignedIn, User, key};
use crate::{
    clock::Timestamp,
    db::{Db, Result, Tx},
    ids::{SessionId, UserId},
};

pub async fn find(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    tx.query(
        "SELECT id, username, email, role, first_name, last_name, phone_number, address, city, country, email_verified, created_at
         FROM users WHERE id = $1",
    )
    .bind(id)
    .fetch_optional().await
}

/// The same, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    tx.query(
        "SELECT id, username, email, role, first_name, last_name, phone_number, address, city, country, email_verified, created_at
         FROM users WHERE id = $1 /* FOR UPDATE */",
    )
    .bind(id)
    .fetch_optional()
    .await
}

pub async fn email_exists(tx: &mut Tx, email_key: &str) -> Result<bool> {
    let found: Option<(UserId,)> =
        tx.query("SELECT id FROM users WHERE email_key = $1").bind(email_key.to_owned()).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn username_exists(tx: &mut Tx, username_key: &str) -> Result<bool> {
    let found: Option<(UserId,)> =
        tx.query("SELECT id FROM users WHERE username_key = $1").bind(username_key.to_owned()).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn insert(tx: &mut Tx, new: &NewUser, username: &str, now: Timestamp) -> Result<Option<User>> {
    tx.query(
        "INSERT INTO users (username, username_key, email, email_key, password_hash, role,
                            first_name, last_name, phone_number, address, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (username_key) DO NOTHING
         RETURNING id, username, email, role, first_name, last_name, phone_number, address, city, country, email_verified, created_at",
    )
    .bind(username.to_owned()).bind(key(username)).bind(new.email.clone()).bind(key(&new.email))
    .bind(new.password_hash.clone()).bind(new.role)
    .bind(new.first_name.clone()).bind(new.last_name.clone()).bind(new.phone_number.clone()).bind(new.address.clone())
    .bind(now)
    .fetch_optional().await
}

pub async fn update_profile(tx: &mut Tx, user: &User) -> Result<u64> {
    tx.query(
        "UPDATE users SET first_name = $2, last_name = $3, phone_number = $4, address = $5, city = $6, country = $7 WHERE id = $1",
    )
    .bind(user.id).bind(user.first_name.clone()).bind(user.last_name.clone()).bind(user.phone_number.clone())
    .bind(user.address.clone()).bind(user.city.clone()).bind(user.country.clone())
    .execute().await
}

/// Everybody who runs the shop.
pub async fn active_admins(tx: &mut Tx) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> =
        tx.query("SELECT id FROM users WHERE role = 'admin' AND is_active ORDER BY id").fetch_all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What signing in is checked against.
#[derive(FromRow)]
pub struct Credentials {
    pub id: UserId,
    pub password_hash: String,
    pub is_active: bool,
}

pub async fn credentials_by_email(db: &Db, email: &str) -> Result<Option<Credentials>> {
    db.query("SELECT id, password_hash, is_active FROM users WHERE email_key = $1")
        .bind(key(email))
        .fetch_optional()
        .await
}

pub async fn credentials_by_username(db: &Db, username: &str) -> Result<Option<Credentials>> {
    db.query("SELECT id, password_hash, is_active FROM users WHERE username_key = $1")
        .bind(key(username))
        .fetch_optional()
        .await
}

pub async fn insert_session(tx: &mut Tx, id: SessionId, user: UserId, now: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO sessions (id, user_id, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(user)
        .bind(now)
        .execute()
        .await
}

/// Whose session it is, if it lives and its user may sign in.
pub async fn living_session(db: &Db, id: SessionId) -> Result<Option<SignedIn>> {
    let found: Option<(UserId, Role)> = db
        .query(
            "SELECT u.id, u.role FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = $1 AND s.ended_at IS NULL AND u.is_active",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(found.map(|(user, role)| SignedIn { id: user, session: id, role }))
}

pub async fn end_session(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<bool> {
    Ok(tx
        .query("UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(id)
        .bind(now)
        .execute()
        .await?
        == 1)
}

pub async fn session_user(tx: &mut Tx, id: SessionId) -> Result<Option<(UserId, Option<Timestamp>)>> {
    tx.query("SELECT user_id, ended_at FROM sessions WHERE id = $1").bind(id).fetch_optional().await
}

pub async fn insert_refresh_token(tx: &mut Tx, hash: &[u8], session: SessionId, expires_at: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(hash.to_vec())
        .bind(session)
        .bind(expires_at)
        .execute()
        .await
}

#[derive(FromRow)]
pub struct RefreshToken {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub is_active: bool,
    pub expires_at: Timestamp,
    pub spent_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// Locked, so that of two who use it at once one sees that it is spent.
pub async fn find_refresh_token(tx: &mut Tx, hash: &[u8]) -> Result<Option<RefreshToken>> {
    tx.query(
        "SELECT s.id AS session_id, u.id AS user_id, u.is_active, t.expires_at, t.spent_at, s.ended_at
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
         WHERE t.token_hash = $1 /* FOR UPDATE OF t */",
    )
    .bind(hash.to_vec())
    .fetch_optional()
    .await
}

pub async fn spend_refresh_token(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refresh_tokens SET spent_at = $2 WHERE token_hash = $1")
        .bind(hash.to_vec())
        .bind(now)
        .execute()
        .await
}
