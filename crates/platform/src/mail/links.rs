//! Removes links from what users typed, before it is shown in an e-mail.
//!
//! A name or an address can contain a link, which an e-mail from the shop would make look trustworthy. Mail programs turn
//! whatever looks like a link into one, in text and in HTML.

/// The text with the dots and colons of links in brackets: `http[:]//shop[.]example`. These are a dot before a word of two
/// letters or more, and a colon between a letter and anything else but a space. So `J. R. R. Tolkien`, `J.R.R. Tolkien`, `Unit 3.2` and `12:30` stay as they are, and `St.James` becomes
/// `St[.]James`.
#[must_use]
pub fn without_links(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut shown = String::with_capacity(text.len());
    for (index, &character) in characters.iter().enumerate() {
        if joins(&characters[..index], character, &characters[index + 1..]) {
            shown.extend(['[', character, ']']);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character joins what is before and after it to an address.
fn joins(before: &[char], character: char, after: &[char]) -> bool {
    let Some(previous) = before.last() else { return false };
    match character {
        // Browsers also read the full stops of other scripts as dots.
        '.' | '。' | '．' | '｡' => {
            !previous.is_whitespace()
                && matches!(after, [first, second, ..] if first.is_alphabetic() && second.is_alphabetic())
        }
        ':' => previous.is_alphabetic() && after.first().is_some_and(|next| !next.is_whitespace()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::without_links;

    #[test]
    fn what_looks_like_a_link_does_not_any_more() {
        for (typed, shown) in [
            ("http://evil.example/win?a=b.c", "http[:]//evil[.]example/win?a=b.c"),
            ("HTTPS://EVIL.EXAMPLE", "HTTPS[:]//EVIL[.]EXAMPLE"),
            ("go to www.evil.co.uk.", "go to www[.]evil[.]co[.]uk."),
            ("http://192.0.2.7/win", "http[:]//192.0.2.7/win"),
            ("mailto:eve@evil.example", "mailto[:]eve@evil[.]example"),
            ("javascript:alert(1)", "javascript[:]alert(1)"),
            ("пример.рф 例え。テスト evil．example", "пример[.]рф 例え[。]テスト evil[．]example"),
            ("a\nevil.xn--p1ai", "a\nevil[.]xn--p1ai"),
        ] {
            assert_eq!(without_links(typed), shown);
        }
    }

    #[test]
    fn names_and_addresses_stay_as_they_are() {
        for typed in [
            "",
            "Ada Lovelace",
            "J.R.R. Tolkien",
            "Dr. Jekyll & Mr. Hyde Jr.",
            "12 St. James's Square\nUnit 3.2, 1. OG\nLondon SW1Y 4JH",
            "c/o: Babbage, after 12:30",
        ] {
            assert_eq!(without_links(typed), typed);
        }
    }
}
