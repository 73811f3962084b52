//! The job that sweeps.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};

use crate::shop::{Queue, Shop};

pub const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Sweeps what has served its time. When there is more than one run takes, the next follows at once, behind the jobs that
/// are waiting.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweep {
    /// The hour it runs in, counted from 1970, and its number among those that followed in that hour.
    hour: i64,
    number: u32,
}

impl Sweep {
    /// What follows a run at this moment. The hour's own run begins anew at 1, so what is left of the hour before does not
    /// go on beside it.
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
