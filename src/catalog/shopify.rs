//! Reads the product CSV that Shopify exports and turns it into products to import. It touches no database.
//!
//! Shopify groups rows: the first row with a handle describes the product and its first variant, later rows with that
//! handle are further variants or further images. We sell variants, so each variant becomes a product of its own.
//! Nothing is repaired silently: whatever cannot be stored is a [`Fault`] with the line an editor shows, and all faults
//! are found in one reading, because nobody wants to fix a file of ten thousand rows one error at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    io::{self, Read},
};

use csv::{ByteRecord, Position, ReaderBuilder, StringRecord};

use crate::money::MAX_MONEY;

const NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 10_000;
const URL_CHARS: usize = 2_048;
const MOST_STOCK: i64 = i32::MAX as i64;

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
    #[error("the first line does not name {}; export the products from Shopify again, or add what is missing", in_words(.0))]
    MissingColumns(Vec<&'static [&'static str]>),
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
    let mut csv = ReaderBuilder::new().flexible(true).from_reader(PlainLines::new(input));
    let columns = Columns::find(csv.headers()?)?;
    let mut import = Import::new(decimals);
    let mut bytes = ByteRecord::new();
    while csv.read_byte_record(&mut bytes)? {
        let line = first_line(&bytes, csv.position())?;
        let cells = StringRecord::from_byte_record(bytes).map_err(|_| ReadError::NotUtf8 { line })?;
        import.take(&Row { line, cells: &cells, columns: &columns });
        bytes = cells.into_byte_record();
    }
    Ok(import.finish())
}

/// The line a row starts on. The parser counts from the end of the row before, which is too early after blank lines, so
/// this counts back from the end of the row.
fn first_line(row: &ByteRecord, end: &Position) -> Result<u64, ReadError> {
    let start = row.position().map_or(1, Position::line);
    let inside = row.as_slice().split(|byte| *byte == b'\n').count() as u64 - 1;
    // Every row ends with a newline (`PlainLines` sees to it) unless a quote swallowed that too.
    if end.line() <= start + inside {
        return Err(ReadError::OpenQuote { line: start });
    }
    Ok(end.line() - inside - 1)
}

/// Makes every line end with `\n`, also the last one, so that lines can be counted whatever program wrote the file.
struct PlainLines<R> {
    inner: R,
    last: u8,
}

impl<R: Read> PlainLines<R> {
    fn new(inner: R) -> Self {
        Self { inner, last: b'\n' }
    }

    /// Rewrites the line ends in place and answers how many bytes are left.
    fn rewrite(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            let ends_a_pair = byte == b'\n' && self.last == b'\r';
            self.last = byte;
            if !ends_a_pair {
                bytes[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }

    fn end_last_line(&mut self, buffer: &mut [u8]) -> usize {
        if matches!(self.last, b'\r' | b'\n') || buffer.is_empty() {
            return 0;
        }
        self.last = b'\n';
        buffer[0] = b'\n';
        1
    }
}

impl<R: Read> Read for PlainLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let filled = self.inner.read(buffer)?;
            if filled == 0 {
                return Ok(self.end_last_line(buffer));
            }
            let kept = self.rewrite(&mut buffer[..filled]);
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Column {
    Handle,
    Title,
    Body,
    Vendor,
    Category,
    Type,
    Published,
    Option1,
    Option2,
    Option3,
    Sku,
    Stock,
    Price,
    Image,
    VariantImage,
    Status,
}

impl Column {
    const ALL: [Self; 16] = [
        Self::Handle,
        Self::Title,
        Self::Body,
        Self::Vendor,
        Self::Category,
        Self::Type,
        Self::Published,
        Self::Option1,
        Self::Option2,
        Self::Option3,
        Self::Sku,
        Self::Stock,
        Self::Price,
        Self::Image,
        Self::VariantImage,
        Self::Status,
    ];
    const REQUIRED: [Self; 3] = [Self::Handle, Self::Title, Self::Price];
    const OPTIONS: [Self; 3] = [Self::Option1, Self::Option2, Self::Option3];

    /// What Shopify calls the column, in older exports and in newer ones.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Handle => &["Handle", "URL handle"],
            Self::Title => &["Title"],
            Self::Body => &["Body (HTML)", "Description"],
            Self::Vendor => &["Vendor"],
            Self::Category => &["Product Category"],
            Self::Type => &["Type"],
            Self::Published => &["Published", "Published on online store"],
            Self::Option1 => &["Option1 Value"],
            Self::Option2 => &["Option2 Value"],
            Self::Option3 => &["Option3 Value"],
            Self::Sku => &["Variant SKU", "SKU"],
            Self::Stock => &["Variant Inventory Qty", "Inventory quantity"],
            Self::Price => &["Variant Price", "Price"],
            Self::Image => &["Image Src", "Product image URL"],
            Self::VariantImage => &["Variant Image", "Variant image URL"],
            Self::Status => &["Status"],
        }
    }
}

