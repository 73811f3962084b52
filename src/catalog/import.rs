//! Puts the products of a file on the shelf. The key is the SKU, so the same file twice changes products instead of
//! doubling them.
//!
//! Known products come first and in id order, as orders take their stock: an import and a checkout that meet wait for
//! each other and never in a circle.

use std::collections::HashMap;

use poem_openapi::types::MaybeUndefined;

use super::{
    NewProduct, Product, ProductChange, change_product, create_brand, create_category, create_product,
    shopify::ImportedProduct, store,
};
use crate::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
    ids::{BrandId, CategoryId, ProductId},
    money::{Amount, Currency, Money},
};

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub created: usize,
    pub updated: usize,
}

/// Creates or changes every product; `progress` hears of each one. What a file leaves empty (brand, category, image, stock)
/// stays as it is; its name, description, price and status are taken over.
pub async fn import(
    tx: &mut Tx,
    currency: Currency,
    products: Vec<ImportedProduct>,
    now: Timestamp,
    progress: impl Fn(),
) -> ApiResult<Imported> {
    let mut parents = Parents::default();
    let (known, new) = divide(tx, products).await?;
    let imported = Imported { created: new.len(), updated: known.len() };
    for (id, product) in known {
        update(tx, id, product, currency, &mut parents, now).await?;
        progress();
    }
    for product in new {
        create(tx, product, currency, &mut parents, now).await?;
        progress();
    }
    Ok(imported)
}

/// The products the shop knows, in id order, and those it does not, in the file's.
async fn divide(
    tx: &mut Tx,
    products: Vec<ImportedProduct>,
) -> db::Result<(Vec<(ProductId, ImportedProduct)>, Vec<ImportedProduct>)> {
    let (mut known, mut new) = (Vec::new(), Vec::new());
    for product in products {
        match store::find_by_sku(tx, &product.sku).await? {
            Some(id) => known.push((id, product)),
            None => new.push(product),
        }
    }
    known.sort_unstable_by_key(|(id, _)| *id);
    Ok((known, new))
}

async fn create(
    tx: &mut Tx,
    product: ImportedProduct,
    currency: Currency,
    parents: &mut Parents,
    now: Timestamp,
) -> ApiResult<()> {
    let new = NewProduct {
        price: price(currency, &product)?,
        category: parents.category(tx, product.category.as_deref()).await?,
        brand: parents.brand(tx, product.brand.as_deref()).await?,
        name: product.name,
        slug: None,
        description: product.description,
        stock: product.stock.unwrap_or(0),
        is_active: product.is_active,
        sku: Some(product.sku),
    };
    let created = create_product(tx, new, now).await?;
    show(tx, created.id, product.image, now).await?;
    Ok(())
}

async fn update(
    tx: &mut Tx,
    id: ProductId,
    product: ImportedProduct,
    currency: Currency,
    parents: &mut Parents,
    now: Timestamp,
) -> ApiResult<()> {
    let Some(before) = store::lock_product(tx, id).await? else {
        return create(tx, product, currency, parents, now).await; // deleted in this very moment
    };
    let change = ProductChange {
        price: Some(price(currency, &product)?),
        category: given(parents.category(tx, product.category.as_deref()).await?),
        brand: given(parents.brand(tx, product.brand.as_deref()).await?),
        name: Some(product.name),
        description: Some(product.description),
        stock: product.stock,
        is_active: Some(product.is_active),
        ..ProductChange::default()
    };
    let Product { id, .. } = change_product(tx, before, change, now).await?;
    show(tx, id, product.image, now).await?;
    Ok(())
}

fn price(currency: Currency, product: &ImportedProduct) -> ApiResult<Money> {
    currency
        .parse(&Amount::new(product.price.as_str()))
        .map_err(|why| Problem::invalid_field("price", "amount", format!("on line {} {why}", product.line)))
}

fn given<T>(value: Option<T>) -> MaybeUndefined<T> {
    value.map_or(MaybeUndefined::Undefined, MaybeUndefined::Value)
}

/// Shows the product by the file's image: it takes the place of an earlier import's and leaves our own files alone.
async fn show(tx: &mut Tx, product: ProductId, image: Option<String>, now: Timestamp) -> db::Result<()> {
    let Some(image) = image else { return Ok(()) };
    let shown = store::images_of(tx, product).await?;
    if shown.iter().any(|shown| shown.file == image) {
        return Ok(());
    }
    for earlier in shown.iter().filter(|shown| shown.file.contains("://")) {
        store::delete_image(tx, product, earlier.id).await?;
    }
    store::insert_image(tx, product, &image, None, now).await.map(drop)
}

/// Brands and categories by name, whatever its case; each is looked for once and made when missing.
#[derive(Default)]
struct Parents {
    brands: HashMap<String, BrandId>,
    categories: HashMap<String, CategoryId>,
}

impl Parents {
    async fn brand(&mut self, tx: &mut Tx, name: Option<&str>) -> db::Result<Option<BrandId>> {
        let Some(name) = name else { return Ok(None) };
        if let Some(id) = self.brands.get(&name.to_lowercase()) {
            return Ok(Some(*id));
        }
        let brand = match store::find_brand_by_name(tx, name).await? {
            Some(brand) => brand,
            None => create_brand(tx, name, None).await?,
        };
        self.brands.insert(name.to_lowercase(), brand.id);
        Ok(Some(brand.id))
    }

    async fn category(&mut self, tx: &mut Tx, name: Option<&str>) -> db::Result<Option<CategoryId>> {
        let Some(name) = name else { return Ok(None) };
        if let Some(id) = self.categories.get(&name.to_lowercase()) {
            return Ok(Some(*id));
        }
        let category = match store::find_category_by_name(tx, name).await? {
            Some(category) => category,
            None => create_category(tx, name, None, "").await?,
        };
        self.categories.insert(name.to_lowercase(), category.id);
        Ok(Some(category.id))
    }
}
