//! Marks jobs as done. Jobs that end while a transaction is committed are written together by the next one.

use std::time::Duration;

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use super::{Claim, Context, store};
use crate::db;

/// The most jobs of one transaction.
const MAX_BATCH: usize = 64;
const RETRY_AFTER: Duration = Duration::from_millis(300);

type Finished = (Claim, oneshot::Sender<()>);

/// Marks the jobs of one worker as done. Cloning is cheap.
#[derive(Clone)]
pub struct Finisher(UnboundedSender<Finished>);

impl Finisher {
    /// Starts its task, which ends when the last clone is dropped. Must be called inside the tokio runtime.
    pub fn start(context: &impl Context, worker: &str) -> Self {
        let (sender, finished) = unbounded_channel();
        tokio::spawn(run(context.clone(), worker.to_owned(), finished));
        Self(sender)
    }

    /// Marks a job as done, retrying until the database accepts it. While the lease is valid nobody else runs the job; after
    /// that this changes nothing.
    pub async fn finish(&self, claim: Claim) {
        let (saved, is_saved) = oneshot::channel();
        if self.0.send((claim, saved)).is_ok() {
            let _ = is_saved.await; // an error means that the program ends
        }
    }
}

async fn run(context: impl Context, worker: String, mut finished: UnboundedReceiver<Finished>) {
    let mut batch = Vec::new();
    while finished.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (claims, waiting): (Vec<Claim>, Vec<_>) = batch.drain(..).unzip();
        while let Err(error) = save(&context, &worker, &claims).await {
            tracing::warn!(%error, "cannot save the outcome of a job, retrying");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        for saved in waiting {
            let _ = saved.send(()); // its worker was stopped meanwhile
        }
    }
}

async fn save(context: &impl Context, worker: &str, claims: &[Claim]) -> db::Result<()> {
    let mut tx = context.db().write().await?;
    store::finish(&mut tx, worker, claims, context.clock().now()).await?;
    tx.commit().await
}
