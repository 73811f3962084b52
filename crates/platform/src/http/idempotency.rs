//! `Idempotency-Key`: a request with the same key and body gets the first response again.
//!
//! [`Idempotency::run`] claims the key and stores the response in the transaction of the operation, so that all exist or
//! none. A second request with the key waits at the claim for the first and then gets its response; after three seconds
//! (PostgreSQL's lock timeout) it gets a 409. Only successful responses are stored, for 24 hours.

use poem::{Request, http::header};
use poem_openapi::types::ToJSON;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::FromRow;

use super::{
    problem::{ApiResult, Problem},
    reply::{Reply, json_bytes},
};
use crate::{
    clock::Timestamp,
    db::{self, Db, Tx},
    http::problem_types,
};

/// Runs an operation at most once for each idempotency key. Without a key it always runs.
pub struct Idempotency {
    key: Option<Key>,
    user: i64,
    location: Location,
}

/// Where the resource of a response is found: its `Location`.
pub enum Location {
    /// In the collection with this path, by the `id` in the response.
    In(&'static str),
    /// At this path.
    At(String),
}

/// The one member of a response that its location needs.
#[derive(Deserialize)]
struct Identified {
    id: serde_json::Value,
}

/// What came of a request.
pub enum Outcome<T, const STATUS: u16> {
    /// The operation ran: what it made, and the response. Commit its transaction before sending the response.
    Completed(T, Reply<T, STATUS>),
    /// An earlier request with the same key ran it, and this is its response.
    Replayed(Reply<T, STATUS>),
}

impl<T, const STATUS: u16> Outcome<T, STATUS> {
    #[must_use]
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed(..))
    }

    #[must_use]
    pub fn response(self) -> Reply<T, STATUS> {
        let (Self::Completed(_, response) | Self::Replayed(response)) = self;
        response
    }
}

/// A key as the client sent it, with the path and the SHA-256 of the body that it belongs to.
struct Key {
    text: String,
    path: String,
    body_hash: Vec<u8>,
}

/// The response to the first request with a key.
#[derive(FromRow)]
struct StoredResponse {
    body_hash: Vec<u8>,
    response: String,
}

impl Idempotency {
    /// The key of a request. `path` is its canonical path, because an id can be written in several ways.
    ///
    /// # Errors
    /// 400 when the header is not 1 to 255 printable ASCII characters.
    pub fn of(
        request: &Request,
        path: impl Into<String>,
        location: Location,
        body: &[u8],
        user: i64,
    ) -> ApiResult<Self> {
        Ok(Self { key: Key::of(request, path.into(), body)?, user, location })
    }

    /// Claims the key, runs the operation and stores its response, all in `tx`; or replays the response that is stored.
    /// Without a key it always runs the operation.
    ///
    /// # Errors
    /// Those of the operation; 422 when the key was used for another body; 409 when the first request takes too long.
    pub async fn run<T: ToJSON, const STATUS: u16>(
        &self,
        tx: &mut Tx,
        now: Timestamp,
        operation: impl AsyncFnOnce(&mut Tx) -> ApiResult<T>,
    ) -> ApiResult<Outcome<T, STATUS>> {
        if let Some(key) = &self.key
            && let Some(stored) = key.claim(tx, self.user, now).await?
        {
            return Ok(Outcome::Replayed(self.replay(stored)));
        }
        let resource = operation(tx).await?;
        let response = json_bytes(&resource);
        if let Some(key) = &self.key {
            key.store(tx, self.user, &response).await?;
        }
        let location = self.location.of(&response);
        Ok(Outcome::Completed(resource, Reply::bytes(response).header("location", &location)))
    }

    /// The stored response, for a request that is refused before it can claim its key: who lost that response gets it all
    /// the same.
    ///
    /// # Errors
    /// `refused`, when no response is stored; 422 when the key was used for another body.
    pub async fn replay_or<T, const STATUS: u16>(&self, refused: Problem, db: &Db) -> ApiResult<Reply<T, STATUS>> {
        let mut tx = db.read().await?;
        let stored = match &self.key {
            Some(key) => key.find(&mut tx, self.user).await?,
            None => None,
        };
        stored.map(|stored| self.replay(stored)).ok_or(refused)
    }

    fn replay<T, const STATUS: u16>(&self, stored: StoredResponse) -> Reply<T, STATUS> {
        let location = self.location.of(stored.response.as_bytes());
        Reply::bytes(stored.response).header("location", &location).header("idempotent-replayed", "true")
    }
}

impl Location {
    fn of(&self, response: &[u8]) -> String {
        match self {
            Self::At(path) => path.clone(),
            Self::In(collection) => {
                let id = serde_json::from_slice(response).map(|Identified { id }| id).unwrap_or_default();
                format!("{collection}/{}", id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned))
            }
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
