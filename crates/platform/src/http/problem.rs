//! Problem details (RFC 9457): the form of every error response.
//!
//! Clients switch on `code`, people read `detail`. Problems never contain internals: the cause of a 500 is logged with the
//! request id, which the problem carries.

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
use serde_json::{Map, Value, json};

use super::problem_types::{
    self, BAD_REQUEST, FORBIDDEN, INTERNAL_ERROR, METHOD_NOT_ALLOWED, NOT_FOUND, OUTCOME_UNKNOWN, OVERLOADED,
    PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, VALIDATION_FAILED,
};
use crate::{
    db,
    validation::{FieldError, MOST_ERRORS, ValidationErrors},
};

/// What an endpoint returns: a response, or a [`Problem`].
pub type ApiResult<T> = Result<T, Problem>;

/// An error response. `instance`, `request_id` and `type` are added at the edge, which knows them.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: &'static ProblemType,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Further members, e.g. the new total of `total_changed`.
    pub extra: Map<String, Value>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A kind of problem. Its code never changes, because clients switch on it. Each feature declares its own with
/// [`problem_types!`](crate::problem_types).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemType {
    pub code: &'static str,
    pub status: u16,
    /// What happened, in one sentence.
    pub description: &'static str,
    /// What a frontend should do.
    pub resolution: &'static str,
}

/// Declares kinds of problems: a constant for each, and `PROBLEMS`, the list of them for the API document and
/// `/problems/{code}`. Each is `NAME = status "code", "description", "resolution";`.
#[macro_export]
macro_rules! problem_types {
    ($($name:ident = $status:literal $code:literal, $description:literal, $resolution:literal;)*) => {
        $(pub const $name: $crate::http::problem::ProblemType = $crate::http::problem::ProblemType {
            code: $code, status: $status, description: $description, resolution: $resolution,
        };)*
        pub const PROBLEMS: &[$crate::http::problem::ProblemType] = &[$($name),*];
    };
}

impl ProblemType {
    /// The code as a title: "Out of stock" for `out_of_stock`.
    #[must_use]
    pub fn title(&self) -> String {
        let words = self.code.replace('_', " ").replace("json", "JSON");
        let (first, rest) = words.split_at(words.len().min(1));
        first.to_uppercase() + rest
    }

    /// A problem of this kind; `detail` says what happened this time and what to do. 401 gets `WWW-Authenticate`, 503 gets
    /// `Retry-After: 1`.
    pub fn problem(&'static self, detail: impl Into<String>) -> Problem {
        let problem =
            Problem { kind: self, detail: detail.into(), errors: Vec::new(), extra: Map::new(), headers: Vec::new() };
        match self.status {
            401 => problem.header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            503 => problem.header(header::RETRY_AFTER, "1"),
            _ => problem,
        }
    }

    /// A problem whose detail is the description of its kind.
    #[must_use]
    pub fn as_described(&'static self) -> Problem {
        self.problem(self.description)
    }

    /// An example body for the document.
    #[must_use]
    pub fn example(&self) -> Value {
        let mut example = json!({
            "type": format!("https://shop.example/problems/{}", self.code),
            "title": self.title(),
            "status": self.status,
            "detail": self.description,
            "instance": "/api/orders",
            "code": self.code,
            "request_id": "01936f1e-8c5b-7a41-9d1e-2f4c5b6a7d8e",
        });
        if let Some(error) = problem_types::example_error(self) {
            example["errors"] = json!([error]);
        }
        example
    }
}

/// A 422, see [`Problem::invalid`].
impl From<ValidationErrors> for Problem {
    fn from(ValidationErrors(errors): ValidationErrors) -> Self {
        Self::invalid(errors)
    }
}

impl ValidationErrors {
    /// The value; or the default, and the errors are added to these.
    pub fn note<T: Default>(&mut self, value: ApiResult<T>) -> T {
        value.unwrap_or_else(|problem| {
            self.0.extend(problem.errors);
            T::default()
        })
    }
}

