//! An uploaded image: the part `image` of a `multipart/form-data` body, read first and processed later, as
//! [`super::body`] does with JSON. The file name and content type that the client sends are ignored.

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
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    body::read,
    problem::{ApiResult, Problem},
};
use crate::{
    http::problem_types,
    media::{self, Media},
};

/// The largest image, in bytes.
pub const LIMIT: usize = 8 << 20;
/// Bytes for what surrounds the image: boundaries, headers, other parts.
const OVERHEAD: usize = 64 << 10;

/// An upload. Holds an upload permit until it is dropped.
pub struct Upload {
    image: ApiResult<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Upload {
    /// The bytes of the image, not decoded yet.
    ///
    /// # Errors
    /// 415 when the body is no form, 400 when it is malformed, 422 without a part `image`, 413 when that is too large.
    pub fn image(&self) -> ApiResult<Bytes> {
        self.image.clone()
    }
}

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let mut image = MetaSchema::new_with_format("string", "binary");
        image.description = Some("A JPEG, PNG or WebP file of at most 8 MiB.");
        let mut form = MetaSchema::new("object");
        form.required = vec!["image"];
        form.properties = vec![("image", MetaSchemaRef::Inline(Box::new(image)))];
        let schema = MetaSchemaRef::Inline(Box::new(form));
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let media = <Data<&Media> as FromRequest>::from_request(request, body).await?;
        let permit = media.upload_permit().await;
        let bytes = read(request, body, LIMIT + OVERHEAD).await?;
        let image = match request.header(header::CONTENT_TYPE).map(multer::parse_boundary) {
            Some(Ok(boundary)) => image_of(bytes, boundary).await,
            _ => Err(no_form()),
        };
        Ok(Self { image, _permit: permit })
    }
}

async fn image_of(body: Vec<u8>, boundary: String) -> ApiResult<Bytes> {
    let whole = stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let mut form = Multipart::new(whole, boundary);
    while let Some(mut part) = form.next_field().await.map_err(|_| malformed())? {
        if part.name() != Some("image") {
            continue;
        }
        // The whole body is in memory, so a part is one chunk unless it is empty.
        let image = part.chunk().await.map_err(|_| malformed())?.unwrap_or_default();
        return match image.len() {
            0 => Err(Problem::invalid_field("image", "required", "must not be empty")),
            1..=LIMIT => Ok(image),
            _ => Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)),
        };
    }
    Err(Problem::invalid_field("image", "required", "is required"))
}

/// The cause of an unavailable storage is logged, not shown.
impl From<media::Error> for Problem {
    fn from(error: media::Error) -> Self {
        let detail = error.to_string();
        match error {
            media::Error::InvalidImage(why) => Self::invalid_field("image", "invalid_image", why),
            media::Error::Unavailable(error) => {
                tracing::error!(%error, "MEDIA_URL: files cannot be accessed");
                problem_types::MEDIA_UNAVAILABLE.problem(detail)
            }
            media::Error::Thread(error) => Self::internal(error),
        }
    }
}

fn no_form() -> Problem {
    problem_types::UNSUPPORTED_MEDIA_TYPE.problem("Send the file as the part image of a multipart/form-data body.")
}

pub(super) fn malformed() -> Problem {
    let detail = "The form cannot be read: its parts are not separated by the boundary in its Content-Type, or it is \
                  incomplete. Send it again, and let the browser set the Content-Type.";
    problem_types::MALFORMED_BODY.problem(detail)
}
