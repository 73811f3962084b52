//! Imports the products of a file in batches: each is a short transaction, after which on SQLite other writers get their
//! turn. Imported products are recognised in later imports, so an interrupted import resumes when it is started again, and
//! an unchanged product costs a read and no write.
//!
//! The shop keeps selling after the export, so stock is set only if the file's value differs from that of the previous
//! import (`existing::FileStock`; the values of inventory files are stored separately): otherwise an import would return
//! units to the stock that were sold since.
//!
//! Within a batch the existing products are locked in id order, as orders take their stock, so that an import and a checkout
//! never deadlock.

mod existing;
mod parents;
mod store;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Error, NewProduct, Product, ProductChange, Result, change_product, create_product,
    shopify::{Count, Findings, ImportedProduct, Issue},
};
use crate::{
    catalog::{
        Part,
        stock::{self, Reason},
    },
    shop::{Shop, ids::ProductId},
};

use existing::{Changes, ExistingProduct, FileStock};
use parents::Parents;
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    money::{Amount, Currency, Money},
    validation::ValidationErrors,
};
use poem_openapi::types::MaybeUndefined;

/// How many products are looked up at a time, and the most that are written in one transaction.
pub const BATCH: usize = 50;
/// After how long a transaction is committed even if its batch is not finished, because other writers wait for it.
const MAX_TRANSACTION: Duration = Duration::from_millis(100);

/// The results of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// Products whose stock was not changed, because the value of their previous import is unknown.
    pub stock_kept: usize,
    /// Counts of products that the shop does not have.
    pub unknown: Findings,
}

/// The options of an import.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub currency: Currency,
    /// The stock of products for which the file has no value.
    pub stock: i64,
    /// Do not change the stock of existing products.
    pub keep_stock: bool,
}

/// A product to write, with its id if it exists.
type Pending = (Option<ProductId>, ImportedProduct);

/// A running import.
pub struct Import {
    shop: Shop,
    rules: Rules,
    pub summary: Summary,
}

impl Import {
    #[must_use]
    pub fn new(shop: &Shop, rules: Rules) -> Self {
        Self { shop: shop.clone(), rules, summary: Summary::default() }
    }

    /// Creates or updates a batch of products. An empty brand, category, image or stock in the file changes nothing.
    ///
    /// # Errors
    /// When the database is unavailable, or a product is invalid or was deleted meanwhile.
    pub async fn products(&mut self, batch: Vec<ImportedProduct>) -> Result<()> {
        let mut pending = self.find_pending(batch).await?;
        while !pending.is_empty() {
            self.write_some(&mut pending).await?;
            self.shop.db.yield_to_writers().await;
        }
        Ok(())
    }

    /// The products to write, the existing ones first and in id order. The unchanged ones are counted.
    async fn find_pending(&mut self, batch: Vec<ImportedProduct>) -> Result<VecDeque<Pending>> {
        let mut tx = self.shop.db.read().await?;
        let existing = existing::find(&mut tx, &batch).await?;
        let mut pending = Vec::new();
        for (product, existing) in batch.into_iter().zip(existing) {
            match existing {
                Some(existing) if self.changes(&existing, &product)?.is_empty() => self.summary.unchanged += 1,
                existing => pending.push((existing.map(|existing| existing.id), product)),
            }
        }
        pending.sort_by_key(|(existing, _)| existing.map_or(i64::MAX, |id| id.0)); // stable: new ones in the file's order
        Ok(pending.into())
    }

    /// Writes products in one transaction, for at most [`MAX_TRANSACTION`].
    async fn write_some(&mut self, pending: &mut VecDeque<Pending>) -> Result<()> {
        let mut tx = self.shop.db.write().await?;
        let (now, began) = (self.shop.now(), Instant::now());
        let (mut parents, mut summary, mut changed) = (Parents::default(), self.summary.clone(), Vec::new());
        while began.elapsed() < MAX_TRANSACTION
            && let Some((existing, product)) = pending.pop_front()
        {
            changed.extend(existing);
            self.import_product(&mut tx, product, &mut parents, &mut summary, now).await?;
        }
        self.shop.commit_and_invalidate(tx, &Part::of_products(changed)).await?;
        self.summary = summary;
        Ok(())
    }

    fn changes(&self, existing: &ExistingProduct, product: &ImportedProduct) -> Result<Changes> {
        Ok(existing.changes(product, price(self.rules.currency, product)?, self.rules))
    }

    async fn import_product(
        &self,
        tx: &mut Tx,
        product: ImportedProduct,
        parents: &mut Parents,
        summary: &mut Summary,
        now: Timestamp,
    ) -> Result<()> {
        let existing = existing::find(tx, std::slice::from_ref(&product)).await?.into_iter().flatten().next();
        let Some(existing) = existing else {
            summary.created += 1;
            return self.create(tx, product, parents, now).await;
        };
        let changes = self.changes(&existing, &product)?;
        summary.stock_kept += usize::from(changes.keeps_stock);
        if changes.affect_product() {
            summary.updated += 1;
        } else {
            summary.unchanged += 1;
        }
        update(tx, &existing, product, &changes, parents, now).await
    }

