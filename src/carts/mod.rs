//! Carts. They show the current prices of the catalog; an order computes its own prices.
//!
//! A signed-in user has one cart, created when it is first needed, which only they can access. An anonymous cart is accessed
//! by its random id alone; when a user signs in with it, it is merged into theirs and deleted.

pub mod api;
pub mod problems;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    money::Money,
};

use crate::{
    pricing,
    shop::{
        Shop,
        ids::{CartId, CartItemId, ProductId, UserId},
    },
};

/// The settings of carts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pieces of one product in a cart or an order.
    pub max_per_product: i64,
    /// Anonymous carts per network address. Not applied when rate limits are off.
    pub carts_per_minute: usize,
}

/// Why a request about a cart was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also for another user's cart.
    #[error("The cart or the item does not exist.")]
    NotFound,
    #[error("A cart can contain at most {most} different products.", most = MAX_LINES)]
    Full,
    #[error("This product does not exist.")]
    UnknownProduct,
    #[error("{name:?} is no longer sold. Remove it from the cart.")]
    ProductUnavailable { product: ProductId, name: String },
    #[error("A cart can contain at most {most} units of a product.")]
    TooMany { most: i64 },
    #[error("Only {available} of {name:?} are in stock.")]
    OutOfStock { name: String, available: i64 },
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// The highest value of `MAX_PER_PRODUCT`.
pub const MAX_QUANTITY: i64 = 9_999;
/// The most different products in a cart or an order.
pub const MAX_LINES: usize = 100;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Cart {
    pub id: CartId,
    pub user_id: Option<UserId>,
    pub created_at: Timestamp,
}

impl Cart {
    /// Anybody who knows its id can access an anonymous cart; a user's cart only that user.
    fn is_accessible_by(&self, user: Option<UserId>) -> bool {
        self.user_id.is_none() || self.user_id == user
    }
}

/// One product in a cart, with its current values in the catalog.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CartItem {
    pub id: CartItemId,
    pub product_id: ProductId,
    pub name: String,
    pub price: Money,
    pub quantity: i64,
    pub stock: i64,
    pub is_active: bool,
}

impl CartItem {
    /// Whether this quantity can be ordered now.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.is_active && self.stock >= self.quantity
    }
}

/// The user's cart, locked to be changed, and whether it was created now.
///
/// # Errors
/// When the database is unavailable.
pub async fn find_or_create(tx: &mut Tx, user: UserId, now: Timestamp) -> db::Result<(Cart, bool)> {
    let new = CartId::random();
    let cart = store::lock_or_insert(tx, new, user, now).await?;
    let created = cart.id == new;
    Ok((cart, created))
}

/// Creates a cart for a client that is not signed in.
///
/// # Errors
/// When the database is unavailable.
pub async fn create_anonymous(tx: &mut Tx, now: Timestamp) -> db::Result<Cart> {
    store::insert_anonymous(tx, CartId::random(), now).await
}

/// A cart, locked to be changed, so that changes of it follow one another.
///
/// # Errors
/// [`Error::NotFound`], also when `by` may not access it.
pub async fn lock(tx: &mut Tx, id: CartId, by: Option<UserId>, now: Timestamp) -> Result<Cart> {
    store::lock(tx, id, now).await?.filter(|cart| cart.is_accessible_by(by)).ok_or(Error::NotFound)
}

/// A cart.
///
/// # Errors
/// [`Error::NotFound`], also when `by` may not access it.
pub async fn find(tx: &mut Tx, id: CartId, by: Option<UserId>) -> Result<Cart> {
    store::find(tx, id).await?.filter(|cart| cart.is_accessible_by(by)).ok_or(Error::NotFound)
}

pub use store::{clear, find_of, items, take_items};

