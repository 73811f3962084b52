//! Logs, metrics and the request id that ties a request to the jobs it enqueues.

use std::{future::Future, sync::OnceLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::LogFormat;

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Runs `work` on behalf of a request.
pub async fn on_behalf_of<T>(request_id: String, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(request_id, work).await
}

/// The request that is being worked for, if any.
#[must_use]
pub fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// Starts logging. What is logged is chosen with `RUST_LOG`, the form with `LOG_FORMAT`.
pub fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,apalis=warn,apalis_core=warn,sqlx=warn,hyper=warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (tests) keeps the first.
    let _ = match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Pretty => registry.with(lines.with_target(false)).try_init(),
    };
}

/// The process's metrics in Prometheus' text form.
#[must_use]
pub fn metrics() -> String {
    recorder().render()
}

/// Starts counting.
///
/// # Panics
/// When somebody else installed a recorder before.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let handle = PrometheusBuilder::new().install_recorder();
        handle.expect("the recorder is installed once")
    })
}
