//! Serves files under `/media/`, whatever the storage.
//!
//! Files of a bucket are served through the shop, too: so the bucket may be private, addresses never change when the shop
//! moves, and every file has the same headers. They may be cached for ever, e.g. by a CDN.

use futures_util::TryStreamExt;
use poem::{
    Body, Endpoint, Request, Response, Result,
    endpoint::make,
    http::{Method, StatusCode, header},
};

use super::{Error, Media};
use crate::http::problem::Problem;

/// Names are never reused, so files never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// A file that is opened by itself can run and load nothing.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// The endpoint for all files: GET only, with `ETag`.
#[must_use]
pub fn endpoint(media: Media) -> impl Endpoint<Output = Response> + 'static {
    make(move |request: Request| {
        let media = media.clone();
        async move { serve(&media, &request).await }
    })
}

async fn serve(media: &Media, request: &Request) -> Result<Response> {
    if request.method() != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    let name = request.uri().path().trim_matches('/');
    let content_type = content_type(name).ok_or_else(Problem::not_found)?;
    let known = request.header(header::IF_NONE_MATCH).map(ToOwned::to_owned);
    let headed = Response::builder().header(header::CACHE_CONTROL, IMMUTABLE);
    let found = match media.get(name, known.clone()).await {
        Ok(found) => found,
        Err(object_store::Error::NotModified { .. }) => {
            let known = known.unwrap_or_default();
            return Ok(headed.status(StatusCode::NOT_MODIFIED).header(header::ETAG, known).finish());
        }
        Err(object_store::Error::NotFound { .. }) => return Err(Problem::not_found().into()),
        Err(error) => return Err(Problem::from(Error::Unavailable(error)).into()),
    };
    let headed = match &found.meta.e_tag {
        Some(tag) => headed.header(header::ETAG, tag),
        None => headed,
    };
    Ok(headed
        .content_type(content_type)
        .header(header::CONTENT_SECURITY_POLICY, SANDBOX)
        .header(header::CONTENT_LENGTH, found.meta.size)
        .body(Body::from_bytes_stream(found.into_stream().map_err(std::io::Error::other))))
}

/// The longest name of a file of ours. File systems refuse names of more than 255 bytes.
const MAX_NAME: usize = 100;

/// The content type by the extension; `None` when it cannot be a file of ours.
fn content_type(name: &str) -> Option<&'static str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let ours = (1..=MAX_NAME).contains(&stem.len())
        && stem.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    match ending {
        "jpg" if ours => Some("image/jpeg"),
        "png" if ours => Some("image/png"),
        _ => None,
    }
}
