//! What a customer would like to have. One list for each user, made of products and nothing else: the name, price and
//! picture are the catalog's of today.
//!
//! A product that became inactive exists for admins only, so it is not shown; its entry stays, and with it comes back.

pub mod api;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
};

use crate::{
    catalog::{self, Product},
    shop::ids::{ProductId, UserId},
};

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
/// 422 for a product that is not in the shop.
pub async fn add(tx: &mut Tx, user: UserId, product: ProductId, now: Timestamp) -> ApiResult<(Entry, bool)> {
    let found = catalog::find_product(tx, product).await?.filter(|product| product.is_active);
    let Some(product) = found else {
        return Err(Problem::invalid_field("product", "unknown", "names a product that does not exist"));
    };
    let added = store::insert(tx, user, product.id, now).await? == 1;
    let added_at = store::added_at(tx, user, product.id).await?;
    Ok((Entry { product, added_at }, added))
}

/// Takes a product off the list.
///
/// # Errors
/// 404 when it is not on it.
pub async fn remove(tx: &mut Tx, user: UserId, product: ProductId) -> ApiResult<()> {
    match store::delete(tx, user, product).await? {
        0 => Err(Problem::not_found()),
        _ => Ok(()),
    }
}

/// Deletes the wishlist of a user.
pub async fn forget(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::delete_of(tx, user).await.map(drop)
}
