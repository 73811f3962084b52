//! Reads the rows of a CSV file, with their line numbers as an editor shows them.

use std::io::{self, Read};

use csv::{ByteRecord, Position, Reader, ReaderBuilder, StringRecord};

use super::ReadError;

/// How many bytes are read at a time.
const BUFFER: usize = 64 * 1024;

/// The most bytes of a row: far more than any product has.
const MAX_ROW: usize = 8 * 1024 * 1024;

/// The rows of a file, one after another, without blank ones.
pub struct Rows<R> {
    csv: Reader<PlainLines<io::Chain<R, &'static [u8]>>>,
}

impl<R: Read> Rows<R> {
    pub fn new(input: R) -> Self {
        Self { csv: ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER).from_reader(PlainLines::new(input)) }
    }

    /// The first row, which names the columns.
    pub fn header(&mut self) -> Result<StringRecord, ReadError> {
        let header = self.csv.headers().cloned();
        match header {
            Ok(header) => Ok(header),
            Err(_) if self.csv.get_ref().is_too_long() => Err(ReadError::TooLong { line: 1 }),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) -> Result<Option<(u64, StringRecord)>, ReadError> {
        let mut bytes = ByteRecord::new();
        while self.read_row(&mut bytes)? {
            let line = first_line(&bytes, self.csv.position(), self.csv.get_ref().has_ended)?;
            let cells = StringRecord::from_byte_record(bytes).map_err(|_| ReadError::NotUtf8 { line })?;
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Ok(Some((line, cells)));
            }
            bytes = cells.into_byte_record();
        }
        Ok(None)
    }
}

impl<R: Read> Rows<R> {
    fn read_row(&mut self, bytes: &mut ByteRecord) -> Result<bool, ReadError> {
        self.csv.get_mut().row_bytes = 0;
        match self.csv.read_byte_record(bytes) {
            Err(_) if self.csv.get_ref().is_too_long() => Err(ReadError::TooLong { line: self.csv.position().line() }),
            read => Ok(read?),
        }
    }
}

/// The line a row begins on, from 1, and its cells.
impl<R: Read> Iterator for Rows<R> {
    type Item = Result<(u64, StringRecord), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The line a row starts on. The parser counts from the end of the row before, which is too early after blank lines, so
/// this counts back from the end of the row.
fn first_line(row: &ByteRecord, end: &Position, in_quote: bool) -> Result<u64, ReadError> {
    let inside = row.as_slice().split(|byte| *byte == b'\n').count() as u64 - 1;
    if in_quote {
        return Err(ReadError::OpenQuote { line: end.line() - inside });
    }
    Ok(end.line() - inside - 1)
}

/// Makes every line end with `\n`, also the last one, so that lines can be counted whatever program wrote the file.
struct PlainLines<R> {
    inner: R,
    after_return: bool,
    /// Every row ends with a newline, so this is reached within a row only if its quote was never closed.
    has_ended: bool,
    /// Bytes read since the row began.
    row_bytes: usize,
}

impl<R: Read> PlainLines<io::Chain<R, &'static [u8]>> {
    /// If the last line already ends with a newline, the added one is a blank line, which the parser skips.
    fn new(input: R) -> Self {
        Self { inner: input.chain(b"\n"), after_return: false, has_ended: false, row_bytes: 0 }
    }
}

impl<R> PlainLines<R> {
    fn is_too_long(&self) -> bool {
        self.row_bytes > MAX_ROW
    }

    /// Rewrites the line ends in place and returns how many bytes are left.
    fn rewrite(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            let ends_a_pair = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            if !ends_a_pair {
                bytes[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }
}

impl<R: Read> Read for PlainLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let filled = self.inner.read(buffer)?;
            self.row_bytes += filled;
            if self.is_too_long() {
                return Err(io::Error::other("a row without an end"));
            }
            self.has_ended = filled == 0;
            let kept = self.rewrite(&mut buffer[..filled]);
            if kept > 0 || filled == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::lines, *};

    fn read_error(file: &str) -> ReadError {
        let mut rows = Rows::new(file.as_bytes());
        rows.header().unwrap();
        rows.find_map(Result::err).unwrap()
    }

    #[test]
    fn lines_are_those_an_editor_shows() {
        let file = "Handle,Title,Price,Description\na,A,1,\"one\ntwo\n\n\"\n\n\nb,B,1,x\n,,,\nc,C,1,\"x\ny\"\nd,D,1,";
        assert_eq!(lines(file.as_bytes()), [2, 8, 10, 12]);
        assert_eq!(lines(file.replace('\n', "\r\n").as_bytes()), [2, 8, 10, 12]);
        assert_eq!(lines(file.replace('\n', "\r").as_bytes()), [2, 8, 10, 12]);
        assert_eq!(lines(format!("\n\n{file}").as_bytes()), [4, 10, 12, 14]);
    }

    #[test]
    fn line_ends_may_fall_between_two_reads() {
        #[derive(Clone)]
        struct OneByte<'a>(&'a [u8]);
        impl Read for OneByte<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(&mut buffer[..1])
            }
        }
        assert_eq!(lines(OneByte(b"Handle,Title,Price\r\n\r\na,A,1\r\nb,B,2")), [3, 4]);
    }

    #[test]
    fn a_quote_left_open_does_not_swallow_the_rest_unnoticed() {
        let error = read_error("Handle,Price,Title\nmug,1,Mug\ncup,2,\"Cup\njar,3,Jar\n");
        assert!(matches!(error, ReadError::OpenQuote { line: 3 }), "{error}");
        let error = read_error("Handle,Price,Title\n\ncup,2,\"Cup\njar,3,Jar\n");
        assert!(matches!(error, ReadError::OpenQuote { line: 3 }), "{error}");
    }
}
