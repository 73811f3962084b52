//! Shopify's inventory file: how many of each variant are at each location. A shop here has one stock, their sum.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

use super::{
    ReadError, Report,
    cells::{self, Issue},
    columns::{Column, Columns, Row},
    products::key,
    rows::Rows,
};

/// The stock of a variant, at all locations together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The first line with the variant.
    pub line: u64,
    /// `None` if it has none, or a duplicate one.
    pub sku: Option<String>,
    /// Its handle and options, as an [`ImportedProduct`](super::ImportedProduct) has them.
    pub key: String,
    pub stock: i64,
}

/// The result of the first pass: the sums, by the hash of handle and options; `None` for what no location stocks.
#[derive(Default)]
pub struct Sums {
    by_product: HashMap<u64, Option<i64>>,
    /// The product of each SKU.
    skus: HashMap<u64, u64>,
    duplicate_skus: HashSet<u64>,
}

/// A valid row: the stock of a variant at one location.
struct LocationStock {
    key: String,
    sku: Option<String>,
    quantity: Option<i64>,
}

impl Sums {
    pub fn read<R: Read>(rows: Rows<R>, columns: &Columns, report: &mut Report) -> Result<Self, ReadError> {
        let mut sums = Self::default();
        for line in rows {
            let (line, cells) = line?;
            let row = Row { line, cells: &cells, columns };
            match parse(&row) {
                Ok(stock) => sums.add(&stock),
                Err((column, issue)) => {
                    report.errors.add(line, column.map_or("", |column| columns.name(column)), issue);
                    report.skipped += 1;
                }
            }
        }
        report.skipped += sums.by_product.values().filter(|sum| sum.is_none()).count();
        Ok(sums)
    }

    fn add(&mut self, stock: &LocationStock) {
        let key = super::hash(&stock.key);
        let sum = self.by_product.entry(key).or_default();
        if let Some(quantity) = stock.quantity {
            *sum = Some(sum.unwrap_or_default() + quantity);
        }
        if let Some(sku) = stock.sku.as_ref().map(|sku| super::hash(sku))
            && *self.skus.entry(sku).or_insert(key) != key
        {
            self.duplicate_skus.insert(sku);
        }
    }

    /// How many variants are counted.
    pub fn count(&self) -> usize {
        self.by_product.values().flatten().count()
    }

    /// Of the second pass: the variant of a row with its sum, at its first row.
    pub fn take_count(&mut self, row: &Row) -> Option<Count> {
        let LocationStock { key, sku, .. } = parse(row).ok()?;
        let stock = self.by_product.remove(&super::hash(&key)).flatten()?;
        let sku = sku.filter(|sku| !self.duplicate_skus.contains(&super::hash(sku)));
        Some(Count { line: row.line, sku, key, stock: stock.clamp(0, i64::from(i32::MAX)) })
    }
}

fn parse(row: &Row) -> Result<LocationStock, (Option<Column>, Issue)> {
    row.check().map_err(|issue| (None, issue))?;
    let handle = cells::required(row.cell(Column::Handle)).map_err(|issue| (Some(Column::Handle), issue))?;
    let sku = row.sku().map_err(|issue| (Some(Column::Sku), issue))?;
    Ok(LocationStock { key: key(&handle, &row.options()), sku, quantity: available(row)? })
}

/// What can be sold at a location: what is available, and the change of a new count.
fn available(row: &Row) -> Result<Option<i64>, (Option<Column>, Issue)> {
    let read = |column| match row.cell(column) {
        "not stocked" => Ok(None),
        cell => cells::quantity(cell).map_err(|issue| (Some(column), issue)),
    };
    let (available, on_hand, new) = (read(Column::Available)?, read(Column::OnHand)?, read(Column::OnHandNew)?);
    let before = available.or(on_hand);
    Ok(new.map_or(before, |new| Some(new + before.unwrap_or(0) - on_hand.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::counts, *};

    const HEADER: &str = "Handle,Title,Option1 Name,Option1 Value,SKU,Location,Committed (not editable),\
        Available (not editable),On hand (current),On hand (new)\n";

    #[test]
    fn locations_add_up() {
        let file = "mug,Mug,Color,Red,M-1,Berlin,2,8,10,\nmug,Mug,Color,Red,M-1,Paris,0,4,4,\n\
            cup,Cup,Title,Default Title,,Berlin,0,-3,-3,\ncup,Cup,Title,Default Title,,Paris,,not stocked,not stocked,\n\
            jar,Jar,Title,Default Title,J-1,Berlin,not stocked,not stocked,not stocked,\n";
        let reading = counts(&[HEADER, file].concat());
        let count = |line, sku: Option<&str>, key: &str, stock| Count {
            line,
            sku: sku.map(ToOwned::to_owned),
            key: key.to_owned(),
            stock,
        };
        assert_eq!(reading.counts, [count(2, Some("M-1"), "mug/red", 12), count(4, None, "cup", 0)]);
        assert_eq!((reading.errors.as_str(), reading.skipped), ("", 1));
    }

    #[test]
    fn a_new_count_excludes_what_is_committed() {
        let reading = counts(&[HEADER, "mug,Mug,Color,Red,M-1,Berlin,2,8,10,15\n"].concat());
        assert_eq!(reading.counts[0].stock, 13);
    }

    #[test]
    fn a_duplicate_sku_identifies_nothing() {
        let file = "mug,Mug,Color,Red,S-1,Berlin,0,1,1,\nmug,Mug,Color,Blue,S-1,Berlin,0,2,2,\n";
        let reading = counts(&[HEADER, file].concat());
        assert_eq!(reading.counts.iter().map(|count| count.sku.clone()).collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn errors_are_reported() {
        let reading = counts(&[HEADER, "mug,Mug,Color,Red,S-1,Berlin,0,many,1,\n"].concat());
        let expected =
            "column \"Available (not editable)\" is not a number of pieces; write it like 12: line 2 (\"many\")\n";
        assert_eq!((reading.errors.as_str(), reading.skipped), (expected, 1));
    }
}
