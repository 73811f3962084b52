//! A call as it comes in, and the answer that goes out.

use std::{collections::BTreeMap, net::IpAddr};

use bytes::Bytes;
use poem::{
    Request, Response,
    http::{HeaderMap, Method, StatusCode, header},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::idempotency::Fingerprint;

const LARGEST: usize = 1 << 20;

pub(super) type Params = BTreeMap<String, String>;

pub(super) struct Call {
    pub method: Method,
    /// Behind the provider's prefix: `/v1/payment_intents`.
    pub path: String,
    /// Of the query, and of a form.
    pub params: Params,
    pub headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Reads a request; nothing when it breaks off or is too large.
    pub async fn read(request: Request) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let body = body.into_bytes_limit(LARGEST).await.ok()?;
        let mut params = form(parts.uri.query().unwrap_or_default().as_bytes());
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            params.extend(form(&body));
        }
        Some(Self { method: parts.method, path: parts.uri.path().to_owned(), params, headers: parts.headers, body })
    }

    /// The method and the steps of the path: `["POST", "v1", "refunds"]`.
    pub fn steps(&self) -> Vec<&str> {
        let path = self.path.split('/').filter(|step| !step.is_empty());
        std::iter::once(self.method.as_str()).chain(path).collect()
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    }

    /// Whether a page sent this that is not one of ours: browsers say whose. A name that only leads to this machine proves
    /// nothing, anybody can have one.
    pub fn is_foreign(&self) -> bool {
        let Some(origin) = self.headers.get(header::ORIGIN) else { return false };
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        host.is_none_or(|host| self.header("host") != Some(host) || !is_this_machine(host))
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON; an empty one is an empty object.
    pub fn json(&self) -> Option<Value> {
        if self.body.is_empty() { Some(serde_json::json!({})) } else { serde_json::from_slice(&self.body).ok() }
    }

    /// Two calls are the same when they say the same, in whatever order the parameters come.
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

/// `localhost`, or an address that others do not reach, with a port or without.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn form(text: &[u8]) -> Params {
    form_urlencoded::parse(text).into_owned().collect()
}

#[derive(Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, body: body.to_string().into(), headers }
    }

    pub fn html(page: String) -> Self {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status: 200, body: page.into(), headers }
    }

    pub fn see(location: String) -> Self {
        Self { status: 303, body: Bytes::new(), headers: vec![("location", location)] }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// The same answer, but every amount in it is a unit of the last place off.
    pub fn with_wrong_amounts(mut self) -> Self {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body) {
            spoil(&mut value);
            self.body = value.to_string().into();
        }
        self
    }
}

fn spoil(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(spoil),
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &mut *field) {
                    ("amount" | "amount_received" | "amount_paid", Value::Number(number)) => {
                        *field = (number.as_i64().unwrap_or_default() + 1).into();
                    }
                    ("value", Value::String(amount)) => {
                        let last = if amount.ends_with('9') { '8' } else { '9' };
                        amount.pop();
                        amount.push(last);
                    }
                    _ => spoil(field),
                }
            }
        }
        _ => {}
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = Response::builder().status(status);
        answer
            .headers
            .into_iter()
            .fold(response, |response, (name, value)| response.header(name, value))
            .body(answer.body)
    }
}
