//! Protection against request smuggling by bare line feeds.
//!
//! Lines of a request end with CR LF (RFC 9112, 2.2). hyper also accepts a bare LF, which a proxy may read as part of the
//! line: one request for the one is two for the other. So the bytes are followed here, head by head and body by body, and a
//! bare LF in a head is replaced by NUL, which hyper answers with 400.
//!
//! This only finds where heads begin and end. Whether a request is valid, e.g. has one length, is checked by hyper, which
//! closes the connection otherwise.

/// Bytes of a line that are kept, enough for a length or the size of a chunk.
const MAX_LINE: usize = 256;

/// The position in the bytes of a connection.
#[derive(Default)]
pub struct Framing {
    state: State,
    /// The current line so far, cut at [`MAX_LINE`].
    line: Vec<u8>,
    /// Whether the previous byte was CR.
    after_cr: bool,
    /// The `Content-Length` of the current head.
    length: u64,
    is_chunked: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the lines before the body.
    #[default]
    Head,
    /// In a body; so many bytes are left, then comes a head.
    Body(u64),
    /// In the line with the size of a chunk.
    Size,
    /// In a chunk; so many bytes with its CR LF are left, then comes a size.
    Chunk(u64),
    /// In the lines after the last chunk.
    Trailers,
}

impl Framing {
    /// Follows the bytes that were read, and replaces each bare LF in a head by NUL.
    pub fn check(&mut self, read: &mut [u8]) {
        let mut at = 0;
        while at < read.len() {
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(read.len() - at);
                    at += skipped;
                    self.skipped(left - skipped as u64);
                }
                State::Head | State::Size | State::Trailers => {
                    self.read_byte(&mut read[at]);
                    at += 1;
                }
            }
        }
    }

    fn skipped(&mut self, left: u64) {
        self.state = match self.state {
            State::Body(_) if left > 0 => State::Body(left),
            State::Chunk(_) if left > 0 => State::Chunk(left),
            State::Chunk(_) => State::Size,
            _ => State::Head,
        };
    }

    fn read_byte(&mut self, byte: &mut u8) {
        match *byte {
            b'\n' if self.after_cr => {
                let line = std::mem::take(&mut self.line);
                self.read_line(&line);
                self.after_cr = false;
            }
            b'\n' if self.state == State::Size => {} // hyper refuses it there, but ignores a NUL
            b'\n' => *byte = 0,
            b'\r' => self.after_cr = true,
            other => {
                self.after_cr = false;
                if self.line.len() < MAX_LINE {
                    self.line.push(other);
                } else if self.is_length() {
                    *byte = 0; // no valid length has so many digits
                }
            }
        }
    }

    /// Whether the current line is a length.
    fn is_length(&self) -> bool {
        let header = self.line.split(|byte| *byte == b':').next().unwrap_or_default();
        match self.state {
            State::Head => {
                [&b"content-length"[..], b"transfer-encoding"].iter().any(|name| header.eq_ignore_ascii_case(name))
            }
            State::Size => !self.line.contains(&b';'),
            State::Trailers | State::Body(_) | State::Chunk(_) => false,
        }
    }

    fn read_line(&mut self, line: &[u8]) {
        match self.state {
            State::Head if line.is_empty() => self.end_head(),
            State::Head => self.read_header(line),
            State::Size => self.state = after_size(line),
            State::Trailers if line.is_empty() => self.state = State::Head,
            State::Trailers | State::Body(_) | State::Chunk(_) => {}
        }
    }

    fn end_head(&mut self) {
        self.state = match (self.is_chunked, self.length) {
            (true, _) => State::Size,
            (false, 0) => State::Head,
            (false, length) => State::Body(length),
        };
        (self.is_chunked, self.length) = (false, 0);
    }

    fn read_header(&mut self, line: &[u8]) {
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else { return };
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.trim().parse().unwrap_or(0);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.is_chunked = true;
        }
    }
}

/// The size may be followed by extensions. An invalid one is refused by hyper.
fn after_size(line: &[u8]) -> State {
    let line = String::from_utf8_lossy(line);
    let size = line.split(';').next().unwrap_or_default().trim();
    match u64::from_str_radix(size, 16) {
        Ok(0) => State::Trailers,
        Ok(size) => State::Chunk(size.saturating_add(2)),
        Err(_) => State::Size,
    }
}

#[cfg(test)]
mod tests {
    use super::Framing;

    /// What hyper would get, read in pieces of every size.
    fn checked(sent: &str) -> String {
        let in_pieces = |size: usize| {
            let (mut framing, mut read) = (Framing::default(), sent.as_bytes().to_vec());
            read.chunks_mut(size).for_each(|piece| framing.check(piece));
            String::from_utf8(read).unwrap()
        };
        let whole = in_pieces(sent.len());
        for size in 1..sent.len() {
            assert_eq!(in_pieces(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn what_ends_its_lines_rightly_passes() {
        for sent in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(checked(sent), sent);
        }
    }

    #[test]
    fn a_bare_lf_outside_of_bodies_is_spoiled() {
        for (sent, spoiled) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\0Host: a\r\n\r\n"),
            ("GET / HTTP/1.1\r\nA: b\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nA: b\0Host: a\r\n\r\n"),
            (
                "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\nG / HTTP/1.1\n",
                "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\nG / HTTP/1.1\0",
            ),
        ] {
            assert_eq!(checked(sent), spoiled);
        }
        let extended = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\nab";
        assert_eq!(checked(extended), extended, "hyper refuses this itself");
    }

    #[test]
    fn a_length_of_hundreds_of_digits_is_spoiled() {
        let zeros = "0".repeat(300);
        for sent in [
            format!("POST / HTTP/1.1\r\nContent-Length: {zeros}5\r\n\r\n"),
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}5\r\nhello\r\n"),
        ] {
            assert!(checked(&sent).contains('\0'), "{sent}");
        }
        let long = format!("GET / HTTP/1.1\r\nCookie: {zeros}\r\n\r\n");
        assert_eq!(checked(&long), long);
    }
}
