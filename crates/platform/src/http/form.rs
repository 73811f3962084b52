//! A body that is JSON, or `multipart/form-data` with the same fields and an image in the part `image`.
//!
//! The fields of a form are text. Each is converted to the type its schema says; one that cannot be converted stays text.
//! Then all are validated by the same schema as JSON. An empty field is `null` where the schema allows it. Like
//! [`super::body`], a form is read first and validated later.

use std::{marker::PhantomData, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;
use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{StatusCode, header},
    web::Data,
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
    types::ParseFromJSON,
};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    HttpSettings,
    body::{Body, read},
    problem::{ApiResult, Problem},
    schema::Schemas,
    upload::{LIMIT, malformed},
};
use crate::{
    db,
    media::Media,
    validation::{FieldError, ValidationErrors},
};

/// The content type of a form.
pub const KIND: &str = "multipart/form-data";

/// Far more than any form of ours has.
const MAX_PARTS: usize = 100;

/// The name of the part with the image.
const IMAGE: &str = "image";

/// The fields of a `T`, and an optional image.
pub enum Form<T> {
    Json(Body<T>),
    Parts(Parts<T>),
}

impl<T: ParseFromJSON + Send + 'static> Form<T> {
    /// Validates and parses the fields. Call it before a write transaction begins.
    ///
    /// # Errors
    /// 415 when the body is neither JSON nor a form, 400 when it is malformed, 422 with all field errors.
    pub async fn parse(&self) -> ApiResult<T> {
        match self {
            Self::Json(body) => body.parse().await,
            Self::Parts(parts) => parts.parse(),
        }
    }

    /// Whether the form has an image.
    #[must_use]
    pub fn has_image(&self) -> bool {
        self.image().is_ok_and(|image| image.is_some())
    }

    /// The bytes of the image, not decoded yet; `None` when there is none or its part has an error.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn image(&self) -> ApiResult<Option<Bytes>> {
        let Self::Parts(parts) = self else { return Ok(None) };
        let sent = parts.sent()?;
        Ok(sent.image.clone().filter(|_| sent.errors.is_empty()))
    }
}

/// A form. Holds an upload permit until it is dropped.
pub struct Parts<T> {
    sent: ApiResult<Sent>,
    schemas: Arc<Schemas>,
    target: PhantomData<fn() -> T>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Sent {
    texts: Vec<(String, Bytes)>,
    image: Option<Bytes>,
    /// The errors of the part `image`.
    errors: Vec<FieldError>,
}

impl<T: ParseFromJSON> Parts<T> {
    fn sent(&self) -> ApiResult<&Sent> {
        self.sent.as_ref().map_err(Clone::clone)
    }

