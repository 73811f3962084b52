//! The SQL of products, categories and brands.

use std::collections::BTreeMap;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
};

use super::{Brand, Category, NewProduct, Product, images::Image, stock};
use crate::shop::ids::{BrandId, CategoryId, ImageId, ProductId};

/// The columns of a [`Product`], selected from `products`.
macro_rules! product_columns {
    () => {
        "id, name, slug, sku, description, description_html, price,
         (SELECT units FROM stock WHERE product_id = id) AS stock, is_active, category_id, brand_id,
         rating_sum, review_count, created_at, updated_at"
    };
}
pub(crate) use product_columns;

/// The columns of an [`Image`].
macro_rules! image_columns {
    () => {
        "product_id, id, file, thumbnail, alt, position"
    };
}

/// A product by id; `None` when there is no such product.
///
/// # Errors
/// When the database is unavailable.
pub async fn find_product(tx: &mut Tx, id: ProductId) -> Result<Option<Product>> {
    tx.query(concat!("SELECT ", product_columns!(), " FROM products WHERE id = $1")).bind(id).fetch_optional().await
}

/// The same, locked with its stock until the transaction ends. It is read only then: a statement that waited for a lock
/// still sees the stock of the time before.
pub async fn lock_product(tx: &mut Tx, id: ProductId) -> Result<Option<Product>> {
    lock_products(tx, &[id]).await?;
    stock::lock(tx, id).await?;
    find_product(tx, id).await
}

/// Locks products, but not their stock, in the order of their ids. Inserting rows that refer to a product, as order lines,
/// does not wait.
///
/// # Errors
/// When the database is unavailable.
pub async fn lock_products(tx: &mut Tx, ids: &[ProductId]) -> Result<()> {
    let query = tx.query("SELECT id FROM products WHERE id IN").push_list(ids);
    query.push(" ORDER BY id /* FOR NO KEY UPDATE */").execute().await.map(drop)
}

/// Those of these products that exist.
///
/// # Errors
/// When the database is unavailable.
pub async fn find_products(tx: &mut Tx, ids: &[ProductId]) -> Result<BTreeMap<ProductId, Product>> {
    let found: Vec<Product> = tx
        .query(concat!("SELECT ", product_columns!(), " FROM products WHERE id IN"))
        .push_list(ids)
        .fetch_all()
        .await?;
    Ok(found.into_iter().map(|product| (product.id, product)).collect())
}

pub async fn set_description_html(tx: &mut Tx, id: ProductId, html: Option<String>) -> Result<()> {
    tx.query("UPDATE products SET description_html = $2 WHERE id = $1").bind(id).bind(html).execute().await.map(drop)
}

/// Inserts a product without stock; `None` when its slug is taken.
pub async fn insert_product(tx: &mut Tx, new: &NewProduct, slug: &str, now: Timestamp) -> Result<Option<ProductId>> {
    let id: Option<(ProductId,)> = tx
        .query(
            "INSERT INTO products (name, slug, description, price, is_active, category_id, brand_id, sku,
                               search_name, search_text, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (slug) DO NOTHING RETURNING id",
        )
        .bind(new.name.clone())
        .bind(slug.to_owned())
        .bind(new.description.clone())
        .bind(new.price)
        .bind(new.is_active)
        .bind(new.category)
        .bind(new.brand)
        .bind(new.sku.clone())
        .bind(new.name.to_lowercase())
        .bind(search_text(&new.name, &new.description))
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(id.map(|(id,)| id))
}

pub async fn update_product(tx: &mut Tx, product: &Product) -> Result<u64> {
    tx.query(
        "UPDATE products SET name = $2, description = $3, price = $4, is_active = $5, category_id = $6, brand_id = $7,
                             search_name = $8, search_text = $9, updated_at = $10
         WHERE id = $1",
    )
    .bind(product.id)
    .bind(product.name.clone())
    .bind(product.description.clone())
    .bind(product.price)
    .bind(product.is_active)
    .bind(product.category_id)
    .bind(product.brand_id)
    .bind(product.name.to_lowercase())
    .bind(search_text(&product.name, &product.description))
    .bind(product.updated_at)
    .execute()
    .await
}

/// What search looks through, by rules that do not depend on the engine.
fn search_text(name: &str, description: &str) -> String {
    format!("{name}\n{description}").to_lowercase()
}

