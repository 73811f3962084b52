//! Converts a product's HTML to plain text.
//!
//! What a browser would not show (tags, comments, scripts, styles) is removed. One pass over the text does it all, so that a
//! hostile description costs no more than a long one. No library does that: html2text builds a tree and nanohtml2text searches
//! the end of each tag again, so that broken HTML takes both of them quadratic time, and both write the addresses of links.

/// Text without markup keeps its line breaks.
pub fn plain_text(html: &str) -> String {
    let mut text = PlainText { keeps_lines: !html.contains('<'), ..PlainText::default() };
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = if rest[at..].starts_with('<') { text.take_tag(&rest[at..]) } else { text.take_entity(&rest[at..]) };
    }
    text.push_str(rest);
    text.written
}

#[derive(Default)]
struct PlainText {
    written: String,
    /// Line breaks and a space that come before the next word, if one follows.
    breaks: usize,
    space: bool,
    keeps_lines: bool,
}

impl PlainText {
    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|character| self.push(character));
    }

    fn push(&mut self, character: char) {
        if character == '\n' && self.keeps_lines {
            self.breaks += 1;
        } else if character.is_whitespace() {
            self.space = true;
        } else {
            self.space_before_word();
            self.written.push(character);
        }
    }

    fn space_before_word(&mut self) {
        let (breaks, space) = (std::mem::take(&mut self.breaks), std::mem::take(&mut self.space));
        if self.written.is_empty() {
            return;
        }
        match breaks {
            0 if space => self.written.push(' '),
            0 => {}
            1 => self.written.push('\n'),
            _ => self.written.push_str("\n\n"),
        }
    }

    /// Takes the tag or comment at the start of `html` and returns what follows it.
    fn take_tag<'a>(&mut self, html: &'a str) -> &'a str {
        if let Some(comment) = html.strip_prefix("<!--") {
            return comment.split_once("-->").map_or("", |(_, rest)| rest);
        }
        let Some(tag) = tag_name(html) else {
            self.push('<');
            return &html[1..];
        };
        match tag.as_str() {
            "script" | "style" => return after_element(html, &tag),
            "br" | "/br" => self.breaks += 1,
            "td" | "th" | "img" => self.space = true,
            _ => self.breaks = self.breaks.max(breaks_around(tag.trim_start_matches('/'))),
        }
        after_tag(html)
    }

    /// Takes the `&` at the start of `html`, with the entity it begins, and returns what follows.
    fn take_entity<'a>(&mut self, html: &'a str) -> &'a str {
        const LONGEST: usize = 12;
        let end = html.bytes().take(LONGEST).position(|byte| byte == b';');
        let decoded = end.and_then(|end| Some((entity(&html[1..end])?, &html[end + 1..])));
        let (character, rest) = decoded.unwrap_or(('&', &html[1..]));
        self.push(character);
        rest
    }
}

/// `p`, `/p` or `!doctype` in lower case; `None` when the `<` is only a "less than".
fn tag_name(html: &str) -> Option<String> {
    let after = &html[1..];
    let name = after.strip_prefix('/').unwrap_or(after);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || "!?".contains(first)) {
        return None;
    }
    let end = name.find(|c: char| c.is_whitespace() || c == '/' || c == '>').unwrap_or(name.len());
    Some(after[..after.len() - name.len() + end].to_ascii_lowercase())
}

/// The line breaks around an element: 2 for a paragraph, 1 for an element on its own line.
fn breaks_around(tag: &str) -> usize {
    match tag {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table" | "blockquote" | "pre" | "hr"
        | "section" | "article" | "figure" | "details" => 2,
        "div" | "li" | "tr" | "dt" | "dd" | "caption" | "figcaption" | "summary" | "header" | "footer" | "main"
        | "aside" | "nav" | "address" | "form" | "fieldset" | "option" => 1,
        _ => 0,
    }
}

/// What follows the tag at the start of `html`. A `>` in a quoted attribute does not end it.
fn after_tag(html: &str) -> &str {
    let mut quote = None;
    let mut last = b'<';
    for (at, byte) in html.bytes().enumerate().skip(1) {
        if quote.is_some() {
            quote = quote.filter(|open| byte != *open);
        } else if byte == b'>' {
            return &html[at + 1..];
        } else if last == b'=' && matches!(byte, b'"' | b'\'') {
            quote = Some(byte);
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    ""
}

/// What follows the closing tag of the element at the start of `html`.
fn after_element<'a>(html: &'a str, name: &str) -> &'a str {
    let closes = |at: &usize| html[at + 2..].get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    let closing = html.match_indices("</").map(|(at, _)| at).find(closes);
    closing.map_or("", |at| after_tag(&html[at..]))
}

/// The character that `&name;` or `&#number;` stands for.
fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        return numbered(number);
    }
    let mut latin = LATIN_ENTITIES.split_ascii_whitespace().zip('\u{a0}'..='\u{ff}');
    named(name).or_else(|| latin.find(|(latin, _)| *latin == name).map(|(_, character)| character))
}

