//! Shopify's inventory file: how many of each variant are at each location. A shop here has one stock, their sum.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

use super::{
    ReadError, Told,
    cells::{self, Wrong},
    columns::{Column, Columns, Row},
    products::key,
    rows::Rows,
};

/// How many of a variant there are, at all locations together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Where the variant is first named.
    pub line: u64,
    /// Unless it has none, or one that repeats.
    pub sku: Option<String>,
    /// Its handle and options, as an [`ImportedProduct`](super::ImportedProduct) has them.
    pub key: String,
    pub stock: i64,
}

/// What the first reading found: the sums, by the hash of handle and options; nothing for what no location has.
#[derive(Default)]
pub struct Sums {
    by_product: HashMap<u64, Option<i64>>,
    /// Whose each SKU is.
    skus: HashMap<u64, u64>,
    repeated: HashSet<u64>,
}

/// One row that is sound.
struct At {
    key: String,
    sku: Option<String>,
    pieces: Option<i64>,
}

impl Sums {
    pub fn read<R: Read>(rows: Rows<R>, columns: &Columns, told: &mut Told) -> Result<Self, ReadError> {
        let mut all = Self::default();
        for line in rows {
            let (line, cells) = line?;
            let row = Row { line, cells: &cells, columns };
            match understand(&row) {
                Ok(at) => all.add(&at),
                Err((column, wrong)) => {
                    told.faults.note(line, column.map_or("", |column| columns.name(column)), wrong);
                    told.skipped += 1;
                }
            }
        }
        told.skipped += all.by_product.values().filter(|sum| sum.is_none()).count();
        Ok(all)
    }

    fn add(&mut self, at: &At) {
        let key = super::hash(&at.key);
        let sum = self.by_product.entry(key).or_default();
        if let Some(pieces) = at.pieces {
            *sum = Some(sum.unwrap_or_default() + pieces);
        }
        if let Some(sku) = at.sku.as_ref().map(|sku| super::hash(sku))
            && *self.skus.entry(sku).or_insert(key) != key
        {
            self.repeated.insert(sku);
        }
    }

    /// How many variants are counted.
    pub fn count(&self) -> usize {
        self.by_product.values().flatten().count()
    }

    /// Of the second reading: the variant of a row with its sum, at the first row that names it.
    pub fn settle(&mut self, row: &Row) -> Option<Count> {
        let At { key, sku, .. } = understand(row).ok()?;
        let stock = self.by_product.remove(&super::hash(&key)).flatten()?;
        let sku = sku.filter(|sku| !self.repeated.contains(&super::hash(sku)));
        Some(Count { line: row.line, sku, key, stock: stock.clamp(0, i64::from(i32::MAX)) })
    }
}

fn understand(row: &Row) -> Result<At, (Option<Column>, Wrong)> {
    row.check().map_err(|wrong| (None, wrong))?;
    let handle = cells::required(row.cell(Column::Handle)).map_err(|wrong| (Some(Column::Handle), wrong))?;
    let sku = row.sku().map_err(|wrong| (Some(Column::Sku), wrong))?;
    Ok(At { key: key(&handle, &row.options()), sku, pieces: available(row)? })
}

/// What can be sold at a location: what is available, and what a new count of the shelf adds to it.
fn available(row: &Row) -> Result<Option<i64>, (Option<Column>, Wrong)> {
    let read = |column| match row.cell(column) {
        "not stocked" => Ok(None),
        cell => cells::pieces(cell).map_err(|wrong| (Some(column), wrong)),
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
        assert_eq!((reading.faults.as_str(), reading.skipped), ("", 1));
    }

    #[test]
    fn a_new_count_of_the_shelf_leaves_out_what_is_committed() {
        let reading = counts(&[HEADER, "mug,Mug,Color,Red,M-1,Berlin,2,8,10,15\n"].concat());
        assert_eq!(reading.counts[0].stock, 13);
    }

    #[test]
    fn a_sku_that_repeats_stands_for_nothing() {
        let file = "mug,Mug,Color,Red,S-1,Berlin,0,1,1,\nmug,Mug,Color,Blue,S-1,Berlin,0,2,2,\n";
        let reading = counts(&[HEADER, file].concat());
        assert_eq!(reading.counts.iter().map(|count| count.sku.clone()).collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn faults_are_told() {
        let reading = counts(&[HEADER, "mug,Mug,Color,Red,S-1,Berlin,0,many,1,\n"].concat());
        let told =
            "column \"Available (not editable)\" is not a number of pieces; write it like 12: line 2 (\"many\")\n";
        assert_eq!((reading.faults.as_str(), reading.skipped), (told, 1));
    }
}
