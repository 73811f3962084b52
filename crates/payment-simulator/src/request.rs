//! A request to the simulator.

use std::{collections::BTreeMap, net::IpAddr};

use bytes::Bytes;
use poem::http::{HeaderMap, Method, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::idempotency::Fingerprint;

/// Larger bodies are not read.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(super) type Params = BTreeMap<String, String>;

pub(super) struct Request {
    pub method: Method,
    /// Without the provider's prefix: `/v1/payment_intents`.
    pub path: String,
    /// From the query string, and from a form in the body.
    pub params: Params,
    pub headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Reads a request. `None` if the connection breaks or the body is too large.
    pub async fn read(request: poem::Request) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let body = body.into_bytes_limit(MAX_BODY_BYTES).await.ok()?;
        let mut params = parse_form(parts.uri.query().unwrap_or_default().as_bytes());
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type.is_some_and(|media_type| media_type.starts_with("application/x-www-form-urlencoded")) {
            params.extend(parse_form(&body));
        }
        Some(Self { method: parts.method, path: parts.uri.path().to_owned(), params, headers: parts.headers, body })
    }

    /// The method and the segments of the path: `["POST", "v1", "refunds"]`.
    pub fn route(&self) -> Vec<&str> {
        let segments = self.path.split('/').filter(|segment| !segment.is_empty());
        std::iter::once(self.method.as_str()).chain(segments).collect()
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|media_type| media_type.starts_with("application/json"))
    }

    /// Whether a page of another origin sent this. The origin must also be this machine's address: with DNS rebinding,
    /// any name can resolve to it.
    pub fn is_cross_origin(&self) -> bool {
        let Some(origin) = self.headers.get(header::ORIGIN) else { return false };
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        host.is_none_or(|host| self.header("host") != Some(host) || !is_local(host))
    }

    /// The body as it was sent.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON. An empty body is an empty object.
    pub fn json(&self) -> Option<Value> {
        if self.body.is_empty() { Some(serde_json::json!({})) } else { serde_json::from_slice(&self.body).ok() }
    }

    /// Equal for requests with the same content, in whatever order their parameters are.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(format!("{} {}\n{:?}\n", self.method, self.path, self.params));
        match self.json() {
            Some(mut value) => {
                value.sort_all_objects();
                hash.update(value.to_string());
            }
            None if self.params.is_empty() => hash.update(&self.body),
            None => {}
        }
        hash.finalize().into()
    }
}

/// `localhost` or a loopback address, with or without a port.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn parse_form(text: &[u8]) -> Params {
    form_urlencoded::parse(text).into_owned().collect()
}
