//! Reads the product CSV that Shopify exports and turns it into products to import. It touches no database.
//!
//! Shopify groups rows: the first row with a handle describes the product and its first variant, later rows with that
//! handle are further variants or further images. We sell variants, so each variant becomes a product of its own.
//! Nothing is repaired silently: whatever cannot be stored is a [`Fault`] with the line an editor shows, and all faults
//! are found in one reading, because nobody wants to fix a file of ten thousand rows one error at a time.
//!
//! A file is read once, from top to bottom: its header says where the `columns` are, each row below it is understood
//! cell by cell (`cells`, `plain_text`) and gathered into `products`.

mod cells;
mod columns;
mod plain_text;
mod products;

use std::{
    fmt,
    io::{self, Read},
};

use csv::{ByteRecord, Position, ReaderBuilder, StringRecord};

use self::{
    columns::{Columns, Row},
    products::Products,
};

/// One product to import: one variant of a Shopify product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedProduct {
    /// The line of the file its row starts on, counted from 1.
    pub line: u64,
    /// What a second import recognises the product by: the variant's SKU or, without one, `handle` or
    /// `handle/option/option`. Unique in a [`Reading`].
    pub sku: String,
    pub name: String,
    /// Plain text; empty when the product has none.
    pub description: String,
    /// Decimal text with no more decimals than the currency has, such as `19.90`.
    pub price: String,
    /// `None` where the file does not say, as in exports of shops with several locations.
    pub stock: Option<i64>,
    pub brand: Option<String>,
    pub category: Option<String>,
    /// An http or https URL.
    pub image: Option<String>,
    pub is_active: bool,
}

/// Something in the file that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: u64,
    /// The column as the file spells it; empty when the whole row is at fault.
    pub column: String,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.column.is_empty() {
            write!(f, "line {}: {}", self.line, self.message)
        } else {
            write!(f, "line {}, column {:?}: {}", self.line, self.column, self.message)
        }
    }
}

/// What a file holds: the products without a fault, and the faults, both in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub products: Vec<ImportedProduct>,
    pub faults: Vec<Fault>,
}

/// Why a file cannot be read as a product export at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the file is empty; its first line must name the columns, as in a product export from Shopify")]
    Empty,
    #[error("the first line does not name {0}; export the products from Shopify again, or add what is missing")]
    MissingColumns(String),
    #[error("the columns are not separated by commas; save the file as a comma-separated CSV")]
    NotCommaSeparated,
    #[error("line {line} is not UTF-8 text; save the file as \"CSV UTF-8\"")]
    NotUtf8 { line: u64 },
    #[error("the row that starts on line {line} opens a quote and never closes it; close it or remove it")]
    OpenQuote { line: u64 },
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl From<csv::Error> for ReadError {
    fn from(error: csv::Error) -> Self {
        match error.kind() {
            csv::ErrorKind::Utf8 { pos, .. } => Self::NotUtf8 { line: pos.as_ref().map_or(1, Position::line) },
            _ => Self::Io(error.into()),
        }
    }
}

/// Reads a whole export. `decimals` is how many the store's currency has.
///
/// # Errors
/// [`ReadError`] when the file is no product export; a product that cannot be imported is a [`Fault`] instead.
pub fn read(input: impl Read, decimals: u8) -> Result<Reading, ReadError> {
    let mut csv = ReaderBuilder::new().flexible(true).from_reader(PlainLines::of(input));
    let columns = Columns::find(csv.headers()?)?;
    let mut products = Products::new(decimals);
    let mut bytes = ByteRecord::new();
    while csv.read_byte_record(&mut bytes)? {
        let line = first_line(&bytes, csv.position(), csv.get_ref().has_ended)?;
        let cells = StringRecord::from_byte_record(bytes).map_err(|_| ReadError::NotUtf8 { line })?;
        products.take(&Row { line, cells: &cells, columns: &columns });
        bytes = cells.into_byte_record();
    }
    Ok(products.finish())
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
    /// Every row ends with a newline, so only a row whose quote swallowed that is read on to here.
    has_ended: bool,
}

impl<R: Read> PlainLines<io::Chain<R, &'static [u8]>> {
    /// Where the last line has its end already, the one added is a blank line more, which the parser skips.
    fn of(input: R) -> Self {
        Self { inner: input.chain(b"\n"), after_return: false, has_ended: false }
    }
}

impl<R> PlainLines<R> {
    /// Rewrites the line ends in place and answers how many bytes are left.
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
    use super::*;

    const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Published,Option1 Name,Option1 Value,\
        Option2 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Variant Image,Status";

    /// A row in the columns of `HEADER`, of which only those named are filled.
    pub fn row(cells: &[(&str, &str)]) -> String {
        let cell = |column: &str| cells.iter().find(|(named, _)| *named == column).map_or("", |(_, cell)| *cell);
        assert!(cells.iter().all(|(named, _)| HEADER.split(',').any(|column| column == *named)), "a column misspelt");
        HEADER
            .split(',')
            .map(|column| format!("\"{}\"", cell(column).replace('"', "\"\"")))
            .collect::<Vec<_>>()
            .join(",")
    }