/// `"Handle" (or "URL handle"), "Title"`
fn in_words(missing: &[&'static [&'static str]]) -> String {
    let columns = missing.iter().map(|spellings| match spellings {
        [older, newer] => format!("{older:?} (or {newer:?})"),
        _ => format!("{:?}", spellings[0]),
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// Where the columns are in this file.
struct Columns {
    places: [Option<usize>; Column::ALL.len()],
    header: StringRecord,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, ReadError> {
        if header.iter().all(|cell| cell.trim().is_empty()) {
            return Err(ReadError::Empty);
        }
        if header.len() == 1 && header[0].contains([';', '\t']) {
            return Err(ReadError::NotCommaSeparated);
        }
        let columns = Self { places: Column::ALL.map(|column| place(header, column)), header: header.clone() };
        let missing = Column::REQUIRED.into_iter().filter(|column| columns.places[*column as usize].is_none());
        let missing: Vec<_> = missing.map(Column::spellings).collect();
        if missing.is_empty() { Ok(columns) } else { Err(ReadError::MissingColumns(missing)) }
    }

    fn name(&self, column: Column) -> &str {
        self.places[column as usize].map_or(column.spellings()[0], |place| self.header[place].trim())
    }
}

fn place(header: &StringRecord, column: Column) -> Option<usize> {
    let named = |spelling: &&str| header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(spelling));
    column.spellings().iter().find_map(named)
}

struct Row<'a> {
    line: u64,
    cells: &'a StringRecord,
    columns: &'a Columns,
}

impl Row<'_> {
    /// The cell without the space around it; empty when the file has no such column.
    fn cell(&self, column: Column) -> &str {
        self.columns.places[column as usize].and_then(|place| self.cells.get(place)).unwrap_or_default().trim()
    }

    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }

    fn cells_fault(&self) -> Option<String> {
        let (found, named) = (self.cells.len(), self.columns.header.len());
        (found != named).then(|| {
            format!("has {found} cells where the first line names {named} columns; check its commas and quotes")
        })
    }

    /// Rows after a product's first that say nothing a variant needs only carry one more image.
    fn is_only_an_image(&self) -> bool {
        [Column::Price, Column::Sku].into_iter().chain(Column::OPTIONS).all(|column| self.cell(column).is_empty())
    }

    /// What sets the variant apart, such as `Red` and `L`; nothing for a product without variants, whose one variant
    /// Shopify calls "Default Title".
    fn options(&self) -> Vec<String> {
        let values = Column::OPTIONS.map(|column| one_line(self.cell(column)));
        values.into_iter().filter(|value| !value.is_empty() && value != "Default Title").collect()
    }
}

/// What the variants of one handle share; the first row tells it.
struct Parent {
    handle: String,
    title: String,
    description: String,
    brand: Option<String>,
    category: Option<String>,
    is_active: bool,
    image: Option<String>,
    has_fault: bool,
}

struct Variant {
    parent: usize,
    product: ImportedProduct,
}

/// The file as far as it has been read.
struct Import {
    decimals: u8,
    parents: Vec<Parent>,
    by_handle: HashMap<String, usize>,
    lines_by_sku: HashMap<String, u64>,
    variants: Vec<Variant>,
    faults: Vec<Fault>,
}

