//! Puts the API together: every feature's endpoints, their document, and what surrounds them.

use std::sync::Arc;

use poem::{
    Endpoint, EndpointExt, IntoEndpoint, Request, Response, Result, Route, get, handler,
    http::header,
    middleware::{Compression, NormalizePath, TrailingSlash},
    web::Data,
};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};
use serde_json::Value;

use crate::{
    accounts::{account_api::AccountApi, api::AccountsApi, passwords_api::PasswordsApi, users_api::UsersApi},
    carts::api::CartsApi,
    catalog::api::{BrandsApi, CategoriesApi, ImagesApi, ProductsApi},
    dashboard::api::DashboardApi,
    document::{self, pages},
    front,
    http::{
        aliases,
        edge::{Documented, Edge},
        etags,
        health::HealthApi,
        schema::Schemas,
    },
    inventory::api::InventoryApi,
    jobs::api::JobsApi,
    media::files,
    money::Currency,
    orders::api::OrdersApi,
    payments::{admin_api::PaymentsAdminApi, api::PaymentsApi},
    reviews::api::ReviewsApi,
    shop::Shop,
    wishlists::api::WishlistsApi,
};

fn service() -> OpenApiService<impl OpenApi, ()> {
    let description = "A headless shop: browse, fill a cart, order and pay.\n\n\
        Sign in at `POST /api/auth/login`, press **Authorize** and paste the `access` token. Lists are plain arrays; \
        their total is in `X-Total-Count`. Every error is `application/problem+json` with a stable `code`.";
    let endpoints = (
        (AccountsApi, AccountApi), // as one: there may be sixteen
        ProductsApi,
        ImagesApi,
        CategoriesApi,
        BrandsApi,
        ReviewsApi,
        WishlistsApi,
        CartsApi,
        OrdersApi,
        (PaymentsApi, PaymentsAdminApi),
        DashboardApi,
        InventoryApi,
        JobsApi,
        PasswordsApi,
        UsersApi,
        HealthApi,
    );
    OpenApiService::new(endpoints, "Cartwright", env!("CARGO_PKG_VERSION"))
        .description(description)
        .license(LicenseObject::new("MIT OR Apache-2.0"))
}

/// The OpenAPI document, as it is served by a shop with this currency. That of the default is kept in
/// `openapi/openapi.json`.
///
/// # Panics
/// Never: poem-openapi writes JSON.
#[must_use]
pub fn document(currency: Currency) -> Value {
    let mut document: Value = serde_json::from_str(&service().spec()).expect("the document is JSON");
    document::complete(&mut document, currency);
    aliases::describe(&mut document);
    document::prune(&mut document);
    document
}

/// The whole application, ready to be served.
#[must_use]
pub fn app(shop: &Shop) -> impl Endpoint<Output = Response> + 'static {
    let document = document(shop.settings.currency);
    let schemas = Arc::new(Schemas::of(&document));
    let documented = Documented::of(&document);
    let service = service();
    let bare = service.spec();
    let (swagger, scalar) = (service.swagger_ui_html(), service.scalar_html());
    // Nested at "/" they would hide the welcome.
    let endpoints = Arc::new(service.into_endpoint());
    let api = Route::new()
        .at("/", get(front::front))
        .nest("/outbox", front::outbox())
        .at("/openapi.json", get(openapi))
        .nest("/docs", pages::swagger(&swagger, &bare, &document))
        .nest("/reference", pages::scalar(&scalar, &bare, &document))
        .nest("/problems", pages::problems())
        .nest_no_strip("/api", Arc::clone(&endpoints))
        .nest_no_strip("/health", Arc::clone(&endpoints))
        .at("/metrics", endpoints)
        .data(shop.clone())
        .data(schemas)
        .data(Arc::new(document))
        .with(NormalizePath::new(TrailingSlash::Trim))
        .with(Compression::new())
        .after(etags::name_packed)
        .before(never_hold_back_events);
    // Pictures are compressed already.
    let app = Route::new().nest("/media", files::endpoint(shop.media.clone())).nest("/", api).map_to_response();
    Edge::new(app, shop.clone(), documented)
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem hands data over")]
fn openapi(document: Data<&Arc<Value>>) -> Response {
    Response::builder().content_type("application/json").body(document.to_string())
}

/// A compressor waits until it has enough to compress; a page that follows something waits for the next word.
async fn never_hold_back_events(mut request: Request) -> Result<Request> {
    if request.uri().path().trim_end_matches('/').ends_with("/events") {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    Ok(request)
}
