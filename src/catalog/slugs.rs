//! Slugs of products: those that admins choose, and those that were given up.
//!
//! A slug stands in addresses, and addresses are kept in bookmarks and by search engines. So one that a product gives up
//! still leads to it, until another product is given it. A slug that is made from a name leaves old ones alone.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    validation::FieldError,
};

use super::{Error, NewProduct, Product, create_product, slug_of, store};
use crate::{catalog, shop::ids::ProductId};

/// The most characters of a slug that is chosen.
const LONGEST: usize = 200;

/// Where a slug leads.
pub struct Found {
    pub product: ProductId,
    /// The product's slug of today.
    pub slug: String,
}

/// What a slug leads to, whether it is a product's slug of today or one of before.
///
/// # Errors
/// When the database is unavailable.
pub async fn find(tx: &mut Tx, slug: &str) -> db::Result<Option<Found>> {
    let found = match store::product_of_slug(tx, slug).await? {
        Some(product) => Some((product, slug.to_owned())),
        None => store::product_of_old_slug(tx, slug).await?,
    };
    Ok(found.map(|(product, slug)| Found { product, slug }))
}

/// # Errors
/// What is wrong with a slug that was chosen.
pub fn check(slug: &str) -> Result<(), FieldError> {
    if slug_of(slug) == slug && slug.chars().count() <= LONGEST {
        return Ok(());
    }
    let message = "must be words of lower-case letters and digits, joined by single dashes, at most 200 characters";
    Err(FieldError::new("slug", "pattern", message))
}

/// Makes a product. A slug that was chosen for it is its slug, or the product is not made.
///
/// # Errors
/// When another product has that slug or the SKU.
pub async fn create(tx: &mut Tx, new: NewProduct, now: Timestamp) -> catalog::Result<Product> {
    let chosen = new.slug.clone();
    if let Some(slug) = &chosen {
        take(tx, slug).await?;
    }
    let product = create_product(tx, new, now).await?;
    // Somebody else may have taken it in this very moment; then it was made unique.
    if chosen.is_some_and(|slug| slug != product.slug) { Err(Error::SlugTaken) } else { Ok(product) }
}

/// Gives a product another slug. The one it had still leads to it.
///
/// # Errors
/// When another product has it.
pub async fn change(tx: &mut Tx, product: &mut Product, slug: String) -> catalog::Result<()> {
    if slug == product.slug {
        return Ok(());
    }
    take(tx, &slug).await?;
    store::set_slug(tx, product.id, &slug).await.map_err(|error| or_taken(error, Error::SlugTaken))?;
    store::keep_old_slug(tx, &product.slug, product.id).await?;
    product.slug = slug;
    Ok(())
}

/// Takes a slug from the products that had it before; not from one that has it today.
async fn take(tx: &mut Tx, slug: &str) -> catalog::Result<()> {
    if store::product_of_slug(tx, slug).await?.is_some() {
        return Err(Error::SlugTaken);
    }
    Ok(store::forget_old_slug(tx, slug).await?)
}

/// An error of its own for what a unique index refused. The transaction is lost either way.
pub(super) fn or_taken(error: db::Error, taken: Error) -> Error {
    if db::is_unique_violation(&error) { taken } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn slugs_are_written_as_they_are_made() {
        for fine in ["oak-shelf-80-cm", "x", "7", "café-crème", "größe", "棚-80", &"x".repeat(200)] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        for wrong in
            ["", "-", "Oak", "oak shelf", "oak--shelf", "-oak", "oak-", "oak/shelf", "oak_shelf", ".", &"x".repeat(201)]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
