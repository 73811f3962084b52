//! What a customer is about to buy. Prices are today's, from the catalog; an order prices its lines itself.
//!
//! A signed-in user has one cart, made when it is first needed, which nobody else reaches. An anonymous cart is reached by
//! its random id alone; when its owner signs in with it, it is merged into theirs and gone.

pub mod api;
pub mod problems;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    money::Money,
};

use crate::{
    catalog, pricing,
    shop::{
        Shop,
        ids::{CartId, CartItemId, ProductId, UserId},
    },
};

/// What carts are told by the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pieces of one product in a cart or an order.
    pub max_per_product: i64,
    /// Anonymous ones of one address. Off with the rate limits.
    pub carts_per_minute: usize,
}

/// Why a cart is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Or nobody may reach it but another user.
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

/// The most pieces of one product in a cart or an order that a shop can allow; `MAX_PER_PRODUCT` says what it does.
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
    /// The id of an anonymous cart is enough to reach it; a user's cart is reached by that user alone.
    fn is_reached(&self, by: Option<UserId>) -> bool {
        self.user_id.is_none() || self.user_id == by
    }
}

/// One product in a cart, with what the catalog says of it now.
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
    /// Whether this many can be ordered now.
    #[must_use]
    pub fn available(&self) -> bool {
        self.is_active && self.stock >= self.quantity
    }
}

/// The user's own cart, locked; made if there is none yet. `true` when it was made.
pub async fn own(tx: &mut Tx, user: UserId, now: Timestamp) -> db::Result<(Cart, bool)> {
    if let Some(cart) = store::lock_of(tx, user).await? {
        return Ok((cart, false));
    }
    let made = store::insert_for(tx, CartId::random(), user, now).await? == 1;
    let cart = store::lock_of(tx, user).await?.ok_or(db::Error::RowNotFound)?;
    Ok((cart, made))
}

/// A cart for somebody who is not signed in.
pub async fn anonymous(tx: &mut Tx, now: Timestamp) -> db::Result<Cart> {
    store::insert_anonymous(tx, CartId::random(), now).await
}

/// A cart by its id, to be changed: locked, so that changes of one cart follow one another.
///
/// # Errors
/// When there is none that `by` may reach.
pub async fn lock(tx: &mut Tx, id: CartId, by: Option<UserId>) -> Result<Cart> {
    store::lock(tx, id).await?.filter(|cart| cart.is_reached(by)).ok_or(Error::NotFound)
}

/// A cart by its id, to be shown.
///
/// # Errors
/// When there is none that `by` may reach.
pub async fn find(tx: &mut Tx, id: CartId, by: Option<UserId>) -> Result<Cart> {
    store::find(tx, id).await?.filter(|cart| cart.is_reached(by)).ok_or(Error::NotFound)
}

pub use store::{clear, find_of, items};

/// Puts pieces of a product in; of one that is in already, more.
///
/// # Errors
/// When the cart is full, the product is not in the shop, there are not so many of it, or one buyer may not have so many.
pub async fn add(tx: &mut Tx, shop: &Shop, cart: CartId, product: ProductId, quantity: i64) -> Result<()> {
    let before = store::quantity_of(tx, cart, product).await?;
    if before.is_none() && store::count_items(tx, cart).await? >= i64::try_from(MAX_LINES).unwrap_or(i64::MAX) {
        return Err(Error::Full);
    }
    let wanted = before.unwrap_or(0) + quantity;
    check_buyable(tx, shop, product, wanted).await?;
    store::put(tx, cart, product, wanted).await?;
    Ok(store::touch(tx, cart, shop.now()).await?)
}

/// Changes how many pieces of a product are in.
///
/// # Errors
/// When it is not sold any more, there are not so many, or one buyer may not have so many.
pub async fn set_quantity(tx: &mut Tx, shop: &Shop, cart: CartId, item: &CartItem, quantity: i64) -> Result<()> {
    if !item.is_active {
        return Err(Error::ProductUnavailable { product: item.product_id, name: item.name.clone() });
    }
    check_buyable(tx, shop, item.product_id, quantity).await?;
    store::put(tx, cart, item.product_id, quantity).await?;
    Ok(store::touch(tx, cart, shop.now()).await?)
}

/// # Errors
/// When it is not in this cart.
pub async fn find_item(tx: &mut Tx, cart: CartId, item: CartItemId) -> Result<CartItem> {
    items(tx, cart).await?.into_iter().find(|found| found.id == item).ok_or(Error::NotFound)
}

pub async fn remove(tx: &mut Tx, cart: CartId, item: CartItemId, now: Timestamp) -> db::Result<()> {
    store::remove(tx, cart, item).await?;
    store::touch(tx, cart, now).await
}

/// Deletes the cart of a user, if there is one.
pub async fn forget(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::delete_of(tx, user).await
}

/// Takes an anonymous cart away, with what is in it.
pub async fn delete(tx: &mut Tx, cart: CartId) -> db::Result<()> {
    store::delete(tx, cart).await
}

/// Pours an anonymous cart into the user's: quantities add up, capped by the stock and by what one buyer may have. A cart that is gone, or somebody's,
/// is not merged, and that is no reason to refuse a sign-in.
pub async fn merge(tx: &mut Tx, shop: &Shop, from: CartId, user: UserId) -> db::Result<()> {
    let (now, most) = (shop.now(), shop.part::<Settings>().max_per_product);
    let Some(from) = store::lock(tx, from).await?.filter(|cart| cart.user_id.is_none()) else { return Ok(()) };
    let (own, _) = own(tx, user, now).await?;
    let mut room = MAX_LINES.saturating_sub(items(tx, own.id).await?.len());
    for item in items(tx, from.id).await?.into_iter().filter(|item| item.is_active) {
        let before = store::quantity_of(tx, own.id, item.product_id).await?;
        if before.is_none() && room == 0 {
            continue;
        }
        room -= usize::from(before.is_none());
        let before = before.unwrap_or(0);
        let together = (before + item.quantity).min(item.stock.min(most).max(before));
        if together > 0 {
            store::put(tx, own.id, item.product_id, together).await?;
        }
    }
    store::delete(tx, from.id).await?;
    store::touch(tx, own.id, now).await
}

async fn check_buyable(tx: &mut Tx, shop: &Shop, product: ProductId, quantity: i64) -> Result<()> {
    let most = shop.part::<Settings>().max_per_product;
    let found = catalog::find_product(tx, product).await?.filter(|product| product.is_active);
    let product = found.ok_or(Error::UnknownProduct)?;
    if quantity > most {
        return Err(Error::TooMany { most });
    }
    if product.stock < quantity {
        return Err(Error::OutOfStock { name: product.name, available: product.stock });
    }
    Ok(())
}

/// What everything in a cart costs today.
///
/// # Errors
/// When that is more than an amount can be.
pub fn total(items: &[CartItem]) -> pricing::Result<Money> {
    pricing::total(items.iter().map(|item| (item.price, item.quantity)))
}
