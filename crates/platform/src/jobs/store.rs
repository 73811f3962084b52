//! The SQL of the `jobs` table. `due_at` is when a job may be claimed: its start while it is pending, the end of its
//! lease while it is running, so that one index serves both.

use std::time::Duration;

use rand::Rng;
use sqlx::FromRow;

use super::{Claim, LEASE, LEASE_SPREAD, NewJob, State};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Result, Tx},
    ids::JobId,
};

/// Inserts jobs, but those whose key one has.
///
/// # Errors
/// When the database is unavailable.
pub async fn insert(tx: &mut Tx, jobs: &[NewJob], now: Timestamp) -> Result<()> {
    tx.query("INSERT INTO jobs (queue, kind, payload, state, due_at, unique_key, request_id, created_at) VALUES")
        .push_rows(jobs, |row, job| {
            let row = row.bind(job.queue).bind(job.kind).bind(job.payload.clone()).bind("pending").bind(job.due);
            row.bind(job.key.clone()).bind(job.request_id.clone()).bind(now)
        })
        .push(" ON CONFLICT (unique_key) DO NOTHING")
        .execute()
        .await
        .map(drop)
}

/// See [`super::cancel`].
///
/// # Errors
/// When the database is unavailable.
pub async fn cancel(tx: &mut Tx, key: &str) -> Result<bool> {
    let cancelled = tx.query("DELETE FROM jobs WHERE unique_key = $1 AND state = 'pending'").bind(key.to_owned());
    Ok(cancelled.execute().await? == 1)
}

/// See [`super::is_unfinished`].
///
/// # Errors
/// When the database is unavailable.
pub async fn is_unfinished(tx: &mut Tx, key: &str) -> Result<bool> {
    let found: Option<(JobId,)> = tx
        .query("SELECT id FROM jobs WHERE unique_key = $1 AND state IN ('pending', 'running')")
        .bind(key.to_owned())
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// Whether there is a job with this key, done or not.
///
/// # Errors
/// When the database is unavailable.
pub async fn exists(db: &Db, key: &str) -> Result<bool> {
    let job: Option<(JobId,)> =
        db.query("SELECT id FROM jobs WHERE unique_key = $1").bind(key.to_owned()).fetch_optional().await?;
    Ok(job.is_some())
}

/// Claims up to `limit` jobs, those that have been due for longest.
///
/// # Errors
/// When the database is unavailable.
pub async fn claim(db: &Db, clock: &Clock, queue: &'static str, worker: &str, limit: usize) -> Result<Vec<Claim>> {
    if !any_due(db, queue, clock.now()).await? {
        return Ok(vec![]);
    }
    let mut tx = db.write().await?;
    let now = clock.now();
    let due: Vec<(JobId,)> = tx
        .query(
            "SELECT id FROM jobs WHERE queue = $1 AND state IN ('pending', 'running') AND due_at <= $2
             ORDER BY due_at, id LIMIT $3 /* FOR UPDATE SKIP LOCKED */",
        )
        .bind(queue)
        .bind(now)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    let mut claims = if due.is_empty() { vec![] } else { claim_due(&mut tx, &due, worker, now).await? };
    tx.commit().await?;
    claims.sort_by_key(|claim: &Claim| due.iter().position(|(id,)| *id == claim.id));
    Ok(claims)
}

/// Each claim with a lease of its own.
async fn claim_due(tx: &mut Tx, due: &[(JobId,)], worker: &str, now: Timestamp) -> Result<Vec<Claim>> {
    let query = tx.query("WITH leases (id, due_at) AS (VALUES");
    let query = query.push_rows(due, |row, (id,)| row.bind(*id).bind(now + lease()));
    let update =
        ") UPDATE jobs SET state = 'running', attempts = attempts + 1, due_at = leases.due_at, claimed_by = $?";
    let returning = " FROM leases WHERE jobs.id = leases.id
                     RETURNING jobs.id, kind, payload, attempts, failures, claimed_by, request_id";
    query.push_bind(update, worker.to_owned()).push(returning).fetch_all().await
}

/// A random length: jobs that lost their worker at the same time must not be claimed together again, because one of them
/// may have killed it.
fn lease() -> Duration {
    LEASE + LEASE_SPREAD.mul_f64(rand::rng().random())
}

/// Checked before a claim, so that an idle worker never takes a write lock.
async fn any_due(db: &Db, queue: &'static str, now: Timestamp) -> Result<bool> {
    let due: Option<(JobId,)> = db
        .query("SELECT id FROM jobs WHERE queue = $1 AND state IN ('pending', 'running') AND due_at <= $2 LIMIT 1")
        .bind(queue)
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(due.is_some())
}

/// Renews the leases of a worker's jobs. Rows that are locked are skipped: those jobs are being finished.
///
/// # Errors
/// When the database is unavailable.
pub async fn renew(tx: &mut Tx, worker: &str, jobs: &[JobId], now: Timestamp) -> Result<u64> {
    let query = tx.query("WITH leases (id, due_at) AS (VALUES");
    let query = query.push_rows(jobs, |row, id| row.bind(*id).bind(now + lease()));
    let locked = "), held AS (SELECT id FROM jobs WHERE id IN (SELECT id FROM leases)
                              ORDER BY id /* FOR UPDATE SKIP LOCKED */)
                  UPDATE jobs SET due_at = leases.due_at FROM leases JOIN held ON held.id = leases.id
                  WHERE jobs.id = held.id AND state = 'running'";
    query.push(locked).push_bind(" AND claimed_by = $?", worker.to_owned()).execute().await
}

