//! The job that deletes expired data.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};

use crate::shop::{Queue, Shop};

pub const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Deletes expired data. When there is more than one run deletes, the next run is enqueued at once, behind the jobs that are
/// waiting.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweep {
    /// The hour of the run, counted from 1970, and the number of the follow-up run within it.
    hour: i64,
    number: u32,
}

impl Sweep {
    /// The follow-up run. The number restarts at 1 with each hour, so that the runs of two hours do not continue side by side.
    fn next(&self, now: Timestamp) -> Self {
        let hour = now.unix_seconds() / 3600;
        Self { hour, number: if hour == self.hour { self.number + 1 } else { 1 } }
    }
}

impl Job for Sweep {
    const NAME: &'static str = "retention.sweep";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        if !super::sweep(shop).await? {
            return Ok(());
        }
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let next = self.next(now);
        next.enqueue_once(&mut tx, format!("{}:{}:{}", Self::NAME, next.hour, next.number), now).await?;
        Ok(tx.commit().await?)
    }
}
