//! The leases that a worker renews. A claim whose response was lost is not among them: its lease expires, and the job is
//! claimed again.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::Claim;
use crate::ids::JobId;

/// The jobs claimed under one worker's name. Cloning is cheap.
#[derive(Clone)]
pub struct Leases {
    worker: Arc<str>,
    jobs: Arc<Mutex<HashSet<JobId>>>,
}

impl Leases {
    /// No leases, under a name that is new at every start, so that a worker is not mistaken for its dead predecessor.
    pub fn of_new_worker(queue: &str) -> Self {
        let worker = format!("{queue}-{}-{:08x}", std::process::id(), rand::random::<u32>());
        Self { worker: worker.into(), jobs: Arc::default() }
    }

    pub fn worker(&self) -> &str {
        &self.worker
    }

    pub fn add(&self, claims: &[Claim]) {
        let ids = claims.iter().map(|claim| claim.id);
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    pub fn remove(&self, job: JobId) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }

    pub fn all(&self) -> Vec<JobId> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}
