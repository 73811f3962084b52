//! Combines the rows of each product into its variants.
//!
//! Shopify keeps the rows of one handle together, so a file is read a product at a time and needs no more memory than its
//! largest one. What all variants share is on the first row, except the images, which can be on any row.

use std::{io::Read, iter::Peekable};

use csv::StringRecord;

use super::{
    ImportedProduct, ReadError, Report, Rules, Stock,
    cells::{self, Issue},
    columns::{Column, Columns, Row},
    html::{self, TooLarge},
    rows::Rows,
};

/// A file of products, read one handle after another.
pub struct Products<R: Read> {
    rows: Peekable<Rows<R>>,
    columns: Columns,
    rules: Rules,
}

type Line = (u64, StringRecord);

impl<R: Read> Products<R> {
    pub fn new(rows: Rows<R>, columns: Columns, rules: Rules) -> Self {
        Self { rows: rows.peekable(), columns, rules }
    }

    /// The valid variants of the next product; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self, report: &mut Report) -> Result<Option<Vec<ImportedProduct>>, ReadError> {
        let Self { rows, columns, rules } = self;
        let mut handle = None;
        let mut lines: Vec<Line> = Vec::new();
        while let Some(line) =
            rows.next_if(|line| line.as_ref().is_ok_and(|line| belongs_to(handle.as_ref(), line, columns)))
        {
            let line = line?;
            if let Some(found) = report.handle(&row(&line, columns)) {
                handle = Some(found);
                lines.push(line);
            }
        }
        let Some(handle) = handle else {
            return rows.next().transpose().map(|_| None); // an error, or the end
        };
        let lines: Vec<Row> = lines.iter().map(|line| row(line, columns)).collect();
        Ok(Some(parse_group(&handle, &lines, *rules, report)))
    }
}

fn row<'a>((line, cells): &'a Line, columns: &'a Columns) -> Row<'a> {
    Row { line: *line, cells, columns }
}

/// Whether a row belongs to the product. An invalid one does not end it.
fn belongs_to(handle: Option<&String>, line: &Line, columns: &Columns) -> bool {
    handle.is_none_or(|handle| handle_of(&row(line, columns)).map_or(true, |found| found == *handle))
}

fn handle_of(row: &Row) -> Result<String, (Option<Column>, Issue)> {
    row.check().map_err(|issue| (None, issue))?;
    cells::required(row.cell(Column::Handle)).map_err(|issue| (Some(Column::Handle), issue))
}

impl Report {
    /// The value of a cell, or `None` after recording what is wrong with it.
    fn valid<T>(&mut self, row: &Row, column: Column, value: Result<T, Issue>) -> Option<T> {
        value.map_err(|issue| self.errors.add(row.line, row.columns.name(column), issue)).ok()
    }

    fn handle(&mut self, row: &Row) -> Option<String> {
        let found = handle_of(row).map_err(|(column, issue)| {
            self.errors.add(row.line, column.map_or("", |column| row.columns.name(column)), issue);
            self.skipped += 1;
        });
        found.ok()
    }

    /// Records a warning about a row.
    fn warn(&mut self, row: &Row, message: impl Into<String>) {
        self.warnings.add(row.line, "", Issue::new(message));
    }
}

/// What the variants of one handle share. It is on the first row.
struct SharedFields {
    title: String,
    description: String,
    description_html: Option<String>,
    brand: Option<String>,
    category: Option<String>,
    is_active: bool,
    is_gift_card: bool,
}

/// The rows of one handle.
struct Group<'a> {
    handle: &'a str,
    shared: Option<SharedFields>,
    images: Vec<String>,
    rules: Rules,
}

fn parse_group(handle: &str, rows: &[Row], rules: Rules, report: &mut Report) -> Vec<ImportedProduct> {
    let group = Group { handle, shared: shared_fields(&rows[0], report), images: images(rows, report), rules };
    let mut valid = Vec::new();
    for (number, row) in variant_rows(rows).into_iter().enumerate() {
        let options = row.options();
        let slug = if number == 0 { handle.to_owned() } else { format!("{handle}-{}", options.join("-")) };
        match group.variant(row, &options, slug, report) {
            Some(variant) => valid.push(variant),
            None => report.skipped += 1,
        }
    }
    valid
}

