//! A worker takes one queue. It is a list of the jobs it knows; the rest is here.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use apalis::prelude::{WorkerBuilder, WorkerBuilderExt, WorkerError};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Claim, Job, JobError, MAX_LOST, QUEUES, Queue, RENEWAL, RUN_LIMIT, backend::Claims, held::Held, retry, store,
};
use crate::{db, ids::JobId, shop::Shop, telemetry};

/// How long a worker that was told to stop may take to finish what it holds.
pub const STOP_LIMIT: Duration = Duration::from_secs(25);

type Run = fn(String, Shop) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Tick = Arc<dyn Fn(Shop) -> Pin<Box<dyn Future<Output = db::Result<()>> + Send>> + Send + Sync>;

/// The jobs one worker program takes, and those it schedules.
#[derive(Clone)]
pub struct Worker {
    queue: Queue,
    jobs: HashMap<&'static str, Run>,
    schedules: Vec<Tick>,
}

impl Worker {
    #[must_use]
    pub fn new(queue: Queue) -> Self {
        Self { queue, jobs: HashMap::new(), schedules: Vec::new() }
    }

    /// Adds a kind of job.
    #[must_use]
    pub fn takes<J: Job>(mut self) -> Self {
        self.jobs.insert(J::NAME, |payload, shop| Box::pin(async move { decode::<J>(&payload)?.run(&shop).await }));
        self
    }

    /// Adds a kind of job that also is due once in every `period`, however many workers there are: the key of the tick
    /// lets one of them win. A tick that fell into a time when nobody ran is made up once. Less than a day, for which the row
    /// of a tick is kept at least.
    #[must_use]
    pub fn takes_every<J: Job + Default>(mut self, period: Duration) -> Self {
        self.schedules.push(Arc::new(move |shop| Box::pin(tick::<J>(shop, period))));
        self.takes::<J>()
    }

    /// Works until `stop`, then finishes what it holds, within [`STOP_LIMIT`].
    pub async fn run(self, shop: Shop, stop: CancellationToken) {
        let queue = self.queue;
        let ticking = tokio::spawn(keep_ticking(shop.clone(), self.schedules.clone(), stop.clone()));
        let runner = Arc::new(self);
        while !stop.is_cancelled() {
            Arc::clone(&runner).run_once(&shop, &stop).await;
        }
        ticking.abort();
        tracing::info!(%queue, "worker stopped");
    }

    /// One life of the apalis worker. Should it end early, the next has another name and holds nothing.
    async fn run_once(self: Arc<Self>, shop: &Shop, stop: &CancellationToken) {
        let queue = self.queue;
        let held = Held::by_new_worker(queue);
        tracing::info!(%queue, worker = held.worker(), "worker started");
        let renewing = tokio::spawn(keep_leases(shop.clone(), held.clone()));
        let told = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            ended = work(self, shop.clone(), held, stop.clone()) => if let Err(error) = ended {
                tracing::error!(%queue, %error, "worker ended early, starting again");
                tokio::time::sleep(Duration::from_millis(300)).await;
            },
            () = told => tracing::warn!(%queue, "some jobs did not end in time; others will take them over"),
        }
        renewing.abort();
    }

    /// Runs every job that is due now, one after the other, until none is: what a worker does, while a test waits.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run_due(&self, shop: &Shop) -> db::Result<usize> {
        let held = Held::by_new_worker(self.queue);
        let mut ran = 0;
        while let Some(claim) = store::claim(&shop.db, &shop.clock, self.queue, held.worker()).await? {
            self.perform(shop.clone(), claim).await;
            ran += 1;
        }
        Ok(ran)
    }

    /// Runs a claimed job and writes down how it went, however it went.
    async fn perform(&self, shop: Shop, claim: Claim) {
        let span =
            tracing::info_span!("job", id = %claim.id, kind = %claim.kind, request_id = claim.request_id.as_deref());
        let started = Instant::now();
        let outcome = self.outcome(&shop, &claim).instrument(span.clone()).await;
        let word = settle(&shop, &claim, outcome).instrument(span).await;
        metrics::counter!("jobs_total", "queue" => self.queue.as_str(), "outcome" => word).increment(1);
        metrics::histogram!("job_duration_seconds", "queue" => self.queue.as_str())
            .record(started.elapsed().as_secs_f64());
    }

    async fn outcome(&self, shop: &Shop, claim: &Claim) -> Result<(), JobError> {
        if claim.lost() >= MAX_LOST {
            return Err(JobError::GiveUp(format!("its worker died {} times while running it", claim.lost())));
        }
        let Some(run) = self.jobs.get(claim.kind.as_str()) else {
            // Perhaps a newer program enqueued it, and a newer worker is on its way.
            return Err(JobError::Retry(format!("this program knows no job {:?}", claim.kind)));
        };
        let work = tokio::time::timeout(RUN_LIMIT, run(claim.payload.clone(), shop.clone()));
        // A task of its own turns a panic into an error like any other.
        let ran = match claim.request_id.clone() {
            Some(id) => tokio::spawn(telemetry::on_behalf_of(id, work).in_current_span()),
            None => tokio::spawn(work.in_current_span()),
        };
        match ran.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(JobError::Retry(format!("did not end within {} s", RUN_LIMIT.as_secs()))),
            Err(_) => Err(JobError::Retry("panicked; the log has more".to_owned())),
        }
    }
}

