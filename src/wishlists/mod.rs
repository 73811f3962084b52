//! Wishlists. Each user has one. An entry refers to a product, whose name, price and image are read from the catalog.
//!
//! An inactive product exists for admins only, so it is not shown; its entry stays and is shown again when the product is
//! active again.

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

/// A product on a wishlist.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    #[sqlx(flatten)]
    pub product: Product,
    pub added_at: Timestamp,
}

/// Adds a product. `false` when it was on the list already, which changes nothing.
///
/// # Errors
/// [`Error::UnknownProduct`].
pub async fn add(tx: &mut Tx, user: UserId, product: ProductId, now: Timestamp) -> Result<(Entry, bool)> {
    let found = catalog::find_product(tx, product).await?.filter(|product| product.is_active);
    let product = found.ok_or(Error::UnknownProduct)?;
    let added = store::insert(tx, user, product.id, now).await? == 1;
    let added_at = store::added_at(tx, user, product.id).await?;
    Ok((Entry { product, added_at }, added))
}

/// Removes a product.
///
/// # Errors
/// [`Error::NotFound`] when it is not on the list.
pub async fn remove(tx: &mut Tx, user: UserId, product: ProductId) -> Result<()> {
    match store::delete(tx, user, product).await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Deletes the wishlist of a user.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::delete_of_user(tx, user).await.map(drop)
}