impl Group<'_> {
    fn variant(&self, row: &Row, options: &[String], slug: String, report: &mut Report) -> Option<ImportedProduct> {
        let sku = report.valid(row, Column::Sku, row.sku());
        let price = report.valid(row, Column::Price, cells::price(row.cell(Column::Price), self.rules.decimals));
        let stock = stock(row, self.rules, report);
        let own_image = image(row, Column::VariantImage, report);
        let shared = self.shared.as_ref()?;
        let key = key(self.handle, options);
        let variant = ImportedProduct {
            line: row.line,
            sku: sku?.unwrap_or_else(|| key.clone()),
            key,
            slug,
            name: name(row, &shared.title, options, report),
            description: shared.description.clone(),
            description_html: shared.description_html.clone(),
            price: price?,
            stock: stock?,
            brand: shared.brand.clone(),
            category: shared.category.clone(),
            images: with_own_first(own_image.as_ref(), &self.images),
            is_active: shared.is_active && !shared.is_gift_card,
        };
        if shared.is_gift_card {
            report.warn(row, "a gift card cannot be issued by this shop and comes in inactive");
        }
        Some(variant)
    }
}

/// The rows with variants: not those with only an image, nor a first row that only describes the product.
fn variant_rows<'r, 'a>(rows: &'r [Row<'a>]) -> Vec<&'r Row<'a>> {
    let variants: Vec<_> = rows.iter().filter(|row| !row.is_only_an_image()).collect();
    if variants.is_empty() { vec![&rows[0]] } else { variants }
}

fn shared_fields(row: &Row, report: &mut Report) -> Option<SharedFields> {
    let title = report.valid(row, Column::Title, cells::required(row.cell(Column::Title)));
    let description = report.valid(row, Column::Body, cells::description(row.cell(Column::Body)));
    let brand = report.valid(row, Column::Vendor, cells::optional(row.cell(Column::Vendor)));
    let own_type = report.valid(row, Column::Type, cells::optional(row.cell(Column::Type)));
    let category = report.valid(row, Column::Category, cells::last_of_path(row.cell(Column::Category)));
    let status = report.valid(row, Column::Status, cells::is_on_sale(row.cell(Column::Status)));
    let published = report.valid(row, Column::Published, cells::boolean(row.cell(Column::Published), true));
    let gift_card = report.valid(row, Column::GiftCard, cells::boolean(row.cell(Column::GiftCard), false));
    let (description, is_complete) = description?;
    if !is_complete {
        report.warn(row, "the description is too long and was cut short");
    }
    let description_html = html::clean(row.cell(Column::Body)).unwrap_or_else(|TooLarge| {
        report.warn(row, "the HTML of the description is too long and only its text was kept");
        None
    });
    Some(SharedFields {
        title: title?,
        description,
        description_html,
        brand: brand?,
        category: own_type?.or(category?), // the shop's own type comes before Shopify's taxonomy
        is_active: status? & published?,
        is_gift_card: gift_card?,
    })
}

/// The URLs of all images, sorted by position.
fn images(rows: &[Row], report: &mut Report) -> Vec<String> {
    let mut images = Vec::new();
    for row in rows {
        if let Some(image) = image(row, Column::Image, report) {
            images.push((cells::position(row.cell(Column::ImagePosition)), image));
        }
    }
    images.sort_by_key(|(position, _)| *position); // stable: the file's order where positions are equal
    let mut unique = Vec::new();
    for (_, image) in images {
        if !unique.contains(&image) {
            unique.push(image);
        }
    }
    unique
}

/// An image with an invalid URL is left out; its product is imported without it.
fn image(row: &Row, column: Column, report: &mut Report) -> Option<String> {
    cells::image(row.cell(column)).unwrap_or_else(|issue| {
        report.warnings.add(row.line, row.columns.name(column), issue);
        None
    })
}