impl Problem {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code that clients switch on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code
    }

    /// 404, with the same body for an id that is malformed, unknown or somebody else's, so that ids cannot be probed.
    #[must_use]
    pub fn not_found() -> Self {
        NOT_FOUND
            .problem("Nothing was found at this URL, or you are not allowed to see it. Check the URL and the id in it.")
    }

    /// 422 with the first [`MOST_ERRORS`] errors. A single error whose code is a kind of problem has that code.
    #[must_use]
    pub fn invalid(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}.", one.field, one.message),
            many if many.len() > MOST_ERRORS => {
                format!("More than {MOST_ERRORS} fields are invalid; errors has the first {MOST_ERRORS}.")
            }
            many => format!("{} fields are invalid; see errors.", many.len()),
        };
        errors.truncate(MOST_ERRORS);
        let kind = match errors.as_slice() {
            [one] => problem_types::SINGLE.iter().find(|kind| kind.code == one.code).unwrap_or(&VALIDATION_FAILED),
            _ => &VALIDATION_FAILED,
        };
        Self { errors, ..kind.problem(detail) }
    }

    /// `Ok` when there are no errors.
    ///
    /// Adds further errors of the same body to a validation problem; leaves other problems as they are.
    #[must_use]
    pub fn and(self, more: &[FieldError]) -> Self {
        if self.errors.is_empty() || more.is_empty() { self } else { Self::invalid([&self.errors, more].concat()) }
    }

    /// 422 with one error.
    pub fn invalid_field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, code, message)])
    }

    /// 403 for a user who is no admin.
    #[must_use]
    pub fn forbidden() -> Self {
        FORBIDDEN.problem("Only an admin can do this.")
    }

    /// 500. The cause is logged and not shown.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        INTERNAL_ERROR.problem(
            "An internal error occurred and was logged with the request_id. Repeating the request is safe with an \
             Idempotency-Key.",
        )
    }

    /// Sets a header, in place of the one that the status comes with.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Adds a member to the body, e.g. the new total of `total_changed`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The problem for an error of poem's own.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => {
                METHOD_NOT_ALLOWED.problem("This URL does not support the method; see the Allow header.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => UNSUPPORTED_MEDIA_TYPE.problem("Send the body as application/json."),
            StatusCode::PAYLOAD_TOO_LARGE => PAYLOAD_TOO_LARGE.problem("The body is larger than this shop accepts."),
            StatusCode::BAD_REQUEST => BAD_REQUEST.as_described(),
            _ => INTERNAL_ERROR.problem("An internal error occurred and was logged with the request_id."),
        }
    }

    /// The response. `docs` is where the problem pages are, `instance` the requested path.
    #[must_use]
    pub fn render(&self, docs: &str, instance: &str, request_id: &str) -> Response {
        let mut body = self.extra.clone();
        body.insert("type".into(), format!("{docs}/problems/{}", self.code()).into());
        body.insert("title".into(), self.kind.title().into());
        body.insert("status".into(), self.kind.status.into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("instance".into(), instance.into());
        body.insert("code".into(), self.code().into());
        body.insert("request_id".into(), request_id.into());
        if !self.errors.is_empty() {
            body.insert("errors".into(), serde_json::to_value(&self.errors).unwrap_or_default());
        }
        let start = Response::builder().status(self.status()).content_type("application/problem+json");
        let headed = self.headers.iter().fold(start, |response, (name, value)| response.header(name, value));
        headed.body(Value::Object(body).to_string())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

impl std::error::Error for Problem {}

/// Passes the problem through poem to the edge, which renders it.
impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::from_status(problem.status());
        error.set_data(problem);
        error
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        if db::is_outcome_unknown(&error) {
            tracing::warn!(%error, "the outcome of a commit is unknown");
            return OUTCOME_UNKNOWN.problem(
                "The connection to the database was lost before the outcome was known: the request may or may not have \
                 been carried out. With an Idempotency-Key, send the same request with the same key again. Without \
                 one, check whether it was carried out before you send it again.",
            );
        }
        if db::is_unavailable(&error) {
            tracing::warn!(%error, "the database is unavailable or busy");
            return OVERLOADED.problem("The database is unavailable or busy. Nothing was changed; try again.");
        }
        Self::internal(error)
    }
}

/// An error, in the format of RFC 9457. All errors have this format.
#[derive(Object)]
#[oai(rename = "Problem")]
pub struct ProblemDocument {
    /// A URI that identifies the type of error.
    pub r#type: String,
    /// A short title of the type of error.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened and what to do, as a text for people.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// A stable code for programs, e.g. `out_of_stock`.
    pub code: String,
    /// The id of the request in the shop's logs. Quote it in support requests.
    pub request_id: String,
    /// All invalid fields of the request; only with 422.
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
                description: "An error: what happened and what to do",
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
