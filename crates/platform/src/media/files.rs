//! Serves files under `/media/`, from wherever they are.
//!
//! A bucket's files come through us too, although S3 could be named to the browser: so the bucket may be private and out of
//! the browser's reach, an address never changes when the shop moves, and every file has the same headers. They may be
//! kept for ever, so whoever needs more speed puts a CDN in front.

use futures_util::TryStreamExt;
use poem::{
    Body, Endpoint, Request, Response, Result,
    endpoint::make,
    http::{Method, StatusCode, header},
};

use super::{Error, Media};
use crate::http::problem::Problem;

/// Names are never used again, so what has one never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Opened by itself, a file can run nothing and load nothing.
const SANDBOX: &str = "default-src 'none'; sandbox";

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
    let headed = Response::builder().header(header::CACHE_CONTROL, FOR_EVER);
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

/// No file of ours has a longer name, and no file system takes one that is longer than 255.
const LONGEST: usize = 100;

/// By the ending of a name of ours; `None` for what cannot be one.
fn content_type(name: &str) -> Option<&'static str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let ours = (1..=LONGEST).contains(&stem.len())
        && stem.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    match ending {
        "jpg" if ours => Some("image/jpeg"),
        "png" if ours => Some("image/png"),
        _ => None,
    }
}
