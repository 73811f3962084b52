//! Finds the columns by their names. Shopify has renamed several over the years, so all names are accepted, in any order.
//! Other columns are reported and ignored.

use csv::StringRecord;

use super::{
    ReadError,
    cells::{self, Issue},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Column {
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
    Tracker,
    Stock,
    Policy,
    Price,
    Image,
    ImagePosition,
    VariantImage,
    GiftCard,
    Status,
    // Of the inventory file.
    Location,
    Available,
    OnHand,
    OnHandNew,
}

use Column as C;

const ALL: [Column; 24] = [
    C::Handle,
    C::Title,
    C::Body,
    C::Vendor,
    C::Category,
    C::Type,
    C::Published,
    C::Option1,
    C::Option2,
    C::Option3,
    C::Sku,
    C::Tracker,
    C::Stock,
    C::Policy,
    C::Price,
    C::Image,
    C::ImagePosition,
    C::VariantImage,
    C::GiftCard,
    C::Status,
    C::Location,
    C::Available,
    C::OnHand,
    C::OnHandNew,
];
const REQUIRED: [Column; 3] = [C::Handle, C::Title, C::Price];
const OPTIONS: [Column; 3] = [C::Option1, C::Option2, C::Option3];
/// Columns that are read only from an inventory file; a product file may have one of the same name.
const INVENTORY_ONLY: [Column; 4] = [C::Location, C::Available, C::OnHand, C::OnHandNew];
/// Ignored without a report: a variant's name contains the values of its options, not their names.
const IGNORED_SILENTLY: [&str; 3] = ["Option1 Name", "Option2 Name", "Option3 Name"];

impl Column {
    /// The names of the column, in older exports and in newer ones.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            C::Handle => &["Handle", "URL handle"],
            C::Title => &["Title"],
            C::Body => &["Body (HTML)", "Description", "Body"],
            C::Vendor => &["Vendor"],
            C::Category => &["Product Category", "Standard Product Type", "Standardized Product Type"],
            C::Type => &["Type", "Custom Product Type"],
            C::Published => &["Published", "Published on online store"],
            C::Option1 => &["Option1 Value"],
            C::Option2 => &["Option2 Value"],
            C::Option3 => &["Option3 Value"],
            C::Sku => &["Variant SKU", "SKU"],
            C::Tracker => &["Variant Inventory Tracker", "Inventory tracker"],
            C::Stock => &["Variant Inventory Qty", "Inventory quantity"],
            C::Policy => &["Variant Inventory Policy", "Continue selling when out of stock"],
            C::Price => &["Variant Price", "Price"],
            C::Image => &["Image Src", "Product image URL"],
            C::ImagePosition => &["Image Position", "Image position"],
            C::VariantImage => &["Variant Image", "Variant image URL"],
            C::GiftCard => &["Gift Card", "Gift card"],
            C::Status => &["Status"],
            C::Location => &["Location"],
            C::Available => &["Available", "Available (not editable)"],
            C::OnHand => &["On hand", "On hand (current)"],
            C::OnHandNew => &["On hand (new)"],
        }
    }

    /// `"Handle" (or "URL handle")`
    fn described(self) -> String {
        match self.spellings() {
            [older, newer] => format!("{older:?} (or {newer:?})"),
            spellings => format!("{:?}", spellings[0]),
        }
    }
}

/// The positions of the columns in a file.
#[derive(Clone)]
pub struct Columns {
    indexes: [Option<usize>; ALL.len()],
    header: StringRecord,
}

impl Columns {
    pub fn find(header: &StringRecord) -> Result<Self, ReadError> {
        if header.iter().all(|cell| cell.trim().is_empty()) {
            return Err(ReadError::Empty);
        }
        if header.len() == 1 && header[0].contains([';', '\t']) {
            return Err(ReadError::NotCommaSeparated);
        }
        let columns = Self { indexes: ALL.map(|column| index_of(header, column)), header: header.clone() };
        let required = if columns.are_of_inventory() { &REQUIRED[..1] } else { &REQUIRED[..] };
        let missing: Vec<_> =
            required.iter().filter(|column| !columns.has(**column)).map(|column| column.described()).collect();
        if missing.is_empty() { Ok(columns) } else { Err(ReadError::MissingColumns(missing.join(", "))) }
    }

    /// Whether the file is an inventory export: it has locations and quantities, and no prices.
    pub fn are_of_inventory(&self) -> bool {
        self.has(C::Location) && (self.has(C::Available) || self.has(C::OnHand)) && !self.has(C::Price)
    }

    pub fn has(&self, column: Column) -> bool {
        self.indexes[column as usize].is_some()
    }

    pub fn name(&self, column: Column) -> &str {
        self.indexes[column as usize].map_or(column.spellings()[0], |index| self.header[index].trim())
    }

