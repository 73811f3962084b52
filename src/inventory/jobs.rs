//! The stock worker's proofs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mismatch;
use crate::{
    ids::OrderId,
    jobs::{Job, JobError, Queue},
    shop::Shop,
};

/// How often everything is checked.
pub const EVERY: Duration = Duration::from_mins(1);

/// Compares every product's stock with its movements.
#[derive(Default, Serialize, Deserialize)]
pub struct ReconcileStock {}

impl Job for ReconcileStock {
    const NAME: &'static str = "inventory.reconcile";
    const QUEUE: Queue = Queue::Stock;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        // The comparison is long and changes nothing: only its result is written.
        let checked = super::reconcile(&mut shop.db.read().await?).await?;
        let mut tx = shop.db.write().await?;
        super::save_reconciliation(&mut tx, &checked, shop.now()).await?;
        tx.commit().await?;
        report(&checked.mismatches);
        Ok(())
    }
}

/// Proves that what one order took is what its products lost.
#[derive(Serialize, Deserialize)]
pub struct ProveOrderStock {
    pub order: OrderId,
}

impl Job for ProveOrderStock {
    const NAME: &'static str = "inventory.prove_order";
    const QUEUE: Queue = Queue::Stock;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.read().await?;
        report(&super::reconcile_order(&mut tx, self.order).await?);
        Ok(())
    }
}

/// A difference is told, never repaired in silence.
fn report(mismatches: &[Mismatch]) {
    for found in mismatches {
        tracing::error!(product = %found.product, stock = found.stock, movements = found.movements, "stock does not add up");
    }
}
