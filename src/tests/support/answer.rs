//! Requests over real HTTP, and answers that say what they were asked when a story did not expect them.

use std::{fmt, ops::Index, pin::Pin};

use platform::money::Currency;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use super::{contract, events::EventStream};

/// A request on its way. Awaited, it is sent.
pub struct Ask {
    what: String,
    /// What the document is asked about this: the method and the path.
    operation: (String, String),
    /// The shop's.
    currency: Currency,
    request: RequestBuilder,
}

impl Ask {
    pub fn new(method: &str, path: &str, currency: Currency, request: RequestBuilder) -> Self {
        Self { what: format!("{method} {path}"), operation: (method.to_owned(), path.to_owned()), currency, request }
    }

    pub fn json(self, body: &Value) -> Self {
        let what = format!("{} {body}", self.what);
        Self { what, request: self.request.json(body), ..self }
    }

    /// A body as it is, of any type.
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header("content-type", content_type).body(body), ..self }
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        let what = format!("{} [{name}: {value:.80}]", self.what);
        Self { what, request: self.request.header(name, value), ..self }
    }

    /// With an `Idempotency-Key`.
    pub fn once(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }
}

impl Ask {
    /// Opens the answer as a stream of events.
    pub async fn stream(self) -> EventStream {
        EventStream::open(self.request).await.unwrap_or_else(|status| panic!("{} got {status}", self.what))
    }

    /// The same, where it may be refused: then the status.
    pub async fn try_stream(self) -> Result<EventStream, u16> {
        EventStream::open(self.request).await
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let sent = self.request.send().await;
            let response = sent.unwrap_or_else(|error| panic!("{} got no answer: {error:?}", self.what));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body =
                response.bytes().await.unwrap_or_else(|error| panic!("{}: the answer broke off: {error:?}", self.what));
            let json = serde_json::from_slice(&body).unwrap_or_default();
            let answer = Answer { what: self.what, status, headers, body: body.to_vec(), json };
            let (method, path) = self.operation;
            contract::assert_documented(self.currency, &method, &path, &answer);
            answer
        })
    }
}

pub struct Answer {
    what: String,
    pub status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    json: Value,
}

impl Answer {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!((200..300).contains(&self.status), "success was expected:\n{self}");
        self
    }

    /// Has this status; an error also has the form of every error.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "\n{self}");
        if status >= 400 {
            self.is_a_problem();
        }
        self
    }

    #[track_caller]
    fn is_a_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json", "\n{self}");
        if self.body.is_empty() {
            return; // the answer to a HEAD
        }
        let code = self["code"].as_str().unwrap_or_else(|| panic!("a problem has a code:\n{self}"));
        assert_eq!(self["status"], self.status, "\n{self}");
        assert_eq!(self["request_id"], self.header("x-request-id"), "\n{self}");
        assert_eq!(self["type"], format!("https://shop.test/problems/{code}"), "\n{self}");
        for member in ["title", "detail", "instance"] {
            assert!(self[member].as_str().is_some_and(|text| !text.is_empty()), "a problem has a {member}:\n{self}");
        }
        assert_eq!(self["errors"].is_array(), self.status == 422 && self["errors"].is_array(), "\n{self}");
    }

    #[track_caller]
    pub fn with_code(self, code: &str) -> Self {
        assert_eq!(self["code"], code, "\n{self}");
        self
    }

    /// A 422 whose faults are exactly these fields, in any order.
    #[track_caller]
    pub fn about(self, fields: &[&str]) -> Self {
        let errors = self["errors"].as_array().unwrap_or_else(|| panic!("errors were expected:\n{self}"));
        let mut named: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        let mut wanted = fields.to_vec();
        named.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(named, wanted, "\n{self}");
        self
    }

    pub fn json(&self) -> Value {
        self.json.clone()
    }

    /// A list.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        self.json.as_array().unwrap_or_else(|| panic!("a list was expected:\n{self}")).clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

impl Index<&str> for Answer {
    type Output = Value;
    fn index(&self, name: &str) -> &Value {
        &self.json[name]
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:.500}\n  {} {:.2000}", self.what, self.status, self.text())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
