//! The products of a file that the shop has already, and what the file changes about them.

use std::collections::HashMap;

use platform::{
    db::{self, Tx},
    money::Money,
};

use super::{Rules, store};
use crate::{
    catalog::{
        self,
        shopify::{Count, ImportedProduct, Stock},
    },
    shop::ids::ProductId,
};

/// A product as an import sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Known {
    pub id: ProductId,
    pub sku: Option<String>,
    name: String,
    description: String,
    description_html: Option<String>,
    price: Money,
    stock: i64,
    is_active: bool,
    /// The names of its brand and category, lower-cased.
    brand: Option<String>,
    category: Option<String>,
    /// Handle and options of an earlier import.
    source_key: Option<String>,
    told_stock: Option<i64>,
    told_by_file: Option<bool>,
    /// What the last inventory file said.
    pub counted: Option<i64>,
    #[sqlx(skip)]
    images: Vec<String>,
}

/// The stock that the last file of products told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTold {
    pub stock: i64,
    /// Or else it was the default for what a file does not tell.
    pub by_file: bool,
}

impl LastTold {
    pub fn of(stock: Stock, default: i64) -> Self {
        match stock {
            Stock::Counted(stock) => Self { stock, by_file: true },
            Stock::Uncounted => Self { stock: default, by_file: true },
            Stock::Untold => Self { stock: default, by_file: false },
        }
    }
}

/// What a file changes about a product.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may change")]
pub struct Changes {
    /// Its name, description, status, brand or category.
    pub fields: bool,
    pub price: Option<Money>,
    pub images: bool,
    pub sku: bool,
    pub stock: Option<i64>,
    /// What is to be remembered of the file; nothing when that is known.
    pub told: Option<LastTold>,
    pub key: bool,
    /// The stock stays what it is, other than the file has it, because nobody knows what that said the last time.
    pub stock_is_left: bool,
}

impl Changes {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        !self.is_seen() && self.told.is_none() && !self.key
    }

    /// Whether the product itself changes.
    pub fn is_seen(&self) -> bool {
        self.fields || self.price.is_some() || self.images || self.sku || self.stock.is_some()
    }
}

impl Known {
    pub fn changes(&self, product: &ImportedProduct, price: Money, rules: Rules) -> Changes {
        let mut changes = Changes {
            fields: self.name != product.name
                || self.description != product.description
                || self.description_html != product.description_html
                || self.is_active != product.is_active
                || differs(self.brand.as_ref(), product.brand.as_ref())
                || differs(self.category.as_ref(), product.category.as_ref()),
            price: (self.price != price).then_some(price),
            images: !product.images.is_empty() && self.images != product.images,
            sku: self.sku.as_ref() != Some(&product.sku),
            key: self.source_key.as_ref() != Some(&product.key),
            ..Changes::default()
        };
        if !rules.keep_stock {
            self.take_over_stock(LastTold::of(product.stock, rules.stock), &mut changes);
        }
        changes
    }

    /// Stock is set where the file says something else than the last time. A default never outweighs what a file told,
    /// and what an inventory file told stays until one of the two changes.
    fn take_over_stock(&self, now: LastTold, changes: &mut Changes) {
        let last = self.last_told();
        let was_told = self.counted.is_some() || last.is_some_and(|last| last.by_file);
        if last == Some(now) || (was_told && !now.by_file) {
            return;
        }
        changes.told = Some(now);
        match last {
            None => changes.stock_is_left = self.stock != now.stock && (now.by_file || self.stock == 0),
            Some(last) if last.stock == now.stock => {}
            Some(_) => changes.stock = Some(now.stock),
        }
    }

    fn last_told(&self) -> Option<LastTold> {
        Some(LastTold { stock: self.told_stock?, by_file: self.told_by_file? })
    }
}

/// What a file leaves empty differs from nothing.
fn differs(known: Option<&String>, told: Option<&String>) -> bool {
    told.is_some_and(|told| known != Some(&told.to_lowercase()))
}

/// Whether an image came with an import; else it is a file of ours.
pub fn is_imported(file: &str) -> bool {
    file.contains("://")
}

/// For each product, what the shop has of it: the product with its SKU, or else the one that came with its handle and
/// options.
pub async fn find(tx: &mut Tx, products: &[ImportedProduct]) -> db::Result<Vec<Option<Known>>> {
    let keys: Vec<String> = products.iter().map(|product| product.key.clone()).collect();
    let names: Vec<String> = products.iter().map(|product| product.sku.clone()).chain(keys.iter().cloned()).collect();
    let mut by_key: HashMap<String, Known> = HashMap::new();
    let mut by_sku: HashMap<String, Known> = HashMap::new();
    let mut images = HashMap::new();
    let found = [store::find_by_skus(tx, &names).await?, store::find_by_keys(tx, &keys).await?].concat();
    for known in &found {
        images.insert(known.id, Vec::new());
    }
    let ids: Vec<ProductId> = images.keys().copied().collect();
    if !ids.is_empty() {
        for image in catalog::store::images_of_all(tx, &ids).await? {
            if is_imported(&image.file) {
                images.entry(image.product_id).or_default().push(image.file);
            }
        }
    }
    for mut known in found {
        known.images = images[&known.id].clone();
        if let Some(key) = &known.source_key {
            by_key.insert(key.clone(), known.clone());
        }
        if let Some(sku) = &known.sku {
            by_sku.insert(sku.clone(), known);
        }
    }
    let known = |product: &ImportedProduct| {
        by_sku.get(&product.sku).or_else(|| by_key.get(&product.key)).or_else(|| by_sku.get(&product.key)).cloned()
    };
    Ok(products.iter().map(known).collect())
}

/// The product that was counted.
pub async fn find_counted(tx: &mut Tx, count: &Count) -> db::Result<Option<Known>> {
    let names: Vec<String> = count.sku.iter().chain([&count.key]).cloned().collect();
    let mut found = store::find_by_skus(tx, &names).await?;
    found.sort_by_key(|known| known.sku != count.sku);
    match found.into_iter().next() {
        Some(known) if known.sku == count.sku => Ok(Some(known)),
        other => {
            let by_key = store::find_by_keys(tx, std::slice::from_ref(&count.key)).await?.into_iter().next();
            Ok(by_key.or(other))
        }
    }
}