    fn parse(&self) -> ApiResult<T> {
        debug_assert!(!db::is_writing(), "a form is parsed before the write transaction begins");
        let Sent { texts, errors, .. } = self.sent()?;
        let (mut fields, mut errors) = (Map::new(), errors.clone());
        for (name, text) in texts {
            // As in JSON, unknown fields are ignored.
            let Some(property) = self.schemas.property(&T::name(), name) else { continue };
            let (value, error) = match std::str::from_utf8(text) {
                Ok(text) if !text.contains('\0') => (value_of(property, text), None),
                _ => (Value::Null, Some(("type", "must be UTF-8 text without NUL"))),
            };
            let twice = fields.insert(name.clone(), value).map(|_| ("invalid", "must be given only once"));
            errors.extend(twice.or(error).map(|(code, message)| FieldError::new(name, code, message)));
        }
        let fields = Value::Object(fields);
        let checked = self.schemas.check(&T::name(), &fields);
        let more = checked.err().map(|problem| problem.errors).unwrap_or_default();
        let is_new = |error: &FieldError| !errors.iter().any(|known| known.field == error.field);
        let more: Vec<FieldError> = more.into_iter().filter(is_new).collect();
        ValidationErrors([errors, more].concat()).into_result()?;
        T::parse_from_json(Some(fields))
            .map_err(|error| Problem::invalid_field("body", "invalid", error.into_message()))
    }
}

/// A text as the JSON value that the field's schema says.
fn value_of(property: &Value, text: &str) -> Value {
    if text.is_empty() && property["nullable"] == true {
        return Value::Null;
    }
    let read: Option<Value> = match property["type"].as_str() {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("boolean") => text.to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    read.unwrap_or_else(|| text.into())
}

async fn parts_of(body: Vec<u8>, boundary: String, text_limit: usize) -> ApiResult<Sent> {
    let whole = stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let mut form = Multipart::new(whole, boundary);
    let (mut sent, mut text_size, mut parts) = (Sent::default(), 0, 0);
    while let Some(mut part) = form.next_field().await.map_err(|_| malformed())? {
        let name = part.name().unwrap_or_default().to_owned();
        let has_file_name = part.file_name().is_some_and(|file| !file.is_empty());
        // The whole body is in memory, so a part is one chunk unless it is empty.
        let bytes = part.chunk().await.map_err(|_| malformed())?.unwrap_or_default();
        parts += 1;
        if parts > MAX_PARTS {
            return Err(malformed());
        }
        if name != IMAGE {
            text_size += bytes.len();
            sent.texts.push((name, bytes));
        } else if sent.image.is_some() {
            sent.errors.push(FieldError::new(IMAGE, "invalid", "must be given only once"));
        } else if !bytes.is_empty() {
            sent.image = Some(bytes);
        } else if has_file_name {
            sent.errors.push(FieldError::new(IMAGE, "required", "must not be empty"));
        }
    }
    if text_size > text_limit || sent.image.as_ref().is_some_and(|image| image.len() > LIMIT) {
        return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(sent)
}

impl<'a, T: ParseFromJSON + Send + 'static> ApiExtractor<'a> for Form<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    /// `src/app/document` adds the fields to the form.
    fn request_meta() -> Option<MetaRequest> {
        let mut meta = Body::<T>::request_meta()?;
        let mut image = MetaSchema::new_with_format("string", "binary");
        image.description =
            Some("A JPEG, PNG or WebP file of at most 8 MiB. It becomes the first of the product's images.");
        let mut form = MetaSchema::new("object");
        form.properties = vec![(IMAGE, MetaSchemaRef::Inline(Box::new(image)))];
        meta.content.push(MetaMediaType { content_type: KIND, schema: MetaSchemaRef::Inline(Box::new(form)) });
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let Some(Ok(boundary)) = request.header(header::CONTENT_TYPE).map(multer::parse_boundary) else {
            return Ok(Self::Json(Body::from_request(request, body, options).await?));
        };
        let media = <Data<&Media> as FromRequest>::from_request(request, body).await?;
        let schemas = <Data<&Arc<Schemas>> as FromRequest>::from_request(request, body).await?;
        let permit = media.upload_permit().await;
        let text_limit = HttpSettings::of(request)?.body_limit;
        let bytes = read(request, body, LIMIT + text_limit).await?;
        let sent = parts_of(bytes, boundary, text_limit).await;
        Ok(Self::Parts(Parts { sent, schemas: Arc::clone(&schemas), target: PhantomData, _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::value_of;

    #[test]
    fn texts_become_what_their_fields_are() {
        let whole = json!({"type": "integer", "nullable": true});
        let name = json!({"type": "string"});
        let price = json!({"oneOf": [{"type": "string"}, {"type": "number"}]});
        let flag = json!({"type": "boolean"});
        for (property, text, value) in [
            (&whole, "12", json!(12)),
            (&whole, "-3", json!(-3)),
            (&whole, "", json!(null)),
            (&whole, "1.5", json!("1.5")),
            (&whole, "99999999999999999999", json!("99999999999999999999")),
            (&name, "12", json!("12")),
            (&name, "", json!("")),
            (&price, "12.50", json!("12.50")),
            (&flag, "true", json!(true)),
            (&flag, "False", json!(false)),
            (&flag, "on", json!("on")),
        ] {
            assert_eq!(value_of(property, text), value, "{text:?}");
        }
    }
}
