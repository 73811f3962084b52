//! The SQL of carts.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
};

use super::{Cart, CartItem};
use crate::shop::ids::{CartId, CartItemId, ProductId, UserId};

pub async fn find(tx: &mut Tx, id: CartId) -> Result<Option<Cart>> {
    tx.query("SELECT id, user_id, created_at FROM carts WHERE id = $1").bind(id).fetch_optional().await
}

/// Locked, so that two changes of one cart, or a change and an order from it, follow one another. It counts as changed now.
pub async fn lock(tx: &mut Tx, id: CartId, now: Timestamp) -> Result<Option<Cart>> {
    tx.query("UPDATE carts SET updated_at = $2 WHERE id = $1 RETURNING id, user_id, created_at")
        .bind(id)
        .bind(now)
        .fetch_optional()
        .await
}

/// The cart of a user; `None` when they have none.
///
/// # Errors
/// When the database is unavailable.
pub async fn find_of(tx: &mut Tx, user: UserId) -> Result<Option<Cart>> {
    tx.query("SELECT id, user_id, created_at FROM carts WHERE user_id = $1").bind(user).fetch_optional().await
}

/// The cart of a user, locked in the same way, or a new one with this id.
pub async fn lock_or_insert(tx: &mut Tx, id: CartId, user: UserId, now: Timestamp) -> Result<Cart> {
    tx.query(
        "INSERT INTO carts (id, user_id, created_at, updated_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (user_id) DO UPDATE SET updated_at = excluded.updated_at RETURNING id, user_id, created_at",
    )
    .bind(id)
    .bind(user)
    .bind(now)
    .fetch_one()
    .await
}

pub async fn insert_anonymous(tx: &mut Tx, id: CartId, now: Timestamp) -> Result<Cart> {
    tx.query("INSERT INTO carts (id, created_at, updated_at) VALUES ($1, $2, $2) RETURNING id, user_id, created_at")
        .bind(id)
        .bind(now)
        .fetch_one()
        .await
}

/// The items of a cart, in the order in which they were added.
///
/// # Errors
/// When the database is unavailable.
pub async fn items(tx: &mut Tx, cart: CartId) -> Result<Vec<CartItem>> {
    tx.query(
        "SELECT i.id, i.product_id, p.name, p.price, i.quantity, s.units AS stock, p.is_active
         FROM cart_items i JOIN products p ON p.id = i.product_id JOIN stock s ON s.product_id = p.id WHERE i.cart_id = $1 ORDER BY i.id",
    )
    .bind(cart)
    .fetch_all()
    .await
}

/// What decides whether a product can be added to a cart.
#[derive(sqlx::FromRow)]
pub struct Candidate {
    pub name: String,
    pub stock: i64,
    /// How many units are in the cart; `None` when none are.
    pub quantity: Option<i64>,
    /// How many products are in the cart.
    pub lines: i64,
}

/// An active product as a candidate for a cart.
pub async fn candidate(tx: &mut Tx, cart: CartId, product: ProductId) -> Result<Option<Candidate>> {
    tx.query(
        "SELECT p.name, s.units AS stock, i.quantity, (SELECT COUNT(*) FROM cart_items WHERE cart_id = $1) AS lines
         FROM products p JOIN stock s ON s.product_id = p.id
                         LEFT JOIN cart_items i ON i.product_id = p.id AND i.cart_id = $1
         WHERE p.id = $2 AND p.is_active",
    )
    .bind(cart)
    .bind(product)
    .fetch_optional()
    .await
}

pub async fn quantity_of(tx: &mut Tx, cart: CartId, product: ProductId) -> Result<Option<i64>> {
    let found: Option<(i64,)> = tx
        .query("SELECT quantity FROM cart_items WHERE cart_id = $1 AND product_id = $2")
        .bind(cart)
        .bind(product)
        .fetch_optional()
        .await?;
    Ok(found.map(|(quantity,)| quantity))
}

pub async fn set_quantity(tx: &mut Tx, cart: CartId, product: ProductId, quantity: i64) -> Result<u64> {
    tx.query(
        "INSERT INTO cart_items (cart_id, product_id, quantity) VALUES ($1, $2, $3)
         ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = excluded.quantity",
    )
    .bind(cart)
    .bind(product)
    .bind(quantity)
    .execute()
    .await
}

pub async fn remove(tx: &mut Tx, cart: CartId, item: CartItemId) -> Result<u64> {
    tx.query("DELETE FROM cart_items WHERE cart_id = $1 AND id = $2").bind(cart).bind(item).execute().await
}

/// Empties the cart of a user, and returns what was in it. The cart is locked: of two orders from it, the second finds it
/// empty. A product that is added for the first time while this waits for the lock stays in the cart.
///
/// # Errors
/// When the database is unavailable.
pub async fn take_items(tx: &mut Tx, user: UserId) -> Result<Vec<(ProductId, i64)>> {
    tx.query(
        "DELETE FROM cart_items WHERE cart_id = (SELECT id FROM carts WHERE user_id = $1 /* FOR UPDATE */)
         RETURNING product_id, quantity",
    )
    .bind(user)
    .fetch_all()
    .await
}

/// Empties a cart.
///
/// # Errors
/// When the database is unavailable.
pub async fn clear(tx: &mut Tx, cart: CartId) -> Result<()> {
    tx.query("DELETE FROM cart_items WHERE cart_id = $1").bind(cart).execute().await.map(drop)
}

pub async fn delete(tx: &mut Tx, cart: CartId) -> Result<()> {
    tx.query("DELETE FROM carts WHERE id = $1").bind(cart).execute().await.map(drop)
}

pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.query("DELETE FROM carts WHERE user_id = $1").bind(user).execute().await.map(drop)
}
