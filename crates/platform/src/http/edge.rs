//! The outermost layer: the first to see a request and the last to see its response.
//!
//! A request whose response is cached is answered at once ([`Edge::cached`]). Each other request runs in a task of its own
//! (`handler.rs`): a write is completed even if its client disconnects, a read is aborted. A panic becomes a 500 like any
//! other error.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use metrics::Histogram;
use poem::{
    Endpoint, Request, Response, Result,
    http::{self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header},
};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    HttpSettings, aliases,
    connection::Peer,
    cors,
    documented::Documented,
    handler,
    problem::Problem,
    problem_types, query,
    reply::JSON,
    response_cache::{CachedResponse, Durations, ResponseCache},
};
use crate::{cache::Freshness, db, metrics::Metric, telemetry};

/// Bytes of path and query.
const MAX_URL: usize = 8 * 1024;
/// Bytes of all names and values, with four more for each header.
const MAX_HEADERS: usize = 16 * 1024;

/// The header with the id of a request: the client's, or else a new one.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A read that takes longer is logged as information, others for debugging.
const SLOW: Duration = Duration::from_millis(100);

/// From a cached read to the limit of a slow provider.
pub const REQUEST_DURATION: Metric = Metric::histogram(
    "cartwright_http_request_duration_seconds",
    "Seconds from a request's head to its response's, by method, route of the API document and status",
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
);

/// The whole app as one endpoint.
pub struct Edge<E> {
    app: Arc<E>,
    settings: Arc<HttpSettings>,
    documented: Arc<Documented>,
    responses: Option<ResponseCache>,
}

impl<E: Endpoint<Output = Response> + 'static> Edge<E> {
    pub fn new(app: E, settings: Arc<HttpSettings>, documented: Arc<Documented>) -> Self {
        Self { app: Arc::new(app), settings, documented, responses: None }
    }

    /// Keeps the responses that allow it.
    #[must_use]
    pub fn caching(self, responses: ResponseCache) -> Self {
        Self { responses: Some(responses), ..self }
    }

    async fn answer(&self, mut request: Request, id: &str) -> Result<Response, Problem> {
        refuse_oversized(request.original_uri(), request.headers())?;
        refuse_ambiguous_host(request.version(), request.headers())?;
        aliases::resolve(&mut request, &self.documented)?;
        refuse_unacceptable(request.uri(), request.headers())?;
        query::refuse_too_many(request.uri().query().unwrap_or_default())?;
        let (reads, client) = (request.method() == Method::GET, Peer::of(&request));
        let app = Arc::clone(&self.app);
        let span = tracing::info_span!("request", request_id = id);
        let work = db::counting_writers(async move { app.get_response(request).await });
        let work = telemetry::with_request_id(id.to_owned(), work).instrument(span);
        if reads { handler::read(client, work).await } else { handler::write(work).await }
    }
}

impl<E: Endpoint<Output = Response> + 'static> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let id = request_id(request.headers());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let origin = cors::allowed(&self.settings.cors_origins, request.headers());
        let key = ResponseCache::key(&method, request.uri(), request.headers());
        if method == Method::HEAD {
            request.set_method(Method::GET);
        }

        let preflight = cors::preflight(&request);
        let preflight = preflight.filter(|_| refuse_ambiguous_host(request.version(), request.headers()).is_ok());
        let preflights = preflight.is_some();
        let answer = match preflight {
            Some(response) => Ok(response),
            None => self.answer(request, &id).await,
        };
        let mut response = self.with_problem(answer, &method, &path, &id);

        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin, Accept-Encoding"));
        if let Some(key) = key {
            response = self.cache(key, &path, response).await?;
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id_value(&id));
        if let Some(origin) = origin {
            cors::allow(headers, origin, preflights);
        }
        if method == Method::HEAD {
            response.set_body(());
        }
        self.record(&method, &path, response.status(), started, &id);
        Ok(response)
    }
}

impl<E> Edge<E> {
    /// The cached response of a request that needs nothing else.
    pub fn cached<B>(&self, request: &http::Request<B>) -> Option<http::Response<Full<Bytes>>> {
        let started = Instant::now();
        let responses = self.responses.as_ref()?;
        let headers = request.headers();
        let found = responses.find(&ResponseCache::key(request.method(), request.uri(), headers)?)?;
        refuse_oversized(request.uri(), headers).ok()?;
        refuse_ambiguous_host(request.version(), headers).ok()?;
        refuse_unacceptable(request.uri(), headers).ok()?;
        let mut response = found.answer(headers.get(header::IF_NONE_MATCH));
        let id = request_id(headers);
        tracing::debug!(path = request.uri().path(), status = response.status().as_u16(), request_id = id, "cached");
        response.headers_mut().insert(REQUEST_ID, id_value(&id));
        if let Some(origin) = cors::allowed(&self.settings.cors_origins, headers) {
            cors::allow(response.headers_mut(), origin, false);
        }
        let durations = &found.durations;
        let duration = if response.status() == StatusCode::OK { &durations.ok } else { &durations.not_modified };
        duration.record(started.elapsed());
        Some(response)
    }

