//! Lists of products: filters, order and pages.

use super::{Product, search, store::product_columns};

use platform::{
    db::{Query, Result, Tx},
    http::{paging::Page, query::Column},
    money::Money,
};
pub use search::terms;

/// What a list shows. Its `Debug` text is the key it is cached under.
#[derive(Clone, Debug, Default)]
pub struct ProductFilter {
    pub terms: Vec<String>,
    /// An id or a slug.
    pub category: Option<String>,
    pub brand: Option<String>,
    pub sku: Option<String>,
    pub min_price: Option<Money>,
    pub max_price: Option<Money>,
    pub in_stock: Option<bool>,
    /// Customers only ever see what is active.
    pub is_active: Option<bool>,
    /// Some of [`COLUMNS`]; empty: the newest first, or what fits best.
    pub order: Vec<&'static str>,
}

/// What products can be ordered by. Those without a [rating](Product::rating_sum) come last either way.
pub const COLUMNS: &[Column] = &[
    ("price", " p.price,", " p.price DESC,"),
    ("name", " p.search_name,", " p.search_name DESC,"),
    ("created_at", " p.created_at,", " p.created_at DESC,"),
    (
        "rating",
        " p.rating_sum * 1.0 / NULLIF(p.review_count, 0) NULLS LAST,",
        " p.rating_sum * 1.0 / NULLIF(p.review_count, 0) DESC NULLS LAST,",
    ),
];

/// A page of products, and how many there are in all.
///
/// # Errors
/// When the database is unavailable.
pub async fn products(tx: &mut Tx, filter: &ProductFilter, page: Page) -> Result<(Vec<Product>, i64)> {
    let (total,): (i64,) = filtered(tx.query("SELECT COUNT(*) FROM products p WHERE TRUE"), filter).fetch_one().await?;
    // The page is chosen by ids alone: sorted with everything that is shown of them, 100,000 products take 60 MB.
    let columns = tx.query(concat!("SELECT ", product_columns!(), " FROM products p WHERE p.id IN"));
    let columns = columns.push(" (SELECT p.id FROM products p WHERE TRUE");
    let chosen = ordered(filtered(columns, filter), filter);
    let chosen = chosen.push_bind(" LIMIT $?", page.size).push_bind(" OFFSET $?)", page.offset());
    let rows = ordered(chosen, filter).fetch_all().await?;
    Ok((rows, total))
}

fn filtered<'a>(query: Query<'a>, filter: &ProductFilter) -> Query<'a> {
    let mut query = search::narrow(query, &filter.terms, filter.is_active);
    if let Some(category) = &filter.category {
        query = query.push_bind(" AND p.category_id IN (SELECT id FROM categories WHERE slug = $?", category.clone());
        query = query.push_bind(" OR id = $?)", category.parse::<i64>().unwrap_or(0));
    }
    if let Some(brand) = &filter.brand {
        query = query.push_bind(" AND p.brand_id IN (SELECT id FROM brands WHERE slug = $?", brand.clone());
        query = query.push_bind(" OR id = $?)", brand.parse::<i64>().unwrap_or(0));
    }
    if let Some(sku) = &filter.sku {
        query = query.push_bind(" AND p.sku = $?", sku.clone());
    }
    if let Some(price) = filter.min_price {
        query = query.push_bind(" AND p.price >= $?", price);
    }
    if let Some(price) = filter.max_price {
        query = query.push_bind(" AND p.price <= $?", price);
    }
    query = match filter.in_stock {
        Some(true) => query.push(" AND EXISTS (SELECT 1 FROM stock s WHERE s.product_id = p.id AND s.units > 0)"),
        Some(false) => query.push(" AND EXISTS (SELECT 1 FROM stock s WHERE s.product_id = p.id AND s.units = 0)"),
        None => query,
    };
    match filter.is_active {
        Some(active) => query.push_bind(" AND p.is_active = $?", active),
        None => query,
    }
}

fn ordered<'a>(query: Query<'a>, filter: &ProductFilter) -> Query<'a> {
    let query = query.push(" ORDER BY");
    if filter.order.is_empty() {
        let ranked = filter.terms.iter().fold(query, |query, term| search::rank(query, term));
        return ranked.push(" p.created_at DESC, p.id DESC");
    }
    filter.order.iter().fold(query, |query, column| query.push(column)).push(" p.id")
}