    /// The columns from which nothing is imported, as the file spells them.
    pub fn ignored(&self) -> Vec<&str> {
        let is_read = |index: usize| {
            ALL.iter().any(|column| self.indexes[*column as usize] == Some(index) && self.reads(*column))
        };
        let is_ignored = |(index, name): &(usize, &str)| {
            !is_read(*index)
                && !name.is_empty()
                && !IGNORED_SILENTLY.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        self.header.iter().map(str::trim).enumerate().filter(is_ignored).map(|(_, name)| name).collect()
    }

    fn reads(&self, column: Column) -> bool {
        let is_inventory_only = INVENTORY_ONLY.contains(&column);
        if self.are_of_inventory() {
            is_inventory_only
                || column == C::Handle
                || column == C::Title
                || column == C::Sku
                || OPTIONS.contains(&column)
        } else {
            !is_inventory_only
        }
    }
}

fn index_of(header: &StringRecord, column: Column) -> Option<usize> {
    let named = |spelling: &&str| header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(spelling));
    column.spellings().iter().find_map(named)
}

/// A row after the header.
pub struct Row<'a> {
    pub line: u64,
    pub cells: &'a StringRecord,
    pub columns: &'a Columns,
}

impl Row<'_> {
    /// The cell without the space around it; empty when the file has no such column.
    pub fn cell(&self, column: Column) -> &str {
        self.columns.indexes[column as usize].and_then(|index| self.cells.get(index)).unwrap_or_default().trim()
    }

    /// Whether the row has as many cells as the header.
    pub fn check(&self) -> Result<(), Issue> {
        let (found, expected) = (self.cells.len(), self.columns.header.len());
        if found == expected {
            return Ok(());
        }
        let message =
            format!("the row has not the {expected} cells that the first line names; check its commas and quotes");
        Err(Issue { message, found: format!("{found} cells") })
    }

    /// Whether the row has no field of a variant, so that it only adds an image to the product.
    pub fn is_only_an_image(&self) -> bool {
        [C::Price, C::Sku].into_iter().chain(OPTIONS).all(|column| self.cell(column).is_empty())
    }

    /// The option values, such as `Red` and `L`; empty for a product without variants, whose one variant Shopify
    /// calls "Default Title".
    pub fn options(&self) -> Vec<String> {
        let values = OPTIONS.map(|column| cells::one_line(self.cell(column)));
        values.into_iter().filter(|value| !value.is_empty() && value != "Default Title").collect()
    }

    /// The SKU, if it has one. Shopify puts an apostrophe before a SKU of digits, so that spreadsheets keep its zeros.
    pub fn sku(&self) -> Result<Option<String>, Issue> {
        let written = self.cell(C::Sku);
        cells::optional(written.strip_prefix('\'').unwrap_or(written))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{read, skus},
        *,
    };

    #[test]
    fn the_newer_column_names_are_understood() {
        let file = "Title,URL handle,Description,Vendor,Product category,Type,Published on online store,Status,SKU,\
            Option1 name,Option1 value,Price,Inventory tracker,Inventory quantity,Continue selling when out of stock,\
            Product image URL,Image position,Variant image URL,Gift card\n\
            Mug,mug,Fine,Acme,Home > Mugs,,FALSE,Active,M-1,Color,Red,4.00,shopify,3,DENY,https://e.com/1.png,1,\
            https://e.com/2.png,FALSE\n";
        let reading = read(file);
        assert_eq!((reading.errors.as_str(), reading.warnings.as_str()), ("", ""));
        let mug = &reading.products[0];
        assert_eq!((mug.name.as_str(), mug.sku.as_str(), mug.description.as_str()), ("Mug – Red", "M-1", "Fine"));
        assert_eq!((mug.price.as_str(), mug.stock, mug.is_active), ("4.00", super::super::Stock::Counted(3), false));
        assert_eq!((mug.category.as_deref(), mug.images.len()), (Some("Mugs"), 2));
    }

    #[test]
    fn a_byte_order_mark_and_space_around_the_names_do_not_matter() {
        let reading = read("\u{feff}Handle, title ,VARIANT PRICE\nmug,Mug,1\n");
        assert_eq!(skus(&reading), ["mug"]);
    }

    #[test]
    fn a_row_with_too_few_or_too_many_cells_is_an_error() {
        let reading = read("Handle,Title,Price\nmug,Mug\ncup,Cup,1,2\njar,Jar,3\n");
        assert_eq!(skus(&reading), ["jar"]);
        let expected = "the row has not the 3 cells that the first line names; check its commas and quotes: \
            line 2 (2 cells), line 3 (4 cells)\n";
        assert_eq!((reading.errors.as_str(), reading.skipped), (expected, 2));
    }

    #[test]
    fn ignored_columns_are_reported() {
        let ignored = |header: &str| {
            let columns = Columns::find(&header.split(',').collect()).unwrap_or_else(|error| panic!("{error}"));
            columns.ignored().join(", ")
        };
        assert_eq!(ignored("Handle,Title,Option1 Name,Tags,Price,Location"), "Tags, Location");
        assert_eq!(ignored("Handle,Title,Option1 Name,SKU,COO,Location,Available"), "COO");
    }
}