/// Marks claimed jobs of one worker as done. Like the following three, it changes nothing of a claim that was lost.
///
/// # Errors
/// When the database is unavailable.
pub async fn finish(tx: &mut Tx, worker: &str, claims: &[Claim], now: Timestamp) -> Result<u64> {
    let query = tx.query("WITH finished (id, attempts) AS (VALUES");
    let query = query.push_rows(claims, |row, claim| row.bind(claim.id).bind(claim.attempts));
    let update =
        ") UPDATE jobs SET state = 'done', finished_at = $?, claimed_by = NULL, last_error = NULL FROM finished
                    WHERE jobs.id = finished.id AND jobs.attempts = finished.attempts AND state = 'running'";
    query.push_bind(update, now).push_bind(" AND claimed_by = $?", worker.to_owned()).execute().await
}

/// Makes a claimed job pending again, due at `due`.
///
/// # Errors
/// When the database is unavailable.
pub async fn retry_later(tx: &mut Tx, claim: &Claim, why: &str, due: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE jobs SET state = 'pending', failures = failures + 1, due_at = $4, last_error = $5, claimed_by = NULL
         WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND state = 'running'",
    )
    .bind(claim.id)
    .bind(claim.claimed_by.clone())
    .bind(claim.attempts)
    .bind(due)
    .bind(why.to_owned())
    .execute()
    .await
}

/// Makes a claimed job a dead letter.
///
/// # Errors
/// When the database is unavailable.
pub async fn mark_dead(tx: &mut Tx, claim: &Claim, why: &str, now: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE jobs SET state = 'dead', failures = failures + 1, finished_at = $4, last_error = $5, claimed_by = NULL
         WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND state = 'running'",
    )
    .bind(claim.id)
    .bind(claim.claimed_by.clone())
    .bind(claim.attempts)
    .bind(now)
    .bind(why.to_owned())
    .execute()
    .await
}

/// Releases a job that was claimed but not started.
///
/// # Errors
/// When the database is unavailable.
pub async fn release(tx: &mut Tx, claim: &Claim, now: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE jobs SET state = 'pending', attempts = attempts - 1, due_at = $4, claimed_by = NULL
         WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND state = 'running'",
    )
    .bind(claim.id)
    .bind(claim.claimed_by.clone())
    .bind(claim.attempts)
    .bind(now)
    .execute()
    .await
}

