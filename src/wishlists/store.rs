//! The SQL of wishlists.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
};

use super::Entry;
use crate::{
    catalog::product_columns,
    shop::ids::{ProductId, UserId},
};

/// One page of a user's list, the latest first, and how many products are on it. Only active products.
pub async fn list(tx: &mut Tx, user: UserId, limit: i64, offset: i64) -> Result<(Vec<Entry>, i64)> {
    let (total,) = tx
        .query(
            "SELECT COUNT(*) FROM wishlist_entries w JOIN products p ON p.id = w.product_id
             WHERE w.user_id = $1 AND p.is_active",
        )
        .bind(user)
        .fetch_one()
        .await?;
    let rows = tx
        .query(concat!(
            "SELECT ",
            product_columns!(),
            ", added_at
             FROM wishlist_entries w JOIN products p ON p.id = w.product_id
             WHERE w.user_id = $1 AND p.is_active ORDER BY w.added_at DESC, p.id DESC LIMIT $2 OFFSET $3"
        ))
        .bind(user)
        .bind(limit)
        .bind(offset)
        .fetch_all()
        .await?;
    Ok((rows, total))
}

pub async fn insert(tx: &mut Tx, user: UserId, product: ProductId, now: Timestamp) -> Result<u64> {
    tx.query("INSERT INTO wishlist_entries (user_id, product_id, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(user)
        .bind(product)
        .bind(now)
        .execute()
        .await
}

pub async fn added_at(tx: &mut Tx, user: UserId, product: ProductId) -> Result<Timestamp> {
    let (added_at,) = tx
        .query("SELECT added_at FROM wishlist_entries WHERE user_id = $1 AND product_id = $2")
        .bind(user)
        .bind(product)
        .fetch_one()
        .await?;
    Ok(added_at)
}

pub async fn delete(tx: &mut Tx, user: UserId, product: ProductId) -> Result<u64> {
    tx.query("DELETE FROM wishlist_entries WHERE user_id = $1 AND product_id = $2")
        .bind(user)
        .bind(product)
        .execute()
        .await
}

pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.query("DELETE FROM wishlist_entries WHERE user_id = $1").bind(user).execute().await
}