fn numbered(number: &str) -> Option<char> {
    let (digits, radix) = number.strip_prefix(['x', 'X']).map_or((number, 10), |hex| (hex, 16));
    if digits.starts_with('+') {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).ok()?;
    // HTML reads 128 to 159 as Windows-1252, which is what old editors meant by them.
    let windows = code.checked_sub(128).and_then(|place| WINDOWS_1252.chars().nth(place as usize));
    let character = windows.or_else(|| char::from_u32(code)).filter(|character| *character != '\0');
    Some(character.unwrap_or(char::REPLACEMENT_CHARACTER))
}

const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// The entities of U+00A0 to U+00FF, in that order.
const LATIN_ENTITIES: &str = "\
    nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr \
    deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest \
    Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml \
    ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig \
    agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml \
    eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "sbquo" => '‚',
        "ldquo" => '“',
        "rdquo" => '”',
        "bdquo" => '„',
        "lsaquo" => '‹',
        "rsaquo" => '›',
        "hellip" => '…',
        "bull" => '•',
        "trade" => '™',
        "euro" => '€',
        "OElig" => 'Œ',
        "oelig" => 'œ',
        "Scaron" => 'Š',
        "scaron" => 'š',
        "Yuml" => 'Ÿ',
        "dagger" => '†',
        "permil" => '‰',
        "prime" => '′',
        "Prime" => '″',
        "minus" => '−',
        "ne" => '≠',
        "le" => '≤',
        "ge" => '≥',
        "rarr" => '→',
        "larr" => '←',
        "check" => '✓',
        "ensp" | "emsp" | "thinsp" => ' ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_lines_of_text() {
        let cases = [
            ("<p>One</p>\n<p>Two<br>three</p>", "One\n\nTwo\nthree"),
            ("<h2>Care</h2><ul>\n<li>Wash</li>\n<li>Dry</li>\n</ul>End", "Care\n\nWash\nDry\n\nEnd"),
            ("<div>a</div><div>b</div><br/><br/><br/>c", "a\nb\n\nc"),
            ("<p>a</p><p>&nbsp;</p><p> </p><p>b</p>", "a\n\nb"),
            ("a <b>bold</b>er\n  word", "a bolder word"),
            ("<table><tr><td>Size</td><td>L</td></tr><tr><td>Fit</td><td>Slim</td></tr></table>", "Size L\nFit Slim"),
            ("plain\ntext\n\n\n  of three lines ", "plain\ntext\n\nof three lines"),
            ("<p title=\"a > b\" data-x='>'>shown</p>", "shown"),
            ("a<script type=x>if (1 < 2) {\"</p>\"}</SCRIPT >b<STYLE>p{}</style>c", "abc"),
            ("a<!-- <p>hidden</p> -->b<![endif]>c<o:p></o:p>", "abc"),
            ("1 < 2 <3 </ 4 &lt;b&gt;", "1 < 2 <3 </ 4 <b>"),
            ("cut off <a href=\"x", "cut off"),
            ("cut off <script>x", "cut off"),
            ("cut off <!-- x", "cut off"),
            ("<p></p>", ""),
            ("", ""),
        ];
        for (html, expected) in cases {
            assert_eq!(plain_text(html), expected, "{html}");
        }
    }

    #[test]
    fn entities_become_characters() {
        let cases = [
            ("Salt &amp; pepper &quot;&apos;&#39;&#x27;", "Salt & pepper \"'''"),
            ("Caf&eacute; &uuml;ber &Agrave;&yuml; &pound;5 &copy; &euro;", "Café über Àÿ £5 © €"),
            ("it&#146;s &rsquo;&#8217;&#X1F600;", "it’s ’’😀"),
            ("a&nbsp;&#160; b&#10;c", "a b\nc"),
            ("AT&T; &unknown; &amp &; & &#; &#x; &#+5;", "AT&T; &unknown; &amp &; & &#; &#x; &#+5;"),
            ("&#0;&#xD800;&#1114112;", "\u{fffd}\u{fffd}\u{fffd}"),
            ("&amp;lt;", "&lt;"),
            ("&é;&日本語日本語;", "&é;&日本語日本語;"),
        ];
        for (html, expected) in cases {
            assert_eq!(plain_text(html), expected, "{html}");
        }
        assert_eq!(LATIN_ENTITIES.split_ascii_whitespace().count(), 96);
        assert_eq!(WINDOWS_1252.chars().count(), 32);
    }

    #[test]
    fn hostile_markup_takes_one_pass() {
        for piece in ["<", "<a", "</", "<!--", "<script>", "</script", "&", "&#", "<a x=\"", "<p>"] {
            assert!(plain_text(&piece.repeat(200_000)).len() <= 400_000);
        }
    }
}
