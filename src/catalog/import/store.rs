//! The SQL of imports.

use platform::db::{Result, Tx};

use super::existing::{ExistingProduct, FileStock};
use crate::shop::ids::ProductId;

/// The products with these SKUs.
pub async fn find_by_skus(tx: &mut Tx, skus: &[String]) -> Result<Vec<ExistingProduct>> {
    tx.query(
        "SELECT p.id, p.sku, p.name, p.description, p.description_html, p.price, s.units AS stock, p.is_active,
                b.search_name AS brand, c.search_name AS category, i.source_key, i.told_stock, i.told_by_file, i.counted
         FROM products p JOIN stock s ON s.product_id = p.id LEFT JOIN brands b ON b.id = p.brand_id LEFT JOIN categories c ON c.id = p.category_id
                         LEFT JOIN imported_products i ON i.product_id = p.id
         WHERE p.sku IN",
    )
    .push_list(skus)
    .fetch_all()
    .await
}

/// The products imported with these handles and options.
pub async fn find_by_keys(tx: &mut Tx, keys: &[String]) -> Result<Vec<ExistingProduct>> {
    tx.query(
        "SELECT p.id, p.sku, p.name, p.description, p.description_html, p.price, s.units AS stock, p.is_active,
                b.search_name AS brand, c.search_name AS category, i.source_key, i.told_stock, i.told_by_file, i.counted
         FROM imported_products i JOIN products p ON p.id = i.product_id JOIN stock s ON s.product_id = p.id
                                  LEFT JOIN brands b ON b.id = p.brand_id LEFT JOIN categories c ON c.id = p.category_id
         WHERE i.source_key IN",
    )
    .push_list(keys)
    .fetch_all()
    .await
}

/// Sets the SKU of a product, unless another product has it.
pub async fn set_sku(tx: &mut Tx, product: ProductId, sku: &str) -> Result<u64> {
    tx.query(
        "UPDATE products SET sku = $2
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM products other WHERE other.sku = $2 AND other.id <> $1)",
    )
    .bind(product)
    .bind(sku.to_owned())
    .execute()
    .await
}

/// Stores the key of a product in its file and, if given, its stock there.
pub async fn save_source(tx: &mut Tx, product: ProductId, key: &str, file_stock: Option<FileStock>) -> Result<()> {
    release_key(tx, product, key).await?;
    tx.query(
        "INSERT INTO imported_products (product_id, source_key, told_stock, told_by_file) VALUES ($1, $2, $3, $4)
         ON CONFLICT (product_id) DO UPDATE SET source_key = excluded.source_key,
             told_stock = COALESCE(excluded.told_stock, imported_products.told_stock),
             told_by_file = COALESCE(excluded.told_by_file, imported_products.told_by_file)",
    )
    .bind(product)
    .bind(key.to_owned())
    .bind(file_stock.map(|stock| stock.quantity))
    .bind(file_stock.map(|stock| stock.is_explicit))
    .execute()
    .await
    .map(drop)
}

/// Stores the stock of a product in an inventory file, and its key there.
pub async fn save_count(tx: &mut Tx, product: ProductId, key: &str, counted: i64) -> Result<()> {
    release_key(tx, product, key).await?;
    tx.query(
        "INSERT INTO imported_products (product_id, source_key, counted) VALUES ($1, $2, $3)
         ON CONFLICT (product_id) DO UPDATE SET source_key = excluded.source_key, counted = excluded.counted",
    )
    .bind(product)
    .bind(key.to_owned())
    .bind(counted)
    .execute()
    .await
    .map(drop)
}

/// Removes the key from the product that had it before.
async fn release_key(tx: &mut Tx, product: ProductId, key: &str) -> Result<()> {
    tx.query("UPDATE imported_products SET source_key = NULL WHERE source_key = $1 AND product_id <> $2")
        .bind(key.to_owned())
        .bind(product)
        .execute()
        .await
        .map(drop)
}
