//! `Idempotency-Key`: the same key and body give the first answer again.
//!
//! The key is claimed and its answer stored in the transaction of the effect, so that both exist or neither. A second
//! request with the key waits for the first at the claim and then gets its answer; only when the wait is too long (three
//! seconds, PostgreSQL's lock timeout) is it told to come back. Only what succeeded is kept, for 24 hours.

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

/// What a client wants done at most once: its key, if it sent one, and who it is.
pub struct Idempotency {
    key: Option<Key>,
    user: i64,
}

/// A key as the client sent it, with what it stands for.
struct Key {
    text: String,
    path: String,
    body_hash: Vec<u8>,
}

/// An answer that was given before.
#[derive(FromRow)]
pub struct StoredResponse {
    body_hash: Vec<u8>,
    response: String,
}

impl StoredResponse {
    /// The first answer again. The thing it made is below `base`.
    #[must_use]
    pub fn replay<T, const STATUS: u16>(self, base: &str) -> Reply<T, STATUS> {
        let made: serde_json::Value = serde_json::from_str(&self.response).unwrap_or_default();
        let id = made["id"].as_str().map_or_else(|| made["id"].to_string(), ToOwned::to_owned);
        self.replay_at(&format!("{base}/{id}"))
    }

    /// The first answer again, with where its thing is found.
    #[must_use]
    pub fn replay_at<T, const STATUS: u16>(self, location: &str) -> Reply<T, STATUS> {
        Reply::bytes(self.response).header("location", location).header("idempotent-replayed", "true")
    }
}

impl Idempotency {
    /// `path` is where the request went, in one spelling: ids are written in several ways and name the same thing.
    ///
    /// # Errors
    /// 400 when the header is no key.
    pub fn of(request: &Request, path: impl Into<String>, body: &[u8], user: i64) -> ApiResult<Self> {
        Ok(Self { key: Key::of(request, path.into(), body)?, user })
    }

    /// Claims the key for this transaction, or finds the answer it got before. Without a key there is none.
    ///
    /// # Errors
    /// 422 when the key was used for another body; 409 when its first request takes too long.
    pub async fn claim(&self, tx: &mut Tx, now: Timestamp) -> ApiResult<Option<StoredResponse>> {
        match &self.key {
            Some(key) => key.claim(tx, self.user, now).await,
            None => Ok(None),
        }
    }

    /// The answer that was given before, without claiming the key.
    ///
    /// # Errors
    /// 422 when the key was used for another body.
    pub async fn find(&self, tx: &mut Tx) -> ApiResult<Option<StoredResponse>> {
        match &self.key {
            Some(key) => key.find(tx, self.user).await,
            None => Ok(None),
        }
    }

    /// Stores the answer, in the transaction that made it true.
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
        // Swept in this very moment: the next try claims it.
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

/// Forgets what a user asked for, and what was answered: it shows their address.
pub async fn forget(tx: &mut Tx, user: i64) -> db::Result<()> {
    tx.query("DELETE FROM idempotency_keys WHERE user_id = $1").bind(user).execute().await.map(drop)
}

fn in_progress() -> Problem {
    let detail = "The first request with this Idempotency-Key is still in progress. Try again in a second.";
    problem_types::IDEMPOTENCY_IN_PROGRESS.problem(detail).header(header::RETRY_AFTER, "1")
}
