//! The endpoints for admins to list, retry and discard background jobs.

use platform::{
    clock::Timestamp,
    http::{
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::Ask,
        reply::{Done, List, Reply},
    },
    ids::JobId,
    jobs::{
        State,
        store::{self, JobRow, Wanted},
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
    /// `pending` is due now, `scheduled` later; `running` is held by a worker; `dead` was given up.
    pub enum JobState { Pending = "pending", Scheduled = "scheduled", Running = "running", Dead = "dead" }
}

/// How a queue stands.
#[derive(Object)]
#[oai(rename = "QueueFigures")]
struct QueueView {
    queue: Queue,
    /// Due now.
    pending: i64,
    /// Due later: retries that wait for their time.
    scheduled: i64,
    running: i64,
    /// Given up, waiting for an admin.
    dead: i64,
    /// How long the oldest pending job has been due.
    oldest_pending_seconds: u64,
}

/// A job that is not done yet.
#[derive(Object)]
#[oai(rename = "Job")]
struct JobView {
    id: JobId,
    queue: Queue,
    kind: String,
    state: JobState,
    attempts: i64,
    run_at: Timestamp,
    last_error: Option<String>,
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
pub fn job_filter(queue: Option<Queue>, state: Option<JobState>) -> Wanted {
    let (state, scheduled) = match state {
        None => (None, None),
        Some(JobState::Pending) => (Some(State::Pending), Some(false)),
        Some(JobState::Scheduled) => (Some(State::Pending), Some(true)),
        Some(JobState::Running) => (Some(State::Running), None),
        Some(JobState::Dead) => (Some(State::Dead), None),
    };
    Wanted { queue: queue.map(Queue::as_str), state, scheduled }
}

pub struct JobsApi;

#[OpenApi(prefix_path = "/api/admin/jobs", tag = "Tag::Admin")]
impl JobsApi {
    /// Shows how the queues stand.
    ///
    /// `pending` jobs are due now, `scheduled` ones later: most of them are retries.
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
    /// Done jobs are not listed. `last_error` says what went wrong the last time.
    #[oai(path = "/", method = "get", operation_id = "listJobs")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only those of this queue.
        queue: Ask<Queue>,
        /// Only those in this state.
        state: Ask<JobState>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<JobView>> {
        let mut faults = ValidationErrors::default();
        let filter = job_filter(faults.note(queue.get("queue")), faults.note(state.get("state")));
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let now = shop.now();
        let (jobs, total) = store::list(&mut shop.db.read().await?, filter, now, page.size, page.offset()).await?;
        let shown = jobs.into_iter().map(|job| view(job, now)).collect::<ApiResult<_>>()?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Gives a dead or waiting job all its tries again, from now.
    ///
    /// For dead letters whose cause was mended, and for jobs that wait for their next try.
    #[oai(path = "/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(&self, shop: Data<&Shop>, _by: Admin, id: Path<JobId>) -> ApiResult<Reply<JobView>> {
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let job = store::revive(&mut tx, id.0, now).await?.ok_or_else(Problem::not_found)?;
        tx.notify(&job.queue);
        tx.commit().await?;
        Ok(Reply::json(&view(job, now)?))
    }

    /// Removes a job that is not running.
    ///
    /// It is gone for good: what it was to do is never done.
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
