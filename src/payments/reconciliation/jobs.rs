//! The jobs of reconciliation.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};

use crate::{
    payments::jobs::ONE_RUN,
    shop::{Queue, Shop},
};

/// How often our books are compared with the providers'.
pub const RECONCILE_EVERY: Duration = Duration::from_mins(10);

/// Compares our books with the providers': what has changed or was not compared for long; when an admin requested it, all
/// that was not compared since then.
#[derive(Default, Serialize, Deserialize)]
pub struct Reconcile {
    /// When an admin requested it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<i64>,
}

impl Reconcile {
    #[must_use]
    pub fn requested_at(now: Timestamp) -> Self {
        Self { asked_at: Some(now.micros()) }
    }
}

impl Job for Reconcile {
    const NAME: &'static str = "payments.reconcile";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let requested_at = self.asked_at.map(Timestamp::from_micros);
        let all = super::compare(shop, ONE_RUN, requested_at).await?;
        if requested_at.is_none() || all {
            return Ok(());
        }
        let mut tx = shop.db.write().await?;
        self.enqueue(&mut tx, shop.now()).await?; // what is left, behind the jobs that wait
        Ok(tx.commit().await?)
    }
}
