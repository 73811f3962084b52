//! Puts the products of a file on the shelf, a batch at a time: each batch is a short transaction, and on SQLite other
//! writers get their turn behind it. What a file brought is recognised when it comes again, so an import that was
//! interrupted goes on when it is started again, and what has not changed since costs a look and no write.
//!
//! Stock is not only the file's to say, because the shop goes on selling. It is set where the file says something else than
//! it said the last time (`known::LastTold`; an inventory file has a memory of its own); so nothing is given back that was sold in between.
//!
//! Within a batch the known products are locked in id order, as orders take their stock: an import and a checkout that meet
//! wait for each other and never in a circle.

mod known;
mod parents;
mod store;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Error, NewProduct, Product, ProductChange, Result, change_product, create_product,
    shopify::{Count, Findings, ImportedProduct, Wrong},
};
use crate::{
    catalog::{
        Part,
        stock::{self, Reason},
    },
    shop::{Shop, ids::ProductId},
};

use known::{Changes, Known, LastTold};
use parents::Parents;
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    money::{Amount, Currency, Money},
    validation::ValidationErrors,
};
use poem_openapi::types::MaybeUndefined;

/// How many products are looked up at a time, and at most written in one transaction.
pub const BATCH: usize = 50;
/// After how long a transaction is committed though its batch is not written yet: others wait for it.
const TURN: Duration = Duration::from_millis(100);

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// Products whose stock stayed as it is, because nobody knows what their file said the last time.
    pub stock_left: usize,
    /// Counts of variants that the shop does not have.
    pub unknown: Findings,
}

/// What the one who imports wants.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub currency: Currency,
    /// How many pieces there are of what the file has no number for.
    pub stock: i64,
    /// The stock of known products is left alone.
    pub keep_stock: bool,
}

/// A product that has to be written, and its id if the shop knows it.
type Differing = (Option<ProductId>, ImportedProduct);

/// An import under way.
pub struct Import {
    shop: Shop,
    rules: Rules,
    pub done: Imported,
}

impl Import {
    #[must_use]
    pub fn new(shop: &Shop, rules: Rules) -> Self {
        Self { shop: shop.clone(), rules, done: Imported::default() }
    }

    /// Creates or changes a batch of products. What a file leaves empty (brand, category, images, stock) stays as it is;
    /// its name, description, price and status are taken over.
    pub async fn products(&mut self, batch: Vec<ImportedProduct>) -> Result<()> {
        let mut left = self.what_differs(batch).await?;
        while !left.is_empty() {
            self.take_a_turn(&mut left).await?;
            self.shop.db.yield_to_writers().await;
        }
        Ok(())
    }

    /// The products that have to be written, those that the shop knows first and in id order. The others are counted.
    async fn what_differs(&mut self, batch: Vec<ImportedProduct>) -> Result<VecDeque<Differing>> {
        let mut tx = self.shop.db.read().await?;
        let known = known::find(&mut tx, &batch).await?;
        let mut differing = Vec::new();
        for (product, known) in batch.into_iter().zip(known) {
            match known {
                Some(known) if self.changes(&known, &product)?.is_empty() => self.done.unchanged += 1,
                known => differing.push((known.map(|known| known.id), product)),
            }
        }
        differing.sort_by_key(|(known, _)| known.map_or(i64::MAX, |id| id.0)); // stable: new ones in the file's order
        Ok(differing.into())
    }

    /// Writes until the turn is over, in one transaction.
    async fn take_a_turn(&mut self, left: &mut VecDeque<Differing>) -> Result<()> {
        let mut tx = self.shop.db.write().await?;
        let (now, began) = (self.shop.now(), Instant::now());
        let (mut parents, mut done, mut touched) = (Parents::default(), self.done.clone(), vec![Part::ProductLists]);
        while began.elapsed() < TURN
            && let Some((known, product)) = left.pop_front()
        {
            touched.extend(known.map(Part::Product));
            self.put_on_the_shelf(&mut tx, product, &mut parents, &mut done, now).await?;
        }
        self.shop.commit_and_invalidate(tx, &touched).await?;
        self.done = done;
        Ok(())
    }

    fn changes(&self, known: &Known, product: &ImportedProduct) -> Result<Changes> {
        Ok(known.changes(product, price(self.rules.currency, product)?, self.rules))
    }

