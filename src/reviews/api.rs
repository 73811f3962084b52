//! The endpoints of reviews.

use platform::{
    clock::Timestamp,
    http::{
        body::{Body, null_as_empty},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, Column, OptionalQuery},
        reply::{Created, Done, List, Reply},
    },
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use super::{Review, ReviewFilter, store};
use crate::{
    accounts::{self, Admin, SignedIn},
    catalog::Part,
    shop::{
        Shop,
        ids::{ProductId, ReviewId, UserId},
        tags::Tag,
    },
};

/// The fields of a review.
#[derive(Object)]
struct ReviewInput {
    /// The number of stars, an integer from 1 to 5.
    #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
    rating: i64,
    /// The text of the review, at most 5,000 characters. Plain text: escape it for display. In a `PUT`, a comment left
    /// out keeps its value; `null` clears it.
    #[oai(nullable, validator(max_length = 5000))]
    comment: MaybeUndefined<String>,
}

/// The fields of the review to change. A field left out keeps its value.
#[derive(Object)]
struct ReviewPatch {
    /// The number of stars, an integer from 1 to 5.
    #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
    rating: Option<i64>,
    /// The text of the review, at most 5,000 characters. `null` clears it.
    #[oai(nullable, validator(max_length = 5000))]
    comment: MaybeUndefined<String>,
}

/// A customer's review of a product.
#[derive(Object)]
#[oai(rename = "Review")]
struct ReviewView {
    /// The id of the review.
    id: ReviewId,
    /// The id of the reviewed product.
    product: ProductId,
    /// The id of the author. Compare it with the profile's `id` to recognise the user's own reviews.
    user: UserId,
    /// The author's display name: the first name and the initial of the last name, e.g. `"Ada L."`, from the current
    /// profile; `"A customer"` if the profile has no name. Never the e-mail address or the username.
    user_name: String,
    /// The number of stars, 1 to 5.
    rating: i64,
    /// The text of the review, as plain text. Empty if there is only a rating.
    comment: String,
    /// When the review was written.
    created_at: Timestamp,
    /// When the review was last changed.
    updated_at: Timestamp,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self {
            id: review.id,
            product: review.product_id,
            user: review.user_id,
            user_name: review.author_name(),
            rating: review.rating,
            comment: review.comment,
            created_at: review.created_at,
            updated_at: review.updated_at,
        }
    }
}

/// What reviews can be ordered by.
const COLUMNS: &[Column] =
    &[("created_at", " r.created_at,", " r.created_at DESC,"), ("rating", " r.rating,", " r.rating DESC,")];

