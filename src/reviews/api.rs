//! The endpoints of reviews.

use platform::{
    clock::Timestamp,
    http::{
        body::{Body, cleared},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, Ask, Column},
        reply::{Created, Done, List, Reply},
    },
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use super::{Filter, Review, store};
use crate::{
    accounts::{self, Admin, SignedIn},
    catalog::Part,
    shop::{
        Shop,
        ids::{ProductId, ReviewId, UserId},
        tags::Tag,
    },
};

/// A review to be written, or as it is to be.
#[derive(Object)]
struct ReviewInput {
    /// A whole number of stars, 1 to 5.
    #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
    rating: i64,
    /// Plain text; escape it when you show it. Left out of a `PUT` it stays, `null` clears it.
    #[oai(nullable, validator(max_length = 5000))]
    comment: MaybeUndefined<String>,
}

/// What is to be different about a review. Fields left out stay.
#[derive(Object)]
struct ReviewPatch {
    /// A whole number of stars, 1 to 5.
    #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
    rating: Option<i64>,
    /// `null` clears it.
    #[oai(nullable, validator(max_length = 5000))]
    comment: MaybeUndefined<String>,
}

/// What a buyer says of a product.
#[derive(Object)]
#[oai(rename = "Review")]
struct ReviewView {
    id: ReviewId,
    /// The id of the product.
    product: ProductId,
    /// The id of who wrote it: compare it with the profile's to know one's own.
    user: UserId,
    /// What to call who wrote it: the first name and the initial of the last, `"Ada L."`, as the profile has them today;
    /// without any name, `"A customer"`. Never the e-mail address or the username.
    user_name: String,
    /// 1 to 5 stars.
    rating: i64,
    /// Plain text; empty when there are only stars.
    comment: String,
    created_at: Timestamp,
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
    /// Newest first. The product itself carries the average, `rating`, and their number, `review_count`.
    #[oai(path = "/products/:id/reviews", method = "get", operation_id = "listReviews")]
    #[allow(clippy::too_many_arguments)] // one for each parameter of the contract
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        /// The id of a product.
        id: Path<ProductId>,
        /// `created_at` or `rating`, with `-` for the other way round; several, comma-separated.
        #[oai(validator(pattern = "^-?(created_at|rating)(,-?(created_at|rating))?$"))]
        ordering: Ask<String>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<ReviewView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let mut tx = shop.db.browse().await?;
        super::require_product(&mut tx, id.0, admin).await?;
        let mut faults = ValidationErrors::default();
        let order = faults.note(query::ordering(&ordering, COLUMNS));
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let (reviews, total) =
            store::list(&mut tx, Filter { product: Some(id.0), ..Filter::default() }, &order, page.size, page.offset())
                .await?;
        let shown = reviews.into_iter().map(ReviewView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Lists all reviews.
    ///
    /// Newest first, those of inactive products too. An admin may delete any of them.
    #[oai(path = "/admin/reviews", method = "get", operation_id = "listAllReviews")]
    #[allow(clippy::too_many_arguments)] // one for each parameter of the contract
    async fn list_all(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only those of the product with this id.
        product: Ask<i64>,
        /// Only those that the user with this id wrote.
        user: Ask<i64>,
        /// Only those with this many stars, 1 to 5.
        #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
        rating: Ask<i64>,
        /// `created_at` or `rating`, with `-` for the other way round; several, comma-separated.
        #[oai(validator(pattern = "^-?(created_at|rating)(,-?(created_at|rating))?$"))]
        ordering: Ask<String>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<ReviewView>> {
        let mut faults = ValidationErrors::default();
        let filter = Filter {
            product: faults.note(product.get("product")).map(ProductId),
            user: faults.note(user.get("user")).map(UserId),
            rating: faults.note(rating_filter(&rating)),
        };
        let order = faults.note(query::ordering(&ordering, COLUMNS));
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let mut tx = shop.db.read().await?;
        let (reviews, total) = store::list(&mut tx, filter, &order, page.size, page.offset()).await?;
        let shown = reviews.into_iter().map(ReviewView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Reviews a product.
    ///
    /// Only who has the product in an order that was not cancelled may, else 403 `not_purchased`; and once, else 409
    /// `already_reviewed`: change that review instead. When the last of these orders is cancelled, by whomever, the review is
    /// deleted with it and its rating no longer counts; who buys the product again may review it again. A refund of what was
    /// delivered takes no review away.
    ///
    /// Problems: `not_purchased`, `already_reviewed`.
    #[oai(path = "/products/:id/reviews", method = "post", operation_id = "createReview")]
    async fn create(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        /// The id of a product.
        id: Path<ProductId>,
        body: Body<ReviewInput>,
    ) -> ApiResult<Created<ReviewView>> {
        let input = body.judged().await;
        let mut tx = shop.db.write().await?;
        super::require_product(&mut tx, id.0, by.is_admin()).await?;
        super::require_purchase(&mut tx, id.0, by.id).await?;
        let input = input?;
        let comment = cleared(input.comment).unwrap_or_default();
        let review = super::create(&mut tx, id.0, by.id, input.rating, &comment, shop.now()).await?;
        shop.commit_and_invalidate(tx, &rating_cache_parts(review.product_id)).await?;
        let made = ReviewView::from(review);
        Ok(Created::json(&made).header("location", &format!("/api/reviews/{}", made.id)))
    }

    /// Replaces a review of one's own.
    ///
    /// A `comment` that is left out stays. Somebody else's review: 403, also for admins, who can only delete it.
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
        let input = body.judged().await.map(|input| (Some(input.rating), cleared(input.comment)));
        change(&shop, by, id.0, input).await
    }

    /// Changes a review of one's own.
    ///
    /// Somebody else's review: 403, also for admins, who can only delete it.
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
        let input = body.judged().await.map(|input| (input.rating, cleared(input.comment)));
        change(&shop, by, id.0, input).await
    }

    /// Deletes a review: one's own, or as an admin any.
    ///
    /// Its rating no longer counts, and its author may review the product anew.
    ///
    /// Problems: `forbidden`.
    #[oai(path = "/reviews/:id", method = "delete", operation_id = "deleteReview")]
    async fn delete(&self, shop: Data<&Shop>, by: SignedIn, id: Path<ReviewId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        super::lock_product(&mut tx, id.0).await?;
        let review = super::lock_removable(&mut tx, id.0, by).await?;
        super::delete(&mut tx, &review).await?;
        shop.commit_and_invalidate(tx, &rating_cache_parts(review.product_id)).await?;
        Ok(Done::Done)
    }
}

fn rating_filter(asked: &Ask<i64>) -> ApiResult<Option<i64>> {
    match asked.get("rating")? {
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
        shop.commit_and_invalidate(tx, &rating_cache_parts(review.product_id)).await?;
    }
    Ok(Reply::json(&review.into()))
}

/// What the cache must drop when a rating changes: lists of products show ratings and are ordered by them.
fn rating_cache_parts(product: ProductId) -> [Part; 2] {
    [Part::Product(product), Part::ProductLists]
}
