//! Sanitises a product's HTML, so that any page can show it as it is.
//!
//! HTML is parsed as browsers do it: each tag is compared with those that are open, or reopens them, and each attribute
//! is compared with the others of its tag. What is too large for that is not parsed, so that hostile HTML costs no more
//! time and memory than long HTML.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use ammonia::{Builder, Url, UrlRelative};

/// The length of the longest HTML that is stored, in characters.
const MAX_CHARS: usize = 50_000;

/// The length of the longest HTML that is parsed, in bytes.
const MAX_BYTES: usize = 200_000;
/// The limit of the bytes times the tags: 1,000 tags in 50 KB.
const MAX_WORK: usize = 50_000_000;
/// The limit of the tags times the elements that are open at the same time: each tag may reopen all of these elements, which
/// takes memory.
const MAX_REOPENED: usize = 50_000;

/// The HTML is too long to be stored, or too much to be parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The safe part of the HTML; `None` if it is only text.
pub fn clean(html: &str) -> Result<Option<String>, TooLarge> {
    let tags = html.matches('<').count();
    if tags == 0 {
        return Ok(None);
    }
    if html.len() > MAX_BYTES || html.len() * tags > MAX_WORK || tags * max_open(html) > MAX_REOPENED {
        return Err(TooLarge);
    }
    let cleaned = CLEANER.clean(html).to_string();
    let cleaned = cleaned.trim();
    if cleaned.chars().count() > MAX_CHARS {
        return Err(TooLarge);
    }
    Ok(cleaned.contains('<').then(|| cleaned.to_owned()))
}