/// Whether an order has the product. Until the transaction ends, no further order gets it.
pub async fn was_ordered(tx: &mut Tx, id: ProductId) -> Result<bool> {
    tx.query("SELECT id FROM products WHERE id = $1 /* FOR UPDATE */").bind(id).execute().await?;
    let line: Option<(i64,)> =
        tx.query("SELECT id FROM order_lines WHERE product_id = $1 LIMIT 1").bind(id).fetch_optional().await?;
    Ok(line.is_some())
}

pub async fn deactivate_product(tx: &mut Tx, id: ProductId, now: Timestamp) -> Result<()> {
    tx.query("UPDATE products SET is_active = FALSE, updated_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

pub async fn delete_product(tx: &mut Tx, id: ProductId) -> Result<()> {
    tx.query("DELETE FROM products WHERE id = $1").bind(id).execute().await.map(drop)
}

pub async fn images_of(tx: &mut Tx, id: ProductId) -> Result<Vec<Image>> {
    tx.query(concat!("SELECT ", image_columns!(), " FROM product_images WHERE product_id = $1 ORDER BY position, id"))
        .bind(id)
        .fetch_all()
        .await
}

/// The images of a page of products.
pub async fn images_of_all(tx: &mut Tx, ids: &[ProductId]) -> Result<Vec<Image>> {
    tx.query(concat!("SELECT ", image_columns!(), " FROM product_images WHERE product_id IN"))
        .push_list(ids)
        .push(" ORDER BY position, id")
        .fetch_all()
        .await
}

pub async fn count_images(tx: &mut Tx, product: ProductId) -> Result<i64> {
    let (count,) =
        tx.query("SELECT COUNT(*) FROM product_images WHERE product_id = $1").bind(product).fetch_one().await?;
    Ok(count)
}

/// Behind those that the product has.
pub async fn insert_image(
    tx: &mut Tx,
    product: ProductId,
    file: &str,
    thumbnail: Option<&str>,
    now: Timestamp,
) -> Result<Image> {
    tx.query(concat!(
        "INSERT INTO product_images (product_id, file, thumbnail, created_at, position)
         VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(position), 0) + 1 FROM product_images WHERE product_id = $1))
         RETURNING ",
        image_columns!()
    ))
    .bind(product)
    .bind(file.to_owned())
    .bind(thumbnail.map(ToOwned::to_owned))
    .bind(now)
    .fetch_one()
    .await
}

pub async fn delete_image(tx: &mut Tx, product: ProductId, id: ImageId) -> Result<Option<Image>> {
    tx.query(concat!("DELETE FROM product_images WHERE product_id = $1 AND id = $2 RETURNING ", image_columns!()))
        .bind(product)
        .bind(id)
        .fetch_optional()
        .await
}

pub async fn find_image(tx: &mut Tx, product: ProductId, id: ImageId) -> Result<Option<Image>> {
    tx.query(concat!("SELECT ", image_columns!(), " FROM product_images WHERE product_id = $1 AND id = $2"))
        .bind(product)
        .bind(id)
        .fetch_optional()
        .await
}

pub async fn set_alt(tx: &mut Tx, id: ImageId, alt: &str) -> Result<()> {
    let change = tx.query("UPDATE product_images SET alt = $2 WHERE id = $1").bind(id).bind(alt.to_owned());
    change.execute().await.map(drop)
}

pub async fn set_position(tx: &mut Tx, id: ImageId, position: i64) -> Result<()> {
    let change = tx.query("UPDATE product_images SET position = $2 WHERE id = $1").bind(id).bind(position);
    change.execute().await.map(drop)
}

/// Whether anything refers to a file.
pub async fn is_shown(tx: &mut Tx, file: &str) -> Result<bool> {
    let image: Option<(ImageId,)> = tx
        .query("SELECT id FROM product_images WHERE file = $1 LIMIT 1")
        .bind(file.to_owned())
        .fetch_optional()
        .await?;
    let logo: Option<(BrandId,)> =
        tx.query("SELECT id FROM brands WHERE logo = $1 LIMIT 1").bind(file.to_owned()).fetch_optional().await?;
    Ok(image.is_some() || logo.is_some())
}

pub async fn touch_product(tx: &mut Tx, id: ProductId, now: Timestamp) -> Result<()> {
    tx.query("UPDATE products SET updated_at = $2 WHERE id = $1").bind(id).bind(now).execute().await.map(drop)
}

