//! The endpoints of the catalog, and how its responses are cached.

mod brands;
mod categories;
mod images;
mod parsed_form;
mod product_input;
mod products;

use std::sync::Arc;

use platform::{
    cache::Cached,
    http::{
        paging::Page,
        problem::ApiResult,
        reply::{Reply, Tagged, json_bytes},
    },
};
use poem::{
    Request,
    http::{StatusCode, header},
};
use poem_openapi::types::ToJSON;

use crate::{catalog::Part, shop::Shop};

pub use brands::BrandsApi;
pub use categories::CategoriesApi;
pub use images::ImagesApi;
pub use products::ProductsApi;

/// Any cache may store what customers see, but must revalidate it before using it.
const REVALIDATE: &str = "public, no-cache";

/// What admins see is always fresh and never stored; what customers see comes from the cache.
async fn answer(
    shop: &Shop,
    admin: bool,
    part: Part,
    key: &str,
    load: impl Future<Output = ApiResult<Cached>>,
) -> ApiResult<Cached> {
    if admin {
        return load.await;
    }
    shop.cache.get(part, key, load).await.map_err(Arc::unwrap_or_clone)
}

fn conditional<T>(request: &Request, admin: bool, found: &Cached) -> Tagged<T> {
    let fresh = Reply::bytes(found.body.clone()).status(StatusCode::OK);
    let cache_control = if admin { "no-store" } else { REVALIDATE };
    let if_none_match = request.header(header::IF_NONE_MATCH);
    let answer = Tagged::answer(if_none_match, &found.tag, fresh, cache_control).header("vary", "Authorization");
    answer.cached_while(found.freshness.clone())
}

/// The `ETag` of a `GET` of this.
fn tag_of(view: &impl ToJSON) -> String {
    Cached::new(json_bytes(view), 1).tag
}

fn paged<T>(request: &Request, admin: bool, found: &Cached, page: Page) -> Tagged<Vec<T>> {
    conditional(request, admin, found)
        .header("x-total-count", &found.total.to_string())
        .header("link", &page.links(request.original_uri(), found.total))
}