fn decode<J: DeserializeOwned>(payload: &str) -> Result<J, JobError> {
    serde_json::from_str(payload).map_err(|error| JobError::GiveUp(format!("its payload cannot be read: {error}")))
}

async fn work(runner: Arc<Worker>, shop: Shop, held: Held, stop: CancellationToken) -> Result<(), WorkerError> {
    let claims = Claims::new(&shop, runner.queue, held.clone(), stop.clone());
    WorkerBuilder::new(held.worker())
        .backend(claims)
        .concurrency(shop.settings.worker_concurrency)
        .build(move |claim: Claim| {
            let (runner, shop, held) = (Arc::clone(&runner), shop.clone(), held.clone());
            async move {
                let id = claim.id;
                runner.perform(shop, claim).await;
                held.remove(id);
            }
        })
        .run_with_ctx(move |worker| {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                worker.stop()
            }
        })
        .await
}

/// Writes down how a run ended, trying until the database takes it: as long as the lease lives nobody else runs the job,
/// and once it does not, the claim in the WHERE makes this change nothing.
async fn settle(shop: &Shop, claim: &Claim, outcome: Result<(), JobError>) -> &'static str {
    loop {
        match try_settle(shop, claim, &outcome).await {
            Ok(word) => return word,
            Err(error) => {
                tracing::warn!(%error, "cannot write down how a job ended, trying again");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

async fn try_settle(shop: &Shop, claim: &Claim, outcome: &Result<(), JobError>) -> db::Result<&'static str> {
    let mut tx = shop.db.write().await?;
    let now = shop.clock.now();
    let word = match outcome {
        Ok(()) => {
            store::finish(&mut tx, claim, now).await?;
            "done"
        }
        Err(JobError::Retry(why)) if let Some(wait) = retry::wait(claim.failures + 1) => {
            tracing::warn!(why, failures = claim.failures + 1, "job failed, will be tried again");
            store::retry_later(&mut tx, claim, why, now + wait).await?;
            "retry"
        }
        Err(error) => {
            tracing::error!(%error, "job given up; it is kept as a dead letter");
            store::bury(&mut tx, claim, &error.to_string(), now).await?;
            "dead"
        }
    };
    tx.commit().await?;
    Ok(word)
}

/// Renews the leases from a task of its own, which no job can hold up.
async fn keep_leases(shop: Shop, held: Held) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let jobs = held.all();
        if jobs.is_empty() {
            continue;
        }
        if let Err(error) = renew(&shop, held.worker(), &jobs).await {
            tracing::warn!(%error, "cannot renew leases, trying again");
        }
    }
}

async fn renew(shop: &Shop, worker: &str, jobs: &[JobId]) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    for job in jobs {
        store::renew(&mut tx, worker, *job, shop.clock.now()).await?;
    }
    tx.commit().await
}

async fn keep_ticking(shop: Shop, schedules: Vec<Tick>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for tick in &schedules {
            if let Err(error) = tick(shop.clone()).await {
                tracing::warn!(%error, "cannot enqueue a scheduled job, trying again");
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn tick<J: Job + Default>(shop: Shop, period: Duration) -> db::Result<()> {
    let tick = shop.clock.now().unix_seconds() / i64::try_from(period.as_secs()).unwrap_or(1).max(1);
    let key = format!("{}:{tick}", J::NAME);
    if store::is_taken(&shop.db, &key).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    J::default().enqueue_once(&mut tx, key, shop.clock.now()).await?;
    tx.commit().await
}

/// Keeps the queue gauges of `/metrics` fresh.
///
/// # Errors
/// When the database is away.
pub async fn measure_queues(shop: &Shop) -> db::Result<()> {
    for queue in QUEUES {
        let figures = store::figures(&shop.db, queue, shop.clock.now()).await?;
        let states = [
            ("pending", figures.pending),
            ("scheduled", figures.scheduled),
            ("running", figures.running),
            ("dead", figures.dead),
        ];
        for (state, count) in states {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; queues are not 2^52 long")]
            metrics::gauge!("jobs", "queue" => queue.as_str(), "state" => state).set(count as f64);
        }
    }
    Ok(())
}
