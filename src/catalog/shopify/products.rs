//! Gathers rows into products. What the variants of a product share stands on its first row only, except that its first
//! image may come later; so nothing is final before the last row.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    Fault, ImportedProduct, Reading, cells,
    columns::{Column, Row},
};

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
pub struct Products {
    decimals: u8,
    parents: Vec<Parent>,
    by_handle: HashMap<String, usize>,
    lines_by_sku: HashMap<String, u64>,
    variants: Vec<Variant>,
    faults: Vec<Fault>,
}

impl Products {
    pub fn new(decimals: u8) -> Self {
        Self {
            decimals,
            parents: Vec::new(),
            by_handle: HashMap::new(),
            lines_by_sku: HashMap::new(),
            variants: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub fn take(&mut self, row: &Row) {
        if row.is_blank() {
            return;
        }
        if let Some(message) = row.cells_fault() {
            self.faults.push(Fault { line: row.line, column: String::new(), message });
            return;
        }
        let Some(handle) = self.cell(row, Column::Handle, cells::required) else { return };
        let known = self.by_handle.get(&handle).copied();
        let parent = known.unwrap_or_else(|| self.take_parent(row, handle));
        self.take_image(row, parent);
        if known.is_none() || !row.is_only_an_image() {
            self.take_variant(row, parent);
        }
    }

    /// What `read` finds in the cell, or its fault noted.
    fn cell<T>(&mut self, row: &Row, column: Column, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.sound(row, column, read(row.cell(column)))
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
            title: self.cell(row, Column::Title, cells::required).unwrap_or_default(),
            description: self.cell(row, Column::Body, cells::description).unwrap_or_default(),
            brand: self.cell(row, Column::Vendor, cells::optional).flatten(),
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

    /// The shop's own type comes before Shopify's taxonomy.
    fn category(&mut self, row: &Row) -> Option<String> {
        let own = self.cell(row, Column::Type, cells::optional)?;
        own.or_else(|| self.cell(row, Column::Category, cells::end_of_path).flatten())
    }

    fn is_active(&mut self, row: &Row) -> bool {
        let status = self.cell(row, Column::Status, cells::is_on_sale);
        let published = self.cell(row, Column::Published, cells::is_published);
        status == Some(true) && published == Some(true)
    }

    /// A product is shown by its first image; the others are left out.
    fn take_image(&mut self, row: &Row, parent: usize) {
        if self.parents[parent].image.is_some() {
            return;
        }
        match self.cell(row, Column::Image, cells::image) {
            Some(image) => self.parents[parent].image = image,
            None => self.parents[parent].has_fault = true,
        }
    }

    fn take_variant(&mut self, row: &Row, parent: usize) {
        let decimals = self.decimals;
        let options = row.options();
        let name = self.name(row, parent, &options);
        let sku = self.sku(row, parent, &options);
        let price = self.cell(row, Column::Price, |cell| cells::price(cell, decimals));
        let stock = self.cell(row, Column::Stock, cells::stock);
        let image = self.cell(row, Column::VariantImage, cells::image);
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
        let checked = cells::name(name).map_err(|fault| format!("with the title, the name {fault}"));
        self.sound(row, Column::Option1, checked)
    }

    fn sku(&mut self, row: &Row, parent: usize, options: &[String]) -> Option<String> {
        // Shopify puts an apostrophe before a SKU of digits, so that spreadsheets keep its zeros.
        let written = row.cell(Column::Sku);
        let written = cells::one_line(written.strip_prefix('\'').unwrap_or(written));
        let sku = if written.is_empty() { key(&self.parents[parent].handle, options) } else { written };
        let sku = self.sound(row, Column::Sku, cells::name(sku))?;
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
                Err(format!(
                    "{} already stands for line {first}; give every variant a SKU of its own",
                    cells::shown(&sku)
                ))
            }
        }
    }

    pub fn finish(self) -> Reading {
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

#[cfg(test)]
mod tests {
    use super::super::{
        Fault,
        tests::{mug_with, of, row, skus, the_fault, the_product},
    };

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
    fn a_bad_image_row_is_a_fault_of_its_product() {
        let reading = of(&[mug_with(&[]), row(&[("Handle", "mug"), ("Image Src", "mug.png")])]);
        assert_eq!((reading.products.len(), reading.faults[0].line), (0, 3));
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
    fn a_row_with_a_sku_is_a_variant_even_without_a_price() {
        let reading = of(&[mug_with(&[]), row(&[("Handle", "mug"), ("Variant SKU", "M-2")])]);
        assert_eq!((reading.faults[0].line, reading.faults[0].column.as_str()), (3, "Variant Price"));
    }

    #[test]
    fn the_apostrophe_before_a_numeric_sku_goes() {
        assert_eq!(the_product(&[("Variant SKU", "'0042")]).sku, "0042");
        assert_eq!(the_product(&[("Variant SKU", "'")]).sku, "mug");
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
}