    async fn create(&self, tx: &mut Tx, product: ImportedProduct, parents: &mut Parents, now: Timestamp) -> Result<()> {
        let file_stock = FileStock::new(product.stock, self.rules.stock);
        let new = NewProduct {
            price: price(self.rules.currency, &product)?,
            category: parents.category(tx, product.category.as_deref()).await?,
            brand: parents.brand(tx, product.brand.as_deref()).await?,
            name: product.name,
            slug: Some(product.slug),
            description: product.description,
            stock: file_stock.quantity,
            is_active: product.is_active,
            sku: Some(product.sku),
        };
        let Product { id, .. } = create_product(tx, new, now).await?;
        if product.description_html.is_some() {
            super::store::set_description_html(tx, id, product.description_html).await?;
        }
        replace_images(tx, id, &product.images, now).await?;
        Ok(store::save_source(tx, id, &product.key, Some(file_stock)).await?)
    }

    /// Sets the stock of a batch of products to their counts.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn counts(&mut self, batch: Vec<Count>) -> Result<()> {
        let mut found = Vec::new();
        let mut reader = self.shop.db.read().await?;
        for count in batch {
            match existing::find_counted(&mut reader, &count).await? {
                Some(existing) if self.is_new_count(&existing, &count) => found.push((existing.id, count)),
                Some(_) => self.summary.unchanged += 1,
                None => {
                    let name = count.sku.as_ref().unwrap_or(&count.key);
                    self.summary.unknown.add(count.line, "", Issue::with_cell(name, "the shop has no such product"));
                }
            }
        }
        drop(reader);
        found.sort_unstable_by_key(|(id, _)| *id);
        if found.is_empty() {
            return Ok(());
        }
        let mut tx = self.shop.db.write().await?;
        let now = self.shop.now();
        let changed = Part::of_products(found.iter().map(|(id, _)| *id));
        let counted = found.len();
        for (id, count) in found {
            if super::store::lock_product(&mut tx, id).await?.is_some() {
                stock::set(&mut tx, id, count.stock, Reason::Adjusted, now).await?;
                store::save_count(&mut tx, id, &count.key, count.stock).await?;
            }
        }
        self.shop.commit_and_invalidate(tx, &changed).await?;
        self.summary.updated += counted;
        self.shop.db.yield_to_writers().await;
        Ok(())
    }

    /// Whether a count differs from the previous one, or is the first one.
    fn is_new_count(&self, existing: &ExistingProduct, count: &Count) -> bool {
        !self.rules.keep_stock && existing.counted != Some(count.stock)
    }
}

async fn update(
    tx: &mut Tx,
    existing: &ExistingProduct,
    product: ImportedProduct,
    changes: &Changes,
    parents: &mut Parents,
    now: Timestamp,
) -> Result<()> {
    let Some(before) = super::store::lock_product(tx, existing.id).await? else {
        return Err(Error::DeletedDuringImport);
    };
    if changes.affect_product() {
        let change = ProductChange {
            price: changes.price,
            category: parents::or_unchanged(parents.category(tx, product.category.as_deref()).await?),
            brand: parents::or_unchanged(parents.brand(tx, product.brand.as_deref()).await?),
            name: Some(product.name),
            description: Some(product.description),
            description_html: MaybeUndefined::from_opt_null(product.description_html),
            stock: changes.stock,
            is_active: Some(product.is_active),
            ..ProductChange::default()
        };
        change_product(tx, before, change, now).await?;
    }
    if changes.images {
        replace_images(tx, existing.id, &product.images, now).await?;
    }
    if changes.sku {
        store::set_sku(tx, existing.id, &product.sku).await?;
    }
    Ok(store::save_source(tx, existing.id, &product.key, changes.file_stock).await?)
}

fn price(currency: Currency, product: &ImportedProduct) -> Result<Money> {
    currency
        .parse(&Amount::new(product.price.as_str()))
        .map_err(|why| ValidationErrors::one("price", "amount", format!("on line {} {why}", product.line)).into())
}

/// Replaces the images of the previous import with those of the file. Uploaded images stay.
async fn replace_images(tx: &mut Tx, product: ProductId, images: &[String], now: Timestamp) -> db::Result<()> {
    for earlier in super::store::images_of(tx, product).await? {
        if existing::is_imported(&earlier.file) {
            super::store::delete_image(tx, product, earlier.id).await?;
        }
    }
    for image in images {
        super::store::insert_image(tx, product, image, None, now).await?;
    }
    Ok(())
}
