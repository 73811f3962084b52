//! Reads the CSV files that Shopify exports: products, and inventory. It touches no database.
//!
//! Shopify groups rows: the first row with a handle describes the product and its first variant, the rows after it are
//! further variants or further images. We sell variants, so each variant becomes a product of its own.
//!
//! A file is read twice. The first pass validates every row, before anything is written to the database: what cannot be
//! stored is an error, what Shopify allows and this shop handles differently is a warning, and both are grouped by kind
//! ([`Findings`]), because a file of ten thousand rows cannot be corrected one error at a time. The second pass yields the
//! valid products one by one, so that the size of a file is not limited by the memory. In both passes `rows` splits the
//! file, the header says where the `columns` are, `cells`, `html` and `plain_text` parse the cells, and `products` or
//! `inventory` combines the rows of a product; `keys` identifies variants.

mod cells;
mod columns;
mod findings;
mod html;
mod inventory;
mod keys;
mod plain_text;
mod products;
mod rows;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
};

use csv::Position;

pub use self::{cells::Issue, findings::Findings, inventory::Count};
use self::{
    columns::{Columns, Row},
    inventory::Sums,
    keys::{Keys, Uniqueness},
    products::Products,
    rows::Rows,
};

/// One product to import: one variant of a Shopify product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedProduct {
    /// The line of the file its row starts on, counted from 1.
    pub line: u64,
    /// Identifies the product in later imports: the variant's SKU, or its `key` if it has no SKU or a duplicate one. Unique
    /// in a file.
    pub sku: String,
    /// `handle` or `handle/option/option`: identifies the variant even if its SKU has changed. Unique in a file.
    pub key: String,
    /// What the slug is made from: the handle; of further variants, with their options.
    pub slug: String,
    pub name: String,
    /// Plain text; empty if the product has none.
    pub description: String,
    /// The same as safe HTML, if the product has HTML.
    pub description_html: Option<String>,
    /// Decimal text with no more decimals than the currency has, such as `19.90`.
    pub price: String,
    pub stock: Stock,
    pub brand: Option<String>,
    pub category: Option<String>,
    /// http and https URLs, the variant's own first.
    pub images: Vec<String>,
    pub is_active: bool,
}

/// The stock of a variant in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    /// Units, at least 0.
    Counted(i64),
    /// Shopify does not track it.
    Untracked,
    /// The file has no value, as in exports of shops with several locations.
    Missing,
}

/// What the parser needs from the shop.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How many decimals the store's currency has.
    pub decimals: u8,
    /// The stock of products for which the file has no value.
    pub stock: i64,
}

/// The errors and warnings of a file.
#[derive(Default)]
pub struct Report {
    /// What cannot be imported.
    pub errors: Findings,
    /// What is imported differently from how it is in the file.
    pub warnings: Findings,
    /// How many variants are skipped because of errors.
    pub skipped: usize,
}

/// A file after the first pass.
pub struct Checked {
    pub report: Report,
    /// The columns from which nothing is imported.
    pub ignored_columns: Vec<String>,
    pub contents: Contents,
}

/// What kind of export it is, with what the second pass needs.
pub enum Contents {
    Products(ValidProducts),
    Inventory(ValidCounts),
}

/// Why a file cannot be read as an export at all.
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
    #[error("the row that starts on line {line} is longer than 8 MiB; no product is")]
    TooLong { line: u64 },
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

/// The first pass: validates a whole export. Its header determines its kind.
///
/// # Errors
/// [`ReadError`] when the file is not an export of Shopify; rows that cannot be imported are in the [`Report`] instead.
pub fn check(input: impl Read, rules: Rules) -> Result<Checked, ReadError> {
    let mut rows = Rows::new(input);
    let columns = Columns::find(&rows.header()?)?;
    let ignored_columns = columns.ignored().into_iter().map(ToOwned::to_owned).collect();
    let mut report = Report::default();
    let contents = if columns.are_of_inventory() {
        Contents::Inventory(ValidCounts { sums: Sums::read(rows, &columns, &mut report)? })
    } else {
        Contents::Products(check_products(Products::new(rows, columns, rules), rules, &mut report)?)
    };
    Ok(Checked { report, ignored_columns, contents })
}