    /// Keeps a response if it allows that.
    async fn cache(&self, key: String, path: &str, mut response: Response) -> Result<Response> {
        let freshness = response.extensions_mut().remove::<Freshness>();
        let (Some(responses), Some(freshness), StatusCode::OK) = (&self.responses, freshness, response.status()) else {
            return Ok(response);
        };
        let body = response.take_body().into_bytes().await.map_err(Problem::internal)?;
        let pattern = self.documented.pattern(path);
        let durations = Durations {
            ok: durations(&Method::GET, pattern, StatusCode::OK),
            not_modified: durations(&Method::GET, pattern, StatusCode::NOT_MODIFIED),
        };
        if let Some(kept) = CachedResponse::new(response.headers().clone(), body.clone(), freshness, durations) {
            responses.keep(key, kept);
        }
        response.set_body(body);
        Ok(response)
    }

    /// Logs and measures a request.
    fn record(&self, method: &Method, path: &str, status: StatusCode, started: Instant, id: &str) {
        let took = started.elapsed();
        let pattern = self.documented.pattern(path);
        durations(method, pattern, status).record(took);
        let (path, milliseconds) = (&*self.documented.loggable_at(path, pattern), took.as_secs_f64() * 1000.0);
        let status = status.as_u16();
        if method == Method::GET && status < 400 && took < SLOW {
            tracing::debug!(%method, path, status, milliseconds, request_id = id, "request");
        } else {
            tracing::info!(%method, path, status, milliseconds, request_id = id, "request");
        }
    }

    /// Turns every error response, also poem's own, into a problem.
    fn with_problem(&self, answer: Result<Response, Problem>, method: &Method, path: &str, id: &str) -> Response {
        let response = answer.unwrap_or_else(|problem| poem::Error::from(problem).into_response());
        let status = response.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return response;
        }
        let mut problem = match response.extensions().get::<Problem>() {
            Some(problem) => problem.clone(),
            None => Problem::of_status(status),
        };
        if status == StatusCode::METHOD_NOT_ALLOWED
            && let Ok(allow) = HeaderValue::from_str(&self.documented.methods_at(path))
        {
            problem.headers.push((header::ALLOW, allow));
        }
        if problem.status().is_server_error() && response.extensions().get::<Problem>().is_none() {
            tracing::error!(%method, path = %self.documented.loggable(path), %status, request_id = id, "responded with an error that is no problem document");
        }
        problem.render(&self.settings.public_url, path, id)
    }
}

/// Where the durations of requests to a route are recorded.
fn durations(method: &Method, pattern: Option<&str>, status: StatusCode) -> Histogram {
    // A client may invent methods and paths, and each label becomes a time series.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let method = if known.contains(method) { method.to_string() } else { "other".to_owned() };
    let (route, status) = (pattern.unwrap_or("other").to_owned(), status.as_u16().to_string());
    metrics::histogram!(REQUEST_DURATION.name, "method" => method, "route" => route, "status" => status)
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let valid = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given.filter(valid).map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

fn id_value(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("")) // it is ASCII
}

fn refuse_oversized(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if uri_length(uri) > MAX_URL {
        return Err(problem_types::URI_TOO_LONG.problem("The URL is longer than 8 KiB."));
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEADERS {
        let detail = "The headers are larger than 16 KiB.";
        return Err(problem_types::HEADERS_TOO_LARGE.problem(detail));
    }
    Ok(())
}

/// A request names exactly one host (RFC 9112, 3.2). Of two, one server may use the first and another the second.
fn refuse_ambiguous_host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts == 1 || (hosts == 0 && version == Version::HTTP_10) {
        return Ok(());
    }
    let detail = "Send exactly one Host header.";
    Err(problem_types::MALFORMED_REQUEST.problem(detail).header(header::CONNECTION, "close"))
}

fn uri_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, str::len)
}

/// The API answers with JSON; a client that accepts no JSON gets a 406. Pages and files are exempt.
fn refuse_unacceptable(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let takes = |kind: &str| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*", JSON, "application/problem+json", "text/event-stream", ""].contains(&kind)
    };
    if !uri.path().starts_with("/api/") || accept.split(',').any(takes) {
        return Ok(());
    }
    Err(problem_types::NOT_ACCEPTABLE.problem("Responses are application/json. Accept that type."))
}