/// The elements that a parser reopens in each block until they are closed.
const REOPENED: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// How many of these are open at a time, at most.
fn max_open(html: &str) -> usize {
    let (mut open, mut max) = ([0_usize; REOPENED.len()], 0);
    for tag in html.split('<').skip(1) {
        let (name, closes) = tag.strip_prefix('/').map_or((tag, false), |name| (name, true));
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let Some(element) = REOPENED.iter().position(|known| name.eq_ignore_ascii_case(known)) else { continue };
        open[element] = if closes { open[element].saturating_sub(1) } else { open[element] + 1 };
        max = max.max(open.iter().sum());
    }
    max
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::empty();
    cleaner
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(TAGS_WITHOUT_CONTENT.iter().copied().collect())
        .generic_attributes(HashSet::from(["dir", "lang", "title"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("img", HashSet::from(["alt", "height", "src", "width"])),
            ("ol", HashSet::from(["start"])),
            ("td", HashSet::from(["colspan", "rowspan"])),
            ("th", HashSet::from(["colspan", "rowspan", "scope"])),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .attribute_filter(without_unsafe_images)
        .url_relative(UrlRelative::Custom(Box::new(with_scheme)))
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

/// The elements of a description. Of any other element only the content is kept.
#[rustfmt::skip]
const TAGS: &[&str] = &[
    "p", "br", "hr", "div", "section", "article", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6",
    "ul", "ol", "li", "dl", "dt", "dd",
    "b", "strong", "i", "em", "u", "s", "del", "ins", "mark", "small", "sub", "sup", "code",
    "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
    "a", "img",
];

/// Elements whose content is removed, too: it is not text of the description.
#[rustfmt::skip]
const TAGS_WITHOUT_CONTENT: &[&str] = &[
    "script", "style", "iframe", "object", "template", "noscript", "noembed", "noframes", "xmp", "title",
    "textarea", "select", "svg", "math",
];

/// A page loaded by https does not show images by http, and an image in a `data:` URL can be of any size.
fn without_unsafe_images<'value>(tag: &str, attribute: &str, value: &'value str) -> Option<Cow<'value, str>> {
    let is_https = || value.starts_with("//") || Url::parse(value).is_ok_and(|url| url.scheme() == "https");
    let is_safe = (tag, attribute) != ("img", "src") || is_https();
    is_safe.then_some(Cow::Borrowed(value))
}

/// A URL without a scheme, as themes write them, gets `https:`. Other relative URLs are of pages of the shop that was
/// exported, and are removed.
fn with_scheme(url: &str) -> Option<Cow<'_, str>> {
    url.starts_with("//").then(|| Cow::Owned(format!("https:{url}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(html: &str) -> String {
        clean(html).expect("it is small").unwrap_or_default()
    }

    #[test]
    fn elements_of_a_description_are_kept() {
        for html in [
            "<h2>Care</h2><p>Wash <b>by hand</b>,<br>dry <em>slowly</em>.</p>",
            "<ul><li>One</li><li>Two</li></ul><ol start=\"3\"><li>Three</li></ol>",
            "<table><tbody><tr><th scope=\"row\">Size</th><td colspan=\"2\">L</td></tr></tbody></table>",
            "<p>Salt &amp; pepper, 1 &lt; 2, “ä”&nbsp;✓</p>",
            "<img src=\"https://e.com/mug.png?v=1\" alt=\"A mug\" width=\"400\">",
            "<p dir=\"rtl\" lang=\"he\" title=\"Hello\">שלום</p>",
        ] {
            assert_eq!(cleaned(html), html);
        }
    }

    #[test]
    fn scripts_and_styles_are_removed() {
        let cases = [
            ("<p style=\"color: red\" class=\"x\" id=\"x\" data-x=\"1\" onclick=\"evil()\">a</p>", "<p>a</p>"),
            ("<p>a<script>evil()</script>b<style>p {}</style>c<!-- d --></p>", "<p>abc</p>"),
            ("<p>a</p><iframe src=\"https://e.com\"><b>b</b></iframe><noscript><p>c</p></noscript>", "<p>a</p>"),
            ("<form action=\"x\"><p>a</p><input value=\"b\"><button>c</button></form>", "<p>a</p>c"),
            ("<p>a<svg onload=\"evil()\"><circle/></svg><math><mi>x</mi></math></p>", "<p>a</p>"),
            ("<p><font size=\"7\"><span>a</span></font></p>", "<p>a</p>"),
            ("<p onclick=evil()//<b>a</p>", "<p>a</p>"),
        ];
        for (html, expected) in cases {
            assert_eq!(cleaned(html), expected, "{html}");
        }
    }

    #[test]
    fn links_are_web_or_email_addresses() {
        let link = |href: &str| cleaned(&format!("<a href=\"{href}\" target=\"_blank\" rel=\"opener\">a</a>"));
        let to = |href: &str| format!("<a href=\"{href}\" rel=\"noopener noreferrer nofollow\">a</a>");
        for safe_url in ["https://e.com/a?b=c#d", "http://e.com/", "mailto:ada@example.com"] {
            assert_eq!(link(safe_url), to(safe_url));
        }
        assert_eq!(link("//e.com/a"), to("https://e.com/a"));
        for unsafe_url in [
            "javascript:evil()",
            " JaVa\tScRiPt:evil()",
            "&#106;avascript:evil()",
            "data:text/html,evil",
            "vbscript:evil()",
            "/pages/about",
            "about",
            "#top",
            "",
        ] {
            assert_eq!(link(unsafe_url), "<a rel=\"noopener noreferrer nofollow\">a</a>", "{unsafe_url}");
        }
    }

    #[test]
    fn images_are_loaded_by_https() {
        let image = |src: &str| cleaned(&format!("<img alt=\"a\" src=\"{src}\" onerror=\"evil()\">"));
        assert_eq!(image("HTTPS://e.com/a.png"), "<img alt=\"a\" src=\"HTTPS://e.com/a.png\">");
        assert_eq!(image("//cdn.e.com/a.png"), "<img alt=\"a\" src=\"https://cdn.e.com/a.png\">");
        for unsafe_url in
            ["http://e.com/a.png", "data:image/png;base64,AAAA", "mailto:a@e.com", "a.png", "javascript:evil()"]
        {
            assert_eq!(image(unsafe_url), "<img alt=\"a\">", "{unsafe_url}");
        }
    }

    #[test]
    fn broken_html_is_repaired() {
        let cases = [
            ("<p>One<p>Two <b>bold", "<p>One</p><p>Two <b>bold</b></p>"),
            ("<ul><li>One<li>Two</ul>", "<ul><li>One</li><li>Two</li></ul>"),
            ("</div></p>a<br>", "<p></p>a<br>"),
            ("<p>cut off</p><a href=\"x", "<p>cut off</p>"),
            ("<p>a\0b</p>", "<p>ab</p>"),
        ];
        for (html, expected) in cases {
            assert_eq!(cleaned(html), expected, "{html}");
        }
    }

    #[test]
    fn plain_text_is_not_html() {
        for text in ["", "plain", "Salt &amp; pepper", "1 < 2", "<span>only</span> text", "<!-- nothing -->", "<"] {
            assert_eq!(clean(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn the_stored_html_has_a_maximum_length() {
        let of = |chars: usize| format!("<p>{}</p>", "é".repeat(chars - "<p></p>".len()));
        assert_eq!(clean(&of(MAX_CHARS)), Ok(Some(of(MAX_CHARS))));
        assert_eq!(clean(&of(MAX_CHARS + 1)), Err(TooLarge));
        let decorated = format!("<p style=\"{}\">a</p>", "x".repeat(MAX_CHARS));
        assert_eq!(clean(&decorated), Ok(Some("<p>a</p>".to_owned())));
    }

    #[test]
    fn hostile_html_is_not_parsed() {
        for piece in ["<", "<a", "</", "<!--", "<script>", "<div>", "<b a>", "<p>", "<table>", "<svg>", "</p>"] {
            assert_eq!(clean(&piece.repeat(100_000)), Err(TooLarge), "{piece}");
        }
        let reopened: String = (0..300).map(|number| format!("<b title={number}><p>")).collect();
        assert_eq!(clean(&reopened), Err(TooLarge));
        let closed = "<p><b>a</b></p>".repeat(500);
        assert_eq!(cleaned(&closed), closed);
        let deep = format!("{}a{}", "<div>".repeat(1_000), "</div>".repeat(1_000));
        assert_eq!(cleaned(&deep), deep);
    }
}
