//! Which pages of other origins may read the responses.
//!
//! poem's own middleware returns 403 to an unlisted origin, which breaks clients that merely send the header.
//! Here an unlisted origin gets the response without the headers that would let its page read it.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Cart-Id, X-Request-Id";
const EXPOSED: &str = "ETag, Link, Location, Retry-After, X-Total-Count, X-Request-Id, Idempotent-Replayed";

/// The origin to name in the response, if the request comes from one that is allowed.
pub fn allowed(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let known = origins.iter().any(|allowed| allowed == "*" || origin == allowed.as_str());
    known.then(|| origin.clone())
}

/// The response to a preflight request.
pub fn preflight(request: &Request) -> Option<Response> {
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    is_preflight.then(|| Response::builder().status(StatusCode::NO_CONTENT).finish())
}

pub fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
}
