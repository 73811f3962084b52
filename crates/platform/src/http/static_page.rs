//! A page that never changes while the program runs: compressed once, and 304 for clients that have it.

use std::{io::Write, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use poem::{
    Endpoint, Request, Response, Result,
    http::{Method, StatusCode, header},
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{content_coding, etags, problem::Problem};

/// A page and its tag. Cloning is cheap.
#[derive(Clone)]
pub struct StaticPage(Arc<Content>);

struct Content {
    kind: &'static str,
    plain: Bytes,
    /// Made for the first client that accepts it.
    gzip: OnceCell<Bytes>,
    /// Without the closing quote, see [`etags`].
    tag: String,
}

impl StaticPage {
    /// A page of this content type.
    #[must_use]
    pub fn new(kind: &'static str, content: String) -> Self {
        let tag = format!("\"{}", hex::encode(&Sha256::digest(&content)[..12]));
        Self(Arc::new(Content { kind, plain: content.into(), gzip: OnceCell::new(), tag }))
    }

    /// `None` when it cannot be compressed; it is sent uncompressed then.
    async fn gzip(&self) -> Option<Bytes> {
        let compress = || async {
            let plain = self.0.plain.clone();
            let work = tokio::task::spawn_blocking(move || gzip(&plain));
            work.await.map_err(std::io::Error::other)?
        };
        self.0.gzip.get_or_try_init(compress).await.ok().cloned()
    }
}

impl Endpoint for StaticPage {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        // The page is nested, so this is the rest of the path after its own address.
        if !request.uri().path().trim_matches('/').is_empty() {
            return Err(Problem::not_found().into());
        }
        if request.method() != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED.into());
        }
        let Content { kind, plain, tag, .. } = &*self.0;
        let gzip =
            if content_coding::preferred(request.headers(), &["gzip"]).is_some() { self.gzip().await } else { None };
        let tagged = match gzip {
            Some(_) => format!("{tag}-gzip\""),
            None => format!("{tag}\""),
        };
        let answer = Response::builder().header(header::CACHE_CONTROL, "no-cache").header(header::ETAG, tagged);
        if etags::is_known(request.header(header::IF_NONE_MATCH), &format!("{tag}\"")) {
            return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
        }
        let answer = answer.content_type(*kind);
        Ok(match gzip {
            Some(gzip) => answer.header(header::CONTENT_ENCODING, "gzip").body(gzip),
            None => answer.body(plain.clone()),
        })
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?.into())
}
