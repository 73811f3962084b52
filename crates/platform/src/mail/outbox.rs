//! Reads the e-mails that the [`Mailer`](super::Mailer) wrote to the outbox.

use std::{fs, io, path::Path, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use quoted_printable::{ParseMode, decode};

/// The most e-mails of a list.
const MAX_LISTED: usize = 50;

/// An e-mail in the outbox.
pub struct OutboxEmail {
    /// The file name without `.eml`.
    pub name: String,
    pub at: SystemTime,
    pub email: ParsedEmail,
}

/// The newest e-mails of an outbox, the newest first, and how many there are in all.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest(outbox: &Path) -> io::Result<(Vec<OutboxEmail>, usize)> {
    let mut files = files(outbox)?;
    files.sort_by(|(one, at), (other, then)| then.cmp(at).then(one.cmp(other)));
    let read = |(name, at): &(String, SystemTime)| {
        Some(OutboxEmail { email: read(outbox, name).ok()?, name: name.clone(), at: *at })
    };
    Ok((files.iter().take(MAX_LISTED).filter_map(read).collect(), files.len()))
}

/// The e-mail of this name; `None` when the outbox has none, so that no other file can be read.
///
/// # Errors
/// When the folder or the file cannot be read.
pub fn find(outbox: &Path, wanted: &str) -> io::Result<Option<OutboxEmail>> {
    let Some((name, at)) = files(outbox)?.into_iter().find(|(name, _)| name == wanted) else { return Ok(None) };
    Ok(Some(OutboxEmail { email: read(outbox, &name)?, name, at }))
}

fn files(outbox: &Path) -> io::Result<Vec<(String, SystemTime)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(outbox)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if let Some(name) = name.strip_suffix(".eml").filter(|name| !name.starts_with('.')) {
            files.push((name.to_owned(), entry.metadata()?.modified()?));
        }
    }
    Ok(files)
}

fn read(outbox: &Path, name: &str) -> io::Result<ParsedEmail> {
    Ok(ParsedEmail::read(&fs::read_to_string(outbox.join(format!("{name}.eml")))?))
}

/// The decoded headers and bodies of an e-mail. Missing ones are empty.
#[derive(Debug, PartialEq, Eq)]
pub struct ParsedEmail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl ParsedEmail {
    /// Parses an .eml file.
    #[must_use]
    pub fn read(raw: &str) -> Self {
        let (head, _) = head_and_body(raw);
        let header = |name| header(head, name).unwrap_or_default();
        let part = |kind| part(raw, kind).unwrap_or_default();
        Self {
            from: header("From"),
            to: header("To"),
            subject: header("Subject"),
            text: part("text/plain"),
            html: part("text/html"),
        }
    }
}

/// The first part of a content type, in multiparts of any depth.
fn part(entity: &str, wanted: &str) -> Option<String> {
    let (head, body) = head_and_body(entity);
    let kind = header(head, "Content-Type").unwrap_or_else(|| "text/plain".to_owned());
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        let boundary = kind.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
        let delimiter = format!("--{}", boundary.trim_matches('"'));
        // The preamble before the first delimiter and the dashes after the last are no parts.
        return body.split(&delimiter).skip(1).find_map(|piece| part(piece.trim_start_matches("\r\n"), wanted));
    }
    kind.to_ascii_lowercase().starts_with(wanted).then(|| decoded(head, body))
}

fn decoded(head: &str, body: &str) -> String {
    let encoding = header(head, "Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "base64" => base64(body),
        "quoted-printable" => decode(body, ParseMode::Robust).unwrap_or_default(),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn base64(text: &str) -> Vec<u8> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).unwrap_or_default()
}

fn head_and_body(entity: &str) -> (&str, &str) {
    entity.split_once("\r\n\r\n").unwrap_or((entity, ""))
}

/// The first header of that name, on one line and decoded.
fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| decode_words(value.trim()))
    })
}

/// Decodes the `=?utf-8?b?…?=` words of RFC 2047. White space between two of them is not part of the text.
fn decode_words(value: &str) -> String {
    let (mut bytes, mut rest, mut after_word) = (Vec::new(), value, false);
    while let Some((before, word, after)) = next_word(rest) {
        if !(after_word && before.trim().is_empty()) {
            bytes.extend_from_slice(before.as_bytes());
        }
        bytes.extend(word);
        (rest, after_word) = (after, true);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn next_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (before, word) = text.split_once("=?")?;
    let (_charset, word) = word.split_once('?')?;
    let (encoding, word) = word.split_once('?')?;
    let (encoded, after) = word.split_once("?=")?;
    let bytes = match encoding {
        "b" | "B" => base64(encoded),
        _ => decode(encoded.replace('_', " "), ParseMode::Robust).unwrap_or_default(),
    };
    Some((before, bytes, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Email, Mailer};

    #[tokio::test]
    async fn what_was_written_is_read() {
        let outbox = std::env::temp_dir().join(format!("outbox-{}", uuid::Uuid::new_v4()));
        let mailer = Mailer::new(None, "Käse & Söhne <shop@localhost>", outbox.clone()).unwrap();
        let long = "ein langer Betreff, der über mehr als eine Zeile geht – größer als achtundsiebzig Zeichen";
        let email = Email {
            to: "ada@example.com".to_owned(),
            to_name: Some("Ada Łovelace".to_owned()),
            subject: long.to_owned(),
            text: "Grüße\n".repeat(40),
            html: "<p>a=b &amp; \u{1f381}</p>".to_owned(),
            message_id: "<order-12/7.confirmation@shop.example>".to_owned(),
        };
        mailer.send(&email).await.unwrap();

        let (listed, total) = newest(&outbox).unwrap();
        assert_eq!((listed.len(), total, listed[0].name.as_str()), (1, 1, "order-12%2F7.confirmation@shop.example"));
        let message = find(&outbox, &listed[0].name).unwrap().unwrap().email;
        assert_eq!(message.subject, long);
        assert!(message.to.contains("Ada Łovelace") && message.to.contains("<ada@example.com>"), "{}", message.to);
        assert!(message.from.contains("Käse & Söhne"), "{}", message.from);
        assert_eq!(message.text.replace("\r\n", "\n").trim_end(), email.text.trim_end());
        assert_eq!(message.html.trim_end(), email.html);
        for other in ["", "..", "../outbox", "order-12/7.confirmation@shop.example", ".writable"] {
            assert!(find(&outbox, other).unwrap().is_none(), "{other}");
        }
        fs::remove_dir_all(outbox).unwrap();
    }

    #[test]
    fn what_is_no_e_mail_is_an_empty_one() {
        let nothing = ParsedEmail::read("no header at all");
        assert_eq!((nothing.subject.as_str(), nothing.html.as_str()), ("", ""));
    }
}
