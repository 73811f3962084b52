//! Which column is which. Shopify has renamed several over the years, and exports of both kinds are about; columns may
//! come in any order, and those we have no use for are passed over.

use csv::StringRecord;

use super::{ReadError, cells};

#[derive(Clone, Copy)]
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

    /// `"Handle" (or "URL handle")`
    fn in_words(self) -> String {
        match self.spellings() {
            [older, newer] => format!("{older:?} (or {newer:?})"),
            spellings => format!("{:?}", spellings[0]),
        }
    }
}

/// Where the columns are in this file.
pub struct Columns {
    places: [Option<usize>; Column::ALL.len()],
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
        let columns = Self { places: Column::ALL.map(|column| place(header, column)), header: header.clone() };
        let missing = Column::REQUIRED.into_iter().filter(|column| columns.places[*column as usize].is_none());
        let missing: Vec<_> = missing.map(Column::in_words).collect();
        if missing.is_empty() { Ok(columns) } else { Err(ReadError::MissingColumns(missing.join(", "))) }
    }

    pub fn name(&self, column: Column) -> &str {
        self.places[column as usize].map_or(column.spellings()[0], |place| self.header[place].trim())
    }
}

fn place(header: &StringRecord, column: Column) -> Option<usize> {
    let named = |spelling: &&str| header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(spelling));
    column.spellings().iter().find_map(named)
}

/// A row below the first one, read by the names of that.
pub struct Row<'a> {
    pub line: u64,
    pub cells: &'a StringRecord,
    pub columns: &'a Columns,
}

impl Row<'_> {
    /// The cell without the space around it; empty when the file has no such column.
    pub fn cell(&self, column: Column) -> &str {
        self.columns.places[column as usize].and_then(|place| self.cells.get(place)).unwrap_or_default().trim()
    }

    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }

    pub fn cells_fault(&self) -> Option<String> {
        let (found, named) = (self.cells.len(), self.columns.header.len());
        (found != named).then(|| {
            format!("has {found} cells where the first line names {named} columns; check its commas and quotes")
        })
    }

    /// Rows after a product's first that say nothing a variant needs only carry one more image.
    pub fn is_only_an_image(&self) -> bool {
        [Column::Price, Column::Sku].into_iter().chain(Column::OPTIONS).all(|column| self.cell(column).is_empty())
    }

    /// What sets the variant apart, such as `Red` and `L`; nothing for a product without variants, whose one variant
    /// Shopify calls "Default Title".
    pub fn options(&self) -> Vec<String> {
        let values = Column::OPTIONS.map(|column| cells::one_line(self.cell(column)));
        values.into_iter().filter(|value| !value.is_empty() && value != "Default Title").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read, tests::skus};

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
    fn a_row_with_too_few_or_too_many_cells_is_a_fault() {
        let reading = read("Handle,Title,Price\nmug,Mug\ncup,Cup,1,2\njar,Jar,3\n".as_bytes(), 2).unwrap();
        assert_eq!(skus(&reading), ["jar"]);
        let message = "line 2: has 2 cells where the first line names 3 columns; check its commas and quotes";
        assert_eq!(reading.faults[0].to_string(), message);
        assert_eq!(reading.faults[1].line, 3);
    }
}
