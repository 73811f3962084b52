//! What the shop sells: products, in categories, of brands.
//!
//! Reads are the busiest thing a shop does, so their answers are cached as the bytes that go on the wire
//! ([`platform::cache`]); a change forgets what it touched after its commit. Products that were ever ordered are never
//! deleted, only deactivated: their order lines stay true.

pub mod api;
mod cached;
pub mod currency;
pub mod images;
pub mod import;
pub mod jobs;
pub mod list;
pub mod problems;
mod search;
pub mod shopify;
pub mod slugs;
pub mod stock;
mod store;
pub mod view;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    media,
    money::Money,
    validation::{FieldError, ValidationErrors},
};
use poem_openapi::types::MaybeUndefined;

use crate::shop::ids::{BrandId, CategoryId, ProductId};

pub use cached::{Part, follow_other_processes};
use images::StoredImage;
pub(crate) use store::product_columns;
pub use store::{any_products, find_product, find_products, lock_products};

/// Why the catalog did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Another product has this SKU. Find it with `GET /api/products?sku=`.")]
    SkuTaken,
    #[error("Another product has this slug. Choose another, or leave it out.")]
    SlugTaken,
    /// A `category` or a `brand`.
    #[error("This {0} still has products. Move or delete them first.")]
    InUse(&'static str),
    #[error("A product can have at most {} images. Delete one first.", images::MAX_IMAGES)]
    TooManyImages,
    #[error("The product does not have this image.")]
    ImageNotFound,
    #[error("The upload took too long and was discarded. Send it again.")]
    UploadExpired,
    #[error("A product was deleted during its import.")]
    DeletedDuringImport,
    #[error("The prices were converted to another currency. Try again after the shop has restarted.")]
    CurrencyChanged,
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    #[error(transparent)]
    Media(#[from] media::Error),
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A product as the database keeps it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    pub slug: String,
    pub sku: Option<String>,
    pub description: String,
    /// The same as safe HTML, if it was imported as HTML.
    pub description_html: Option<String>,
    pub price: Money,
    pub stock: i64,
    pub is_active: bool,
    pub category_id: Option<CategoryId>,
    pub brand_id: Option<BrandId>,
    /// The stars of all reviews. The rating is their average, `rating_sum / review_count`. It is shown rounded to one decimal,
    /// but lists are ordered by the exact average: of two products that both show 4.5, the one with 4.54 comes before the
    /// one with 4.46.
    pub rating_sum: i64,
    pub review_count: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A product about to be made.
#[derive(Clone, Debug)]
pub struct NewProduct {
    pub name: String,
    /// Made unique, whether it is given or made from the name; [`slugs::create`] takes it as it is.
    pub slug: Option<String>,
    pub description: String,
    pub price: Money,
    pub stock: i64,
    pub is_active: bool,
    pub category: Option<CategoryId>,
    pub brand: Option<BrandId>,
    /// What the shop calls it on its shelf; also the key of imports.
    pub sku: Option<String>,
}

/// What is to be different about a product; what is `None` stays.
#[derive(Debug, Default)]
pub struct ProductChange {
    pub name: Option<String>,
    pub slug: Option<String>,
    pub sku: MaybeUndefined<String>,
    pub description: Option<String>,
    /// The same description as safe HTML; undefined: another description has none.
    pub description_html: MaybeUndefined<String>,
    pub price: Option<Money>,
    pub stock: Option<i64>,
    pub is_active: Option<bool>,
    pub category: MaybeUndefined<CategoryId>,
    pub brand: MaybeUndefined<BrandId>,
}

/// Puts a product on the shelf, with the movement that explains its stock. Its category and brand exist; see
/// [`check_parents`].
///
/// # Errors
/// When another product has its SKU.
pub async fn create_product(tx: &mut Tx, new: NewProduct, now: Timestamp) -> Result<Product> {
    let slug = free_slug(tx, "products", new.slug.as_deref().unwrap_or(&new.name)).await?;
    let refused = |error| slugs::or_taken(error, Error::SkuTaken);
    let first = store::insert_product(tx, &new, &slug, now).await.map_err(refused)?;
    let (id, slug) = if let Some(id) = first {
        (id, slug)
    } else {
        let other = random_slug(&slug);
        let id = store::insert_product(tx, &new, &other, now).await.map_err(refused)?;
        (id.ok_or(db::Error::RowNotFound)?, other)
    };
    stock::receive(tx, id, new.stock, now).await?;
    Ok(Product {
        id,
        name: new.name,
        slug,
        sku: new.sku,
        description: new.description,
        description_html: None,
        price: new.price,
        stock: new.stock,
        is_active: new.is_active,
        category_id: new.category,
        brand_id: new.brand,
        rating_sum: 0,
        review_count: 0,
        created_at: now,
        updated_at: now,
    })
}

/// Changes a product, which is locked. The difference to a new stock is a movement.
///
/// # Errors
/// When another product has the new slug or SKU.
pub async fn change_product(
    tx: &mut Tx,
    mut product: Product,
    change: ProductChange,
    now: Timestamp,
) -> Result<Product> {
    let is_rewritten = change.description.as_ref().is_some_and(|text| *text != product.description);
    if is_rewritten || !change.description_html.is_undefined() {
        product.description_html = change.description_html.take();
        store::set_description_html(tx, product.id, product.description_html.clone()).await?;
    }
    product.name = change.name.unwrap_or(product.name);
    product.description = change.description.unwrap_or(product.description);
    product.price = change.price.unwrap_or(product.price);
    product.is_active = change.is_active.unwrap_or(product.is_active);
    product.category_id = changed(change.category, product.category_id);
    product.brand_id = changed(change.brand, product.brand_id);
    product.updated_at = now;
    store::update_product(tx, &product).await?;
    if let Some(slug) = change.slug {
        slugs::change(tx, &mut product, slug).await?;
    }
    let sku = changed(change.sku, product.sku.clone());
    if sku != product.sku {
        let set = store::set_sku(tx, product.id, sku.as_deref()).await;
        set.map_err(|error| slugs::or_taken(error, Error::SkuTaken))?;
        product.sku = sku;
    }
    if let Some(stock) = change.stock {
        stock::set(tx, product.id, stock, stock::Reason::Adjusted, now).await?;
        product.stock = stock;
    }
    Ok(product)
}

fn changed<T>(change: MaybeUndefined<T>, before: Option<T>) -> Option<T> {
    match change {
        MaybeUndefined::Undefined => before,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(value) => Some(value),
    }
}

/// Adds what only the database knows to be wrong to what is wrong already, so that a client hears of it all at once.
///
/// # Errors
/// When anything is wrong.
pub async fn check_parents(
    tx: &mut Tx,
    category: Option<CategoryId>,
    brand: Option<BrandId>,
    mut errors: Vec<FieldError>,
) -> Result<()> {
    if let Some(id) = category
        && !store::category_stays(tx, id).await?
    {
        errors.push(FieldError::new("category", "unknown", "must be the id of an existing category"));
    }
    if let Some(id) = brand
        && !store::brand_stays(tx, id).await?
    {
        errors.push(FieldError::new("brand", "unknown", "must be the id of an existing brand"));
    }
    Ok(ValidationErrors(errors).into_result()?)
}

/// Takes a product out of the shop: for good if nobody ever ordered it, else out of sight.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete_product(tx: &mut Tx, id: ProductId, now: Timestamp) -> db::Result<()> {
    if store::was_ordered(tx, id).await? {
        store::deactivate_product(tx, id, now).await
    } else {
        let images = store::images_of(tx, id).await?.into_iter().map(StoredImage::from).collect();
        images::enqueue_deletion(tx, images, now).await?;
        store::delete_product(tx, id).await
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Category {
    pub id: CategoryId,
    pub name: String,
    pub slug: String,
    pub description: String,
}

/// Creates a category. Its slug is made from `slug`, or else from the name, and made unique.
///
/// # Errors
/// When the database is unavailable, or the slug and a random one were taken meanwhile.
pub async fn create_category(tx: &mut Tx, name: &str, slug: Option<&str>, description: &str) -> db::Result<Category> {
    let slug = free_slug(tx, "categories", slug.unwrap_or(name)).await?;
    match store::insert_category(tx, name, &slug, description).await? {
        Some(category) => Ok(category),
        None => store::insert_category(tx, name, &random_slug(&slug), description).await?.ok_or(db::Error::RowNotFound),
    }
}

/// # Errors
/// While products are in it.
pub async fn delete_category(tx: &mut Tx, id: CategoryId) -> Result<()> {
    if store::category_has_products(tx, id).await? {
        return Err(Error::InUse("category"));
    }
    Ok(store::delete_category(tx, id).await?)
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Brand {
    pub id: BrandId,
    pub name: String,
    pub slug: String,
    pub logo: Option<String>,
}

/// Creates a brand without a logo. Its slug is made from `slug`, or else from the name, and made unique.
///
/// # Errors
/// When the database is unavailable, or the slug and a random one were taken meanwhile.
pub async fn create_brand(tx: &mut Tx, name: &str, slug: Option<&str>) -> db::Result<Brand> {
    let slug = free_slug(tx, "brands", slug.unwrap_or(name)).await?;
    match store::insert_brand(tx, name, &slug).await? {
        Some(brand) => Ok(brand),
        None => store::insert_brand(tx, name, &random_slug(&slug)).await?.ok_or(db::Error::RowNotFound),
    }
}

/// # Errors
/// While products are of it.
pub async fn delete_brand(tx: &mut Tx, mut brand: Brand, now: Timestamp) -> Result<()> {
    if store::brand_has_products(tx, brand.id).await? {
        return Err(Error::InUse("brand"));
    }
    images::set_logo(tx, &mut brand, None, now).await?;
    Ok(store::delete_brand(tx, brand.id).await?)
}

/// A slug nobody has: `oak-shelf`, `oak-shelf-2`, … and at last one with a random end, so that a thousand products of
/// one name do not ask a thousand times.
async fn free_slug(tx: &mut Tx, table: &'static str, text: &str) -> db::Result<String> {
    let base = slug_of(text);
    for number in 1..=5 {
        let slug = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        if !store::slug_exists(tx, table, &slug).await? {
            return Ok(slug);
        }
    }
    Ok(random_slug(&base))
}

/// For when somebody else took the slug in this very moment.
fn random_slug(base: &str) -> String {
    format!("{base}-{:08x}", rand::random::<u32>())
}

/// The words of a name in lower case, joined by dashes.
fn slug_of(text: &str) -> String {
    let words = text.to_lowercase();
    let words: Vec<&str> = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(200).collect();
    if slug.is_empty() { "unnamed".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::slug_of;

    #[test]
    fn slugs_are_the_words_of_the_name() {
        assert_eq!(slug_of("Oak  Shelf, 80 cm"), "oak-shelf-80-cm");
        assert_eq!(slug_of("Café Crème"), "café-crème");
        assert_eq!(slug_of("!!!"), "unnamed");
    }
}