impl Import {
    fn new(decimals: u8) -> Self {
        Self {
            decimals,
            parents: Vec::new(),
            by_handle: HashMap::new(),
            lines_by_sku: HashMap::new(),
            variants: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn take(&mut self, row: &Row) {
        if row.is_blank() {
            return;
        }
        if let Some(message) = row.cells_fault() {
            self.faults.push(Fault { line: row.line, column: String::new(), message });
            return;
        }
        let Some(handle) = self.sound(row, Column::Handle, required(row.cell(Column::Handle))) else { return };
        if let Some(&parent) = self.by_handle.get(&handle) {
            self.take_image(row, parent);
            if !row.is_only_an_image() {
                self.take_variant(row, parent);
            }
        } else {
            let parent = self.take_parent(row, handle);
            self.take_image(row, parent);
            self.take_variant(row, parent);
        }
    }

    /// The value, or its fault noted.
    fn sound<T>(&mut self, row: &Row, column: Column, value: Result<T, String>) -> Option<T> {
        let note = |message| {
            self.faults.push(Fault { line: row.line, column: row.columns.name(column).to_owned(), message });
        };
        value.map_err(note).ok()
    }

    fn take_parent(&mut self, row: &Row, handle: String) -> usize {
        let faults = self.faults.len();
        let mut parent = Parent {
            title: self.sound(row, Column::Title, required(row.cell(Column::Title))).unwrap_or_default(),
            description: self.sound(row, Column::Body, description(row.cell(Column::Body))).unwrap_or_default(),
            brand: self.sound(row, Column::Vendor, optional(row.cell(Column::Vendor))).flatten(),
            category: self.category(row),
            is_active: self.is_active(row),
            image: None,
            has_fault: false,
            handle: handle.clone(),
        };
        parent.has_fault = self.faults.len() > faults;
        self.parents.push(parent);
        self.by_handle.insert(handle, self.parents.len() - 1);
        self.parents.len() - 1
    }

    /// The shop's own type comes first; Shopify's taxonomy is a path like `Apparel > Clothing > Shirts`, of which the
    /// last part says what the product is.
    fn category(&mut self, row: &Row) -> Option<String> {
        let own = self.sound(row, Column::Type, optional(row.cell(Column::Type)));
        let leaf = row.cell(Column::Category).rsplit('>').next().unwrap_or_default();
        let leaf = if leaf.trim() == "Uncategorized" { "" } else { leaf };
        own?.or_else(|| self.sound(row, Column::Category, optional(leaf)).flatten())
    }

    fn is_active(&mut self, row: &Row) -> bool {
        let status = self.sound(row, Column::Status, is_on_sale(row.cell(Column::Status)));
        let published = self.sound(row, Column::Published, is_published(row.cell(Column::Published)));
        status == Some(true) && published == Some(true)
    }

    /// A product is shown by its first image; the others are left out.
    fn take_image(&mut self, row: &Row, parent: usize) {
        if self.parents[parent].image.is_some() {
            return;
        }
        match self.sound(row, Column::Image, image(row.cell(Column::Image))) {
            Some(image) => self.parents[parent].image = image,
            None => self.parents[parent].has_fault = true,
        }
    }

    fn take_variant(&mut self, row: &Row, parent: usize) {
        let options = row.options();
        let name = self.name(row, parent, &options);
        let sku = self.sku(row, parent, &options);
        let price = self.sound(row, Column::Price, price(row.cell(Column::Price), self.decimals));
        let stock = self.sound(row, Column::Stock, stock(row.cell(Column::Stock)));
        let image = self.sound(row, Column::VariantImage, image(row.cell(Column::VariantImage)));
        let (Some(name), Some(sku), Some(price), Some(stock), Some(image)) = (name, sku, price, stock, image) else {
            return;
        };
        let shared = &self.parents[parent];
        let product = ImportedProduct {
            line: row.line,
            sku,
            name,
            description: shared.description.clone(),
            price,
            stock,
            brand: shared.brand.clone(),
            category: shared.category.clone(),
            image,
            is_active: shared.is_active,
        };
        self.variants.push(Variant { parent, product });
    }

    /// `Shirt`, or `Shirt – Red / L`.
    fn name(&mut self, row: &Row, parent: usize, options: &[String]) -> Option<String> {
        let title = &self.parents[parent].title;
        if options.is_empty() {
            return Some(title.clone());
        }
        let name = format!("{title} – {}", options.join(" / "));
        let checked = storable(name, NAME_CHARS).map_err(|fault| format!("with the title, the name {fault}"));
        self.sound(row, Column::Option1, checked)
    }

    fn sku(&mut self, row: &Row, parent: usize, options: &[String]) -> Option<String> {
        // Shopify puts an apostrophe before a SKU of digits, so that spreadsheets keep its zeros.
        let written = row.cell(Column::Sku);
        let written = one_line(written.strip_prefix('\'').unwrap_or(written));
        let sku = if written.is_empty() { key(&self.parents[parent].handle, options) } else { written };
        let sku = self.sound(row, Column::Sku, storable(sku, NAME_CHARS))?;
        let claimed = self.claim(row.line, sku);
        self.sound(row, Column::Sku, claimed)
    }

    fn claim(&mut self, line: u64, sku: String) -> Result<String, String> {
        match self.lines_by_sku.entry(sku.clone()) {
            Entry::Vacant(free) => {
                free.insert(line);
                Ok(sku)
            }
            Entry::Occupied(taken) => {
                let first = taken.get();
                Err(format!("{} already stands for line {first}; give every variant a SKU of its own", shown(&sku)))
            }
        }
    }

    fn finish(self) -> Reading {
        let Self { parents, variants, faults, .. } = self;
        let sound = variants.into_iter().filter(|variant| !parents[variant.parent].has_fault);
        let products = sound.map(|Variant { parent, product }| {
            // Only now: the product's first image may stand on a later row than the variant.
            let image = product.image.or_else(|| parents[parent].image.clone());
            ImportedProduct { image, ..product }
        });
        Reading { products: products.collect(), faults }
    }
}

/// `mug` or `mug/red/extra-large`. Signs stay, as `S` and `S+` are two sizes.
fn key(handle: &str, options: &[String]) -> String {
    let slug = |option: &String| option.to_lowercase().replace([' ', '/'], "-");
    std::iter::once(handle.to_owned()).chain(options.iter().map(slug)).collect::<Vec<_>>().join("/")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A cell as a message quotes it: short, and with nothing in it that a terminal would obey.
fn shown(cell: &str) -> String {
    const MOST: usize = 40;
    if cell.chars().count() <= MOST {
        return format!("{cell:?}");
    }
    format!("{:?}", cell.chars().take(MOST).chain(['…']).collect::<String>())
}

fn storable(text: String, most: usize) -> Result<String, String> {
    if text.contains('\0') {
        return Err("contains a NUL character; remove it".to_owned());
    }
    let length = text.chars().count();
    if length > most { Err(format!("is {length} characters long; at most {most} fit")) } else { Ok(text) }
}

fn required(cell: &str) -> Result<String, String> {
    optional(cell)?.ok_or_else(|| "is empty; every product needs one".to_owned())
}

fn optional(cell: &str) -> Result<Option<String>, String> {
    let text = storable(one_line(cell), NAME_CHARS)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn description(cell: &str) -> Result<String, String> {
    storable(plain_text(cell), DESCRIPTION_CHARS)
}

fn is_on_sale(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "active" => Ok(true),
        // An unlisted product is sold only to those who know its address; there is no such thing here.
        "draft" | "archived" | "unlisted" => Ok(false),
        _ => Err(format!("{} is not a status; write active, draft or archived", shown(cell))),
    }
}

fn is_published(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is neither true nor false; write one of them", shown(cell))),
    }
}

fn price(cell: &str, decimals: u8) -> Result<String, String> {
    let example = if decimals == 0 { "19".to_owned() } else { format!("19.{:0<1$}", 9, usize::from(decimals)) };
    if cell.is_empty() {
        return Err(format!("is empty; every variant needs a price, like {example}"));
    }
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(format!("{} is not a price; write it like {example}", shown(cell)));
    }
    let places = usize::from(decimals);
    let (kept, surplus) = fraction.split_at(fraction.len().min(places));
    if surplus.bytes().any(|digit| digit != b'0') {
        return Err(format!("{} has more than {decimals} decimals; write it like {example}", shown(cell)));
    }
    let minor = format!("{whole}{kept:0<places$}").parse().unwrap_or(i64::MAX);
    if minor > MAX_MONEY.0 {
        return Err(format!("{} is too much; at most {} fits", shown(cell), most_money(places)));
    }
    Ok(if cell.contains('.') && places > 0 { format!("{whole}.{kept}") } else { whole.to_owned() })
}

fn most_money(places: usize) -> String {
    let digits = MAX_MONEY.0.to_string();
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn stock(cell: &str) -> Result<Option<i64>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    if cell.strip_prefix('-').is_some_and(is_digits) {
        return Err(format!("{} is below zero; write 0 when it is sold out", shown(cell)));
    }
    if !is_digits(cell) {
        return Err(format!("{} is not a number of pieces; write it like 12", shown(cell)));
    }
    let too_many = || format!("{} is too many; at most {MOST_STOCK} fit", shown(cell));
    cell.parse().ok().filter(|stock| *stock <= MOST_STOCK).map(Some).ok_or_else(too_many)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn image(cell: &str) -> Result<Option<String>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    if !is_web_address(cell) {
        return Err(format!("{} is not the address of an image; it must start with https:// or http://", shown(cell)));
    }
    storable(cell.to_owned(), URL_CHARS).map(Some)
}

fn is_web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let has_host = rest.starts_with(|first: char| first.is_alphanumeric() || first == '[');
    is_web && has_host && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

/// The words of a product's HTML, laid out in lines; text without any markup keeps the lines it has.
///
/// What a browser would not show (tags, comments, scripts, styles) goes, in one pass over the text.
fn plain_text(html: &str) -> String {
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

    /// Takes the tag or comment at the start of `html` and answers what follows it.
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

    /// Takes the `&` at the start of `html`, with the entity it begins, and answers what follows.
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

/// A blank line around what reads as a paragraph, a line of its own for what is part of one.
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
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        None if is_digits(number) => number.parse().ok()?,
        _ => return None,
    };
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

