//! Entity tags (RFC 9110, 8.8.3 and 13.1): a client that has the current bytes gets 304, and a write based on an old
//! version gets 412.
//!
//! Tags are strong, because `If-Match` needs that. A compressed response has other bytes, so its tag ends with its coding:
//! `"5b1f-1"` becomes `"5b1f-1-br"`. Both name the same version, and both are accepted.

use std::borrow::Cow;

use poem::{
    Response, Result,
    http::{HeaderValue, header},
};
use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::{ParseFromParameter, ParseResult, Type},
};

use super::problem::ApiResult;
use crate::http::problem_types;

/// The codings that a response may be compressed with.
const CODINGS: [&str; 4] = ["br", "deflate", "gzip", "zstd"];

/// The `If-Match` of a request: the versions that may be changed. Without the header, any.
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// Whether the header was sent, so that the current tag is needed.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// Compares the current tag with those of the header.
    ///
    /// # Errors
    /// 412 when the header was sent and `tag` is not among its tags. A weak tag never matches.
    pub fn check(&self, tag: &str) -> ApiResult<()> {
        if !self.is_given() || self.0.iter().flat_map(|line| line.split(',')).any(|known| names(known.trim(), tag)) {
            return Ok(());
        }
        let detail = "The resource has changed since you loaded it: `If-Match` is not its current ETag. Load it again.";
        Err(problem_types::PRECONDITION_FAILED.problem(detail))
    }
}

/// Whether an `If-None-Match` has this tag: the client has the current bytes.
#[must_use]
pub fn is_known(if_none_match: Option<&str>, tag: &str) -> bool {
    let known = |known: &str| names(known.strip_prefix("W/").unwrap_or(known), tag);
    if_none_match.is_some_and(|tags| tags.split(',').any(|tag| known(tag.trim())))
}

/// Whether a tag of a header is this one, compressed or not. Lists are split at commas; no tag of ours has one.
fn names(known: &str, tag: &str) -> bool {
    known == "*" || known == tag || uncompressed(known).is_some_and(|stem| tag.strip_suffix('"') == Some(stem))
}

/// The tag of the uncompressed response.
#[must_use]
pub fn without_coding(tag: &str) -> String {
    uncompressed(tag).map_or_else(|| tag.to_owned(), |stem| format!("{stem}\""))
}

/// The tag of the uncompressed response, without the closing quote.
fn uncompressed(tag: &str) -> Option<&str> {
    let (stem, coding) = tag.strip_suffix('"')?.rsplit_once('-')?;
    CODINGS.contains(&coding).then_some(stem)
}

/// Adds the coding to the tag of a compressed response. Runs after the compression.
///
/// # Errors
/// The error of the response.
#[allow(clippy::unused_async)] // poem requires it
pub async fn tag_compressed(response: Result<Response>) -> Result<Response> {
    let mut response = response?;
    let text = |name| response.header(name).map(ToOwned::to_owned);
    if let (Some(tag), Some(coding)) = (text(header::ETAG), text(header::CONTENT_ENCODING))
        && let Some(stem) = tag.strip_suffix('"')
        && let Ok(packed) = HeaderValue::from_str(&format!("{stem}-{coding}\""))
    {
        response.headers_mut().insert(header::ETAG, packed);
    }
    Ok(response)
}

impl Type for IfMatch {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        String::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        String::schema_ref()
    }

    fn register(registry: &mut Registry) {
        String::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::empty())
    }
}

impl ParseFromParameter for IfMatch {
    fn parse_from_parameter(line: &str) -> ParseResult<Self> {
        Self::parse_from_parameters([line])
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(lines: I) -> ParseResult<Self> {
        Ok(Self(lines.into_iter().map(|line| line.as_ref().to_owned()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::{IfMatch, is_known};

    #[test]
    fn a_change_needs_the_very_tag() {
        let lets = |lines: &[&str], tag: &str| {
            IfMatch(lines.iter().map(|line| (*line).to_owned()).collect()).check(tag).is_ok()
        };
        for lines in
            [&[r#""5b-1""#][..], &["*"], &[r#""a" , "5b-1","b""#], &[r#""a""#, r#""5b-1""#], &[r#""5b-1-gzip""#]]
        {
            assert!(lets(lines, r#""5b-1""#), "{lines:?}");
        }
        for lines in [&[""][..], &["5b-1"], &[r#"W/"5b-1""#], &[r#""5b-1"#], &[r#""5b-1-zip""#], &[r#""5b-1-gzip-br""#]]
        {
            assert!(!lets(lines, r#""5b-1""#), "{lines:?}");
        }
    }

    #[test]
    fn a_reader_may_have_weakened_the_tag() {
        for known in [r#""5b-1""#, r#"W/"5b-1""#, r#"W/"5b-1-br""#, "*"] {
            assert!(is_known(Some(known), r#""5b-1""#), "{known}");
        }
        assert!(!is_known(Some(r#""5b-2""#), r#""5b-1""#) && !is_known(None, r#""5b-1""#));
    }
}
