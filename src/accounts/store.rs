//! The SQL of users, sessions, refresh tokens and the links in e-mails.

use platform::{
    clock::Timestamp,
    db::{Db, Result, Tx},
};
use sqlx::FromRow;

use super::{NewUser, Role, SignedIn, User, links::Purpose, lookup_key};
use crate::shop::ids::{SessionId, UserId};

/// The columns of a [`User`].
macro_rules! user_columns {
    () => {
        "id, username, email, role, first_name, last_name, phone_number, address, city, country, email_verified,
         is_active, created_at, closed_at"
    };
}
pub(super) use user_columns;

/// A user by id; `None` when there is no such user.
///
/// # Errors
/// When the database is unavailable.
pub async fn find(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    tx.query(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1")).bind(id).fetch_optional().await
}

/// The same, locked until the transaction ends. Inserting rows that refer to the user, as orders and carts, does not wait.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    tx.query(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 /* FOR NO KEY UPDATE */"))
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
    tx.query(concat!(
        "INSERT INTO users (username, username_key, email, email_key, password_hash, role,
                            first_name, last_name, phone_number, address, created_at, search_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (username_key) DO NOTHING
         RETURNING ",
        user_columns!()
    ))
    .bind(username.to_owned())
    .bind(lookup_key(username))
    .bind(new.email.clone())
    .bind(lookup_key(&new.email))
    .bind(new.password_hash.clone())
    .bind(new.role)
    .bind(new.first_name.clone())
    .bind(new.last_name.clone())
    .bind(new.phone_number.clone())
    .bind(new.address.clone())
    .bind(now)
    .bind(search_name(&new.first_name, &new.last_name))
    .fetch_optional()
    .await
}

/// Stores the names, phone number, address, city and country of a user. Returns the number of changed rows, 0 or 1.
///
/// # Errors
/// When the database is unavailable.
pub async fn update_profile(tx: &mut Tx, user: &User) -> Result<u64> {
    tx.query(
        "UPDATE users SET first_name = $2, last_name = $3, phone_number = $4, address = $5, city = $6, country = $7,
                          search_name = $8
         WHERE id = $1",
    )
    .bind(user.id)
    .bind(user.first_name.clone())
    .bind(user.last_name.clone())
    .bind(user.phone_number.clone())
    .bind(user.address.clone())
    .bind(user.city.clone())
    .bind(user.country.clone())
    .bind(search_name(&user.first_name, &user.last_name))
    .execute()
    .await
}

fn search_name(first: &str, last: &str) -> String {
    lookup_key(&format!("{first} {last}"))
}

pub async fn set_password(tx: &mut Tx, id: UserId, hash: &str) -> Result<u64> {
    tx.query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(id).bind(hash.to_owned()).execute().await
}

pub async fn mark_email_verified(tx: &mut Tx, id: UserId) -> Result<u64> {
    tx.query("UPDATE users SET email_verified = TRUE WHERE id = $1").bind(id).execute().await
}

pub async fn set_access(tx: &mut Tx, id: UserId, role: Role, is_active: bool) -> Result<u64> {
    tx.query("UPDATE users SET role = $2, is_active = $3 WHERE id = $1")
        .bind(id)
        .bind(role)
        .bind(is_active)
        .execute()
        .await
}

/// The address, city and country of an active user, who is kept from being deactivated until the transaction ends.
/// Inserting rows that refer to the user does not wait.
pub async fn lock_active(tx: &mut Tx, id: UserId) -> Result<Option<(String, String, String)>> {
    tx.query("SELECT address, city, country FROM users WHERE id = $1 AND is_active /* FOR KEY SHARE */")
        .bind(id)
        .fetch_optional()
        .await
}

/// The active admins, locked in the order of their ids together with a user. Inserting rows that refer to the user waits.
pub async fn lock_with_active_admins(tx: &mut Tx, user: UserId) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId, bool)> = tx
        .query(
            "SELECT id, role = 'admin' AND is_active FROM users
             WHERE (role = 'admin' AND is_active) OR id = $1 ORDER BY id /* FOR UPDATE */",
        )
        .bind(user)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().filter(|(_, is_admin)| *is_admin).map(|(id, _)| id).collect())
}

