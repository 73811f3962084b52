//! The SQL of reviews.

use platform::{
    clock::Timestamp,
    db::{Query, Result, Tx},
};

use super::{Rating, Review, ReviewFilter};
use crate::shop::ids::{OrderId, ProductId, ReviewId, UserId};

/// One page of reviews, and how many there are. `order` are columns, each with its comma; without any the newest come
/// first.
pub async fn list(
    tx: &mut Tx,
    of: ReviewFilter,
    order: &[&'static str],
    limit: i64,
    offset: i64,
) -> Result<(Vec<Review>, i64)> {
    let (total,) = filtered(tx.query("SELECT COUNT(*) FROM reviews r WHERE TRUE"), of).fetch_one().await?;
    let rows = tx
        .query(
            "SELECT r.id, r.product_id, r.user_id, u.first_name, u.last_name, r.rating, r.comment, r.created_at, r.updated_at,
                    p.is_active AS is_public
             FROM reviews r JOIN users u ON u.id = r.user_id JOIN products p ON p.id = r.product_id
             WHERE TRUE",
        );
    let rows = filtered(rows, of).push(" ORDER BY");
    let rows = match order {
        [] => rows.push(" r.created_at DESC, r.id DESC"),
        columns => columns.iter().fold(rows, |rows, column| rows.push(column)).push(" r.id"),
    };
    Ok((rows.push_bind(" LIMIT $?", limit).push_bind(" OFFSET $?", offset).fetch_all().await?, total))
}

fn filtered(query: Query<'_>, of: ReviewFilter) -> Query<'_> {
    let query = match of.product {
        Some(product) => query.push_bind(" AND r.product_id = $?", product),
        None => query,
    };
    let query = match of.user {
        Some(user) => query.push_bind(" AND r.user_id = $?", user),
        None => query,
    };
    match of.rating {
        Some(rating) => query.push_bind(" AND r.rating = $?", rating),
        None => query,
    }
}

/// Locked, so that changes of one review follow one another.
pub async fn lock(tx: &mut Tx, id: ReviewId) -> Result<Option<Review>> {
    tx.query(
        "SELECT r.id, r.product_id, r.user_id, u.first_name, u.last_name, r.rating, r.comment, r.created_at, r.updated_at,
                p.is_active AS is_public
         FROM reviews r JOIN users u ON u.id = r.user_id JOIN products p ON p.id = r.product_id
         WHERE r.id = $1 /* FOR UPDATE OF r */",
    )
    .bind(id)
    .fetch_optional().await
}

/// Locks the product of a review, if there is one.
pub async fn lock_product(tx: &mut Tx, review: ReviewId) -> Result<()> {
    let product = "SELECT p.id FROM products p JOIN reviews r ON r.product_id = p.id WHERE r.id = $1 /* FOR NO KEY UPDATE OF p */";
    tx.query(product).bind(review).execute().await.map(drop)
}

/// A user's reviews of the products of an order, locked, in the order of product ids.
pub async fn lock_of_order(tx: &mut Tx, user: UserId, order: OrderId) -> Result<Vec<Rating>> {
    tx.query(
        "SELECT id, product_id, rating FROM reviews
         WHERE user_id = $1 AND product_id IN (SELECT product_id FROM order_lines WHERE order_id = $2)
         ORDER BY product_id /* FOR UPDATE */",
    )
    .bind(user)
    .bind(order)
    .fetch_all()
    .await
}

/// The same as [`has_bought`], with the order locked against being cancelled.
pub async fn lock_purchase(tx: &mut Tx, user: UserId, product: ProductId) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query(
            "SELECT o.id FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.user_id = $1 AND l.product_id = $2 AND o.status <> 'cancelled' LIMIT 1 /* FOR SHARE OF o */",
        )
        .bind(user)
        .bind(product)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

pub async fn has_bought(tx: &mut Tx, user: UserId, product: ProductId) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query(
            "SELECT o.id FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.user_id = $1 AND l.product_id = $2 AND o.status <> 'cancelled' LIMIT 1",
        )
        .bind(user)
        .bind(product)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

/// The id of the new review; `None` when the user has reviewed the product already.
pub async fn insert(
    tx: &mut Tx,
    product: ProductId,
    user: UserId,
    rating: i64,
    comment: &str,
    now: Timestamp,
) -> Result<Option<ReviewId>> {
    let made: Option<(ReviewId,)> = tx
        .query(
            "INSERT INTO reviews (product_id, user_id, rating, comment, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (product_id, user_id) DO NOTHING RETURNING id",
        )
        .bind(product)
        .bind(user)
        .bind(rating)
        .bind(comment.to_owned())
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(made.map(|(id,)| id))
}

pub async fn update(tx: &mut Tx, id: ReviewId, rating: i64, comment: &str, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE reviews SET rating = $2, comment = $3, updated_at = $4 WHERE id = $1")
        .bind(id)
        .bind(rating)
        .bind(comment.to_owned())
        .bind(now)
        .execute()
        .await
}

pub async fn delete(tx: &mut Tx, id: ReviewId) -> Result<u64> {
    tx.query("DELETE FROM reviews WHERE id = $1").bind(id).execute().await
}

/// Adds to the product's sum and number of ratings.
pub async fn add_rating(tx: &mut Tx, product: ProductId, rating: i64, reviews: i64) -> Result<()> {
    tx.query("UPDATE products SET rating_sum = rating_sum + $2, review_count = review_count + $3 WHERE id = $1")
        .bind(product)
        .bind(rating)
        .bind(reviews)
        .execute()
        .await
        .map(drop)
}
