//! The shapes of good answers: the thing (200), a new thing (201), accepted work (202), nothing (204), a list, and
//! bytes that were made before and are sent again.

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

/// JSON bytes with the status and headers they are sent with; `T` is what the document says they are.
pub struct Reply<T, const STATUS: u16 = 200> {
    response: Response,
    told: std::marker::PhantomData<fn() -> T>,
}

/// 201: the thing that was made.
pub type Created<T> = Reply<T, 201>;
/// 202: the thing whose work is under way.
pub type Accepted<T> = Reply<T, 202>;
/// 200: a page of a list.
pub type List<T> = Reply<Vec<T>>;

impl<T, const STATUS: u16> Reply<T, STATUS> {
    /// Sends bytes that are JSON already.
    ///
    /// # Panics
    /// Never: every status here is one.
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(STATUS).expect("the status is a constant");
        let response = Response::builder().status(status).content_type(JSON).body(body.into());
        Self { response, told: std::marker::PhantomData }
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.response.set_status(status);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.response.headers_mut().insert(name, value);
        }
        self
    }
}

impl<T: ToJSON, const STATUS: u16> Reply<T, STATUS> {
    pub fn json(thing: &T) -> Self {
        Self::bytes(json_bytes(thing))
    }
}

impl<T: ToJSON> List<T> {
    /// A page with its total and its neighbours.
    pub fn page(things: &Vec<T>, total: i64, page: Page, asked: &Uri) -> Self {
        Self::json(things).header("x-total-count", &total.to_string()).header("link", &page.links(asked, total))
    }
}

pub const JSON: &str = "application/json";

/// A thing as the bytes that go on the wire.
pub fn json_bytes(thing: &impl ToJSON) -> Vec<u8> {
    thing.to_json().unwrap_or_default().to_string().into_bytes()
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

/// 201: made just now; 200: it was there already.
pub struct CreatedOrFound<T>(Created<T>);

impl<T: ToJSON> CreatedOrFound<T> {
    pub fn json(thing: &T, made: bool) -> Self {
        let status = if made { StatusCode::CREATED } else { StatusCode::OK };
        Self(Created::json(thing).status(status))
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

/// 200: this is it, with its tag; 304: the client has these very bytes already.
pub struct Tagged<T>(Reply<T>);

impl<T> Tagged<T> {
    /// `asked` is the request's `If-None-Match`.
    pub fn answer(asked: Option<&str>, tag: &str, fresh: Reply<T>, cache_control: &str) -> Self {
        let reply = if etags::is_known(asked, tag) { Reply::bytes("").status(StatusCode::NOT_MODIFIED) } else { fresh };
        Self(reply.header(header::ETAG.as_str(), tag).header(header::CACHE_CONTROL.as_str(), cache_control))
    }

    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        Self(self.0.header(name, value))
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

/// As [`Tagged`]; or 301: it is elsewhere by now.
pub enum FoundOrMoved<T> {
    Found(Tagged<T>),
    /// Where it is.
    Moved(String),
}

impl<T: Send> IntoResponse for FoundOrMoved<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Found(found) => found.into_response(),
            // It may move on, or back: nobody is to remember this without asking.
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
