//! The apalis backend. apalis polls [`Claims`] only when it has a free slot.
//!
//! Jobs are claimed for all free slots at once. While they are so quick that the claims are what takes time, more are claimed
//! ahead: each batch that is used up within [`QUICK`] doubles the next.
//!
//! It never returns an error, because apalis would stop the worker. While the database is unavailable it retries.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use apalis::prelude::{Backend, Identity, Task, TaskBuilder, TaskId, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{Claim, Context as JobContext, leases::Leases, store};
use crate::db::Db;

type Waiting = Pin<Box<dyn Future<Output = (Vec<Claim>, Receiver<String>)> + Send>>;

/// How quickly a batch of jobs is used up before more are claimed ahead.
const QUICK: Duration = Duration::from_millis(100);
/// The most jobs in a batch.
const MAX_BATCH: usize = 64;

/// The jobs of one queue, claimed under one worker's name.
pub struct Claims<C> {
    context: C,
    queue: &'static str,
    concurrency: usize,
    leases: Leases,
    stop: CancellationToken,
    notices: Option<Receiver<String>>,
    /// Claimed, and not started yet.
    claimed: VecDeque<Claim>,
    /// How many were claimed last, and when.
    last_batch: Option<(usize, Instant)>,
    waiting: Option<Waiting>,
}

impl<C: JobContext> Claims<C> {
    pub fn new(context: &C, queue: &'static str, concurrency: usize, leases: Leases, stop: CancellationToken) -> Self {
        let (context, notices) = (context.clone(), Some(context.db().notices()));
        let claimed = VecDeque::new();
        Self { context, queue, concurrency, leases, stop, notices, claimed, last_batch: None, waiting: None }
    }

    /// How many jobs to claim now.
    fn batch(&self) -> usize {
        let free = self.concurrency.saturating_sub(self.leases.all().len()).max(1);
        match self.last_batch {
            Some((last, claimed)) if claimed.elapsed() < QUICK => (last * 2).min(MAX_BATCH).max(free),
            _ => free,
        }
    }

    fn wait_for_next(&mut self) -> Waiting {
        let notices = self.notices.take().unwrap_or_else(|| self.context.db().notices());
        let (context, queue, leases, stop) = (self.context.clone(), self.queue, self.leases.clone(), self.stop.clone());
        let batch = self.batch();
        // In a task of its own, because apalis stops polling when the worker is stopped: a claim that is not polled would
        // hold its transaction, and so SQLite's one writer, which the running jobs need to finish.
        let db = self.context.db().clone();
        let claiming = tokio::spawn(next_claims(context, queue, batch, leases, stop, notices));
        Box::pin(async move { claiming.await.unwrap_or_else(|_| (vec![], db.notices())) })
    }
}

/// Waits until jobs can be claimed, or until the worker is stopped.
async fn next_claims<C: JobContext>(
    context: C,
    queue: &'static str,
    batch: usize,
    leases: Leases,
    stop: CancellationToken,
    mut notices: Receiver<String>,
) -> (Vec<Claim>, Receiver<String>) {
    while !stop.is_cancelled() {
        let pause = match store::claim(context.db(), context.clock(), queue, leases.worker(), batch).await {
            Ok(claims) if !claims.is_empty() => {
                leases.add(&claims);
                return (claims, notices);
            }
            Ok(_) => poll_interval(context.db()),
            Err(error) => {
                tracing::warn!(queue, %error, "cannot claim jobs, retrying");
                Duration::from_millis(500)
            }
        };
        tokio::select! {
            () = notified(queue, &mut notices) => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    (vec![], notices)
}

/// For what no notice announces: retries that fall due, leases that expire, and jobs that another process enqueued in the
/// same SQLite file.
fn poll_interval(db: &Db) -> Duration {
    if db.notifies_other_processes() { Duration::from_secs(1) } else { Duration::from_millis(200) }
}

async fn notified(queue: &str, notices: &mut Receiver<String>) {
    loop {
        match notices.recv().await {
            Ok(notice) if notice != queue => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl<C: JobContext> Backend for Claims<C> {
    type Task = Task<Claim>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Claim>, Infallible>>> {
        if self.claimed.is_empty() {
            let mut waiting = self.waiting.take().unwrap_or_else(|| self.wait_for_next());
            let Poll::Ready((claims, notices)) = waiting.as_mut().poll(cx) else {
                self.waiting = Some(waiting);
                return Poll::Pending;
            };
            self.notices = Some(notices);
            self.last_batch = Some((claims.len(), Instant::now()));
            self.claimed.extend(claims);
        }
        let task = |claim: Claim| {
            let id = TaskId::from_string(claim.id.to_string());
            TaskBuilder::new(claim).task_id(id).build()
        };
        Poll::Ready(self.claimed.pop_front().map(|claim| Ok(task(claim))))
    }

    /// Claims may be under way when the worker is stopped: they are awaited and released, not dropped.
    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        if let Some(waiting) = self.waiting.as_mut() {
            let Poll::Ready((claims, _)) = waiting.as_mut().poll(cx) else { return Poll::Pending };
            self.waiting = None;
            self.claimed.extend(claims);
        }
        if self.claimed.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (context, leases) = (self.context.clone(), self.leases.clone());
        let mut claims = Vec::from(std::mem::take(&mut self.claimed));
        claims.sort_by_key(|claim| claim.id); // the order in which others lock several jobs
        let notices = self.context.db().notices();
        let mut released: Waiting = Box::pin(async move {
            release(&context, &claims).await;
            for claim in &claims {
                leases.remove(claim.id);
            }
            (vec![], notices)
        });
        let poll = released.as_mut().poll(cx).map(|_| Ok(()));
        self.waiting = poll.is_pending().then_some(released);
        poll
    }
}

async fn release(context: &impl JobContext, claims: &[Claim]) {
    let released = async {
        let mut tx = context.db().write().await?;
        let now = context.clock().now();
        for claim in claims {
            store::release(&mut tx, claim, now).await?;
        }
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "cannot release jobs; their leases will expire");
    }
}

impl<C: JobContext> BackendConfig for Claims<C> {
    type Args = Claim;
    type Id = i64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
