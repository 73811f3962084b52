//! What buyers say of products. Only who bought a product reviews it, and once.
//!
//! A review stands on an order of that product that was not cancelled. When the last one is cancelled, whoever did it, the
//! review goes in the same transaction; who buys again may review again. A refund alone takes nothing away: what was
//! delivered was in somebody's hands.
//!
//! A product carries the sum and the number of its ratings. They change in the transaction of the review, so that a list
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

/// Why a review is not shown, written or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Or not for who asks.
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

/// A review, with the name of who wrote it.
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
    /// Whether the product is in the shop for everybody to see, and the review with it.
    pub is_public: bool,
}

/// What a review adds to the rating of its product.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Rating {
    pub id: ReviewId,
    pub product_id: ProductId,
    pub rating: i64,
}

/// Which reviews are listed; what is `None` is not asked.
#[derive(Clone, Copy, Default)]
pub struct Filter {
    pub product: Option<ProductId>,
    pub user: Option<UserId>,
    pub rating: Option<i64>,
}

impl Review {
    /// What the public calls its author: the first name and the initial of the last. Never the username, which may be the
    /// local part of an e-mail address.
    #[must_use]
    pub fn author(&self) -> String {
        let initial = self.last_name.trim().chars().next().map(|letter| format!("{letter}."));
        let name = [self.first_name.trim(), initial.as_deref().unwrap_or_default()].join(" ");
        let name = name.trim();
        if name.is_empty() { "A customer".to_owned() } else { name.to_owned() }
    }
}

/// # Errors
/// When the product does not exist, or not for them.
pub async fn require_product(tx: &mut Tx, product: ProductId, admin: bool) -> Result<()> {
    let found = catalog::find_product(tx, product).await?;
    found.filter(|product| product.is_active || admin).map(drop).ok_or(Error::NotFound)
}

/// Asks whether they bought the product. The order that says so is not cancelled before the transaction ends.
///
/// # Errors
/// Unless the product is in one of their orders that was not cancelled.
pub async fn require_purchase(tx: &mut Tx, product: ProductId, by: UserId) -> Result<()> {
    if store::hold_purchase(tx, by, product).await? { Ok(()) } else { Err(Error::NotPurchased) }
}

/// Writes a review.
///
/// # Errors
/// When they reviewed the product before.
pub async fn write(
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

/// Locks the product of a review whose rating is about to change. Before the review itself, as a cancellation locks them,
/// so that neither waits for the other; and only then, for orders wait for the product.
pub async fn lock_product(tx: &mut Tx, id: ReviewId) -> db::Result<()> {
    store::lock_product(tx, id).await
}

/// A review to be changed: locked, so that its rating is counted once.
///
/// # Errors
/// When there is none that they may see, or somebody else wrote it.
pub async fn lock_own(tx: &mut Tx, id: ReviewId, by: SignedIn) -> Result<Review> {
    let review = visible(store::lock(tx, id).await?, by)?;
    if review.user_id == by.id { Ok(review) } else { Err(Error::NotTheAuthor) }
}

/// A review to be taken away, by who wrote it or by an admin.
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

/// Takes a locked review away.
pub async fn delete(tx: &mut Tx, review: &Review) -> db::Result<()> {
    delete_rating(tx, Rating { id: review.id, product_id: review.product_id, rating: review.rating }).await
}

async fn delete_rating(tx: &mut Tx, review: Rating) -> db::Result<()> {
    store::delete(tx, review.id).await?;
    store::add_rating(tx, review.product_id, -review.rating, -1).await
}

/// Takes away what a buyer says of the products of an order that was just cancelled, unless another order of theirs has
/// them. The products are locked already: of two such orders that are cancelled at once, the second finds what was written
/// meanwhile.
pub async fn delete_unfounded(tx: &mut Tx, buyer: UserId, cancelled: OrderId) -> db::Result<()> {
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
            .author()
        };
        assert_eq!(author("Ada", "Lovelace"), "Ada L.");
        assert_eq!(author(" Ada ", ""), "Ada");
        assert_eq!(author("", "Łukasiewicz"), "Ł.");
        assert_eq!(author(" ", ""), "A customer");
    }
}
