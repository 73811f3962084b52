//! What a customer would like to have. One list for each user, made of products and nothing else: the name, price and
//! picture are the catalog's of today.
//!
//! A product that became inactive exists for admins only, so it is not shown; its entry stays, and with it comes back.

pub mod api;
mod problems;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
};

use crate::{
    catalog::{self, Product},
    shop::ids::{ProductId, UserId},
};

/// Why a wishlist was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("This product does not exist.")]
    UnknownProduct,
    #[error("This product is not on the wishlist.")]
    NotFound,
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A product on a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    #[sqlx(flatten)]
    pub product: Product,
    pub added_at: Timestamp,
}

/// Puts a product on the list. `false` when it was on it before, which changes nothing.
///
/// # Errors
/// When the product is not in the shop.
pub async fn add(tx: &mut Tx, user: UserId, product: ProductId, now: Timestamp) -> Result<(Entry, bool)> {
    let found = catalog::find_product(tx, product).await?.filter(|product| product.is_active);
    let product = found.ok_or(Error::UnknownProduct)?;
    let added = store::insert(tx, user, product.id, now).await? == 1;
    let added_at = store::added_at(tx, user, product.id).await?;
    Ok((Entry { product, added_at }, added))
}

/// Takes a product off the list.
///
/// # Errors
/// When it is not on it.
pub async fn remove(tx: &mut Tx, user: UserId, product: ProductId) -> Result<()> {
    match store::delete(tx, user, product).await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Deletes the wishlist of a user.
pub async fn forget(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::delete_of(tx, user).await.map(drop)
}
