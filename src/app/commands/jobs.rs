//! `cartwright jobs`.

use platform::{
    clock::Timestamp,
    ids::JobId,
    jobs::{
        State,
        store::{self, JobFilter, JobRow},
    },
};

use crate::{
    app::{
        jobs_api::{JobState, job_filter},
        programs,
        settings::SettingArgs,
    },
    shop::{Queue, Shop},
};
use anyhow::bail;
use clap::{Args, Subcommand};

use super::{open, print_line};

/// How many jobs are listed; the others are counted.
const MAX_LISTED: i64 = 100;
/// How much of an error fits beside the other columns.
const ERROR_CHARS: usize = 60;

#[derive(Subcommand)]
pub enum JobsCommand {
    /// List unfinished jobs, newest first
    List(ListArgs),
    /// Retry dead or waiting jobs now, with all their attempts
    Retry(RetryArgs),
    /// Delete a job that is not running
    Discard {
        /// The id from `jobs list`
        id: i64,
    },
}

#[derive(Args)]
pub struct ListArgs {
    /// Only jobs of this queue: email, payment or stock
    #[arg(long)]
    queue: Option<Queue>,
    /// Only jobs in this state: pending (due now), scheduled (due later), running or dead (failed for good)
    #[arg(long)]
    state: Option<JobState>,
}

#[derive(Args)]
pub struct RetryArgs {
    /// The id from `jobs list`
    #[arg(required_unless_present = "all_dead")]
    id: Option<i64>,
    /// All dead jobs
    #[arg(long, conflicts_with = "id")]
    all_dead: bool,
}

pub async fn run(command: JobsCommand, settings: &SettingArgs) -> anyhow::Result<()> {
    let shop = open(programs::init(settings)?).await?;
    match command {
        JobsCommand::List(args) => list(&shop, &args).await?,
        JobsCommand::Retry(RetryArgs { id: Some(id), .. }) => retry(&shop, JobId(id)).await?,
        JobsCommand::Retry(_) => retry_all_dead(&shop).await?,
        JobsCommand::Discard { id } => discard(&shop, JobId(id)).await?,
    }
    shop.db.close().await;
    Ok(())
}

async fn list(shop: &Shop, args: &ListArgs) -> anyhow::Result<()> {
    let filter = job_filter(args.queue, args.state);
    let now = shop.now();
    let (jobs, total) = store::list(&mut shop.db.read().await?, filter, now, MAX_LISTED, 0).await?;
    if jobs.is_empty() {
        return print_line("no jobs");
    }
    let head = ["ID", "QUEUE", "KIND", "STATE", "ATTEMPTS", "DUE", "LAST ERROR"].map(str::to_owned);
    print_line(table(std::iter::once(head).chain(jobs.iter().map(|job| cells(job, now))).collect()))?;
    if total > MAX_LISTED {
        print_line(format!("and {} more; filter with --queue and --state", total - MAX_LISTED))?;
    }
    Ok(())
}

fn cells(job: &JobRow, now: Timestamp) -> [String; 7] {
    let scheduled = job.state == State::Pending && job.due_at > now;
    let state = if scheduled { "scheduled" } else { job.state.as_str() };
    let due = job.due_at.to_string().split('.').next().unwrap_or_default().replace('T', " ");
    [
        job.id.to_string(),
        job.queue.clone(),
        job.kind.clone(),
        state.to_owned(),
        job.attempts.to_string(),
        due,
        short(job.last_error.as_deref().unwrap_or_default()),
    ]
}

/// An error in one line, without control characters.
fn short(error: &str) -> String {
    let line: String = error.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= ERROR_CHARS {
        return line;
    }
    line.chars().take(ERROR_CHARS - 1).chain(['…']).collect()
}

/// Columns as wide as their widest cell, two spaces apart.
fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: [String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn retry(shop: &Shop, id: JobId) -> anyhow::Result<()> {
    let mut tx = shop.db.write().await?;
    let Some(job) = store::restart(&mut tx, id, shop.now()).await? else {
        bail!("there is no waiting or dead job {id}; see cartwright jobs list");
    };
    tx.notify(&job.queue);
    tx.commit().await?;
    print_line(format!("job {id} is due now"))
}

async fn retry_all_dead(shop: &Shop) -> anyhow::Result<()> {
    let dead = JobFilter { queue: None, state: Some(State::Dead), scheduled: None };
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    let (jobs, _) = store::list(&mut tx, dead, now, i64::MAX, 0).await?;
    let mut restarted = 0;
    for job in jobs {
        if store::restart(&mut tx, job.id, now).await?.is_some() {
            tx.notify(&job.queue);
            restarted += 1;
        }
    }
    tx.commit().await?;
    match restarted {
        0 => print_line("there are no dead jobs"),
        1 => print_line("1 job is due now"),
        many => print_line(format!("{many} jobs are due now")),
    }
}

async fn discard(shop: &Shop, id: JobId) -> anyhow::Result<()> {
    let mut tx = shop.db.write().await?;
    if !store::discard(&mut tx, id).await? {
        bail!("there is no waiting or dead job {id}; see cartwright jobs list");
    }
    tx.commit().await?;
    print_line(format!("deleted job {id}"))
}
