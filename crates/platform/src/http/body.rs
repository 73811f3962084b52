//! A JSON request body that is read first and validated later.
//!
//! Errors have an order: authentication, permission, existence, and only then the body. So an endpoint takes a [`Body`],
//! [parses](Body::parse) it, finds the resource, and only then returns the errors of the body.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{StatusCode, header},
    web::Data,
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaRequest, Registry},
    types::{MaybeUndefined, ParseFromJSON},
};

use super::{
    HttpSettings, json,
    problem::{ApiResult, Problem},
    schema::Schemas,
};
use crate::{db, http::problem_types, thread_pool::RunError};

/// How long a client may pause in the middle of a body.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How many bytes beyond the limit are read and discarded, so that the client receives the error.
const DRAIN_LIMIT: usize = 256 * 1024;

/// Bytes. A larger body takes milliseconds to parse, so that happens on a thread of its own.
const LARGE_BODY: usize = 32 * 1024;

/// A JSON body for a `T`, read but not parsed yet.
pub struct Body<T> {
    bytes: Bytes,
    is_json: bool,
    schemas: Arc<Schemas>,
    target: PhantomData<fn() -> T>,
}

impl<T: ParseFromJSON + Send + 'static> Body<T> {
    /// Validates the body against its schema and parses it. Call it before a write transaction begins; the error may be
    /// returned later.
    ///
    /// # Errors
    /// 415 when it is not JSON, 400 when it is malformed, 422 with all field errors when it does not match the schema, 503
    /// when too many large bodies are waiting.
    pub async fn parse(&self) -> ApiResult<T> {
        debug_assert!(!db::is_writing(), "a body is parsed before the write transaction begins");
        if !self.is_json {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if self.bytes.len() <= LARGE_BODY {
            return parse(&self.schemas, &self.bytes);
        }
        let (schemas, bytes) = (Arc::clone(&self.schemas), self.bytes.clone());
        match self.schemas.threads.run(move |()| parse(&schemas, &bytes)).await {
            Ok(parsed) => parsed,
            Err(RunError::Full) => {
                Err(problem_types::OVERLOADED.problem("Too many large requests are being validated. Try again."))
            }
            Err(RunError::Panicked) => Err(Problem::internal("validating a body panicked")),
        }
    }

    /// The bytes as they were sent, which an idempotency key is compared by.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a, T: ParseFromJSON + Send + 'static> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: T::schema_ref() }],
            required: T::IS_REQUIRED,
        })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let schemas = <Data<&Arc<Schemas>> as FromRequest>::from_request(request, body).await?;
        let bytes = read(request, body, HttpSettings::of(request)?.body_limit).await?;
        // A body left out altogether is an empty object: every field of it may be optional.
        let bytes = if bytes.is_empty() { b"{}".to_vec() } else { bytes };
        let is_json = request.content_type().map_or(bytes == b"{}", Json::<T>::check_content_type);
        Ok(Self { bytes: bytes.into(), is_json, schemas: Arc::clone(&schemas), target: PhantomData })
    }
}

fn parse<T: ParseFromJSON>(schemas: &Schemas, bytes: &[u8]) -> ApiResult<T> {
    let body = json::read(bytes).map_err(|what| {
        let detail = format!("The body is not well-formed JSON: {what}.");
        problem_types::MALFORMED_JSON.problem(detail)
    })?;
    schemas.check(&T::name(), &body)?;
    T::parse_from_json(Some(body)).map_err(|error| Problem::invalid_field("body", "invalid", error.into_message()))
}

/// Closing a connection with unread bytes resets it, and the client may never see the response. So some more are read and
/// discarded.
async fn drain(chunks: &mut (impl Stream<Item = std::io::Result<bytes::Bytes>> + Unpin)) {
    let mut left = DRAIN_LIMIT;
    let discard = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), discard).await; // the response is the same either way
}

/// Reads a body of at most `limit` bytes to its end.
///
/// # Errors
/// 413 beyond the limit, 408 when the client pauses for 15 seconds, 400 when the body breaks off.
pub async fn read(request: &Request, body: &mut RequestBody, limit: usize) -> ApiResult<Vec<u8>> {
    let too_large = || Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).header(header::CONNECTION, "close");
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let body = body.take().map_err(Problem::internal)?;
    let mut chunks = std::pin::pin!(body.into_bytes_stream());
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
    loop {
        let next = tokio::time::timeout(STALL_TIMEOUT, chunks.next()).await.map_err(|_| {
            problem_types::REQUEST_TIMEOUT
                .problem("The rest of the body did not arrive in time. Send the request again.")
                .header(header::CONNECTION, "close")
        })?;
        match next {
            None => return Ok(bytes),
            Some(Ok(chunk)) if bytes.len() + chunk.len() > limit => {
                drain(&mut chunks).await;
                return Err(too_large());
            }
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(_)) => return Err(problem_types::MALFORMED_BODY.problem("The body is incomplete.")),
        }
    }
}

/// What a field of a PATCH changes a text to: `null` to the empty text, a missing field to nothing (`None`).
#[must_use]
pub fn null_as_empty(text: MaybeUndefined<String>) -> Option<String> {
    match text {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(String::new()),
        MaybeUndefined::Value(text) => Some(text),
    }
}
