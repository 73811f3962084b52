//! Liveness, readiness and metrics.

use std::{sync::Arc, time::Duration};

use platform::{
    http::{
        client_address,
        documented::Documented,
        edge::Edge,
        problem::{ApiResult, Problem},
        reply::Reply,
    },
    text_enum,
};
use poem::{Endpoint, EndpointExt, Request, Response, web::Data};
use poem_openapi::{Object, OpenApi, OpenApiService, payload::PlainText};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{metrics, problems, settings::Settings, workers},
    shop::{Shop, tags::Tag},
};

/// Prometheus scrapes once a minute by default.
const MEASURE_EVERY: Duration = Duration::from_secs(15);

text_enum! {
    /// The state of a dependency. `unused` means that it is not configured.
    pub enum Dependency { Up = "up", Down = "down", Unused = "unused" }
}

impl Dependency {
    fn from_answer(answers: bool) -> Self {
        if answers { Self::Up } else { Self::Down }
    }
}

/// The process is running.
#[derive(Object)]
struct Liveness {
    /// Always `ok`.
    status: String,
}

/// The readiness of the process and of its dependencies.
#[derive(Object)]
struct Readiness {
    /// Always `ready`.
    status: String,
    /// The database, which every request needs.
    database: Dependency,
    /// The shared cache. Without it the shop is slower but ready.
    redis: Dependency,
}

pub struct HealthApi;

#[OpenApi(tag = "Tag::Operations")]
impl HealthApi {
    /// Returns 200 while the process is running.
    ///
    /// For liveness probes, which restart the process if it does not answer. It does not check any dependency.
    #[allow(clippy::unused_async)] // poem-openapi wants it
    #[oai(path = "/health/live", method = "get", operation_id = "getLiveness")]
    async fn live(&self) -> Reply<Liveness> {
        Reply::json(&Liveness { status: "ok".to_owned() })
    }

    /// Returns whether the process can serve requests, and the state of each dependency.
    ///
    /// For readiness probes and load balancers, which send requests elsewhere while it is not ready.
    ///
    /// Problems: `not_ready`.
    #[oai(path = "/health/ready", method = "get", operation_id = "getReadiness")]
    async fn ready(&self, shop: Data<&Shop>) -> ApiResult<Reply<Readiness>> {
        let database = tokio::time::timeout(Duration::from_secs(2), shop.db.ping()).await;
        let database = Dependency::from_answer(matches!(database, Ok(Ok(()))));
        let redis = shop.cache.redis_answers().await.map_or(Dependency::Unused, Dependency::from_answer);
        if database == Dependency::Down {
            let detail = "The database is unavailable. The next request checks it again.";
            let problem = problems::NOT_READY.problem(detail);
            return Err(problem.with("database", database.as_str()).with("redis", redis.as_str()));
        }
        Ok(Reply::json(&Readiness { status: "ready".to_owned(), database, redis }))
    }

    /// Returns metrics of the process and the shop for Prometheus.
    ///
    /// Covers requests, jobs, queues, payments and stock, each with a help text. The shop's metrics are updated every
    /// 15 seconds, not with each request. Available to requests from the same machine only, and to everyone at
    /// `METRICS_BIND`; other requests get 404.
    ///
    /// Problems: `not_found`.
    #[allow(clippy::unused_async)] // poem-openapi wants it
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics")]
    async fn metrics(&self, shop: Data<&Shop>, request: &Request) -> ApiResult<PlainText<String>> {
        let private = request.data::<Private>().is_some();
        let here = shop.get::<Settings>().metrics_bind.is_none() && client_address::is_from_this_machine(request)?;
        if private || here { Ok(PlainText(metrics::REGISTRY.render())) } else { Err(Problem::not_found()) }
    }
}

/// Marks the requests to `METRICS_BIND` or `WORKER_BIND`.
#[derive(Clone, Copy)]
struct Private;

/// Updates the shop's gauges of `/metrics` until `stop`, so that a scrape does not query the database.
pub async fn keep_measuring(shop: Shop, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = workers::measure(&shop).await {
            tracing::debug!(%error, "cannot update the gauges");
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// These three, for `METRICS_BIND` and as all that a worker program serves, on `WORKER_BIND`.
///
/// # Panics
/// Never: poem-openapi writes JSON.
#[must_use]
pub fn only(shop: Shop) -> Edge<impl Endpoint<Output = Response>> {
    let service = OpenApiService::new(HealthApi, "worker", env!("CARGO_PKG_VERSION"));
    let document = serde_json::from_str(&service.spec()).expect("the document is JSON");
    let http = Arc::new(shop.get::<Settings>().http());
    let app = poem::Route::new().nest("/", service).data(shop).data(Arc::clone(&http)).data(Private).map_to_response();
    Edge::new(app, http, Arc::new(Documented::of(&document)))
}
