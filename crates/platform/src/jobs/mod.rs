//! Background jobs: everything slow or outside our control.
//!
//! A job is a row of the shop's own database, written in the transaction that made the work necessary: an order and its
//! e-mail exist together or not at all. Workers claim rows with a lease; a worker that dies loses nothing, because its
//! leases run out within seconds ([`LEASE`], [`LEASE_SPREAD`]) and others take over. apalis runs the workers ([`worker`])
//! over our own backend (`backend.rs`).
//!
//! What the spike with kills and database restarts taught, and what is built on it:
//! - A stable worker name that comes back at once makes its dead predecessor's jobs look alive: names are random.
//! - apalis ends a worker whose backend returns an error, and ends it for good: `backend.rs` returns none, it waits.
//! - An attempt counts when the job is claimed, so a job that kills its process each time is buried after
//!   [`MAX_LOST`] tries instead of going round for ever.
//! - What died together came back together: a job that kills its worker took the same neighbours with it each time, until
//!   they were buried, too. Leases differ in length, so it meets others each time.
//! - Finishing, retrying and burying name the claim in their WHERE: a worker that stalled past its lease and came back
//!   changes nothing.
//! - A lease dated before the wait for SQLite's write lock may be born expired: the time is taken inside the transaction.

mod backend;
mod leases;
pub mod retry;
pub mod store;
pub mod worker;

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::FromRow;

use crate::{
    clock::{Clock, Timestamp},
    db::{self, Db, Tx},
    ids::JobId,
    telemetry, text_enum,
};

/// How long a claimed job is its worker's alone without a sign of life, at least.
pub const LEASE: Duration = Duration::from_secs(12);
/// How much longer at most.
pub const LEASE_SPREAD: Duration = Duration::from_secs(5);
/// How often a worker gives that sign.
pub const RENEWAL: Duration = Duration::from_secs(4);
/// How long one run of a job may take.
pub const RUN_LIMIT: Duration = Duration::from_mins(1);
/// How many workers may die over one job before it is given up. With five, killing the payment worker every five seconds
/// during ten thousand payments buried 118 jobs that had done nothing but be slow.
pub const MAX_LOST: i64 = 20;

text_enum! {
    /// `pending` is waiting (due now or later), `running` is claimed by a worker, `done` is finished, `dead` was given up.
    pub enum State { Pending = "pending", Running = "running", Done = "done", Dead = "dead" }
}

/// What jobs are given, as far as workers need it, too. Cloning is cheap.
pub trait Context: Clone + Send + Sync + Unpin + 'static {
    fn db(&self) -> &Db;
    fn clock(&self) -> &Clock;
}

/// What to do, in ids, plus the one function that does it. It may run twice and must not mind.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stored in rows: keep it when the type is renamed.
    const NAME: &'static str;
    /// Which worker takes it.
    const QUEUE: &'static str;
    type Context: Context;

    fn run(self, context: &Self::Context) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Makes the job part of this transaction. It is due at once.
    fn enqueue(&self, tx: &mut Tx, now: Timestamp) -> impl Future<Output = db::Result<()>> + Send {
        enqueue(self, tx, now, now, None)
    }

    /// The same, at most once for each `key`, whoever asks. The key is the row's, and the row of a job that is done is swept
    /// after `JOB_RETENTION`, at least a day: what must not happen again later than that needs a memory of its own.
    fn enqueue_once(&self, tx: &mut Tx, key: String, now: Timestamp) -> impl Future<Output = db::Result<()>> + Send {
        enqueue(self, tx, now, now, Some(key))
    }

    /// The same, due after `wait`, unless it is [cancelled](cancel) by its key before.
    fn enqueue_later(
        &self,
        tx: &mut Tx,
        key: String,
        wait: Duration,
        now: Timestamp,
    ) -> impl Future<Output = db::Result<()>> + Send {
        enqueue(self, tx, now + wait, now, Some(key))
    }
}

/// Takes back a job that was enqueued for later; `false` when it has begun.
pub async fn cancel(tx: &mut Tx, key: &str) -> db::Result<bool> {
    store::cancel(tx, key).await
}

/// Whether the job with this key waits or runs; not when it is done, was given up, or is gone.
pub async fn is_unfinished(tx: &mut Tx, key: &str) -> db::Result<bool> {
    store::is_unfinished(tx, key).await
}

async fn enqueue<J: Job>(job: &J, tx: &mut Tx, due: Timestamp, now: Timestamp, key: Option<String>) -> db::Result<()> {
    let payload = serde_json::to_string(job).map_err(|error| db::Error::Encode(error.into()))?;
    let new = store::NewJob { queue: J::QUEUE, kind: J::NAME, payload, due, key, request_id: telemetry::request_id() };
    store::insert(tx, new, now).await?;
    tx.notify(J::QUEUE);
    Ok(())
}

/// Why a job did not succeed, and whether trying again makes sense.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("{0}")]
    Retry(String),
    #[error("{0}")]
    GiveUp(String),
}

impl From<db::Error> for JobError {
    fn from(error: db::Error) -> Self {
        Self::Retry(format!("database: {error}"))
    }
}

/// A job that a worker holds.
#[derive(Clone, Debug, FromRow)]
pub struct Claim {
    pub id: JobId,
    pub kind: String,
    pub payload: String,
    /// Claims so far, this one included.
    pub attempts: i64,
    /// Runs so far that ended in an error.
    pub failures: i64,
    pub claimed_by: String,
    pub request_id: Option<String>,
}

impl Claim {
    /// How many workers died over it.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.attempts - 1 - self.failures
    }
}