fn with_own_first(own: Option<&String>, images: &[String]) -> Vec<String> {
    let others = images.iter().filter(|image| Some(*image) != own);
    own.into_iter().chain(others).cloned().collect()
}

/// `Shirt`, or `Shirt – Red / L`.
fn name(row: &Row, title: &str, options: &[String], report: &mut Report) -> String {
    if options.is_empty() {
        return title.to_owned();
    }
    let (name, is_complete) = cells::variant_name(format!("{title} – {}", options.join(" / ")));
    if !is_complete {
        report.warn(row, "the name, with the options, is too long and was cut short");
    }
    name
}

fn stock(row: &Row, rules: Rules, report: &mut Report) -> Option<Stock> {
    let quantity = report.valid(row, Column::Stock, cells::quantity(row.cell(Column::Stock)))?;
    let default = rules.stock;
    if is_untracked(row) {
        report.warn(row, format!("stock is not counted at Shopify, and is {default} here (--stock changes that)"));
        return Some(Stock::Untracked);
    }
    let Some(quantity) = quantity else {
        let message = format!(
            "the file does not say how many there are, and a new product gets {default} (--stock changes that)"
        );
        report.warn(row, message);
        return Some(Stock::Missing);
    };
    if quantity < 0 {
        let issue = Issue::with_cell(row.cell(Column::Stock), "is below zero and was taken as 0");
        report.warnings.add(row.line, row.columns.name(Column::Stock), issue);
    }
    Some(Stock::Counted(quantity.max(0)))
}

/// Shopify sells without limit what it does not track, and what can be oversold.
fn is_untracked(row: &Row) -> bool {
    let policy = row.cell(Column::Policy);
    let oversells = policy.eq_ignore_ascii_case("continue") || policy.eq_ignore_ascii_case("true");
    oversells || (row.columns.has(Column::Tracker) && row.cell(Column::Tracker).is_empty())
}

