//! The apalis backend. apalis polls [`Claims`] only when it has a free slot, so no job is claimed ahead of time.
//!
//! It never returns an error, because apalis would stop the worker. While the database is unavailable it retries.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use apalis::prelude::{Backend, Identity, Task, TaskBuilder, TaskId, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{Claim, Context as JobContext, leases::Leases, store};
use crate::db::Db;

type Waiting = Pin<Box<dyn Future<Output = (Option<Claim>, Receiver<String>)> + Send>>;

/// The jobs of one queue, claimed one at a time under one worker's name.
pub struct Claims<C> {
    context: C,
    queue: &'static str,
    leases: Leases,
    stop: CancellationToken,
    notices: Option<Receiver<String>>,
    waiting: Option<Waiting>,
}

impl<C: JobContext> Claims<C> {
    pub fn new(context: &C, queue: &'static str, leases: Leases, stop: CancellationToken) -> Self {
        let notices = Some(context.db().notices());
        Self { context: context.clone(), queue, leases, stop, notices, waiting: None }
    }

    fn wait_for_next(&mut self) -> Waiting {
        let notices = self.notices.take().unwrap_or_else(|| self.context.db().notices());
        let (context, queue, leases, stop) = (self.context.clone(), self.queue, self.leases.clone(), self.stop.clone());
        // In a task of its own, because apalis stops polling when the worker is stopped: a claim that is not polled would
        // hold its transaction, and so SQLite's one writer, which the running jobs need to finish.
        let db = self.context.db().clone();
        let claiming = tokio::spawn(next_claim(context, queue, leases, stop, notices));
        Box::pin(async move { claiming.await.unwrap_or_else(|_| (None, db.notices())) })
    }
}

/// Waits until a job can be claimed, or until the worker is stopped.
async fn next_claim<C: JobContext>(
    context: C,
    queue: &'static str,
    leases: Leases,
    stop: CancellationToken,
    mut notices: Receiver<String>,
) -> (Option<Claim>, Receiver<String>) {
    while !stop.is_cancelled() {
        let pause = match store::claim(context.db(), context.clock(), queue, leases.worker()).await {
            Ok(Some(claim)) => {
                leases.add(claim.id);
                return (Some(claim), notices);
            }
            Ok(None) => poll_interval(context.db()),
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
    (None, notices)
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
        let mut waiting = self.waiting.take().unwrap_or_else(|| self.wait_for_next());
        match waiting.as_mut().poll(cx) {
            Poll::Pending => {
                self.waiting = Some(waiting);
                Poll::Pending
            }
            Poll::Ready((claim, notices)) => {
                self.notices = Some(notices);
                let task = |claim: Claim| {
                    let id = TaskId::from_string(claim.id.to_string());
                    TaskBuilder::new(claim).task_id(id).build()
                };
                Poll::Ready(claim.map(|claim| Ok(task(claim))))
            }
        }
    }

    /// A claim may be under way when the worker is stopped: it is awaited and released, not dropped.
    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        let Some(waiting) = self.waiting.as_mut() else { return Poll::Ready(Ok(())) };
        let Poll::Ready((claim, notices)) = waiting.as_mut().poll(cx) else { return Poll::Pending };
        match claim {
            None => {
                self.waiting = None;
                Poll::Ready(Ok(()))
            }
            Some(claim) => {
                let (context, leases) = (self.context.clone(), self.leases.clone());
                let mut released: Waiting = Box::pin(async move {
                    release(&context, &claim).await;
                    leases.remove(claim.id);
                    (None, notices)
                });
                let poll = released.as_mut().poll(cx).map(|_| Ok(()));
                self.waiting = poll.is_pending().then_some(released);
                poll
            }
        }
    }
}

async fn release(context: &impl JobContext, claim: &Claim) {
    let released = async {
        let mut tx = context.db().write().await?;
        store::release(&mut tx, claim, context.clock().now()).await?;
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "cannot release a job; its lease will expire");
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
