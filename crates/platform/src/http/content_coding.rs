//! The coding of a response's content (RFC 9110, 12.5.3), chosen once for each request.

use poem::http::{HeaderMap, HeaderValue, header};

/// What responses can be compressed with, the best first.
pub const CODINGS: &[&str] = &["br", "gzip", "deflate"];

/// The one of these codings that a client prefers: among equals the first. `None` for none.
#[must_use]
pub fn preferred(headers: &HeaderMap, codings: &[&'static str]) -> Option<&'static str> {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<(&str, f32)> = lines.flat_map(|line| line.split(',')).filter_map(weighted).collect();
    let weight = |coding: &str| {
        let of = |wanted: &str| named.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        of(coding).or_else(|| of("*")).map_or(0.0, |(_, weight)| *weight)
    };
    let mut best = (None, 0.0);
    for &coding in codings {
        if weight(coding) > best.1 {
            best = (Some(coding), weight(coding));
        }
    }
    best.0
}

/// Leaves only the preferred coding in a request's `Accept-Encoding`, so that the compression chooses it, too.
pub fn normalize(headers: &mut HeaderMap) {
    match preferred(headers, CODINGS) {
        Some(coding) => drop(headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding))),
        None => drop(headers.remove(header::ACCEPT_ENCODING)),
    }
}

/// `gzip;q=0.5` as a name and its weight.
fn weighted(coding: &str) -> Option<(&str, f32)> {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
    Some((name.trim(), weight.trim().strip_prefix("q=")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred_of(accepted: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accepted.parse().expect("a header"));
        preferred(&headers, CODINGS)
    }

    #[test]
    fn the_client_chooses_the_coding() {
        assert_eq!(preferred(&HeaderMap::new(), CODINGS), None);
        assert_eq!(preferred_of("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(preferred_of("br;q=0.5, GZIP"), Some("gzip"));
        assert_eq!(preferred_of("*"), Some("br"));
        assert_eq!(preferred_of("br;q=0, *;q=0.1"), Some("gzip"));
        for none in ["", "identity", "gzip;q=0", "gzip;level=9", "zstd"] {
            assert_eq!(preferred_of(none), None, "{none}");
        }
    }
}
