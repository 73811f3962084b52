//! A request body that is read first and judged later.
//!
//! The order of judgement is: who is asking, may they, does the thing exist, and only then what the body says. So an
//! endpoint takes a [`Body`], has it [judged](Body::judged), finds what it is about, and only then tells what is wrong with
//! the body.

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

/// How long a client may stop sending in the middle of a body.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How many bytes beyond the limit are read to let the client hear that it was reached.
const DRAIN_LIMIT: usize = 256 * 1024;

/// Beyond it a body is not judged among the requests of everybody else: that takes milliseconds.
const LARGE_BODY: usize = 32 * 1024;

/// A JSON body not looked at yet.
pub struct Body<T> {
    bytes: Bytes,
    is_json: bool,
    schemas: Arc<Schemas>,
    wanted: PhantomData<fn() -> T>,
}

impl<T: ParseFromJSON + Send + 'static> Body<T> {
    /// Judges the body. Before a transaction that writes is begun, for it would wait; what is wrong may be told later.
    ///
    /// # Errors
    /// 415 when it is no JSON, 400 when it is malformed, 422 with its faults when it is not what the document says. 503
    /// when too many large ones are judged already.
    pub async fn parse(&self) -> ApiResult<T> {
        debug_assert!(!db::is_writing(), "nothing is judged while everybody's changes wait");
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

    /// What was sent, byte for byte: what an idempotency key remembers.
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
        Ok(Self { bytes: bytes.into(), is_json, schemas: Arc::clone(&schemas), wanted: PhantomData })
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

/// Closing a connection that still has bytes to read resets it, and the client may never see the answer. So a little more
/// is read and thrown away.
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
    let _ = tokio::time::timeout(Duration::from_secs(1), discard).await; // the answer is the same either way
}

/// Reads a body to its end, stopping at the limit and when the client stalls.
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

/// What a field changes a text to: `null` clears it, one left out leaves it.
#[must_use]
pub fn null_as_empty(text: MaybeUndefined<String>) -> Option<String> {
    match text {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(String::new()),
        MaybeUndefined::Value(text) => Some(text),
    }
}