    async fn put_on_the_shelf(
        &self,
        tx: &mut Tx,
        product: ImportedProduct,
        parents: &mut Parents,
        done: &mut Imported,
        now: Timestamp,
    ) -> Result<()> {
        let known = known::find(tx, std::slice::from_ref(&product)).await?.into_iter().flatten().next();
        let Some(known) = known else {
            done.created += 1;
            return self.create(tx, product, parents, now).await;
        };
        let changes = self.changes(&known, &product)?;
        done.stock_left += usize::from(changes.stock_is_left);
        if changes.is_seen() {
            done.updated += 1;
        } else {
            done.unchanged += 1;
        }
        update(tx, &known, product, &changes, parents, now).await
    }

    async fn create(&self, tx: &mut Tx, product: ImportedProduct, parents: &mut Parents, now: Timestamp) -> Result<()> {
        let told = LastTold::of(product.stock, self.rules.stock);
        let new = NewProduct {
            price: price(self.rules.currency, &product)?,
            category: parents.category(tx, product.category.as_deref()).await?,
            brand: parents.brand(tx, product.brand.as_deref()).await?,
            name: product.name,
            slug: Some(product.slug),
            description: product.description,
            stock: told.stock,
            is_active: product.is_active,
            sku: Some(product.sku),
        };
        let Product { id, .. } = create_product(tx, new, now).await?;
        if product.description_html.is_some() {
            super::store::set_description_html(tx, id, product.description_html).await?;
        }
        show(tx, id, &product.images, now).await?;
        Ok(store::remember(tx, id, &product.key, Some(told)).await?)
    }

    /// Sets the stock of a batch of variants to what was counted.
    pub async fn counts(&mut self, batch: Vec<Count>) -> Result<()> {
        let mut found = Vec::new();
        let mut reader = self.shop.db.read().await?;
        for count in batch {
            match known::find_counted(&mut reader, &count).await? {
                Some(known) if self.is_news(&known, &count) => found.push((known.id, count)),
                Some(_) => self.done.unchanged += 1,
                None => {
                    let name = count.sku.as_ref().unwrap_or(&count.key);
                    self.done.unknown.note(count.line, "", Wrong::cell(name, "the shop has no such product"));
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
        let touched: Vec<Part> = found.iter().map(|(id, _)| Part::Product(*id)).chain([Part::ProductLists]).collect();
        let counted = found.len();
        for (id, count) in found {
            if super::store::lock_product(&mut tx, id).await?.is_some() {
                stock::set(&mut tx, id, count.stock, Reason::Adjusted, now).await?;
                store::remember_count(&mut tx, id, &count.key, count.stock).await?;
            }
        }
        self.shop.commit_and_invalidate(tx, &touched).await?;
        self.done.updated += counted;
        self.shop.db.yield_to_writers().await;
        Ok(())
    }

    /// Whether a count says something else than the last one did. The first one always does.
    fn is_news(&self, known: &Known, count: &Count) -> bool {
        !self.rules.keep_stock && known.counted != Some(count.stock)
    }
}

async fn update(
    tx: &mut Tx,
    known: &Known,
    product: ImportedProduct,
    changes: &Changes,
    parents: &mut Parents,
    now: Timestamp,
) -> Result<()> {
    let Some(before) = super::store::lock_product(tx, known.id).await? else {
        return Err(Error::DeletedDuringImport);
    };
    if changes.is_seen() {
        let change = ProductChange {
            price: changes.price,
            category: parents::given(parents.category(tx, product.category.as_deref()).await?),
            brand: parents::given(parents.brand(tx, product.brand.as_deref()).await?),
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
        show(tx, known.id, &product.images, now).await?;
    }
    if changes.sku {
        store::set_sku(tx, known.id, &product.sku).await?;
    }
    Ok(store::remember(tx, known.id, &product.key, changes.told).await?)
}

fn price(currency: Currency, product: &ImportedProduct) -> Result<Money> {
    currency
        .parse(&Amount::new(product.price.as_str()))
        .map_err(|why| ValidationErrors::one("price", "amount", format!("on line {} {why}", product.line)).into())
}

/// Shows the product by the file's images: they take the place of an earlier import's and leave our own files alone.
async fn show(tx: &mut Tx, product: ProductId, images: &[String], now: Timestamp) -> db::Result<()> {
    for earlier in super::store::images_of(tx, product).await? {
        if known::is_imported(&earlier.file) {
            super::store::delete_image(tx, product, earlier.id).await?;
        }
    }
    for image in images {
        super::store::insert_image(tx, product, image, None, now).await?;
    }
    Ok(())
}
