//! The endpoints for admins to list, retry and discard background jobs.

use platform::{
    clock::Timestamp,
    http::{
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::OptionalQuery,
        reply::{Done, List, Reply},
    },
    ids::JobId,
    jobs::{
        State,
        store::{self, JobFilter, JobRow},
    },
    text_enum,
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};

use crate::{
    accounts::Admin,
    shop::{QUEUES, Queue, Shop, tags::Tag},
};

text_enum! {
    /// The state of a job: `pending` is due now, `scheduled` is due later, `running` is being run by a worker, and
    /// `dead` has failed for good.
    pub enum JobState { Pending = "pending", Scheduled = "scheduled", Running = "running", Dead = "dead" }
}

/// The number of jobs in a queue, by state.
#[derive(Object)]
#[oai(rename = "QueueFigures")]
struct QueueView {
    /// The queue.
    queue: Queue,
    /// The number of jobs that are due now.
    pending: i64,
    /// The number of jobs that are due later; most are waiting to be retried.
    scheduled: i64,
    /// The number of jobs that are running.
    running: i64,
    /// The number of jobs that have failed for good (dead letters).
    dead: i64,
    /// How long the oldest pending job has been due, in seconds. 0 if there is none.
    oldest_pending_seconds: u64,
}

/// A background job that is not done.
#[derive(Object)]
#[oai(rename = "Job")]
struct JobView {
    /// The id of the job.
    id: JobId,
    /// The queue of the job.
    queue: Queue,
    /// What the job does, for example `orders.send_confirmation`.
    kind: String,
    /// The state of the job.
    state: JobState,
    /// How many times the job was started.
    attempts: i64,
    /// When the job is due. For a running job: when its lease ends unless the worker renews it.
    run_at: Timestamp,
    /// The error of the last failed attempt; `null` if none failed.
    last_error: Option<String>,
    /// When the job was created.
    created_at: Timestamp,
}

fn view(job: JobRow, now: Timestamp) -> ApiResult<JobView> {
    let state = match job.state {
        State::Pending if job.due_at > now => JobState::Scheduled,
        State::Pending => JobState::Pending,
        State::Running => JobState::Running,
        State::Done | State::Dead => JobState::Dead, // done jobs are not shown
    };
    Ok(JobView {
        id: job.id,
        queue: job.queue.parse().map_err(Problem::internal)?,
        kind: job.kind,
        state,
        attempts: job.attempts,
        run_at: job.due_at,
        last_error: job.last_error,
        created_at: job.created_at,
    })
}

/// The filter of a list of jobs.
#[must_use]
pub fn job_filter(queue: Option<Queue>, state: Option<JobState>) -> JobFilter {
    let (state, scheduled) = match state {
        None => (None, None),
        Some(JobState::Pending) => (Some(State::Pending), Some(false)),
        Some(JobState::Scheduled) => (Some(State::Pending), Some(true)),
        Some(JobState::Running) => (Some(State::Running), None),
        Some(JobState::Dead) => (Some(State::Dead), None),
    };
    JobFilter { queue: queue.map(Queue::as_str), state, scheduled }
}

pub struct JobsApi;

#[OpenApi(prefix_path = "/api/admin/jobs", tag = "Tag::Admin")]
impl JobsApi {
    /// Lists the queues with their numbers of jobs.
    ///
    /// `pending` jobs are due now, `scheduled` jobs later; most scheduled jobs are waiting to be retried.
    #[oai(path = "/queues", method = "get", operation_id = "listQueues")]
    async fn queues(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Vec<QueueView>>> {
        let now = shop.now();
        let mut queues = Vec::new();
        for queue in QUEUES {
            let figures = store::figures(&shop.db, queue.as_str(), now).await?;
            queues.push(QueueView {
                queue,
                pending: figures.pending,
                scheduled: figures.scheduled,
                running: figures.running,
                dead: figures.dead,
                oldest_pending_seconds: figures.oldest_due.map_or(0, |due| now.since(due).as_secs()),
            });
        }
        Ok(Reply::json(&queues))
    }

    /// Lists jobs that are not done, newest first.
    ///
    /// `last_error` has the error of the last failed attempt.
    #[oai(path = "/", method = "get", operation_id = "listJobs")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only jobs of this queue.
        queue: OptionalQuery<Queue>,
        /// Only jobs in this state.
        state: OptionalQuery<JobState>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<JobView>> {
        let mut errors = ValidationErrors::default();
        let filter = job_filter(errors.note(queue.get("queue")), errors.note(state.get("state")));
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let now = shop.now();
        let (jobs, total) = store::list(&mut shop.db.read().await?, filter, now, page.size, page.offset()).await?;
        let shown = jobs.into_iter().map(|job| view(job, now)).collect::<ApiResult<_>>()?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Retries a dead or waiting job now.
    ///
    /// The job gets all its attempts again. Use it for dead letters whose cause was fixed, and for jobs that wait for
    /// their next attempt.
    #[oai(path = "/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(&self, shop: Data<&Shop>, _by: Admin, id: Path<JobId>) -> ApiResult<Reply<JobView>> {
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let job = store::restart(&mut tx, id.0, now).await?.ok_or_else(Problem::not_found)?;
        tx.notify(&job.queue);
        tx.commit().await?;
        Ok(Reply::json(&view(job, now)?))
    }

    /// Deletes a job that is not running.
    ///
    /// The job is deleted permanently and will not be run.
    #[oai(path = "/:id", method = "delete", operation_id = "discardJob")]
    async fn discard(&self, shop: Data<&Shop>, _by: Admin, id: Path<JobId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        if !store::discard(&mut tx, id.0).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        Ok(Done::Done)
    }
}
