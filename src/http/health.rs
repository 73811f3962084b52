//! What operations people and their machines ask: is it alive, is it ready, how is it doing.

use poem::{Endpoint, EndpointExt, Response, Route, get, handler, http::StatusCode, web::Data};
use serde_json::json;

use crate::{shop::Shop, telemetry, workers};

/// `/health/live`, `/health/ready` and `/metrics`, for the API and the worker programs alike.
#[must_use]
pub fn routes() -> Route {
    Route::new().at("/health/live", get(live)).at("/health/ready", get(ready)).at("/metrics", get(metrics))
}

/// The same, as all that a worker program serves.
#[must_use]
pub fn only(shop: Shop) -> impl Endpoint<Output = Response> {
    routes().data(shop).map_to_response()
}

/// The process runs.
#[handler]
fn live() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// Each dependency and its state. Redis being away makes the shop slower, not unready.
#[handler]
async fn ready(shop: Data<&Shop>) -> Response {
    let database = tokio::time::timeout(std::time::Duration::from_secs(2), shop.db.ping()).await;
    let database_up = matches!(database, Ok(Ok(())));
    let state = |up: bool| if up { "up" } else { "down" };
    let redis = shop.cache.redis_answers().await.map_or("unused", state);
    let status = if database_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if database_up { "ready" } else { "not_ready" };
    answer(status, &json!({"status": word, "database": state(database_up), "redis": redis}))
}

/// Prometheus' text form.
#[handler]
async fn metrics(shop: Data<&Shop>) -> Response {
    if let Err(error) = workers::measure(&shop).await {
        tracing::debug!(%error, "the gauges are stale");
    }
    Response::builder().content_type("text/plain; version=0.0.4").body(telemetry::metrics())
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}
