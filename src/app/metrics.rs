//! All metrics of `/metrics`.

use std::sync::LazyLock;

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

/// The one registry of the process. Its first use installs it.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::install(&ALL));