/// Whether a slug is one of today, or of before.
pub async fn slug_exists(tx: &mut Tx, table: &'static str, slug: &str) -> Result<bool> {
    let query = match table {
        "categories" => tx.query("SELECT id FROM categories WHERE slug = $1"),
        "brands" => tx.query("SELECT id FROM brands WHERE slug = $1"),
        _ => tx.query(
            "SELECT id FROM products WHERE slug = $1 UNION ALL SELECT product_id FROM old_product_slugs WHERE slug = $1",
        ),
    };
    let found: Option<(i64,)> = query.bind(slug.to_owned()).fetch_optional().await?;
    Ok(found.is_some())
}

/// The product that has a slug today.
pub async fn product_of_slug(tx: &mut Tx, slug: &str) -> Result<Option<ProductId>> {
    let found: Option<(ProductId,)> =
        tx.query("SELECT id FROM products WHERE slug = $1").bind(slug.to_owned()).fetch_optional().await?;
    Ok(found.map(|(id,)| id))
}

/// The product that had a slug before, and its slug of today.
pub async fn product_of_old_slug(tx: &mut Tx, slug: &str) -> Result<Option<(ProductId, String)>> {
    tx.query("SELECT p.id, p.slug FROM old_product_slugs o JOIN products p ON p.id = o.product_id WHERE o.slug = $1")
        .bind(slug.to_owned())
        .fetch_optional()
        .await
}

pub async fn set_slug(tx: &mut Tx, id: ProductId, slug: &str) -> Result<()> {
    let change = tx.query("UPDATE products SET slug = $2 WHERE id = $1").bind(id).bind(slug.to_owned());
    change.execute().await.map(drop)
}

pub async fn keep_old_slug(tx: &mut Tx, slug: &str, product: ProductId) -> Result<()> {
    tx.query(
        "INSERT INTO old_product_slugs (slug, product_id) VALUES ($1, $2)
         ON CONFLICT (slug) DO UPDATE SET product_id = excluded.product_id",
    )
    .bind(slug.to_owned())
    .bind(product)
    .execute()
    .await
    .map(drop)
}

pub async fn forget_old_slug(tx: &mut Tx, slug: &str) -> Result<()> {
    tx.query("DELETE FROM old_product_slugs WHERE slug = $1").bind(slug.to_owned()).execute().await.map(drop)
}

pub async fn set_sku(tx: &mut Tx, id: ProductId, sku: Option<&str>) -> Result<()> {
    let change = tx.query("UPDATE products SET sku = $2 WHERE id = $1").bind(id).bind(sku.map(ToOwned::to_owned));
    change.execute().await.map(drop)
}

pub async fn find_category(tx: &mut Tx, id: CategoryId) -> Result<Option<Category>> {
    tx.query("SELECT id, name, slug, description FROM categories WHERE id = $1").bind(id).fetch_optional().await
}

/// The same, locked against being changed or deleted.
pub async fn lock_category(tx: &mut Tx, id: CategoryId) -> Result<Option<Category>> {
    tx.query("SELECT id, name, slug, description FROM categories WHERE id = $1 /* FOR UPDATE */")
        .bind(id)
        .fetch_optional()
        .await
}