    pub fn mug_with(cells: &[(&str, &str)]) -> String {
        row(&[cells, &[("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "9.50")]].concat())
    }

    pub fn of(rows: &[String]) -> Reading {
        read(format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes(), 2).unwrap()
    }

    pub fn the_product(cells: &[(&str, &str)]) -> ImportedProduct {
        let reading = of(&[mug_with(cells)]);
        assert_eq!(reading.faults, []);
        reading.products.into_iter().next().unwrap()
    }

    pub fn the_fault(cells: &[(&str, &str)]) -> String {
        let reading = of(&[row(cells)]);
        assert_eq!(reading.products, []);
        assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
        reading.faults[0].to_string()
    }

    pub fn skus(reading: &Reading) -> Vec<&str> {
        reading.products.iter().map(|product| product.sku.as_str()).collect()
    }

    fn lines(reading: &Reading) -> Vec<u64> {
        reading.products.iter().map(|product| product.line).collect()
    }

    #[test]
    fn a_product_brings_everything_it_says() {
        let product = the_product(&[
            ("Body (HTML)", "<p>Holds <b>coffee</b>.</p>"),
            ("Vendor", "Acme"),
            ("Type", "Mugs"),
            ("Product Category", "Home & Garden > Kitchen > Drinkware"),
            ("Published", "TRUE"),
            ("Option1 Name", "Title"),
            ("Option1 Value", "Default Title"),
            ("Variant SKU", "MUG-1"),
            ("Variant Inventory Qty", "12"),
            ("Image Src", "https://cdn.example.com/mug.jpg?v=1"),
            ("Status", "active"),
        ]);
        let expected = ImportedProduct {
            line: 2,
            sku: "MUG-1".into(),
            name: "Mug".into(),
            description: "Holds coffee.".into(),
            price: "9.50".into(),
            stock: Some(12),
            brand: Some("Acme".into()),
            category: Some("Mugs".into()),
            image: Some("https://cdn.example.com/mug.jpg?v=1".into()),
            is_active: true,
        };
        assert_eq!(product, expected);
    }

    #[test]
    fn a_product_needs_only_handle_title_and_price() {
        let reading = read("Variant Price,Handle,Title\n5,mug,Mug".as_bytes(), 2).unwrap();
        assert_eq!(reading.faults, []);
        let mug = &reading.products[0];
        assert_eq!((mug.sku.as_str(), mug.price.as_str(), mug.stock, mug.is_active), ("mug", "5", None, true));
        assert_eq!((&mug.brand, &mug.category, &mug.image, mug.description.as_str()), (&None, &None, &None, ""));
    }

    #[test]
    fn lines_are_those_an_editor_shows() {
        let lines = |text: &str| lines(&read(text.as_bytes(), 2).unwrap());
        let file = "Handle,Title,Price,Description\na,A,1,\"one\ntwo\n\n\"\n\n\nb,B,1,x\n,,,\nc,C,1,\"x\ny\"\nd,D,1,";
        assert_eq!(lines(file), [2, 8, 10, 12]);
        assert_eq!(lines(&file.replace('\n', "\r\n")), [2, 8, 10, 12]);
        assert_eq!(lines(&file.replace('\n', "\r")), [2, 8, 10, 12]);
        assert_eq!(lines(&format!("\n\n{file}")), [4, 10, 12, 14]);
    }

    #[test]
    fn line_ends_may_fall_between_two_reads() {
        struct OneByte<'a>(&'a [u8]);
        impl Read for OneByte<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(&mut buffer[..1])
            }
        }
        let reading = read(OneByte(b"Handle,Title,Price\r\n\r\na,A,1\r\nb,B,2"), 2).unwrap();
        assert_eq!(lines(&reading), [3, 4]);
    }

    #[test]
    fn files_that_are_no_export_say_what_to_do() {
        let refusal = |file: &[u8]| read(file, 2).unwrap_err().to_string();
        for empty in ["", "\n\n", "\u{feff}", ",,\n"] {
            assert!(refusal(empty.as_bytes()).contains("the file is empty"), "{empty:?}");
        }
        let missing = "the first line does not name \"Handle\" (or \"URL handle\"), \"Variant Price\" (or \"Price\"); \
            export the products from Shopify again, or add what is missing";
        assert_eq!(refusal(b"Title,Vendor\nMug,Acme\n"), missing);
        assert!(refusal(b"Handle;Title;Price\nmug;Mug;1\n").contains("not separated by commas"));
        assert!(refusal(b"Handle,Title,Price\n\nmug,Caf\xe9,1\n").contains("line 3 is not UTF-8"));
        assert!(refusal(b"H\xe4ndle,Title,Price\n").contains("line 1 is not UTF-8"));
    }

    #[test]
    fn a_quote_left_open_does_not_swallow_the_rest_unnoticed() {
        let error = read("Handle,Price,Title\nmug,1,Mug\ncup,2,\"Cup\njar,3,Jar\n".as_bytes(), 2).unwrap_err();
        assert!(matches!(error, ReadError::OpenQuote { line: 3 }), "{error}");
        let error = read("Handle,Price,Title\n\ncup,2,\"Cup\njar,3,Jar\n".as_bytes(), 2).unwrap_err();
        assert!(matches!(error, ReadError::OpenQuote { line: 3 }), "{error}");
    }

    #[test]
    fn a_failing_disk_is_told_as_such() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        assert_eq!(read(Broken, 2).unwrap_err().to_string(), "the file cannot be read: the disk is gone");
    }

    #[test]
    fn ten_thousand_rows_are_read() {
        let body = "<p>Holds <b>coffee</b> &amp; tea.</p>".repeat(20);
        let mug = |n: usize| {
            let (handle, size) = (format!("mug-{}", n / 4), n.to_string());
            let shared = [("Handle", handle.as_str()), ("Title", "Mug"), ("Body (HTML)", &body)];
            row(&[&shared[..], &[("Option1 Value", &size), ("Variant Price", "9.50")]].concat())
        };
        let reading = of(&(0..10_000).map(mug).collect::<Vec<_>>());
        assert_eq!((reading.products.len(), reading.faults.len()), (10_000, 0));
    }
}