pub struct ReviewsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Reviews")]
impl ReviewsApi {
    /// Lists the reviews of a product.
    ///
    /// Newest first. The product has the average `rating` and the number of reviews, `review_count`.
    #[oai(path = "/products/:id/reviews", method = "get", operation_id = "listReviews")]
    #[allow(clippy::too_many_arguments)] // one for each parameter of the contract
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        /// The id of the product.
        id: Path<ProductId>,
        /// The sort order: `created_at` or `rating`, prefixed with `-` for descending. Separate several fields by
        /// commas.
        #[oai(validator(pattern = "^-?(created_at|rating)(,-?(created_at|rating))?$"))]
        ordering: OptionalQuery<String>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<ReviewView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let mut tx = shop.db.browse().await?;
        super::require_product(&mut tx, id.0, admin).await?;
        let mut errors = ValidationErrors::default();
        let order = errors.note(query::ordering(&ordering, COLUMNS));
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let filter = ReviewFilter { product: Some(id.0), ..ReviewFilter::default() };
        let (reviews, total) = store::list(&mut tx, filter, &order, page.size, page.offset()).await?;
        let shown = reviews.into_iter().map(ReviewView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Lists all reviews.
    ///
    /// Newest first, including those of inactive products. Admins can delete any review.
    #[oai(path = "/admin/reviews", method = "get", operation_id = "listAllReviews")]
    #[allow(clippy::too_many_arguments)] // one for each parameter of the contract
    async fn list_all(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only reviews of the product with this id.
        product: OptionalQuery<i64>,
        /// Only reviews by the user with this id.
        user: OptionalQuery<i64>,
        /// Only reviews with this number of stars, 1 to 5.
        #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
        rating: OptionalQuery<i64>,
        /// The sort order: `created_at` or `rating`, prefixed with `-` for descending. Separate several fields by
        /// commas.
        #[oai(validator(pattern = "^-?(created_at|rating)(,-?(created_at|rating))?$"))]
        ordering: OptionalQuery<String>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<ReviewView>> {
        let mut errors = ValidationErrors::default();
        let filter = ReviewFilter {
            product: errors.note(product.get("product")).map(ProductId),
            user: errors.note(user.get("user")).map(UserId),
            rating: errors.note(rating_filter(&rating)),
        };
        let order = errors.note(query::ordering(&ordering, COLUMNS));
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let mut tx = shop.db.read().await?;
        let (reviews, total) = store::list(&mut tx, filter, &order, page.size, page.offset()).await?;
        let shown = reviews.into_iter().map(ReviewView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Creates a review of a product.
    ///
    /// The customer must have the product in an order that was not cancelled; otherwise returns 403 `not_purchased`. A
    /// customer can review a product once; a second review returns 409 `already_reviewed`, so update the first one
    /// instead. When the last of these orders is cancelled, the review is deleted and its rating no longer counts;
    /// after buying the product again, the customer can review it again. A refund of a delivered order does not delete
    /// the review.
    ///
    /// Problems: `not_purchased`, `already_reviewed`.
    #[oai(path = "/products/:id/reviews", method = "post", operation_id = "createReview")]
    async fn create(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        /// The id of the product.
        id: Path<ProductId>,
        body: Body<ReviewInput>,
    ) -> ApiResult<Created<ReviewView>> {
        let input = body.parse().await;
        let mut tx = shop.db.write().await?;
        super::require_product(&mut tx, id.0, by.is_admin()).await?;
        super::require_purchase(&mut tx, id.0, by.id).await?;
        let input = input?;
        let comment = null_as_empty(input.comment).unwrap_or_default();
        let review = super::create(&mut tx, id.0, by.id, input.rating, &comment, shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_product(review.product_id)).await?;
        let made = ReviewView::from(review);
        Ok(Created::json(&made).header("location", &format!("/api/reviews/{}", made.id)))
    }

    /// Replaces the user's own review.
    ///
    /// A `comment` left out keeps its value. Another user's review returns 403, also for admins, who can only delete
    /// it.
    ///
    /// Problems: `forbidden`.
    #[oai(path = "/reviews/:id", method = "put", operation_id = "replaceReview")]
    async fn replace(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        id: Path<ReviewId>,
        body: Body<ReviewInput>,
    ) -> ApiResult<Reply<ReviewView>> {
        let input = body.parse().await.map(|input| (Some(input.rating), null_as_empty(input.comment)));
        change(&shop, by, id.0, input).await
    }

    /// Updates the user's own review.
    ///
    /// Another user's review returns 403, also for admins, who can only delete it.
    ///
    /// Problems: `forbidden`.
    #[oai(path = "/reviews/:id", method = "patch", operation_id = "changeReview")]
    async fn change(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        id: Path<ReviewId>,
        body: Body<ReviewPatch>,
    ) -> ApiResult<Reply<ReviewView>> {
        let input = body.parse().await.map(|input| (input.rating, null_as_empty(input.comment)));
        change(&shop, by, id.0, input).await
    }

    /// Deletes the user's own review, or any review for admins.
    ///
    /// Its rating no longer counts, and the author can review the product again.
    ///
    /// Problems: `forbidden`.
    #[oai(path = "/reviews/:id", method = "delete", operation_id = "deleteReview")]
    async fn delete(&self, shop: Data<&Shop>, by: SignedIn, id: Path<ReviewId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        super::lock_product(&mut tx, id.0).await?;
        let review = super::lock_removable(&mut tx, id.0, by).await?;
        super::delete(&mut tx, &review).await?;
        shop.commit_and_invalidate(tx, &Part::of_product(review.product_id)).await?;
        Ok(Done::Done)
    }
}

fn rating_filter(parameter: &OptionalQuery<i64>) -> ApiResult<Option<i64>> {
    match parameter.get("rating")? {
        Some(stars) if !(1..=5).contains(&stars) => {
            Err(Problem::invalid_field("rating", "range", "must be from 1 to 5"))
        }
        stars => Ok(stars),
    }
}

/// The body's errors are returned only after the review was found.
async fn change(
    shop: &Shop,
    by: SignedIn,
    id: ReviewId,
    input: ApiResult<(Option<i64>, Option<String>)>,
) -> ApiResult<Reply<ReviewView>> {
    let mut tx = shop.db.write().await?;
    if matches!(input, Ok((Some(_), _))) {
        super::lock_product(&mut tx, id).await?;
    }
    let review = super::lock_own(&mut tx, id, by).await?;
    let (rating, comment) = input?;
    let rating_before = review.rating;
    let review = super::change(&mut tx, review, rating, comment, shop.now()).await?;
    if review.rating == rating_before {
        tx.commit().await?;
    } else {
        shop.commit_and_invalidate(tx, &Part::of_product(review.product_id)).await?;
    }
    Ok(Reply::json(&review.into()))
}
