//! Problem details (RFC 9457): the one form of every error the server gives.
//!
//! Clients switch on `code`, people read `detail`. Nothing internal is ever in one: the cause of a 500 is logged under
//! the request's id, which the problem carries.

use poem::{
    Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::db;

/// What every endpoint answers with: the thing, or a [`Problem`].
pub type ApiResult<T> = Result<T, Problem>;

/// An error on its way to the client. The address, request id and `type` are added at the edge, which knows them.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Further members, e.g. the new total of `total_changed`.
    pub extra: Map<String, Value>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// How many faults an answer tells: as many as anybody mends at a time.
pub const MOST_FAULTS: usize = 50;

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
pub struct FieldError {
    /// Where it is: `quantity`, `items[0].quantity`, or the name of a query parameter.
    pub field: String,
    /// What kind of fault it is: `required`, `type`, `minimum`, `maxLength`, `unknown`, …
    pub code: String,
    /// The same in words.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }
}

/// Collects what is wrong with a request, so that a client hears of it all at once.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// The value that was read; or nothing yet, and its fault is noted.
    pub fn note<T: Default>(&mut self, read: ApiResult<T>) -> T {
        read.unwrap_or_else(|problem| {
            self.0.extend(problem.errors);
            T::default()
        })
    }

    /// # Errors
    /// 422 with everything that was noted.
    pub fn end(self) -> ApiResult<()> {
        Problem::unless_empty(self.0)
    }
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), extra: Map::new(), headers: Vec::new() }
    }

    /// One body for an id that is malformed, unknown or somebody else's, so that ids cannot be probed.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here that you may see. Check the address and the id in it.",
        )
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// At most [`MOST_FAULTS`] are told.
    #[must_use]
    pub fn invalid(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}.", one.field, one.message),
            many if many.len() > MOST_FAULTS => {
                format!("More than {MOST_FAULTS} fields need another value; errors has the first {MOST_FAULTS}.")
            }
            many => format!("{} fields need another value; see errors.", many.len()),
        };
        errors.truncate(MOST_FAULTS);
        // A single fault of a kind that clients switch on gives the problem its name.
        let code = match errors.as_slice() {
            [one] if one.code == "weak_password" => "weak_password",
            [one] if one.code == "invalid_image" => "invalid_image",
            [one] if one.code == "invalid_ordering" => "invalid_ordering",
            _ => "validation_failed",
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        problem.errors = errors;
        problem
    }

    /// # Errors
    /// 422 when there are any.
    pub fn unless_empty(errors: Vec<FieldError>) -> ApiResult<()> {
        if errors.is_empty() { Ok(()) } else { Err(Self::invalid(errors)) }
    }

    /// The same, with further faults of the same body.
    #[must_use]
    pub fn and(self, more: &[FieldError]) -> Self {
        if self.errors.is_empty() || more.is_empty() { self } else { Self::invalid([&self.errors, more].concat()) }
    }

    pub fn invalid_field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, code, message)])
    }

    /// Nobody is signed in, or not any more. One body whatever was wrong with the token.
    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    }

    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You are signed in, but only an admin may do this.")
    }

    /// Something that is needed is away or too busy. Trying again in a second makes sense.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).header(header::RETRY_AFTER, "1")
    }

    /// The cause goes to the log and stays there.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong on our side; it was logged under the request_id. Trying again is safe with an Idempotency-Key.",
        )
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The problem for an error that poem found before any endpoint of ours was asked.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "This address takes other methods; see the Allow header.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported_media_type", "Send the body as application/json."),
            StatusCode::PAYLOAD_TOO_LARGE => ("payload_too_large", "The body is larger than this shop accepts."),
            StatusCode::BAD_REQUEST => ("bad_request", "The request could not be understood."),
            _ => ("internal_error", "Something went wrong on our side; it was logged under the request_id."),
        };
        Self::new(status, code, detail)
    }

    /// The response as the client sees it.
    #[must_use]
    pub fn render(&self, docs: &str, instance: &str, request_id: &str) -> Response {
        let mut body = self.extra.clone();
        body.insert("type".into(), format!("{docs}/problems/{}", self.code).into());
        body.insert("title".into(), title(self.code).into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("instance".into(), instance.into());
        body.insert("code".into(), self.code.into());
        body.insert("request_id".into(), request_id.into());
        if !self.errors.is_empty() {
            body.insert("errors".into(), serde_json::to_value(&self.errors).unwrap_or_default());
        }
        let start = Response::builder().status(self.status).content_type("application/problem+json");
        let headed = self.headers.iter().fold(start, |response, (name, value)| response.header(name, value));
        headed.body(Value::Object(body).to_string())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

/// Carries the problem to the edge, which renders it.
impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::from_status(problem.status);
        error.set_data(problem);
        error
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        if db::is_outcome_unknown(&error) {
            tracing::warn!(%error, "the database did not say whether it was done");
            return Self::unavailable(
                "outcome_unknown",
                "The shop's database went away before it said whether this was done: it may be, or not. With an \
                 Idempotency-Key, send the same request with the same key again: it is done once. Without one, look \
                 whether it was done before you send it again.",
            );
        }
        if db::is_unavailable(&error) {
            tracing::warn!(%error, "the database is away or busy");
            return Self::unavailable(
                "overloaded",
                "The shop's database is away or busy for a moment. Nothing was done; try again.",
            );
        }
        Self::internal(error)
    }
}

/// `out_of_stock` reads "Out of stock".
#[must_use]
pub fn title(code: &str) -> String {
    let words = code.replace('_', " ").replace("json", "JSON");
    let (first, rest) = words.split_at(words.len().min(1));
    first.to_uppercase() + rest
}

/// What went wrong, in the form of RFC 9457. Every error has it.
#[derive(Object)]
#[oai(rename = "Problem")]
pub struct ProblemDocument {
    /// A URI that names the kind of problem.
    pub r#type: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Stable and made for programs, e.g. `out_of_stock`.
    pub code: String,
    /// Quote this when you ask for help: our logs know it.
    pub request_id: String,
    /// Every fault of the body at once; with 422 only.
    pub errors: Option<Vec<FieldError>>,
}

impl Payload for Problem {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
        ProblemDocument::schema_ref()
    }

    fn register(registry: &mut Registry) {
        ProblemDocument::register(registry);
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "A problem: what happened and what to do",
                status: None,
                status_range: None,
                content: vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: Self::schema_ref() }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }
}
