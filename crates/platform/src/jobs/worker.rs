//! Workers: each runs the jobs of one queue, with leases, retries and schedules.

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
    Claim, Context, Job, JobError, MAX_LOST, RENEWAL, RUN_LIMIT, backend::Claims, finisher::Finisher, leases::Leases,
    retry, store,
};
use crate::{db, ids::JobId, metrics::Metric, telemetry};

/// How long a worker that is stopped may take to finish its running jobs.
pub const STOP_LIMIT: Duration = Duration::from_secs(25);

pub const JOBS: Metric = Metric::gauge(
    "cartwright_jobs",
    "Jobs in the database, by queue and state: pending (due), scheduled, running, dead",
);

pub const JOBS_FINISHED: Metric =
    Metric::counter("cartwright_jobs_total", "Jobs that this process ran, by queue, kind and outcome");

/// Up to the limit of a run.
pub const JOB_DURATION: Metric = Metric::histogram(
    "cartwright_job_duration_seconds",
    "Seconds that a job ran, by queue and kind",
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0],
);

type Run<C> = fn(String, C) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Tick<C> = Arc<dyn Fn(C) -> Pin<Box<dyn Future<Output = db::Result<()>> + Send>> + Send + Sync>;

/// The jobs that one worker program runs, and those it schedules.
#[derive(Clone)]
pub struct Worker<C> {
    queue: &'static str,
    concurrency: usize,
    jobs: HashMap<&'static str, Run<C>>,
    schedules: Vec<Tick<C>>,
}

impl<C: Context> Worker<C> {
    /// A worker that runs one job at a time.
    #[must_use]
    pub fn new(queue: &'static str) -> Self {
        Self { queue, concurrency: 1, jobs: HashMap::new(), schedules: Vec::new() }
    }

    /// Runs up to so many jobs at a time.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Adds a type of job.
    #[must_use]
    pub fn takes<J: Job<Context = C>>(mut self) -> Self {
        self.jobs
            .insert(J::NAME, |payload, context| Box::pin(async move { decode::<J>(&payload)?.run(&context).await }));
        self
    }

    /// Adds a type of job that is also enqueued once in every `period`, however many workers there are: each tick has a key.
    /// If no worker ran for some periods, it is enqueued once. The period must be less than a day, for which the keys of
    /// finished jobs are kept at least.
    #[must_use]
    pub fn takes_every<J: Job<Context = C> + Default>(mut self, period: Duration) -> Self {
        self.schedules.push(Arc::new(move |context| Box::pin(tick::<J>(context, period))));
        self.takes::<J>()
    }

    /// Runs jobs until `stop`, then finishes the running ones, within [`STOP_LIMIT`].
    pub async fn run(self, context: C, stop: CancellationToken) {
        let queue = self.queue;
        let ticking = tokio::spawn(keep_ticking(context.clone(), self.schedules.clone(), stop.clone()));
        let runner = Arc::new(self);
        while !stop.is_cancelled() {
            Arc::clone(&runner).run_once(&context, &stop).await;
        }
        ticking.abort();
        tracing::info!(queue, "worker stopped");
    }

    /// Runs an apalis worker until it ends. If it ends early, the next has another name and no leases.
    async fn run_once(self: Arc<Self>, context: &C, stop: &CancellationToken) {
        let queue = self.queue;
        let leases = Leases::of_new_worker(queue);
        tracing::info!(queue, worker = leases.worker(), "worker started");
        let renewing = tokio::spawn(keep_leases(context.clone(), leases.clone()));
        let stop_limit = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            ended = work(self, context.clone(), leases, stop.clone()) => if let Err(error) = ended {
                tracing::error!(queue, %error, "worker stopped unexpectedly, restarting");
                tokio::time::sleep(Duration::from_millis(300)).await;
            },
            () = stop_limit => tracing::warn!(queue, "some jobs did not finish in time; other workers will take them over"),
        }
        renewing.abort();
    }

    /// Runs all jobs that are due, one after the other, and returns how many. For tests and the demo.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn run_due(&self, context: &C) -> db::Result<usize> {
        let leases = Leases::of_new_worker(self.queue);
        let finisher = Finisher::start(context, leases.worker());
        let mut ran = 0;
        while let Some(claim) = store::claim(context.db(), context.clock(), self.queue, leases.worker(), 1).await?.pop()
        {
            self.perform(context.clone(), &finisher, claim).await;
            ran += 1;
        }
        Ok(ran)
    }

    /// Runs a claimed job and records its outcome.
    async fn perform(&self, context: C, finisher: &Finisher, claim: Claim) {
        let span =
            tracing::info_span!("job", id = %claim.id, kind = %claim.kind, request_id = claim.request_id.as_deref());
        let kind = self.jobs.get_key_value(claim.kind.as_str()).map_or("other", |(&kind, _)| kind);
        let started = Instant::now();
        let outcome = self.outcome(&context, &claim).instrument(span.clone()).await;
        let outcome = match outcome {
            Ok(()) => {
                finisher.finish(claim).await;
                "done"
            }
            Err(error) => record_failure(&context, &claim, &error).instrument(span).await,
        };
        metrics::counter!(JOBS_FINISHED.name, "queue" => self.queue, "kind" => kind, "outcome" => outcome).increment(1);
        metrics::histogram!(JOB_DURATION.name, "queue" => self.queue, "kind" => kind)
            .record(started.elapsed().as_secs_f64());
    }

    async fn outcome(&self, context: &C, claim: &Claim) -> Result<(), JobError> {
        if claim.lost() >= MAX_LOST {
            return Err(JobError::GiveUp(format!("the worker died {} times while running it", claim.lost())));
        }
        let Some(run) = self.jobs.get(claim.kind.as_str()) else {
            // A newer version may have enqueued it, and a newer worker may start soon.
            return Err(JobError::Retry(format!("this program has no job {:?}", claim.kind)));
        };
        let work = tokio::time::timeout(RUN_LIMIT, run(claim.payload.clone(), context.clone()));
        // A task of its own turns a panic into an error like any other.
        let ran = match claim.request_id.clone() {
            Some(id) => tokio::spawn(telemetry::with_request_id(id, work).in_current_span()),
            None => tokio::spawn(work.in_current_span()),
        };
        match ran.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(JobError::Retry(format!("did not finish within {} s", RUN_LIMIT.as_secs()))),
            Err(_) => Err(JobError::Retry("panicked; see the log".to_owned())),
        }
    }
}