fn check_products<R: Read>(
    mut file: Products<R>,
    rules: Rules,
    report: &mut Report,
) -> Result<ValidProducts, ReadError> {
    let mut valid = ValidProducts { keys: Keys::default(), variants: 0, rules };
    while let Some(variants) = file.next(report)? {
        for variant in variants {
            match valid.keys.add(&variant) {
                Uniqueness::Unique => {}
                Uniqueness::DuplicateSku => {
                    let message = "a SKU names no variant, handle and options do, where it repeats in the file";
                    report.warnings.add(variant.line, "", Issue::with_cell(&variant.sku, message));
                }
                Uniqueness::DuplicateKey => {
                    let message = "handle and options stand in the file before; every variant needs its own";
                    report.errors.add(variant.line, "", Issue::with_cell(&variant.key, message));
                    report.skipped += 1;
                    continue;
                }
            }
            valid.variants += 1;
        }
    }
    Ok(valid)
}

/// The valid products of a file after the first pass.
pub struct ValidProducts {
    keys: Keys,
    variants: usize,
    rules: Rules,
}

impl ValidProducts {
    #[must_use]
    pub fn count(&self) -> usize {
        self.variants
    }

    /// The second pass over the same file.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn read<R: Read>(
        mut self,
        input: R,
    ) -> Result<impl Iterator<Item = Result<ImportedProduct, ReadError>>, ReadError> {
        let mut rows = Rows::new(input);
        let columns = Columns::find(&rows.header()?)?;
        let mut file = Products::new(rows, columns, self.rules);
        let groups = std::iter::from_fn(move || file.next(&mut Report::default()).transpose());
        let variants = groups.flat_map(|group| match group {
            Ok(variants) => variants.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        Ok(variants.filter_map(move |variant| match variant {
            Ok(variant) => self.keys.resolve(variant).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }
}

/// The valid counts of a file after the first pass.
pub struct ValidCounts {
    sums: Sums,
}

impl ValidCounts {
    #[must_use]
    pub fn count(&self) -> usize {
        self.sums.count()
    }

    /// The second pass over the same file.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn read<R: Read>(mut self, input: R) -> Result<impl Iterator<Item = Result<Count, ReadError>>, ReadError> {
        let mut rows = Rows::new(input);
        let columns = Columns::find(&rows.header()?)?;
        Ok(rows.filter_map(move |line| match line {
            Ok((line, cells)) => self.sums.take_count(&Row { line, cells: &cells, columns: &columns }).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Published,Option1 Name,Option1 Value,\
        Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
        Image Src,Image Position,Variant Image,Status";
    const RULES: Rules = Rules { decimals: 2, stock: 100 };

    /// The results of both passes.
    pub struct Reading {
        pub products: Vec<ImportedProduct>,
        pub counts: Vec<Count>,
        pub errors: String,
        pub warnings: String,
        pub skipped: usize,
    }

    pub fn read(file: &str) -> Reading {
        read_bytes(file.as_bytes())
    }

    fn read_bytes(file: impl Read + Clone) -> Reading {
        let Checked { report, contents, .. } = check(file.clone(), RULES).unwrap();
        let (errors, warnings) = (report.errors.to_string(), report.warnings.to_string());
        let (mut products, mut counts) = (Vec::new(), Vec::new());
        match contents {
            Contents::Products(valid) => {
                let expected = valid.count();
                products = valid.read(file).unwrap().map(Result::unwrap).collect();
                assert_eq!(products.len(), expected);
            }
            Contents::Inventory(valid) => {
                let expected = valid.count();
                counts = valid.read(file).unwrap().map(Result::unwrap).collect();
                assert_eq!(counts.len(), expected);
            }
        }
        Reading { products, counts, errors, warnings, skipped: report.skipped }
    }

    pub fn counts(file: &str) -> Reading {
        read(file)
    }

    /// A row in the columns of `HEADER`, of which only those named are filled; tracked by default.
    pub fn row(cells: &[(&str, &str)]) -> String {
        let cell = |column: &str| cells.iter().find(|(named, _)| *named == column).map(|(_, cell)| *cell);
        assert!(cells.iter().all(|(named, _)| HEADER.split(',').any(|column| column == *named)), "a column misspelt");
        let default = |column| if column == "Variant Inventory Tracker" { "shopify" } else { "" };
        HEADER
            .split(',')
            .map(|column| format!("\"{}\"", cell(column).unwrap_or(default(column)).replace('"', "\"\"")))
            .collect::<Vec<_>>()
            .join(",")
    }

    pub fn mug_with(cells: &[(&str, &str)]) -> String {
        row(&[cells, &[("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "9.50")]].concat())
    }

    pub fn of(rows: &[String]) -> Reading {
        read(&format!("{HEADER}\n{}\n", rows.join("\n")))
    }

    pub fn the_product(cells: &[(&str, &str)]) -> ImportedProduct {
        let reading = of(&[mug_with(cells)]);
        assert_eq!(reading.errors, "");
        reading.products.into_iter().next().unwrap()
    }

    pub fn the_error(cells: &[(&str, &str)]) -> String {
        let reading = of(&[row(cells)]);
        assert_eq!((reading.products, reading.skipped), (vec![], 1));
        assert_eq!(reading.errors.lines().count(), 1, "{}", reading.errors);
        reading.errors.trim().to_owned()
    }

    pub fn skus(reading: &Reading) -> Vec<&str> {
        reading.products.iter().map(|product| product.sku.as_str()).collect()
    }

    pub fn lines(file: impl Read + Clone) -> Vec<u64> {
        read_bytes(file).products.iter().map(|product| product.line).collect()
    }

    #[test]
    fn all_fields_of_a_product_are_read() {
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
            key: "mug".into(),
            slug: "mug".into(),
            name: "Mug".into(),
            description: "Holds coffee.".into(),
            description_html: Some("<p>Holds <b>coffee</b>.</p>".into()),
            price: "9.50".into(),
            stock: Stock::Counted(12),
            brand: Some("Acme".into()),
            category: Some("Mugs".into()),
            images: vec!["https://cdn.example.com/mug.jpg?v=1".into()],
            is_active: true,
        };
        assert_eq!(product, expected);
    }

    #[test]
    fn a_product_needs_only_handle_title_and_price() {
        let reading = read("Variant Price,Handle,Title\n5,mug,Mug");
        assert_eq!(reading.errors, "");
        let mug = &reading.products[0];
        assert_eq!(
            (mug.sku.as_str(), mug.price.as_str(), mug.stock, mug.is_active),
            ("mug", "5", Stock::Missing, true)
        );
        assert_eq!((&mug.brand, &mug.category, mug.images.len(), mug.description.as_str()), (&None, &None, 0, ""));
    }

    #[test]
    fn files_that_are_no_export_say_what_to_do() {
        let error_of = |file: &[u8]| match check(file, RULES) {
            Ok(_) => panic!("an export"),
            Err(error) => error.to_string(),
        };
        for empty in ["", "\n\n", "\u{feff}", ",,\n"] {
            assert!(error_of(empty.as_bytes()).contains("the file is empty"), "{empty:?}");
        }
        let missing = "the first line does not name \"Handle\" (or \"URL handle\"), \"Variant Price\" (or \"Price\"); \
            export the products from Shopify again, or add what is missing";
        assert_eq!(error_of(b"Title,Vendor\nMug,Acme\n"), missing);
        assert!(error_of(b"Handle;Title;Price\nmug;Mug;1\n").contains("not separated by commas"));
        assert!(error_of(b"Handle,Title,Price\n\nmug,Caf\xe9,1\n").contains("line 3 is not UTF-8"));
        assert!(error_of(b"H\xe4ndle,Title,Price\n").contains("line 1 is not UTF-8"));
    }

    #[test]
    fn a_failing_disk_is_reported() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let error = check(Broken, RULES).err().expect("an error");
        assert_eq!(error.to_string(), "the file cannot be read: the disk is gone");
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
        assert_eq!((reading.products.len(), reading.errors.as_str()), (10_000, ""));
    }
}
