//! Successful responses: 200 with a resource or a list, 201, 202, 204, 301 and 304.

use bytes::Bytes;
use poem::{
    IntoResponse, Response,
    http::{StatusCode, Uri, header},
};
use poem_openapi::{
    ApiResponse,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

use super::{etags, paging::Page};
use crate::cache::Freshness;

/// A JSON response; `T` is its schema in the document.
pub struct Reply<T, const STATUS: u16 = 200> {
    response: Response,
    schema: std::marker::PhantomData<fn() -> T>,
}

/// 201 with the resource that was created.
pub type Created<T> = Reply<T, 201>;
/// 202 with the resource that is being processed.
pub type Accepted<T> = Reply<T, 202>;
/// 200 with a page of a list.
pub type List<T> = Reply<Vec<T>>;

impl<T, const STATUS: u16> Reply<T, STATUS> {
    /// A response of bytes that are JSON already.
    ///
    /// # Panics
    /// When `STATUS` is no HTTP status.
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(STATUS).expect("the status is a constant");
        let response = Response::builder().status(status).content_type(JSON).body(body.into());
        Self { response, schema: std::marker::PhantomData }
    }

    /// Replaces the status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.response.set_status(status);
        self
    }

    /// Sets a header; does nothing when the value is no header value.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.response.headers_mut().insert(name, value);
        }
        self
    }
}

impl<T: ToJSON, const STATUS: u16> Reply<T, STATUS> {
    /// A response with a resource.
    pub fn json(resource: &T) -> Self {
        Self::bytes(json_bytes(resource))
    }
}

impl<T: ToJSON> List<T> {
    /// A page with `X-Total-Count` and `Link`.
    pub fn page(entries: &Vec<T>, total: i64, page: Page, uri: &Uri) -> Self {
        Self::json(entries).header("x-total-count", &total.to_string()).header("link", &page.links(uri, total))
    }
}

/// The content type of JSON.
pub const JSON: &str = "application/json";

/// A resource as the bytes of a response.
pub fn json_bytes(resource: &impl ToJSON) -> Vec<u8> {
    resource.to_json().unwrap_or_default().to_string().into_bytes()
}

impl<T: Send, const STATUS: u16> IntoResponse for Reply<T, STATUS> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<T: Type, const STATUS: u16> ApiResponse for Reply<T, STATUS> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: match STATUS {
                    201 => "Created.",
                    202 => "Accepted; the work continues in the background.",
                    _ => "Success.",
                },
                status: Some(STATUS),
                status_range: None,
                content: vec![MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: T::schema_ref() }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 201 when the resource was created, 200 when it existed.
pub struct CreatedOrFound<T>(Created<T>);

impl<T: ToJSON> CreatedOrFound<T> {
    /// A response with a resource.
    pub fn json(resource: &T, created: bool) -> Self {
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Self(Created::json(resource).status(status))
    }
}

impl<T: Send> IntoResponse for CreatedOrFound<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: Type> ApiResponse for CreatedOrFound<T> {
    fn meta() -> MetaResponses {
        let mut answers = Reply::<T>::meta();
        answers.responses.extend(Created::<T>::meta().responses);
        answers
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 200 with an `ETag`, or 304 when the client has the current bytes.
pub struct Tagged<T>(Reply<T>);

impl<T> Tagged<T> {
    /// 304 when `if_none_match` has the tag, else `fresh`; both with `ETag` and `Cache-Control`.
    pub fn answer(if_none_match: Option<&str>, tag: &str, fresh: Reply<T>, cache_control: &str) -> Self {
        let reply =
            if etags::is_known(if_none_match, tag) { Reply::bytes("").status(StatusCode::NOT_MODIFIED) } else { fresh };
        Self(reply.header(header::ETAG.as_str(), tag).header(header::CACHE_CONTROL.as_str(), cache_control))
    }

    /// Sets a header.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// Lets the response be sent again while this is fresh, to everybody who sends no credentials.
    #[must_use]
    pub fn cached_while(mut self, freshness: Option<Freshness>) -> Self {
        if let Some(freshness) = freshness {
            self.0.response.extensions_mut().insert(freshness);
        }
        self
    }
}

impl<T: Send> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: Type> ApiResponse for Tagged<T> {
    fn meta() -> MetaResponses {
        let known = "Not modified since the given `ETag`.";
        let mut answers = Reply::<T>::meta();
        answers.responses.push(without_body(304, known));
        answers
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn without_body(status: u16, description: &'static str) -> MetaResponse {
    MetaResponse { description, status: Some(status), status_range: None, content: vec![], headers: vec![] }
}

/// As [`Tagged`], or 301 when the resource has another address now.
pub enum FoundOrMoved<T> {
    Found(Tagged<T>),
    /// The new address.
    Moved(String),
}

impl<T: Send> IntoResponse for FoundOrMoved<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Found(found) => found.into_response(),
            // It may move again, or back, so the redirect is revalidated each time.
            Self::Moved(to) => Response::builder()
                .status(StatusCode::MOVED_PERMANENTLY)
                .header(header::LOCATION, to)
                .header(header::CACHE_CONTROL, "public, no-cache")
                .finish(),
        }
    }
}

impl<T: Type> ApiResponse for FoundOrMoved<T> {
    fn meta() -> MetaResponses {
        let mut answers = Tagged::<T>::meta();
        answers.responses.push(without_body(301, "Moved permanently; `Location` has the current URL."));
        answers
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 204: done, and there is nothing to show.
#[derive(ApiResponse)]
pub enum Done {
    /// Success; the response has no body.
    #[oai(status = 204)]
    Done,
}

/// 202: the work is under way, and there is nothing to show.
#[derive(ApiResponse)]
pub enum UnderWay {
    /// Accepted; the work continues in the background.
    #[oai(status = 202)]
    UnderWay,
}
