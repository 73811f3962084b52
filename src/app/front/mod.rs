//! The page at `/`, with links to everything, for whoever has just started the shop.
//!
//! A client gets JSON, a browser a page. In a demo, and only to a browser on the same machine (`visitor.rs`), the page also
//! shows the sign-ins, the e-mails that were sent, and the cards of the payment simulator.

mod emails;
mod render;
mod visitor;

use platform::http::{paging::Page, problem::ApiResult, reply::JSON};
use poem::{
    Request, Response, Route, get, handler,
    http::{HeaderValue, header},
    web::Data,
};
use serde_json::{Value, json};

use self::{render::page, visitor::Visitor};
use crate::{
    accounts::Role,
    app::{
        demo::{self, SIGN_INS, SignIn},
        settings::Settings,
    },
    catalog::{self, list::ProductFilter},
    shop::Shop,
};
use payment_simulator::TEST_CARDS;

/// How many products the page of a demo shows.
const PRODUCTS: i64 = 6;

/// The e-mails of a demo, under `/outbox`. Nobody else's browser knows that they are there.
#[must_use]
pub fn outbox() -> Route {
    Route::new().at("/:name", get(emails::email)).at("/:name/body", get(emails::framed))
}

/// The page for a browser, JSON for other clients.
#[handler]
pub async fn front(request: &Request, shop: Data<&Shop>) -> ApiResult<Response> {
    let mut answer = if accepts_html(request) {
        match Visitor::of_demo(request, &shop).await? {
            Some(visitor) => demo_page(&shop, &visitor).await?,
            None => page("plain.html", &json!({"shop": about(&shop), "is_demo": shop.get::<Settings>().demo}))?,
        }
    } else {
        Response::builder().content_type(JSON).body(about(&shop).to_string())
    };
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    Ok(answer)
}

/// A browser accepts `text/html` explicitly; other clients accept anything.
fn accepts_html(request: &Request) -> bool {
    let accepted = request.header(header::ACCEPT).unwrap_or_default();
    accepted.split(',').any(|kind| kind.trim().starts_with("text/html"))
}

fn about(shop: &Shop) -> Value {
    json!({
        "name": shop.store.name,
        "version": env!("CARGO_PKG_VERSION"),
        "docs": "/docs",
        "reference": "/reference",
        "openapi": "/openapi.json",
        "health": "/health/ready",
    })
}

async fn demo_page(shop: &Shop, visitor: &Visitor) -> ApiResult<Response> {
    let shown = json!({
        "shop": about(shop),
        "base": visitor.base,
        "sign_ins": sign_ins(shop).await?,
        "outbox": emails::list(shop).await?,
        "simulator": simulated(shop),
        "products": products(shop).await?,
    });
    page("demo.html", &shown)
}

/// The demo's sign-ins. A password that was changed is not shown.
async fn sign_ins(shop: &Shop) -> ApiResult<Vec<Value>> {
    let mut shown = Vec::new();
    for (role, SignIn { email, password }) in
        [(Role::Customer, SIGN_INS.customer), (Role::Customer, SIGN_INS.other_customer), (Role::Admin, SIGN_INS.admin)]
    {
        let works = demo::can_sign_in(shop, SignIn { email, password }).await?;
        shown.push(json!({"role": role.to_string(), "email": email, "password": works.then_some(password)}));
    }
    Ok(shown)
}

fn simulated(shop: &Shop) -> Option<Value> {
    let url = shop.get::<Settings>().simulator.as_ref()?;
    let cards: Vec<Value> =
        TEST_CARDS.iter().map(|card| json!({"name": card.name, "does": card.description})).collect();
    Some(json!({"url": url, "cards": cards}))
}

/// The newest products that have an image.
async fn products(shop: &Shop) -> ApiResult<Vec<Value>> {
    let mut tx = shop.db.browse().await?;
    let filter = ProductFilter { is_active: Some(true), ..ProductFilter::default() };
    let (newest, _) = catalog::list::products(&mut tx, &filter, Page { number: 1, size: PRODUCTS }).await?;
    let newest = catalog::view::products(&mut tx, shop, newest).await?;
    let shown = newest.iter().filter_map(|product| {
        let image = product.images.first()?;
        // Relative, for the browser may know the shop by another name than PUBLIC_URL.
        let image = image.thumbnail_url.strip_prefix(&shop.store.public_url)?;
        Some(json!({"id": product.id, "name": product.name, "price": product.price.to_string(), "image": image}))
    });
    Ok(shown.collect())
}