fn decode<J: DeserializeOwned>(payload: &str) -> Result<J, JobError> {
    serde_json::from_str(payload).map_err(|error| JobError::GiveUp(format!("its payload cannot be read: {error}")))
}

async fn work<C: Context>(
    runner: Arc<Worker<C>>,
    context: C,
    leases: Leases,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let claims = Claims::new(&context, runner.queue, runner.concurrency, leases.clone(), stop.clone());
    let finisher = Finisher::start(&context, leases.worker());
    WorkerBuilder::new(leases.worker())
        .backend(claims)
        .concurrency(runner.concurrency)
        .build(move |claim: Claim| {
            let (runner, context) = (Arc::clone(&runner), context.clone());
            let (finisher, leases) = (finisher.clone(), leases.clone());
            async move {
                let id = claim.id;
                runner.perform(context, &finisher, claim).await;
                leases.remove(id);
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

/// Records a failure, retrying until the database accepts it. While the lease is valid nobody else runs the job; after that
/// the WHERE on the claim makes this change nothing.
async fn record_failure<C: Context>(context: &C, claim: &Claim, failure: &JobError) -> &'static str {
    loop {
        match try_record_failure(context, claim, failure).await {
            Ok(word) => return word,
            Err(error) => {
                tracing::warn!(%error, "cannot save the outcome of a job, retrying");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

async fn try_record_failure<C: Context>(context: &C, claim: &Claim, failure: &JobError) -> db::Result<&'static str> {
    let mut tx = context.db().write().await?;
    let now = context.clock().now();
    let label = match failure {
        JobError::Retry(why) if let Some(wait) = retry::wait(claim.failures + 1) => {
            tracing::warn!(why, failures = claim.failures + 1, "job failed, will be retried");
            store::retry_later(&mut tx, claim, why, now + wait).await?;
            "retry"
        }
        error => {
            tracing::error!(%error, "job failed for good; kept as a dead letter");
            store::mark_dead(&mut tx, claim, &error.to_string(), now).await?;
            "dead"
        }
    };
    tx.commit().await?;
    Ok(label)
}

/// Renews the leases, in a task of its own that no job can block.
async fn keep_leases<C: Context>(context: C, leases: Leases) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let jobs = leases.all();
        if jobs.is_empty() {
            continue;
        }
        if let Err(error) = renew(&context, leases.worker(), &jobs).await {
            tracing::warn!(%error, "cannot renew leases, retrying");
        }
    }
}

async fn renew<C: Context>(context: &C, worker: &str, jobs: &[JobId]) -> db::Result<()> {
    let mut tx = context.db().write().await?;
    store::renew(&mut tx, worker, jobs, context.clock().now()).await?;
    tx.commit().await
}

async fn keep_ticking<C: Context>(context: C, schedules: Vec<Tick<C>>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for tick in &schedules {
            if let Err(error) = tick(context.clone()).await {
                tracing::warn!(%error, "cannot enqueue a scheduled job, retrying");
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn tick<J: Job + Default>(context: J::Context, period: Duration) -> db::Result<()> {
    let tick = context.clock().now().unix_seconds() / i64::try_from(period.as_secs()).unwrap_or(1).max(1);
    let key = format!("{}:{tick}", J::NAME);
    if store::exists(context.db(), &key).await? {
        return Ok(());
    }
    let mut tx = context.db().write().await?;
    J::default().enqueue_once(&mut tx, key, context.clock().now()).await?;
    tx.commit().await
}

/// Updates the queue gauges of `/metrics`.
///
/// # Errors
/// When the database is unavailable.
pub async fn measure_queues(context: &impl Context, queues: &[&'static str]) -> db::Result<()> {
    for &queue in queues {
        let figures = store::figures(context.db(), queue, context.clock().now()).await?;
        let states = [
            ("pending", figures.pending),
            ("scheduled", figures.scheduled),
            ("running", figures.running),
            ("dead", figures.dead),
        ];
        for (state, count) in states {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; queues are not 2^52 long")]
            metrics::gauge!(JOBS.name, "queue" => queue, "state" => state).set(count as f64);
        }
    }
    Ok(())
}
