//! Complete responses, found by the target of a request and the coding that its client accepts, before anything else looks
//! at the request. An endpoint allows this by giving its response a [`Freshness`]. Requests that may get another response,
//! such as those with credentials, are never answered from here.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use metrics::Histogram;
use moka::sync::Cache as Moka;
use poem::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::{
    content_coding::{self, CODINGS},
    edge::REQUEST_ID,
    etags,
};
use crate::cache::{Cache, Freshness};

/// Bytes of all responses.
const CAPACITY: u64 = 24 * 1024 * 1024;
/// Bytes of the largest response.
const MAX_RESPONSE: usize = 1024 * 1024;
/// Bytes that a response takes beside its body.
const OVERHEAD: usize = 1024;
/// How long a response that nobody asks for is kept.
const IDLE: Duration = Duration::from_mins(1);

/// The responses of a process. Cloning is cheap.
#[derive(Clone)]
pub struct ResponseCache {
    responses: Moka<String, Arc<CachedResponse>>,
    cache: Cache,
}

/// A response with status 200.
pub struct CachedResponse {
    headers: HeaderMap,
    body: Bytes,
    /// The `ETag` without the coding.
    tag: String,
    freshness: Freshness,
    pub durations: Durations,
}

/// Where the duration of requests is recorded: of those that got the cached response, and those whose client had it already.
pub struct Durations {
    pub ok: Histogram,
    pub not_modified: Histogram,
}

impl ResponseCache {
    /// An empty cache, whose responses are as fresh as the entries of `cache` that they are made of.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        let weight = |key: &String, response: &Arc<CachedResponse>| key.len() + response.body.len() + OVERHEAD;
        let responses = Moka::builder()
            .max_capacity(CAPACITY)
            .weigher(move |key, response| u32::try_from(weight(key, response)).unwrap_or(u32::MAX))
            .time_to_idle(IDLE)
            .build();
        Self { responses, cache }
    }

    /// The key of a request's response; `None` when the response depends on more than the target and the coding.
    #[must_use]
    pub fn key(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let odd = [header::AUTHORIZATION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT];
        if method != Method::GET || odd.iter().any(|name| headers.contains_key(name)) {
            return None;
        }
        let coding = content_coding::preferred(headers, CODINGS);
        Some([coding.unwrap_or_default(), " ", uri.path_and_query()?.as_str()].concat())
    }

    /// The response of a key, while it is fresh.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Arc<CachedResponse>> {
        self.responses.get(key).filter(|response| self.cache.is_fresh(&response.freshness))
    }

    /// Keeps a response.
    pub fn keep(&self, key: String, response: CachedResponse) {
        if response.body.len() <= MAX_RESPONSE {
            self.responses.insert(key, Arc::new(response));
        }
    }
}

impl CachedResponse {
    /// A response with these headers and this body. `None` when it has no `ETag`.
    #[must_use]
    pub fn new(mut headers: HeaderMap, body: Bytes, freshness: Freshness, durations: Durations) -> Option<Self> {
        let tag = etags::without_coding(headers.get(header::ETAG)?.to_str().ok()?);
        headers.insert(REQUEST_ID, HeaderValue::from_static("")); // so that a copy need not grow for it
        Some(Self { headers, body, tag, freshness, durations })
    }

    /// The response to a client that has what its `If-None-Match` says.
    #[must_use]
    pub fn answer(&self, if_none_match: Option<&HeaderValue>) -> Response<Full<Bytes>> {
        let known = if_none_match.and_then(|tags| tags.to_str().ok());
        let mut response = Response::new(Full::default());
        *response.headers_mut() = self.headers.clone();
        if etags::is_known(known, &self.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for of_content in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                response.headers_mut().remove(of_content);
            }
        } else {
            *response.body_mut() = Full::new(self.body.clone());
        }
        response
    }
}
