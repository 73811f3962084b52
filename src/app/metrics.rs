//! All metrics of `/metrics`.

use std::sync::OnceLock;

use platform::{
    http::{edge, limits},
    jobs::worker,
    metrics::{Metric, Registry},
};

use crate::{
    inventory,
    payments::{attempts, reconciliation},
    retention,
};

/// Everything that the programs measure.
pub const ALL: [Metric; 9] = [
    edge::REQUEST_DURATION,
    limits::RATE_LIMITED,
    worker::JOBS,
    worker::JOBS_FINISHED,
    worker::JOB_DURATION,
    attempts::PAYMENT_ATTEMPTS,
    reconciliation::PAYMENT_DIFFERENCES,
    inventory::STOCK_MISMATCHES,
    retention::SWEPT,
];

/// The one registry of the process. The first call installs it.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::install(&ALL))
}