pub async fn category_stays(tx: &mut Tx, id: CategoryId) -> Result<bool> {
    let found: Option<(CategoryId,)> =
        tx.query("SELECT id FROM categories WHERE id = $1 /* FOR SHARE */").bind(id).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn find_category_by_name(tx: &mut Tx, name: &str) -> Result<Option<Category>> {
    tx.query("SELECT id, name, slug, description FROM categories WHERE search_name = $1 ORDER BY id LIMIT 1")
        .bind(name.to_lowercase())
        .fetch_optional()
        .await
}

pub async fn list_categories(tx: &mut Tx, limit: i64, offset: i64) -> Result<(Vec<Category>, i64)> {
    let (total,) = tx.query("SELECT COUNT(*) FROM categories").fetch_one().await?;
    let rows = tx
        .query("SELECT id, name, slug, description FROM categories ORDER BY id LIMIT $1 OFFSET $2")
        .bind(limit)
        .bind(offset)
        .fetch_all()
        .await?;
    Ok((rows, total))
}

pub async fn insert_category(tx: &mut Tx, name: &str, slug: &str, description: &str) -> Result<Option<Category>> {
    tx.query(
        "INSERT INTO categories (name, search_name, slug, description) VALUES ($1, $2, $3, $4)
         ON CONFLICT (slug) DO NOTHING RETURNING id, name, slug, description",
    )
    .bind(name.to_owned())
    .bind(name.to_lowercase())
    .bind(slug.to_owned())
    .bind(description.to_owned())
    .fetch_optional()
    .await
}

pub async fn update_category(tx: &mut Tx, category: &Category) -> Result<u64> {
    tx.query("UPDATE categories SET name = $2, search_name = $3, slug = $4, description = $5 WHERE id = $1")
        .bind(category.id)
        .bind(category.name.clone())
        .bind(category.name.to_lowercase())
        .bind(category.slug.clone())
        .bind(category.description.clone())
        .execute()
        .await
}

pub async fn category_has_products(tx: &mut Tx, id: CategoryId) -> Result<bool> {
    let found: Option<(ProductId,)> =
        tx.query("SELECT id FROM products WHERE category_id = $1 LIMIT 1").bind(id).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn delete_category(tx: &mut Tx, id: CategoryId) -> Result<()> {
    tx.query("DELETE FROM categories WHERE id = $1").bind(id).execute().await.map(drop)
}

pub async fn find_brand(tx: &mut Tx, id: BrandId) -> Result<Option<Brand>> {
    tx.query("SELECT id, name, slug, logo FROM brands WHERE id = $1").bind(id).fetch_optional().await
}

/// The same, locked against being changed or deleted.
pub async fn lock_brand(tx: &mut Tx, id: BrandId) -> Result<Option<Brand>> {
    tx.query("SELECT id, name, slug, logo FROM brands WHERE id = $1 /* FOR UPDATE */").bind(id).fetch_optional().await
}

pub async fn brand_stays(tx: &mut Tx, id: BrandId) -> Result<bool> {
    let found: Option<(BrandId,)> =
        tx.query("SELECT id FROM brands WHERE id = $1 /* FOR SHARE */").bind(id).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn find_brand_by_name(tx: &mut Tx, name: &str) -> Result<Option<Brand>> {
    tx.query("SELECT id, name, slug, logo FROM brands WHERE search_name = $1 ORDER BY id LIMIT 1")
        .bind(name.to_lowercase())
        .fetch_optional()
        .await
}

pub async fn list_brands(tx: &mut Tx, limit: i64, offset: i64) -> Result<(Vec<Brand>, i64)> {
    let (total,) = tx.query("SELECT COUNT(*) FROM brands").fetch_one().await?;
    let rows = tx
        .query("SELECT id, name, slug, logo FROM brands ORDER BY id LIMIT $1 OFFSET $2")
        .bind(limit)
        .bind(offset)
        .fetch_all()
        .await?;
    Ok((rows, total))
}

pub async fn insert_brand(tx: &mut Tx, name: &str, slug: &str) -> Result<Option<Brand>> {
    tx.query("INSERT INTO brands (name, search_name, slug) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING RETURNING id, name, slug, logo")
        .bind(name.to_owned())
        .bind(name.to_lowercase())
        .bind(slug.to_owned())
        .fetch_optional()
        .await
}

pub async fn update_brand(tx: &mut Tx, brand: &Brand) -> Result<u64> {
    tx.query("UPDATE brands SET name = $2, search_name = $3, slug = $4 WHERE id = $1")
        .bind(brand.id)
        .bind(brand.name.clone())
        .bind(brand.name.to_lowercase())
        .bind(brand.slug.clone())
        .execute()
        .await
}

pub async fn set_logo(tx: &mut Tx, id: BrandId, logo: Option<&str>) -> Result<()> {
    let change = tx.query("UPDATE brands SET logo = $2 WHERE id = $1").bind(id).bind(logo.map(ToOwned::to_owned));
    change.execute().await.map(drop)
}

pub async fn brand_has_products(tx: &mut Tx, id: BrandId) -> Result<bool> {
    let found: Option<(ProductId,)> =
        tx.query("SELECT id FROM products WHERE brand_id = $1 LIMIT 1").bind(id).fetch_optional().await?;
    Ok(found.is_some())
}

pub async fn delete_brand(tx: &mut Tx, id: BrandId) -> Result<()> {
    tx.query("DELETE FROM brands WHERE id = $1").bind(id).execute().await.map(drop)
}

/// Whether the catalog holds any product.
///
/// # Errors
/// When the database is unavailable.
pub async fn any_products(tx: &mut Tx) -> Result<bool> {
    let found: Option<(ProductId,)> = tx.query("SELECT id FROM products LIMIT 1").fetch_optional().await?;
    Ok(found.is_some())
}