    const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Published,Option1 Name,Option1 Value,\
        Option2 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Variant Image,Status";

    /// A row in the columns of `HEADER`, of which only those named are filled.
    fn row(cells: &[(&str, &str)]) -> String {
        let cell = |column: &str| cells.iter().find(|(named, _)| *named == column).map_or("", |(_, cell)| *cell);
        assert!(cells.iter().all(|(named, _)| HEADER.split(',').any(|column| column == *named)), "a column misspelt");
        HEADER
            .split(',')
            .map(|column| format!("\"{}\"", cell(column).replace('"', "\"\"")))
            .collect::<Vec<_>>()
            .join(",")
    }

    fn mug_with(cells: &[(&str, &str)]) -> String {
        row(&[cells, &[("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "9.50")]].concat())
    }

    fn of(rows: &[String]) -> Reading {
        read(format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes(), 2).unwrap()
    }

    fn the_product(cells: &[(&str, &str)]) -> ImportedProduct {
        let reading = of(&[mug_with(cells)]);
        assert_eq!(reading.faults, []);
        reading.products.into_iter().next().unwrap()
    }

    fn the_fault(cells: &[(&str, &str)]) -> String {
        let reading = of(&[row(cells)]);
        assert_eq!(reading.products, []);
        assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
        reading.faults[0].to_string()
    }

    fn skus(reading: &Reading) -> Vec<&str> {
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
    fn the_newer_column_names_are_understood() {
        let file = "Title,URL handle,Description,Vendor,Product category,Type,Published on online store,Status,SKU,\
            Option1 name,Option1 value,Price,Inventory quantity,Product image URL,Variant image URL,SEO description\n\
            Mug,mug,Fine,Acme,Home > Mugs,,FALSE,Active,M-1,Color,Red,4.00,3,https://e.com/1.png,https://e.com/2.png,x\n";
        let reading = read(file.as_bytes(), 2).unwrap();
        assert_eq!(reading.faults, []);
        let mug = &reading.products[0];
        assert_eq!((mug.name.as_str(), mug.sku.as_str(), mug.description.as_str()), ("Mug – Red", "M-1", "Fine"));
        assert_eq!((mug.price.as_str(), mug.stock, mug.is_active), ("4.00", Some(3), false));
        assert_eq!((mug.category.as_deref(), mug.image.as_deref()), (Some("Mugs"), Some("https://e.com/2.png")));
    }

    #[test]
    fn a_byte_order_mark_and_space_around_the_names_do_not_matter() {
        let reading = read("\u{feff}Handle, title ,VARIANT PRICE\nmug,Mug,1\n".as_bytes(), 2).unwrap();
        assert_eq!(skus(&reading), ["mug"]);
    }

    #[test]
    fn variants_inherit_from_the_first_row() {
        let red = [
            ("Body (HTML)", "Soft"),
            ("Vendor", "Acme"),
            ("Type", "Shirts"),
            ("Status", "draft"),
            ("Option1 Value", "Red"),
            ("Option2 Value", "Extra large"),
        ];
        let blue = [("Handle", "mug"), ("Option1 Value", "Blue"), ("Option2 Value", "1/2"), ("Variant Price", "8.00")];
        let reading = of(&[mug_with(&red), row(&blue)]);
        assert_eq!(reading.faults, []);
        assert_eq!(skus(&reading), ["mug/red/extra-large", "mug/blue/1-2"]);
        let [red, blue] = &reading.products[..] else { panic!("two variants") };
        assert_eq!((red.name.as_str(), blue.name.as_str()), ("Mug – Red / Extra large", "Mug – Blue / 1/2"));
        assert_eq!((red.price.as_str(), blue.price.as_str()), ("9.50", "8.00"));
        for product in [red, blue] {
            assert_eq!((product.description.as_str(), product.is_active), ("Soft", false));
            assert_eq!((product.brand.as_deref(), product.category.as_deref()), (Some("Acme"), Some("Shirts")));
        }
    }

    #[test]
    fn rows_of_one_product_need_not_be_neighbours() {
        let cup = row(&[("Handle", "cup"), ("Title", "Cup"), ("Variant Price", "3")]);
        let blue = row(&[("Handle", "mug"), ("Option1 Value", "Blue"), ("Variant Price", "8")]);
        let reading = of(&[mug_with(&[("Option1 Value", "Red")]), cup, blue]);
        assert_eq!(skus(&reading), ["mug/red", "cup", "mug/blue"]);
    }

    #[test]
    fn image_rows_are_no_products_but_lend_their_image() {
        let image = |url| row(&[("Handle", "mug"), ("Image Src", url)]);
        let reading = of(&[mug_with(&[]), image("https://e.com/1.png"), image("https://e.com/2.png")]);
        assert_eq!(reading.faults, []);
        assert_eq!(reading.products.len(), 1);
        assert_eq!(reading.products[0].image.as_deref(), Some("https://e.com/1.png"));
    }

    #[test]
    fn a_variant_shows_its_own_image_before_the_products() {
        let (first, own) = (("Image Src", "https://e.com/a.png"), ("Variant Image", "http://e.com/b.png"));
        let blue =
            [("Handle", "mug"), ("Option1 Value", "Blue"), ("Variant Price", "1"), ("Image Src", "https://e.com/c")];
        let reading = of(&[mug_with(&[("Option1 Value", "Red"), first, own]), row(&blue)]);
        let images: Vec<_> = reading.products.iter().map(|product| product.image.as_deref().unwrap()).collect();
        assert_eq!(images, ["http://e.com/b.png", "https://e.com/a.png"]);
    }

    #[test]
    fn the_apostrophe_before_a_numeric_sku_goes() {
        assert_eq!(the_product(&[("Variant SKU", "'0042")]).sku, "0042");
        assert_eq!(the_product(&[("Variant SKU", "'")]).sku, "mug");
    }

    #[test]
    fn a_row_with_a_sku_is_a_variant_even_without_a_price() {
        let reading = of(&[mug_with(&[]), row(&[("Handle", "mug"), ("Variant SKU", "M-2")])]);
        assert_eq!((reading.faults[0].line, reading.faults[0].column.as_str()), (3, "Variant Price"));
    }

    #[test]
    fn only_what_is_active_and_published_is_on_sale() {
        let is_active = |status, published| the_product(&[("Status", status), ("Published", published)]).is_active;
        assert!(is_active("", "") && is_active("Active", "true") && is_active("active", ""));
        assert!(!is_active("draft", "TRUE") && !is_active("Archived", "") && !is_active("unlisted", ""));
        assert!(!is_active("active", "FALSE") && !is_active("", "false"));
    }

    #[test]
    fn the_category_is_the_type_or_the_end_of_shopifys_path() {
        let path = ("Product Category", "Apparel & Accessories > Clothing > Shirts");
        assert_eq!(the_product(&[path]).category.as_deref(), Some("Shirts"));
        assert_eq!(the_product(&[path, ("Type", "Tops")]).category.as_deref(), Some("Tops"));
        assert_eq!(the_product(&[("Product Category", "Uncategorized")]).category, None);
    }

    #[test]
    fn prices_have_the_decimals_of_the_currency() {
        for sound in ["0", "0.00", "19.9", "19.90", "9999999999.99"] {
            assert_eq!(price(sound, 2), Ok(sound.to_owned()));
        }
        assert_eq!(price("19.9000", 2), Ok("19.90".to_owned()));
        assert_eq!(price("1500.00", 0), Ok("1500".to_owned()));
        assert_eq!(price("1500", 0), Ok("1500".to_owned()));
        assert_eq!(price("1.250", 3), Ok("1.250".to_owned()));
        for unsound in ["12,x", "1,50", "-1", "+1", "1e3", ".5", "5.", ".", "1.2.3", "$5", "NaN", "٣"] {
            assert_eq!(price(unsound, 2), Err(format!("{unsound:?} is not a price; write it like 19.90")));
        }
        assert_eq!(price("1.005", 2), Err("\"1.005\" has more than 2 decimals; write it like 19.90".to_owned()));
        assert_eq!(price("1.5", 0), Err("\"1.5\" has more than 0 decimals; write it like 19".to_owned()));
        assert_eq!(price("", 3), Err("is empty; every variant needs a price, like 19.900".to_owned()));
    }

    #[test]
    fn prices_end_where_money_ends() {
        for huge in ["10000000000", "99999999999999999999999"] {
            assert_eq!(price(huge, 2), Err(format!("{huge:?} is too much; at most 9999999999.99 fits")));
        }
        assert_eq!(price("999999999999", 0), Ok("999999999999".to_owned()));
        assert_eq!(
            price("1000000000000", 0),
            Err("\"1000000000000\" is too much; at most 999999999999 fits".to_owned())
        );
        assert!(price("999999999.999", 3).is_ok() && price("1000000000", 3).is_err());
    }

    #[test]
    fn stock_is_a_whole_number_of_pieces() {
        assert_eq!((stock(""), stock("0"), stock("2147483647")), (Ok(None), Ok(Some(0)), Ok(Some(2_147_483_647))));
        assert_eq!(stock("-3"), Err("\"-3\" is below zero; write 0 when it is sold out".to_owned()));
        assert_eq!(stock("1.5"), Err("\"1.5\" is not a number of pieces; write it like 12".to_owned()));
        for many in ["2147483648", "99999999999999999999999"] {
            assert_eq!(stock(many), Err(format!("{many:?} is too many; at most 2147483647 fit")));
        }
    }

    #[test]
    fn images_come_from_the_web() {
        for sound in ["https://e.com/a.png", "HTTP://E.com", "https://[::1]/ä.png?v=1"] {
            assert_eq!(image(sound), Ok(Some(sound.to_owned())));
        }
        for unsound in ["a.png", "ftp://e.com/a", "javascript:alert(1)", "https://", "https:///a", "https://e.com/a b"]
        {
            let message = format!("{unsound:?} is not the address of an image; it must start with https:// or http://");
            assert_eq!(image(unsound), Err(message));
        }
        assert!(image(&format!("https://e.com/{}", "a".repeat(URL_CHARS))).is_err());
    }

    #[test]
    fn a_row_says_what_it_lacks() {
        let (handle, title, price) = (("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "1"));
        let unpriced = the_fault(&[handle, title, ("Variant Price", "12,x")]);
        assert_eq!(unpriced, "line 2, column \"Variant Price\": \"12,x\" is not a price; write it like 19.90");
        let untitled = the_fault(&[handle, price]);
        assert_eq!(untitled, "line 2, column \"Title\": is empty; every product needs one");
        let nameless = the_fault(&[title, price]);
        assert_eq!(nameless, "line 2, column \"Handle\": is empty; every product needs one");
    }

    #[test]
    fn every_fault_names_its_line_and_column() {
        let fault = |column, cell: &str| {
            let message = the_fault(&[(column, cell), ("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "1")]);
            message.strip_prefix(&format!("line 2, column {column:?}: ")).expect("its column").to_owned()
        };
        assert_eq!(fault("Status", "live"), "\"live\" is not a status; write active, draft or archived");
        assert_eq!(fault("Published", "maybe"), "\"maybe\" is neither true nor false; write one of them");
        assert!(fault("Variant Inventory Qty", "-1").contains("is below zero"));
        assert!(fault("Image Src", "mug.png").contains("is not the address of an image"));
        assert!(fault("Variant Image", "mug.png").contains("is not the address of an image"));
        for column in ["Handle", "Title", "Vendor", "Type", "Product Category", "Variant SKU"] {
            assert_eq!(fault(column, &"é".repeat(256)), "is 256 characters long; at most 255 fit");
            assert_eq!(fault(column, "a\0b"), "contains a NUL character; remove it");
        }
        assert_eq!(fault("Body (HTML)", "a\0b"), "contains a NUL character; remove it");
        assert_eq!(fault("Body (HTML)", &"a".repeat(10_001)), "is 10001 characters long; at most 10000 fit");
        let long = fault("Option1 Value", &"é".repeat(250));
        assert_eq!(long, "with the title, the name is 256 characters long; at most 255 fit");
    }

    #[test]
    fn lengths_count_characters() {
        assert_eq!(the_product(&[("Vendor", &"é".repeat(255))]).brand.unwrap().chars().count(), 255);
        let body = format!("<p>{}</p>", "é".repeat(10_000));
        assert_eq!(the_product(&[("Body (HTML)", &body)]).description.chars().count(), 10_000);
    }

    #[test]
    fn all_faults_are_found_and_sound_products_stay() {
        let reading = of(&[
            row(&[("Handle", "a"), ("Title", "A"), ("Variant Price", "x"), ("Variant Inventory Qty", "y")]),
            row(&[("Handle", "b"), ("Title", "B"), ("Variant Price", "1")]),
            row(&[("Handle", "c"), ("Option1 Value", "Red"), ("Variant Price", "1")]),
            row(&[("Handle", "c"), ("Option1 Value", "Blue")]),
        ]);
        assert_eq!(skus(&reading), ["b"]);
        let mut places: Vec<_> = reading.faults.iter().map(|fault| (fault.line, fault.column.as_str())).collect();
        places.sort_unstable();
        assert_eq!(places, [(2, "Variant Inventory Qty"), (2, "Variant Price"), (4, "Title"), (5, "Variant Price")]);
    }

    #[test]
    fn one_sku_stands_for_one_product() {
        let cup = row(&[("Handle", "cup"), ("Title", "Cup"), ("Variant Price", "1"), ("Variant SKU", "'7")]);
        let reading = of(&[mug_with(&[("Variant SKU", "7")]), cup, mug_with(&[("Option1 Value", "Default Title")])]);
        assert_eq!(skus(&reading), ["7", "mug"]);
        let message = "\"7\" already stands for line 2; give every variant a SKU of its own";
        let fault = Fault { line: 3, column: "Variant SKU".into(), message: message.into() };
        assert_eq!(reading.faults, [fault]);
        let repeated = of(&[mug_with(&[]), mug_with(&[])]);
        assert_eq!((repeated.products.len(), repeated.faults.len()), (1, 1));
    }

    #[test]
    fn a_bad_image_row_is_a_fault_of_its_product() {
        let reading = of(&[mug_with(&[]), row(&[("Handle", "mug"), ("Image Src", "mug.png")])]);
        assert_eq!((reading.products.len(), reading.faults[0].line), (0, 3));
    }

    #[test]
    fn a_row_with_too_few_or_too_many_cells_is_a_fault() {
        let reading = read("Handle,Title,Price\nmug,Mug\ncup,Cup,1,2\njar,Jar,3\n".as_bytes(), 2).unwrap();
        assert_eq!(skus(&reading), ["jar"]);
        let message = "line 2: has 2 cells where the first line names 3 columns; check its commas and quotes";
        assert_eq!(reading.faults[0].to_string(), message);
        assert_eq!(reading.faults[1].line, 3);
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
    fn messages_quote_cells_briefly_and_harmlessly() {
        assert_eq!(shown("\u{1b}[31m"), "\"\\u{1b}[31m\"");
        assert_eq!(shown(&"9".repeat(100)).chars().count(), 43);
    }

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
