//! A body that is JSON, or a form of the same fields with a picture: the part `image` of `multipart/form-data`.
//!
//! The fields of a form are text. Each becomes what the document says that it is, and what does not fit stays text; then all
//! are judged by the schema that JSON is judged by. An empty field is `null` where the document lets it be. Like
//! [`super::body`], a form is read first and judged later.

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
use crate::{db, media::Media, validation::FieldError};

pub const KIND: &str = "multipart/form-data";

/// Far more than any form of ours has fields.
const MOST_PARTS: usize = 100;

/// The part that is no field.
const IMAGE: &str = "image";

/// Fields for a `T`, and maybe a picture.
pub enum Form<T> {
    Json(Body<T>),
    Parts(Parts<T>),
}

impl<T: ParseFromJSON + Send + 'static> Form<T> {
    /// Judges the fields.
    ///
    /// # Errors
    /// 415 when the body is neither JSON nor a form, 400 when it is malformed, 422 with every fault.
    pub async fn parse(&self) -> ApiResult<T> {
        match self {
            Self::Json(body) => body.parse().await,
            Self::Parts(parts) => parts.parse(),
        }
    }

    /// Whether a picture came with them.
    #[must_use]
    pub fn has_image(&self) -> bool {
        self.image().is_ok_and(|image| image.is_some())
    }

    /// The picture that came with them, not looked at yet; none when its part has a fault already.
    ///
    /// # Errors
    /// As for the fields.
    pub fn image(&self) -> ApiResult<Option<Bytes>> {
        let Self::Parts(parts) = self else { return Ok(None) };
        let sent = parts.sent()?;
        Ok(sent.image.clone().filter(|_| sent.errors.is_empty()))
    }
}

/// A form. Holds its place among the few uploads in memory until it is dropped.
pub struct Parts<T> {
    sent: ApiResult<Sent>,
    schemas: Arc<Schemas>,
    wanted: PhantomData<fn() -> T>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Sent {
    texts: Vec<(String, Bytes)>,
    image: Option<Bytes>,
    /// What is wrong with the part of the image.
    errors: Vec<FieldError>,
}

impl<T: ParseFromJSON> Parts<T> {
    fn sent(&self) -> ApiResult<&Sent> {
        self.sent.as_ref().map_err(Clone::clone)
    }

    fn parse(&self) -> ApiResult<T> {
        debug_assert!(!db::is_writing(), "nothing is judged while everybody's changes wait");
        let Sent { texts, errors, .. } = self.sent()?;
        let (mut fields, mut errors) = (Map::new(), errors.clone());
        for (name, text) in texts {
            // As in JSON, a field that nobody knows is nobody's.
            let Some(property) = self.schemas.property(&T::name(), name) else { continue };
            let (value, fault) = match std::str::from_utf8(text) {
                Ok(text) if !text.contains('\0') => (value_of(property, text), None),
                _ => (Value::Null, Some(("type", "must be UTF-8 text without NUL"))),
            };
            let twice = fields.insert(name.clone(), value).map(|_| ("invalid", "must be given only once"));
            errors.extend(twice.or(fault).map(|(code, message)| FieldError::new(name, code, message)));
        }
        let fields = Value::Object(fields);
        let judged = self.schemas.check(&T::name(), &fields);
        let more = judged.err().map(|problem| problem.errors).unwrap_or_default();
        let untold = |fault: &FieldError| !errors.iter().any(|told| told.field == fault.field);
        let more: Vec<FieldError> = more.into_iter().filter(untold).collect();
        Problem::unless_empty([errors, more].concat())?;
        T::parse_from_json(Some(fields))
            .map_err(|error| Problem::invalid_field("body", "invalid", error.into_message()))
    }
}

/// What a text is in JSON, by what the document says of its field.
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
        // All of the body is there already, so a part comes in one piece unless it is empty.
        let bytes = part.chunk().await.map_err(|_| malformed())?.unwrap_or_default();
        parts += 1;
        if parts > MOST_PARTS {
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

    /// The document adds the fields to the form.
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
        Ok(Self::Parts(Parts { sent, schemas: Arc::clone(&schemas), wanted: PhantomData, _permit: permit }))
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