/// `mug` or `mug/red/extra-large`. Punctuation stays, as `S` and `S+` are two sizes. Cut to the maximum length of a SKU.
pub fn key(handle: &str, options: &[String]) -> String {
    const MAX_CHARS: usize = 255;
    let slug = |option: &String| option.to_lowercase().replace([' ', '/'], "-");
    let key = std::iter::once(handle.to_owned()).chain(options.iter().map(slug)).collect::<Vec<_>>().join("/");
    if key.chars().count() <= MAX_CHARS {
        return key;
    }
    let hash = format!("…{:016x}", super::hash(&key));
    key.chars().take(MAX_CHARS - hash.chars().count()).chain(hash.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        Stock,
        tests::{mug_with, of, row, skus, the_error, the_product},
    };

    #[test]
    fn variants_inherit_from_the_first_row() {
        let red = [
            ("Body (HTML)", "<p>Soft</p>"),
            ("Vendor", "Acme"),
            ("Type", "Shirts"),
            ("Status", "draft"),
            ("Option1 Value", "Red"),
            ("Option2 Value", "Extra large"),
        ];
        let blue = [("Handle", "mug"), ("Option1 Value", "Blue"), ("Option2 Value", "1/2"), ("Variant Price", "8.00")];
        let reading = of(&[mug_with(&red), row(&blue)]);
        assert_eq!(reading.errors, "");
        assert_eq!(skus(&reading), ["mug/red/extra-large", "mug/blue/1-2"]);
        let [red, blue] = &reading.products[..] else { panic!("two variants") };
        assert_eq!((red.name.as_str(), blue.name.as_str()), ("Mug – Red / Extra large", "Mug – Blue / 1/2"));
        assert_eq!((red.price.as_str(), blue.price.as_str()), ("9.50", "8.00"));
        assert_eq!((red.slug.as_str(), blue.slug.as_str()), ("mug", "mug-Blue-1/2"));
        for product in [red, blue] {
            assert_eq!((product.description.as_str(), product.is_active), ("Soft", false));
            assert_eq!(product.description_html.as_deref(), Some("<p>Soft</p>"));
            assert_eq!((product.brand.as_deref(), product.category.as_deref()), (Some("Acme"), Some("Shirts")));
        }
    }

    #[test]
    fn html_that_is_too_long_is_left_out_and_its_text_is_not() {
        let deep = format!("{}Soft", "<div>".repeat(100_000));
        for body in [format!("<p>Soft</p><p>{}</p>", "x".repeat(50_000)), deep] {
            let reading = of(&[mug_with(&[("Body (HTML)", &body)])]);
            assert!(reading.products[0].description.starts_with("Soft"));
            assert_eq!((reading.products[0].description_html.as_ref(), reading.errors.as_str()), (None, ""));
            let expected = "the HTML of the description is too long and only its text was kept: line 2";
            assert!(reading.warnings.contains(expected), "{}", reading.warnings);
        }
    }

    #[test]
    fn a_first_row_may_only_describe_the_product() {
        let small = row(&[("Handle", "shirt"), ("Option1 Value", "S"), ("Variant Price", "8")]);
        let reading = of(&[row(&[("Handle", "shirt"), ("Title", "Shirt"), ("Vendor", "Acme")]), small]);
        assert_eq!((reading.errors.as_str(), skus(&reading)), ("", vec!["shirt/s"]));
        assert_eq!(reading.products[0].name, "Shirt – S");
    }

    #[test]
    fn rows_of_one_product_are_consecutive() {
        let cup = row(&[("Handle", "cup"), ("Title", "Cup"), ("Variant Price", "3")]);
        let blue = row(&[("Handle", "mug"), ("Option1 Value", "Blue"), ("Variant Price", "8")]);
        let reading = of(&[mug_with(&[("Option1 Value", "Red")]), cup, blue]);
        assert_eq!(skus(&reading), ["mug/red", "cup"]);
        assert_eq!(reading.errors, "column \"Title\" is empty; every product needs one: line 4\n");
    }

    #[test]
    fn image_rows_are_not_products_and_their_images_are_sorted() {
        let image = |url, position| row(&[("Handle", "mug"), ("Image Src", url), ("Image Position", position)]);
        let rows = [image("https://e.com/3", ""), image("https://e.com/2", "2.0"), image("https://e.com/1", "1")];
        let reading = of(&[&[mug_with(&[])][..], &rows].concat());
        assert_eq!((reading.errors.as_str(), reading.products.len()), ("", 1));
        assert_eq!(reading.products[0].images, ["https://e.com/1", "https://e.com/2", "https://e.com/3"]);
    }

    #[test]
    fn a_bad_image_is_left_out_and_its_product_is_not() {
        let reading = of(&[mug_with(&[("Variant Image", "x")]), row(&[("Handle", "mug"), ("Image Src", "mug.png")])]);
        assert_eq!((reading.products.len(), reading.errors.as_str()), (1, ""));
        assert!(reading.warnings.contains("line 3 (\"mug.png\")") && reading.warnings.contains("line 2 (\"x\")"));
    }

    #[test]
    fn a_variant_shows_its_own_image_before_the_products() {
        let (first, own) = (("Image Src", "https://e.com/a.png"), ("Variant Image", "https://e.com/c"));
        let blue =
            [("Handle", "mug"), ("Option1 Value", "Blue"), ("Variant Price", "1"), ("Image Src", "https://e.com/c")];
        let reading = of(&[mug_with(&[("Option1 Value", "Red"), first, own]), row(&blue)]);
        let images: Vec<_> = reading.products.iter().map(|product| product.images.join(" ")).collect();
        assert_eq!(images, ["https://e.com/c https://e.com/a.png", "https://e.com/a.png https://e.com/c"]);
    }

    #[test]
    fn a_row_with_a_sku_is_a_variant_even_without_a_price() {
        let reading = of(&[mug_with(&[]), row(&[("Handle", "mug"), ("Variant SKU", "M-2")])]);
        let expected = "column \"Variant Price\" is empty; every variant needs a price, like 19.90: line 3\n";
        assert_eq!((reading.errors.as_str(), reading.skipped), (expected, 1));
    }

    #[test]
    fn the_apostrophe_before_a_numeric_sku_is_removed() {
        assert_eq!(the_product(&[("Variant SKU", "'0042")]).sku, "0042");
        assert_eq!(the_product(&[("Variant SKU", "'")]).sku, "mug");
    }

    #[test]
    fn a_duplicate_sku_is_replaced_by_handle_and_options() {
        let cup = row(&[("Handle", "cup"), ("Title", "Cup"), ("Variant Price", "1"), ("Variant SKU", "'7")]);
        let hat = row(&[("Handle", "hat"), ("Title", "Hat"), ("Variant Price", "1"), ("Variant SKU", "8")]);
        let reading = of(&[mug_with(&[("Variant SKU", "7")]), cup, hat]);
        assert_eq!((skus(&reading), reading.errors.as_str()), (vec!["mug", "cup", "8"], ""));
        assert!(reading.warnings.contains("line 3 (\"7\")"), "{}", reading.warnings);
    }

    #[test]
    fn a_sku_that_is_another_products_handle_is_replaced() {
        let named =
            |handle, sku| row(&[("Handle", handle), ("Title", "T"), ("Variant Price", "1"), ("Variant SKU", sku)]);
        assert_eq!(skus(&of(&[named("mug", "cup"), named("cup", "")])), ["mug", "cup"]);
        assert_eq!(skus(&of(&[named("cup", ""), named("mug", "cup")])), ["cup", "mug"]);
        assert_eq!(skus(&of(&[named("mug", "mug")])), ["mug"]);
    }

    #[test]
    fn handle_and_options_identify_one_variant() {
        let reading = of(&[mug_with(&[("Variant SKU", "1")]), mug_with(&[("Variant SKU", "2")])]);
        assert_eq!((skus(&reading), reading.skipped), (vec!["1"], 1));
        let expected = "handle and options stand in the file before; every variant needs its own: line 3 (\"mug\")\n";
        assert_eq!(reading.errors, expected);
    }

    #[test]
    fn errors_name_the_missing_column() {
        let (handle, title, price) = (("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "1"));
        let untitled = the_error(&[handle, price]);
        assert_eq!(untitled, "column \"Title\" is empty; every product needs one: line 2");
        let nameless = the_error(&[title, price]);
        assert_eq!(nameless, "column \"Handle\" is empty; every product needs one: line 2");
    }

    #[test]
    fn all_errors_are_found_and_valid_products_remain() {
        let reading = of(&[
            row(&[("Handle", "a"), ("Title", "A"), ("Variant Price", "x"), ("Variant Inventory Qty", "y")]),
            row(&[("Handle", "b"), ("Title", "B"), ("Variant Price", "1")]),
            row(&[("Handle", "c"), ("Option1 Value", "Red"), ("Variant Price", "1")]),
            row(&[("Handle", "c"), ("Option1 Value", "Blue")]),
        ]);
        assert_eq!((skus(&reading), reading.skipped), (vec!["b"], 3));
        for expected in ["Qty\" is not a number", "Price\" is not a price", "Title\" is empty", "Price\" is empty"] {
            assert!(reading.errors.contains(expected), "{expected}: {}", reading.errors);
        }
    }

    #[test]
    fn untracked_and_missing_stock_differ_from_counted() {
        let stock = |tracker, stock, policy| {
            let cells = [("Variant Inventory Tracker", tracker), ("Variant Inventory Qty", stock)];
            the_product(&[&cells[..], &[("Variant Inventory Policy", policy)]].concat()).stock
        };
        assert_eq!(stock("shopify", "-3", "deny"), Stock::Counted(0));
        assert_eq!(stock("shopify", "", "deny"), Stock::Missing);
        assert_eq!(stock("shopify", "12", "continue"), Stock::Untracked);
        assert_eq!(stock("", "1", "deny"), Stock::Untracked);
    }

    #[test]
    fn keys_are_cut_to_the_length_of_a_sku() {
        let long = |end: &str| super::key("mug", &["x".repeat(255), end.to_owned()]);
        assert_eq!((long("a").chars().count(), long("a") == long("b")), (255, false));
    }
}
