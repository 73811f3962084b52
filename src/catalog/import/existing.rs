//! The products of a file that already exist in the shop, and what the file changes about them.

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
pub struct ExistingProduct {
    pub id: ProductId,
    pub sku: Option<String>,
    name: String,
    description: String,
    description_html: Option<String>,
    price: Money,
    stock: i64,
    is_active: bool,
    /// The names of its brand and category, in lower case.
    brand: Option<String>,
    category: Option<String>,
    /// The handle and options of an earlier import.
    source_key: Option<String>,
    /// The stock in the last product file. The columns have older names.
    #[sqlx(rename = "told_stock")]
    file_quantity: Option<i64>,
    #[sqlx(rename = "told_by_file")]
    file_is_explicit: Option<bool>,
    /// The stock in the last inventory file.
    pub counted: Option<i64>,
    #[sqlx(skip)]
    images: Vec<String>,
}

/// The stock of a product according to a product file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStock {
    pub quantity: i64,
    /// False if the file has no value, so that `quantity` is the default.
    pub is_explicit: bool,
}

impl FileStock {
    pub fn new(stock: Stock, default: i64) -> Self {
        match stock {
            Stock::Counted(quantity) => Self { quantity, is_explicit: true },
            Stock::Untracked => Self { quantity: default, is_explicit: true },
            Stock::Missing => Self { quantity: default, is_explicit: false },
        }
    }
}

/// What a file changes about a product.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one part of a product")]
pub struct Changes {
    /// Its name, description, status, brand or category.
    pub fields: bool,
    pub price: Option<Money>,
    pub images: bool,
    pub sku: bool,
    pub stock: Option<i64>,
    /// The stock to store for comparison with the next file; `None` if it is unchanged.
    pub file_stock: Option<FileStock>,
    pub key: bool,
    /// The stock differs from the file but is not changed, because the value of the previous import is unknown.
    pub keeps_stock: bool,
}

impl Changes {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        !self.affect_product() && self.file_stock.is_none() && !self.key
    }

    /// Whether the product itself changes, and not only what is stored about its import.
    pub fn affect_product(&self) -> bool {
        self.fields || self.price.is_some() || self.images || self.sku || self.stock.is_some()
    }
}

impl ExistingProduct {
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
            self.compare_stock(FileStock::new(product.stock, rules.stock), &mut changes);
        }
        changes
    }

    /// Stock is set if the value in the file differs from that of the previous import. A default never replaces the value of
    /// a file, and the value of an inventory file stays until one of the two files changes.
    fn compare_stock(&self, now: FileStock, changes: &mut Changes) {
        let last = self.last_file_stock();
        let was_explicit = self.counted.is_some() || last.is_some_and(|last| last.is_explicit);
        if last == Some(now) || (was_explicit && !now.is_explicit) {
            return;
        }
        changes.file_stock = Some(now);
        match last {
            None => changes.keeps_stock = self.stock != now.quantity && (now.is_explicit || self.stock == 0),
            Some(last) if last.quantity == now.quantity => {}
            Some(_) => changes.stock = Some(now.quantity),
        }
    }

    fn last_file_stock(&self) -> Option<FileStock> {
        Some(FileStock { quantity: self.file_quantity?, is_explicit: self.file_is_explicit? })
    }
}

/// An empty cell changes nothing.
fn differs(existing: Option<&String>, imported: Option<&String>) -> bool {
    imported.is_some_and(|imported| existing != Some(&imported.to_lowercase()))
}

/// Whether an image is a URL from an import, rather than the name of a stored file.
pub fn is_imported(file: &str) -> bool {
    file.contains("://")
}

/// For each product the existing one: the product with its SKU, or else the one imported with its handle and options.
pub async fn find(tx: &mut Tx, products: &[ImportedProduct]) -> db::Result<Vec<Option<ExistingProduct>>> {
    let keys: Vec<String> = products.iter().map(|product| product.key.clone()).collect();
    let names: Vec<String> = products.iter().map(|product| product.sku.clone()).chain(keys.iter().cloned()).collect();
    let mut by_key: HashMap<String, ExistingProduct> = HashMap::new();
    let mut by_sku: HashMap<String, ExistingProduct> = HashMap::new();
    let mut images = HashMap::new();
    let found = [store::find_by_skus(tx, &names).await?, store::find_by_keys(tx, &keys).await?].concat();
    for existing in &found {
        images.insert(existing.id, Vec::new());
    }
    let ids: Vec<ProductId> = images.keys().copied().collect();
    if !ids.is_empty() {
        for image in catalog::store::images_of_all(tx, &ids).await? {
            if is_imported(&image.file) {
                images.entry(image.product_id).or_default().push(image.file);
            }
        }
    }
    for mut existing in found {
        existing.images = images[&existing.id].clone();
        if let Some(key) = &existing.source_key {
            by_key.insert(key.clone(), existing.clone());
        }
        if let Some(sku) = &existing.sku {
            by_sku.insert(sku.clone(), existing);
        }
    }
    let existing = |product: &ImportedProduct| {
        by_sku.get(&product.sku).or_else(|| by_key.get(&product.key)).or_else(|| by_sku.get(&product.key)).cloned()
    };
    Ok(products.iter().map(existing).collect())
}

/// The product of a count in an inventory file.
pub async fn find_counted(tx: &mut Tx, count: &Count) -> db::Result<Option<ExistingProduct>> {
    let names: Vec<String> = count.sku.iter().chain([&count.key]).cloned().collect();
    let mut found = store::find_by_skus(tx, &names).await?;
    found.sort_by_key(|existing| existing.sku != count.sku);
    match found.into_iter().next() {
        Some(existing) if existing.sku == count.sku => Ok(Some(existing)),
        other => {
            let by_key = store::find_by_keys(tx, std::slice::from_ref(&count.key)).await?.into_iter().next();
            Ok(by_key.or(other))
        }
    }
}
