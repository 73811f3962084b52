//! The whole HTTP application: every feature's endpoints, their OpenAPI document, and the middleware.

use std::{collections::HashMap, sync::Arc};

use platform::{
    http::{
        aliases, content_coding, documented::Documented, edge::Edge, etags, reply::JSON, response_cache::ResponseCache,
        schema::Schemas, static_page::StaticPage,
    },
    media::files,
    money::Currency,
};
use poem::{
    Endpoint, EndpointExt, IntoEndpoint, Request, Response, Result, Route,
    endpoint::BoxEndpoint,
    get,
    http::{Method, header},
    middleware::{Compression, NormalizePath, TrailingSlash},
};
use poem_openapi::{
    LicenseObject, OpenApi, OpenApiService,
    registry::{MetaApi, MetaPath, Registry},
};
use serde_json::Value;

use crate::{
    accounts::{account_api::AccountApi, api::AccountsApi, passwords_api::PasswordsApi, users_api::UsersApi},
    app::{
        aliases::ALIASES,
        document::{self, pages},
        front,
        health::HealthApi,
        jobs_api::JobsApi,
        settings::Settings,
    },
    carts::api::{CartsApi, CurrentCartApi},
    catalog::api::{BrandsApi, CategoriesApi, ImagesApi, ProductsApi},
    checkout::api::CheckoutApi,
    dashboard::api::DashboardApi,
    inventory::api::InventoryApi,
    orders::api::OrdersApi,
    payments::{
        api::PaymentsApi,
        inbox::{api::InboxApi, webhooks_api::WebhooksApi},
        reconciliation::api::ReconciliationApi,
        refunds::api::RefundsApi,
    },
    reviews::api::ReviewsApi,
    shop::Shop,
    wishlists::api::WishlistsApi,
};

/// Path parameters that are kept out of logs: the id of an anonymous cart gives access to it.
const SECRET_IDS: &[&str] = &["{cart_id}"];

fn service() -> OpenApiService<impl OpenApi, ()> {
    let description = "The API of a headless shop: catalog, carts, orders and payments.\n\n\
        To try it here, sign in at `POST /api/auth/login`, press **Authorize** and paste the `access` token. Lists are \
        JSON arrays; the total number of entries is in the header `X-Total-Count`. Every error has the content type \
        `application/problem+json` and a stable `code`.";
    let endpoints = (
        (AccountsApi, AccountApi), // as one: there may be sixteen
        ProductsApi,
        ImagesApi,
        CategoriesApi,
        BrandsApi,
        ReviewsApi,
        WishlistsApi,
        (CurrentCartApi, CartsApi),
        (OrdersApi, CheckoutApi),
        (PaymentsApi, RefundsApi, WebhooksApi, InboxApi, ReconciliationApi),
        DashboardApi,
        InventoryApi,
        JobsApi,
        PasswordsApi,
        UsersApi,
        HealthApi,
    );
    OpenApiService::new(OneDocument(endpoints), "Cartwright", env!("CARGO_PKG_VERSION"))
        .description(description)
        .license(LicenseObject::new("MIT OR Apache-2.0"))
}

/// Endpoints of several features at one address: poem-openapi would document those of the last one only.
struct OneDocument<T>(T);

impl<T: OpenApi> OpenApi for OneDocument<T> {
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in T::meta().into_iter().flat_map(|api| api.paths) {
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.0.add_routes(routes);
    }
}

/// The OpenAPI document, as it is served by a shop with this currency. That of the default is kept in
/// `openapi/openapi.json`.
///
/// # Panics
/// Never: poem-openapi writes JSON.
#[must_use]
pub fn document(currency: Currency) -> Value {
    completed(&service().spec(), currency)
}

/// The document of poem-openapi, completed with what types cannot express.
fn completed(bare: &str, currency: Currency) -> Value {
    let mut document: Value = serde_json::from_str(bare).expect("the document is JSON");
    document::complete(&mut document, currency);
    aliases::describe(&mut document, ALIASES);
    document::prune(&mut document);
    document
}

/// The API document of a currency and what is generated from it: created once, served by every shop of that currency.
pub struct Contract {
    document: StaticPage,
    swagger: StaticPage,
    scalar: StaticPage,
    schemas: Arc<Schemas>,
    documented: Arc<Documented>,
}

impl Contract {
    #[must_use]
    pub fn of(currency: Currency) -> Self {
        let service = service();
        let bare = service.spec();
        let document = completed(&bare, currency);
        let whole = document.to_string();
        Self {
            swagger: pages::swagger(&service.swagger_ui_html(), &bare, &whole),
            scalar: pages::scalar(&service.scalar_html(), &bare, &whole),
            schemas: Arc::new(Schemas::of(&document)),
            documented: Arc::new(Documented::of(&document).with_aliases(ALIASES).with_secrets(SECRET_IDS)),
            document: StaticPage::new(JSON, whole),
        }
    }
}

/// The whole application, ready to be served.
#[must_use]
pub fn app(shop: &Shop, contract: &Contract) -> Edge<impl Endpoint<Output = Response> + use<>> {
    let http = Arc::new(shop.get::<Settings>().http());
    // Nested at "/" they would hide the page at `/`.
    let endpoints = Arc::new(service().into_endpoint());
    let api = Route::new()
        .at("/", get(front::front))
        .nest("/outbox", front::outbox())
        .nest("/problems", pages::problems())
        .nest_no_strip("/api", Arc::clone(&endpoints))
        .nest_no_strip("/health", Arc::clone(&endpoints))
        .at("/metrics", endpoints)
        .data(shop.clone())
        .data(shop.media.clone())
        .data(Arc::clone(&http))
        .data(Arc::clone(&contract.schemas))
        .with(NormalizePath::new(TrailingSlash::Trim))
        .with(Compression::new())
        .after(etags::tag_compressed)
        .before(choose_coding);
    // Images and static pages are compressed already.
    let app = Route::new()
        .nest("/media", files::endpoint(shop.media.clone()))
        .nest("/openapi.json", contract.document.clone())
        .nest("/docs", contract.swagger.clone())
        .nest("/reference", contract.scalar.clone())
        .nest("/", api)
        .map_to_response();
    Edge::new(app, http, Arc::clone(&contract.documented)).caching(ResponseCache::new(shop.cache.clone()))
}

/// Chooses how the response is compressed: event streams not at all, because a compressor would delay events until it has
/// enough to compress.
async fn choose_coding(mut request: Request) -> Result<Request> {
    let streams = request.uri().path().trim_end_matches('/').ends_with("/events");
    let headers = request.headers_mut();
    if streams {
        headers.remove(header::ACCEPT_ENCODING);
    } else {
        content_coding::normalize(headers);
    }
    Ok(request)
}
