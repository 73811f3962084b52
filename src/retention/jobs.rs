//! The job that sweeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    jobs::{Job, JobError, Queue},
    shop::Shop,
};

pub const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Sweeps what has served its time. When there is more than one run takes, the next follows at once, behind the jobs that
/// are waiting.
#[derive(Default, Serialize, Deserialize)]
pub struct Sweep {}

impl Job for Sweep {
    const NAME: &'static str = "retention.sweep";
    const QUEUE: Queue = Queue::Stock;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        if !super::sweep(shop).await? {
            return Ok(());
        }
        let mut tx = shop.db.write().await?;
        Self {}.enqueue(&mut tx, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}