/// Removes all personal data from a user's row. The keys contain spaces, which no e-mail or username has.
pub async fn erase(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<u64> {
    let unused_key = format!("closed account {id}");
    tx.query(
        "UPDATE users SET username = $2, username_key = $3, email = '', email_key = $3, password_hash = '', role = 'customer',
                          first_name = '', last_name = '', phone_number = '', address = '', city = '', country = '',
                          search_name = '', email_verified = FALSE, is_active = FALSE, closed_at = $4
         WHERE id = $1",
    )
    .bind(id)
    .bind(format!("closed-{id}"))
    .bind(unused_key)
    .bind(now)
    .execute()
    .await
}

/// The ids of all active admins.
///
/// # Errors
/// When the database is unavailable.
pub async fn active_admins(tx: &mut Tx) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> =
        tx.query("SELECT id FROM users WHERE role = 'admin' AND is_active ORDER BY id").fetch_all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What a sign-in is checked against. Inactive users have none.
#[derive(Clone, FromRow)]
pub struct Credentials {
    pub id: UserId,
    pub password_hash: String,
}

pub async fn credentials_by_email(db: &Db, email: &str) -> Result<Option<Credentials>> {
    db.query("SELECT id, password_hash FROM users WHERE email_key = $1 AND is_active")
        .bind(lookup_key(email))
        .fetch_optional()
        .await
}

pub async fn credentials_by_username(db: &Db, username: &str) -> Result<Option<Credentials>> {
    db.query("SELECT id, password_hash FROM users WHERE username_key = $1 AND is_active")
        .bind(lookup_key(username))
        .fetch_optional()
        .await
}

pub async fn credentials_of(db: &Db, id: UserId) -> Result<Option<Credentials>> {
    db.query("SELECT id, password_hash FROM users WHERE id = $1 AND is_active").bind(id).fetch_optional().await
}

/// Whether these credentials are still the user's. Locks the user until the transaction ends.
pub async fn are_current(tx: &mut Tx, credentials: &Credentials) -> Result<bool> {
    let found: Option<(UserId,)> = tx
        .query("SELECT id FROM users WHERE id = $1 AND password_hash = $2 AND is_active /* FOR NO KEY UPDATE */")
        .bind(credentials.id)
        .bind(credentials.password_hash.clone())
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

pub async fn insert_session(tx: &mut Tx, id: SessionId, user: UserId, now: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO sessions (id, user_id, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(user)
        .bind(now)
        .execute()
        .await
}

/// The user of a session, if it has not ended and the user is active.
pub async fn find_active_session(db: &Db, id: SessionId) -> Result<Option<SignedIn>> {
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

/// Ends every session of a user, except one.
pub async fn end_sessions(tx: &mut Tx, user: UserId, except: Option<SessionId>, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL")
        .bind(user)
        .bind(except.unwrap_or(SessionId::NONE))
        .bind(now)
        .execute()
        .await
}

pub async fn session_user(tx: &mut Tx, id: SessionId) -> Result<Option<(UserId, Option<Timestamp>)>> {
    tx.query("SELECT user_id, ended_at FROM sessions WHERE id = $1").bind(id).fetch_optional().await
}

pub async fn insert_refresh_token(
    tx: &mut Tx,
    hash: &[u8],
    (session, generation): (SessionId, i64),
    expires_at: Timestamp,
) -> Result<u64> {
    tx.query("INSERT INTO refresh_tokens (token_hash, session_id, generation, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash.to_vec())
        .bind(session)
        .bind(generation)
        .bind(expires_at)
        .execute()
        .await
}

/// Deletes one token of a generation when it has `most`: the oldest after the first `first`.
pub async fn delete_surplus_refresh_token(
    tx: &mut Tx,
    session: SessionId,
    generation: i64,
    (first, most): (i64, i64),
) -> Result<u64> {
    tx.query(
        "DELETE FROM refresh_tokens WHERE token_hash IN (
             SELECT token_hash FROM refresh_tokens WHERE session_id = $1 AND generation = $2
             ORDER BY expires_at, token_hash LIMIT 1 OFFSET $3)
         AND (SELECT COUNT(*) FROM refresh_tokens WHERE session_id = $1 AND generation = $2) >= $4",
    )
    .bind(session)
    .bind(generation)
    .bind(first)
    .bind(most)
    .execute()
    .await
}

#[derive(FromRow)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub is_active: bool,
    /// That of the newest refresh token that was used; 0 when none was.
    pub generation: i64,
    pub ended_at: Option<Timestamp>,
}

/// The session of a refresh token, locked: requests with other tokens of the session wait for this one.
pub async fn lock_session_of(tx: &mut Tx, hash: &[u8]) -> Result<Option<Session>> {
    tx.query(
        "SELECT s.id, s.user_id, u.is_active, s.generation, s.ended_at
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1) /* FOR NO KEY UPDATE OF s */",
    )
    .bind(hash.to_vec())
    .fetch_optional()
    .await
}

pub async fn set_generation(tx: &mut Tx, session: SessionId, generation: i64) -> Result<u64> {
    tx.query("UPDATE sessions SET generation = $2 WHERE id = $1").bind(session).bind(generation).execute().await
}

#[derive(FromRow)]
pub struct RefreshToken {
    pub generation: i64,
    pub expires_at: Timestamp,
    /// When it was first used.
    pub spent_at: Option<Timestamp>,
}

pub async fn find_refresh_token(tx: &mut Tx, hash: &[u8]) -> Result<Option<RefreshToken>> {
    tx.query("SELECT generation, expires_at, spent_at FROM refresh_tokens WHERE token_hash = $1")
        .bind(hash.to_vec())
        .fetch_optional()
        .await
}

pub async fn mark_refresh_token_used(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<u64> {
    tx.query("UPDATE refresh_tokens SET spent_at = $2 WHERE token_hash = $1")
        .bind(hash.to_vec())
        .bind(now)
        .execute()
        .await
}

pub async fn insert_link(
    tx: &mut Tx,
    hash: &[u8],
    user: UserId,
    purpose: Purpose,
    expires_at: Timestamp,
) -> Result<u64> {
    tx.query("INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash.to_vec())
        .bind(user)
        .bind(purpose)
        .bind(expires_at)
        .execute()
        .await
}

/// The user of a link, if it is still valid.
pub async fn link_owner(tx: &mut Tx, hash: &[u8], purpose: Purpose, now: Timestamp) -> Result<Option<User>> {
    tx.query(concat!(
        "SELECT ",
        user_columns!(),
        " FROM email_tokens t JOIN users u ON u.id = t.user_id
         WHERE t.token_hash = $1 AND t.purpose = $2 AND t.expires_at > $3 AND u.is_active"
    ))
    .bind(hash.to_vec())
    .bind(purpose)
    .bind(now)
    .fetch_optional()
    .await
}

pub async fn delete_link(tx: &mut Tx, hash: &[u8]) -> Result<bool> {
    Ok(tx.query("DELETE FROM email_tokens WHERE token_hash = $1").bind(hash.to_vec()).execute().await? == 1)
}

pub async fn delete_links(tx: &mut Tx, user: UserId, purpose: Purpose) -> Result<u64> {
    tx.query("DELETE FROM email_tokens WHERE user_id = $1 AND purpose = $2").bind(user).bind(purpose).execute().await
}
