//! Entity tags (RFC 9110, 8.8.3 and 13.1): a reader who has these very bytes is told so, and a change made from an old copy
//! is refused.
//!
//! Tags are strong, as `If-Match` needs them. A compressed answer is other bytes, so its tag says how it was packed:
//! `"5b1f-1"` becomes `"5b1f-1-br"` on its way out. Either names the same state, and both are understood.

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

/// How an answer may be packed.
const CODINGS: [&str; 4] = ["br", "deflate", "gzip", "zstd"];

/// The `If-Match` of a request: the states from which the change may be made. None means any, also without the header.
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// Whether the thing has to be looked at.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// # Errors
    /// 412 when states are named, and the thing's tag is not among them. A weak tag never matches.
    pub fn check(&self, tag: &str) -> ApiResult<()> {
        if !self.is_given() || self.0.iter().flat_map(|line| line.split(',')).any(|known| names(known.trim(), tag)) {
            return Ok(());
        }
        let detail = "The resource has changed since you loaded it: `If-Match` is not its current ETag. Load it again.";
        Err(problem_types::PRECONDITION_FAILED.problem(detail))
    }
}

/// Whether an `If-None-Match` says that the client has these bytes.
#[must_use]
pub fn is_known(asked: Option<&str>, tag: &str) -> bool {
    let known = |known: &str| names(known.strip_prefix("W/").unwrap_or(known), tag);
    asked.is_some_and(|tags| tags.split(',').any(|tag| known(tag.trim())))
}

/// A comma cuts a tag that has one in two, neither of which is one of ours.
fn names(known: &str, tag: &str) -> bool {
    known == "*" || known == tag || unpacked(known).is_some_and(|stem| tag.strip_suffix('"') == Some(stem))
}

/// What a tag was before its answer was packed, without the quote at its end.
fn unpacked(tag: &str) -> Option<&str> {
    let (stem, coding) = tag.strip_suffix('"')?.rsplit_once('-')?;
    CODINGS.contains(&coding).then_some(stem)
}

/// Gives a packed answer the tag of its own. Behind the compressor.
#[allow(clippy::unused_async)] // poem wants it
pub async fn name_packed(answer: Result<Response>) -> Result<Response> {
    let mut response = answer?;
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
