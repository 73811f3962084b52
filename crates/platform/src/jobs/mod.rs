//! Background jobs: everything slow or outside our control.
//!
//! A job is a row of the shop's own database, written in the transaction that made the work necessary: an order and its
//! e-mail exist together or not at all. Workers claim rows with a lease; when a worker dies, its leases expire within
//! seconds ([`LEASE`], [`LEASE_SPREAD`]) and others claim the jobs. apalis runs the workers ([`worker`]) over our own
//! backend (`backend.rs`).
//!
//! What tests with killed workers and database restarts showed:
//! - With a stable worker name, a restarted worker renews the leases of its dead predecessor: names are random.
//! - apalis stops a worker for good when its backend returns an error: `backend.rs` returns none, it retries.
//! - An attempt counts when the job is claimed, so a job that kills its process each time becomes a dead letter after
//!   [`MAX_LOST`] attempts instead of being retried for ever.
//! - Jobs that lost their worker together were claimed together again, so that a job that kills its worker made dead
//!   letters of the others as well. Leases differ in length, so it runs with others each time.
//! - Finishing, retrying and giving up name the claim in their WHERE: a worker that stalled past its lease and continues
//!   changes nothing.
//! - A lease dated before the wait for SQLite's write lock may be expired when it is written: the time is read inside the
//!   transaction.

mod backend;
mod finisher;
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

/// The shortest lease: for how long a claimed job belongs to its worker without a renewal.
pub const LEASE: Duration = Duration::from_secs(12);
/// A lease is longer than [`LEASE`] by a random part of this.
pub const LEASE_SPREAD: Duration = Duration::from_secs(5);
/// How often a worker renews its leases.
pub const RENEWAL: Duration = Duration::from_secs(4);
/// How long one run of a job may take.
pub const RUN_LIMIT: Duration = Duration::from_mins(1);
/// How many workers may die while running a job before it is given up. With five, killing the payment worker every five
/// seconds during ten thousand payments made dead letters of 118 jobs that were merely slow.
pub const MAX_LOST: i64 = 20;

text_enum! {
    /// `pending` is waiting (due now or later), `running` is claimed by a worker, `done` is finished, `dead` was given up.
    pub enum State { Pending = "pending", Running = "running", Done = "done", Dead = "dead" }
}

/// What jobs run with. Workers only need its database and clock. Cloning is cheap.
pub trait Context: Clone + Send + Sync + Unpin + 'static {
    fn db(&self) -> &Db;
    fn clock(&self) -> &Clock;
}

/// A job: its data, only ids, and the function that does the work. It may run twice, so it must be idempotent.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stored in rows; never change it.
    const NAME: &'static str;
    /// Whose workers run it.
    const QUEUE: &'static str;
    type Context: Context;

    /// Does the work, within [`RUN_LIMIT`]. An error says whether to try again.
    fn run(self, context: &Self::Context) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Enqueues the job in this transaction, due at once.
    ///
    /// # Errors
    /// When the database refuses the row or is unavailable.
    fn enqueue(&self, tx: &mut Tx, now: Timestamp) -> impl Future<Output = db::Result<()>> + Send {
        enqueue(self, tx, now, now, None)
    }

    /// The job as a row, for [`enqueue_all`]; due at once.
    ///
    /// # Errors
    /// When it cannot be written in JSON.
    fn new_job(&self, now: Timestamp) -> db::Result<NewJob> {
        NewJob::of(self, now, None)
    }

    /// The same as [`enqueue`](Self::enqueue), unless a job with this `key` is stored, in whatever state. This limits how often the job is enqueued, not
    /// how often it runs: like any job, it may run twice.
    ///
    /// The key is stored as long as the row: until `JOB_RETENTION` (at least a day) after the job is done, until an admin
    /// discards it, or until it is [cancelled](cancel). Then the same key can be enqueued again.
    ///
    /// # Errors
    /// As for [`enqueue`](Self::enqueue).
    fn enqueue_once(&self, tx: &mut Tx, key: String, now: Timestamp) -> impl Future<Output = db::Result<()>> + Send {
        enqueue(self, tx, now, now, Some(key))
    }

    /// The same, due after `wait`, unless it is [cancelled](cancel) by its key before.
    ///
    /// # Errors
    /// As for [`enqueue`](Self::enqueue).
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

/// Deletes the pending job with this key; `false` when it has started or is gone.
///
/// # Errors
/// When the database is unavailable.
pub async fn cancel(tx: &mut Tx, key: &str) -> db::Result<bool> {
    store::cancel(tx, key).await
}

/// Whether the job with this key is pending or running.
///
/// # Errors
/// When the database is unavailable.
pub async fn is_unfinished(tx: &mut Tx, key: &str) -> db::Result<bool> {
    store::is_unfinished(tx, key).await
}

async fn enqueue<J: Job>(job: &J, tx: &mut Tx, due: Timestamp, now: Timestamp, key: Option<String>) -> db::Result<()> {
    enqueue_all(tx, &[NewJob::of(job, due, key)?], now).await
}

/// Enqueues several jobs in this transaction with one statement.
///
/// # Errors
/// As for [`Job::enqueue`].
pub async fn enqueue_all(tx: &mut Tx, jobs: &[NewJob], now: Timestamp) -> db::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    store::insert(tx, jobs, now).await?;
    for job in jobs {
        tx.notify(job.queue);
    }
    Ok(())
}

/// A job to enqueue.
pub struct NewJob {
    pub queue: &'static str,
    pub kind: &'static str,
    pub payload: String,
    pub due: Timestamp,
    pub key: Option<String>,
    pub request_id: Option<String>,
}

impl NewJob {
    fn of<J: Job>(job: &J, due: Timestamp, key: Option<String>) -> db::Result<Self> {
        let payload = serde_json::to_string(job).map_err(|error| db::Error::Encode(error.into()))?;
        Ok(Self { queue: J::QUEUE, kind: J::NAME, payload, due, key, request_id: telemetry::request_id() })
    }
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

/// A job claimed by a worker.
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
    /// How many workers died while running it.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.attempts - 1 - self.failures
    }
}
