//! `Idempotency-Key`: a request with the same key and body gets the first response again.
//!
//! The key is claimed and the response stored in the transaction of the effect, so that all exist or none. A second request
//! with the key waits at the claim for the first and then gets its response; after three seconds (PostgreSQL's lock
//! timeout) it gets a 409. Only successful responses are stored, for 24 hours.

use poem::{Request, http::header};
use sha2::{Digest, Sha256};
use sqlx::FromRow;

use super::{
    problem::{ApiResult, Problem},
    reply::Reply,
};
use crate::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem_types,
};

/// The idempotency key of a request, if it has one, and its user.
pub struct Idempotency {
    key: Option<Key>,
    user: i64,
}

/// A key as the client sent it, with the path and the SHA-256 of the body that it belongs to.
struct Key {
    text: String,
    path: String,
    body_hash: Vec<u8>,
}

/// The response to the first request with a key.
#[derive(FromRow)]
pub struct StoredResponse {
    body_hash: Vec<u8>,
    response: String,
}

impl StoredResponse {
    /// The first response again, with `Location: {base}/{id}`.
    #[must_use]
    pub fn replay<T, const STATUS: u16>(self, base: &str) -> Reply<T, STATUS> {
        let resource: serde_json::Value = serde_json::from_str(&self.response).unwrap_or_default();
        let id = resource["id"].as_str().map_or_else(|| resource["id"].to_string(), ToOwned::to_owned);
        self.replay_at(&format!("{base}/{id}"))
    }

    /// The first response again, with this `Location`.
    #[must_use]
    pub fn replay_at<T, const STATUS: u16>(self, location: &str) -> Reply<T, STATUS> {
        Reply::bytes(self.response).header("location", location).header("idempotent-replayed", "true")
    }
}

impl Idempotency {
    /// The key of a request. `path` is its canonical path, because an id can be written in several ways.
    ///
    /// # Errors
    /// 400 when the header is not 1 to 255 printable ASCII characters.
    pub fn of(request: &Request, path: impl Into<String>, body: &[u8], user: i64) -> ApiResult<Self> {
        Ok(Self { key: Key::of(request, path.into(), body)?, user })
    }

    /// Claims the key in this transaction and returns `None`, or returns the stored response. `None` without a key.
    ///
    /// # Errors
    /// 422 when the key was used for another body; 409 when the first request takes too long.
    pub async fn claim(&self, tx: &mut Tx, now: Timestamp) -> ApiResult<Option<StoredResponse>> {
        match &self.key {
            Some(key) => key.claim(tx, self.user, now).await,
            None => Ok(None),
        }
    }

    /// The stored response, without claiming the key.
    ///
    /// # Errors
    /// 422 when the key was used for another body.
    pub async fn find(&self, tx: &mut Tx) -> ApiResult<Option<StoredResponse>> {
        match &self.key {
            Some(key) => key.find(tx, self.user).await,
            None => Ok(None),
        }
    }

    /// Stores the response, in the transaction that claimed the key.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn store(&self, tx: &mut Tx, response: &[u8]) -> ApiResult<()> {
        match &self.key {
            Some(key) => key.store(tx, self.user, response).await,
            None => Ok(()),
        }
    }
}

impl Key {
    fn of(request: &Request, path: String, body: &[u8]) -> ApiResult<Option<Self>> {
        let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| {
            (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        });
        let Some(key) = key else {
            let detail = "The Idempotency-Key must have 1 to 255 printable ASCII characters.";
            return Err(problem_types::IDEMPOTENCY_KEY_INVALID.problem(detail));
        };
        Ok(Some(Self { text: key.to_owned(), path, body_hash: Sha256::digest(body).to_vec() }))
    }

    async fn claim(&self, tx: &mut Tx, user: i64, now: Timestamp) -> ApiResult<Option<StoredResponse>> {
        let claimed = tx
            .query(
                "INSERT INTO idempotency_keys (user_id, path, key, body_hash, response, created_at)
                 VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT DO NOTHING",
            )
            .bind(user)
            .bind(self.path.clone())
            .bind(self.text.clone())
            .bind(self.body_hash.clone())
            .bind(now)
            .execute()
            .await;
        match claimed {
            Ok(1) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03")) => {
                return Err(in_progress());
            }
            Err(error) => return Err(error.into()),
        }
        // It was deleted in the meantime: the next attempt claims it.
        self.find(tx, user).await?.ok_or_else(in_progress).map(Some)
    }

    async fn find(&self, tx: &mut Tx, user: i64) -> ApiResult<Option<StoredResponse>> {
        let stored: Option<StoredResponse> = tx
            .query("SELECT body_hash, response FROM idempotency_keys WHERE user_id = $1 AND path = $2 AND key = $3")
            .bind(user)
            .bind(self.path.clone())
            .bind(self.text.clone())
            .fetch_optional()
            .await?;
        if stored.as_ref().is_none_or(|stored| stored.body_hash == self.body_hash) {
            return Ok(stored);
        }
        let detail = "This Idempotency-Key was used for a different request. Use a new key for each operation.";
        Err(problem_types::IDEMPOTENCY_KEY_REUSED.problem(detail))
    }

    async fn store(&self, tx: &mut Tx, user: i64, response: &[u8]) -> ApiResult<()> {
        tx.query("UPDATE idempotency_keys SET response = $4 WHERE user_id = $1 AND path = $2 AND key = $3")
            .bind(user)
            .bind(self.path.clone())
            .bind(self.text.clone())
            .bind(String::from_utf8_lossy(response).into_owned())
            .execute()
            .await?;
        Ok(())
    }
}

/// Deletes the keys of a user and the responses, which have their address.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete_of_user(tx: &mut Tx, user: i64) -> db::Result<()> {
    tx.query("DELETE FROM idempotency_keys WHERE user_id = $1").bind(user).execute().await.map(drop)
}

fn in_progress() -> Problem {
    let detail = "The first request with this Idempotency-Key is still in progress. Try again in a second.";
    problem_types::IDEMPOTENCY_IN_PROGRESS.problem(detail).header(header::RETRY_AFTER, "1")
}