/// Adds a quantity of a product, to that which is in the cart already.
///
/// # Errors
/// [`Error::Full`], [`Error::UnknownProduct`], [`Error::TooMany`], [`Error::OutOfStock`].
pub async fn add(tx: &mut Tx, shop: &Shop, cart: CartId, product: ProductId, quantity: i64) -> Result<()> {
    let found = store::candidate(tx, cart, product).await?.ok_or(Error::UnknownProduct)?;
    if found.quantity.is_none() && found.lines >= i64::try_from(MAX_LINES).unwrap_or(i64::MAX) {
        return Err(Error::Full);
    }
    let sum = found.quantity.unwrap_or(0) + quantity;
    check_buyable(shop, found.name, found.stock, sum)?;
    Ok(store::set_quantity(tx, cart, product, sum).await.map(drop)?)
}

/// Changes the quantity of a product.
///
/// # Errors
/// [`Error::ProductUnavailable`], [`Error::TooMany`], [`Error::OutOfStock`].
pub async fn set_quantity(tx: &mut Tx, shop: &Shop, cart: CartId, item: &CartItem, quantity: i64) -> Result<()> {
    if !item.is_active {
        return Err(Error::ProductUnavailable { product: item.product_id, name: item.name.clone() });
    }
    check_buyable(shop, item.name.clone(), item.stock, quantity)?;
    Ok(store::set_quantity(tx, cart, item.product_id, quantity).await.map(drop)?)
}

/// A product in this cart.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find_item(tx: &mut Tx, cart: CartId, item: CartItemId) -> Result<CartItem> {
    items(tx, cart).await?.into_iter().find(|found| found.id == item).ok_or(Error::NotFound)
}

/// Removes an item from a cart. An item that is not in the cart is ignored.
///
/// # Errors
/// When the database is unavailable.
pub async fn remove(tx: &mut Tx, cart: CartId, item: CartItemId) -> db::Result<()> {
    store::remove(tx, cart, item).await.map(drop)
}

/// Deletes the cart of a user, if there is one.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::delete_of_user(tx, user).await
}

/// Deletes a cart with its items.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete(tx: &mut Tx, cart: CartId) -> db::Result<()> {
    store::delete(tx, cart).await
}

/// Merges an anonymous cart into the user's and deletes it. Quantities add up, capped by the stock and by what one buyer may
/// order. A cart that does not exist or is a user's is ignored, because it is no reason to refuse a sign-in.
///
/// # Errors
/// As for [`find_or_create`].
pub async fn merge(tx: &mut Tx, shop: &Shop, from: CartId, user: UserId) -> db::Result<()> {
    let (now, most) = (shop.now(), shop.get::<Settings>().max_per_product);
    let Some(from) = store::lock(tx, from, now).await?.filter(|cart| cart.user_id.is_none()) else { return Ok(()) };
    let (own, _) = find_or_create(tx, user, now).await?;
    let mut room = MAX_LINES.saturating_sub(items(tx, own.id).await?.len());
    for item in items(tx, from.id).await?.into_iter().filter(|item| item.is_active) {
        let before = store::quantity_of(tx, own.id, item.product_id).await?;
        if before.is_none() && room == 0 {
            continue;
        }
        room -= usize::from(before.is_none());
        let before = before.unwrap_or(0);
        let sum = (before + item.quantity).min(item.stock.min(most).max(before));
        if sum > 0 {
            store::set_quantity(tx, own.id, item.product_id, sum).await?;
        }
    }
    store::delete(tx, from.id).await
}

fn check_buyable(shop: &Shop, name: String, available: i64, quantity: i64) -> Result<()> {
    let most = shop.get::<Settings>().max_per_product;
    if quantity > most {
        return Err(Error::TooMany { most });
    }
    if available < quantity {
        return Err(Error::OutOfStock { name, available });
    }
    Ok(())
}

/// The total of a cart at current prices.
///
/// # Errors
/// When it is more than an amount can be.
pub fn total(items: &[CartItem]) -> pricing::Result<Money> {
    pricing::total(items.iter().map(|item| (item.price, item.quantity)))
}
