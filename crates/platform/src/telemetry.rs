//! Logs, metrics and the request id that ties a request to the jobs it enqueues.

use std::future::Future;

use anyhow::anyhow;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Runs `work` with the id of the request that it belongs to.
pub async fn with_request_id<T>(request_id: String, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(request_id, work).await
}

/// The id of the current request, if any.
#[must_use]
pub fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// The default of `RUST_LOG`. Stripe's libraries log an error for each request that is no valid webhook, and a warning for
/// each type of event they do not know: both are answered, not logged.
pub const DEFAULT_FILTER: &str =
    "info,apalis=warn,apalis_core=warn,sqlx=warn,hyper=warn,stripe_webhook=off,stripe_shared=off";

/// Starts logging to standard error, filtered by `RUST_LOG`. A second call in one process does nothing.
///
/// # Errors
/// When `RUST_LOG` is invalid.
pub fn log_to_stderr(format: LogFormat) -> anyhow::Result<()> {
    let chosen = std::env::var("RUST_LOG").ok().filter(|chosen| !chosen.is_empty());
    let chosen = chosen.as_deref().unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::try_new(chosen).map_err(|_| {
        anyhow!("RUST_LOG={chosen}: write a level, or modules with levels, like info or cartwright=debug")
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process, as in tests, keeps the first.
    let _ = match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Pretty => registry.with(lines.with_target(false)).try_init(),
    };
    Ok(())
}
