//! The endpoints of the catalog, and how its answers are kept and known again.

mod brands;
mod categories;
mod images;
mod products;

use std::sync::Arc;

use poem::{
    Request,
    http::{StatusCode, header},
};

use crate::{
    cache::{Cached, Part},
    http::{
        paging::Page,
        problem::ApiResult,
        reply::{Reply, tagged},
    },
    shop::Shop,
};

pub use brands::BrandsApi;
pub use categories::CategoriesApi;
pub use images::ImagesApi;
pub use products::ProductsApi;

/// Anybody may keep an answer, but asks whether it still holds before using it.
const REVALIDATE: &str = "public, no-cache";

/// What admins see is always fresh and never kept; what customers see comes from the cache.
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

fn conditional<T>(request: &Request, admin: bool, found: &Cached) -> Reply<T> {
    let fresh = Reply::bytes(found.body.clone()).status(StatusCode::OK);
    if admin {
        return fresh;
    }
    tagged(request.header(header::IF_NONE_MATCH), &found.tag, fresh, REVALIDATE).header("vary", "Authorization")
}

fn paged<T>(request: &Request, admin: bool, found: &Cached, page: Page) -> Reply<T> {
    conditional(request, admin, found)
        .header("x-total-count", &found.total.to_string())
        .header("link", &page.links(request.original_uri(), found.total))
}