/// How many jobs of a queue are in each state, and when the oldest was due.
#[derive(FromRow)]
pub struct QueueFigures {
    pub pending: i64,
    pub scheduled: i64,
    pub running: i64,
    pub dead: i64,
    pub oldest_due: Option<Timestamp>,
}

/// Counts the jobs of a queue.
///
/// # Errors
/// When the database is unavailable.
pub async fn figures(db: &Db, queue: &'static str, now: Timestamp) -> Result<QueueFigures> {
    db.query(
        "SELECT COUNT(CASE WHEN state = 'pending' AND due_at <= $2 THEN 1 END) AS pending,
                COUNT(CASE WHEN state = 'pending' AND due_at > $2 THEN 1 END) AS scheduled,
                COUNT(CASE WHEN state = 'running' THEN 1 END) AS running,
                COUNT(CASE WHEN state = 'dead' THEN 1 END) AS dead,
                MIN(CASE WHEN state = 'pending' AND due_at <= $2 THEN due_at END) AS oldest_due
         FROM jobs WHERE queue = $1 AND state <> 'done'",
    )
    .bind(queue)
    .bind(now)
    .fetch_one()
    .await
}

/// A job as admins see it.
#[derive(FromRow)]
pub struct JobRow {
    pub id: JobId,
    pub queue: String,
    pub kind: String,
    pub state: State,
    pub attempts: i64,
    pub due_at: Timestamp,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
}

/// Which jobs to list. With `scheduled`, only those that are due later; with `Some(false)`, only those due now.
#[derive(Clone, Copy)]
pub struct JobFilter {
    pub queue: Option<&'static str>,
    pub state: Option<State>,
    pub scheduled: Option<bool>,
}

/// A page of jobs, newest first and without those that are done, and how many there are in all.
///
/// # Errors
/// When the database is unavailable.
pub async fn list(
    tx: &mut Tx,
    filter: JobFilter,
    now: Timestamp,
    limit: i64,
    offset: i64,
) -> Result<(Vec<JobRow>, i64)> {
    let (total,): (i64,) =
        filtered(tx.query("SELECT COUNT(*) FROM jobs WHERE state <> 'done'"), filter, now).fetch_one().await?;
    let columns =
        "SELECT id, queue, kind, state, attempts, due_at, last_error, created_at FROM jobs WHERE state <> 'done'";
    let rows = filtered(tx.query(columns), filter, now)
        .push_bind(" ORDER BY id DESC LIMIT $?", limit)
        .push_bind(" OFFSET $?", offset)
        .fetch_all()
        .await?;
    Ok((rows, total))
}

fn filtered(mut query: crate::db::Query<'_>, filter: JobFilter, now: Timestamp) -> crate::db::Query<'_> {
    if let Some(queue) = filter.queue {
        query = query.push_bind(" AND queue = $?", queue);
    }
    if let Some(state) = filter.state {
        query = query.push_bind(" AND state = $?", state);
    }
    match filter.scheduled {
        Some(true) => query.push_bind(" AND due_at > $?", now),
        Some(false) => query.push_bind(" AND due_at <= $?", now),
        None => query,
    }
}

/// Makes a dead or pending job due now, with all of its retries; `None` when there is no such job.
///
/// # Errors
/// When the database is unavailable.
pub async fn restart(tx: &mut Tx, id: JobId, now: Timestamp) -> Result<Option<JobRow>> {
    tx.query(
        "UPDATE jobs SET state = 'pending', attempts = 0, failures = 0, due_at = $2, finished_at = NULL
         WHERE id = $1 AND state IN ('dead', 'pending')
         RETURNING id, queue, kind, state, attempts, due_at, last_error, created_at",
    )
    .bind(id)
    .bind(now)
    .fetch_optional()
    .await
}

/// Deletes a dead or pending job; `false` when there is no such job.
///
/// # Errors
/// When the database is unavailable.
pub async fn discard(tx: &mut Tx, id: JobId) -> Result<bool> {
    Ok(tx.query("DELETE FROM jobs WHERE id = $1 AND state IN ('dead', 'pending')").bind(id).execute().await? == 1)
}
