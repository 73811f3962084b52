//! Reviews of products. Only a buyer of a product may review it, and only once.
//!
//! A review needs an order of its product that is not cancelled. When the last one is cancelled, by anybody, the review is
//! deleted in the same transaction; a customer who buys again may review again. A refund deletes no review: the product was
//! delivered.
//!
//! A product stores the sum and the number of its ratings. They change in the transaction of the review, so that a list
//! of products never has to add up reviews.

pub mod api;
pub mod problems;
mod store;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
};

use crate::{
    accounts::SignedIn,
    catalog,
    shop::ids::{OrderId, ProductId, ReviewId, UserId},
};

/// Why a request about a review was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also when the caller may not see it.
    #[error("This product or review does not exist.")]
    NotFound,
    #[error("You can review only products that you bought. Sign in with the account that ordered this one.")]
    NotPurchased,
    #[error("You have already reviewed this product. Update that review instead.")]
    AlreadyReviewed,
    #[error(
        "Another user wrote this review. Only its author can change it, and only its author or an admin can delete it."
    )]
    NotTheAuthor,
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A review, with the name of its author.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Review {
    pub id: ReviewId,
    pub product_id: ProductId,
    pub user_id: UserId,
    pub first_name: String,
    pub last_name: String,
    pub rating: i64,
    pub comment: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Whether the product is active, so that everybody can see the review.
    pub is_public: bool,
}

/// The part of a review that counts in the rating of its product.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Rating {
    pub id: ReviewId,
    pub product_id: ProductId,
    pub rating: i64,
}

/// Which reviews to list; `None` does not filter.
#[derive(Clone, Copy, Default)]
pub struct ReviewFilter {
    pub product: Option<ProductId>,
    pub user: Option<UserId>,
    pub rating: Option<i64>,
}

impl Review {
    /// The public name of its author: the first name and the initial of the last. Never the username, which may be the
    /// local part of an e-mail address.
    #[must_use]
    pub fn author_name(&self) -> String {
        let initial = self.last_name.trim().chars().next().map(|initial| format!("{initial}."));
        let name = [self.first_name.trim(), initial.as_deref().unwrap_or_default()].join(" ");
        let name = name.trim();
        if name.is_empty() { "A customer".to_owned() } else { name.to_owned() }
    }
}

/// Requires that the caller may see a product.
///
/// # Errors
/// [`Error::NotFound`] when it does not exist, or is inactive and the caller is no admin.
pub async fn require_product(tx: &mut Tx, product: ProductId, admin: bool) -> Result<()> {
    let found = catalog::find_product(tx, product).await?;
    found.filter(|product| product.is_active || admin).map(drop).ok_or(Error::NotFound)
}

/// Requires an order of the user with the product that is not cancelled, and keeps it from being cancelled until the
/// transaction ends.
///
/// # Errors
/// [`Error::NotPurchased`].
pub async fn require_purchase(tx: &mut Tx, product: ProductId, by: UserId) -> Result<()> {
    if store::lock_purchase(tx, by, product).await? { Ok(()) } else { Err(Error::NotPurchased) }
}

/// Creates a review.
///
/// # Errors
/// [`Error::AlreadyReviewed`].
pub async fn create(
    tx: &mut Tx,
    product: ProductId,
    by: UserId,
    rating: i64,
    comment: &str,
    now: Timestamp,
) -> Result<Review> {
    let id = store::insert(tx, product, by, rating, comment, now).await?.ok_or(Error::AlreadyReviewed)?;
    store::add_rating(tx, product, rating, 1).await?;
    Ok(store::lock(tx, id).await?.ok_or(db::Error::RowNotFound)?)
}

/// Locks the product of a review whose rating is about to change. Call it before locking the review, which is the order in
/// which a cancellation locks them, and only when the rating changes, because cancellations wait for the product.
///
/// # Errors
/// When the database is unavailable.
pub async fn lock_product(tx: &mut Tx, id: ReviewId) -> db::Result<()> {
    store::lock_product(tx, id).await
}

/// A review to be changed, locked so that its rating is counted once.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotTheAuthor`] when another user wrote it.
pub async fn lock_own(tx: &mut Tx, id: ReviewId, by: SignedIn) -> Result<Review> {
    let review = visible(store::lock(tx, id).await?, by)?;
    if review.user_id == by.id { Ok(review) } else { Err(Error::NotTheAuthor) }
}

/// A review to be deleted by its author or an admin, locked.
///
/// # Errors
/// The same as for a change.
pub async fn lock_removable(tx: &mut Tx, id: ReviewId, by: SignedIn) -> Result<Review> {
    let review = visible(store::lock(tx, id).await?, by)?;
    if review.user_id == by.id || by.is_admin() { Ok(review) } else { Err(Error::NotTheAuthor) }
}

fn visible(review: Option<Review>, by: SignedIn) -> Result<Review> {
    review.filter(|review| review.is_public || review.user_id == by.id || by.is_admin()).ok_or(Error::NotFound)
}

/// Changes a locked review; what is `None` stays.
///
/// # Errors
/// When the database is unavailable.
pub async fn change(
    tx: &mut Tx,
    review: Review,
    rating: Option<i64>,
    comment: Option<String>,
    now: Timestamp,
) -> db::Result<Review> {
    let (rating, comment) = (rating.unwrap_or(review.rating), comment.unwrap_or(review.comment));
    store::update(tx, review.id, rating, &comment, now).await?;
    if rating != review.rating {
        store::add_rating(tx, review.product_id, rating - review.rating, 0).await?;
    }
    Ok(Review { rating, comment, updated_at: now, ..review })
}

/// Deletes a locked review.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete(tx: &mut Tx, review: &Review) -> db::Result<()> {
    delete_rating(tx, Rating { id: review.id, product_id: review.product_id, rating: review.rating }).await
}

async fn delete_rating(tx: &mut Tx, review: Rating) -> db::Result<()> {
    store::delete(tx, review.id).await?;
    store::add_rating(tx, review.product_id, -review.rating, -1).await
}

/// Deletes a buyer's reviews of the products of an order that was just cancelled, unless another order of theirs has the
/// product. The products are locked already, so that of two such orders that are cancelled at the same time, the second
/// sees the first as cancelled.
///
/// # Errors
/// When the database is unavailable.
pub async fn delete_without_purchase(tx: &mut Tx, buyer: UserId, cancelled: OrderId) -> db::Result<()> {
    for review in store::lock_of_order(tx, buyer, cancelled).await? {
        if !store::has_bought(tx, buyer, review.product_id).await? {
            delete_rating(tx, review).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_named_without_giving_them_away() {
        let moment = Timestamp::from_micros(0);
        let author = |first: &str, last: &str| {
            Review {
                id: ReviewId(1),
                product_id: ProductId(1),
                user_id: UserId(1),
                first_name: first.to_owned(),
                last_name: last.to_owned(),
                rating: 5,
                comment: String::new(),
                created_at: moment,
                updated_at: moment,
                is_public: true,
            }
            .author_name()
        };
        assert_eq!(author("Ada", "Lovelace"), "Ada L.");
        assert_eq!(author(" Ada ", ""), "Ada");
        assert_eq!(author("", "Łukasiewicz"), "Ł.");
        assert_eq!(author(" ", ""), "A customer");
    }
}
