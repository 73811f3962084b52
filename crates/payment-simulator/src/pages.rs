//! The pages in the browser: an overview, and a checkout page for each payment. Scripts can post the same forms.

use minijinja::{Environment, value::Serde};
use serde_json::{Value, json};

use crate::{
    Fault, Provider,
    provider_api::{BuyerAction, Redirect},
    request::Request,
    response::Response,
    server,
    simulator::Shared,
    test_cards::TEST_CARDS,
};

pub(super) async fn handle(shared: &Shared, request: &Request) -> Response {
    match request.route()[..] {
        ["GET"] => index(shared),
        ["GET", "pay", provider, id] => match Provider::from_name(provider) {
            Some(provider) => checkout_page(shared, provider, id, request),
            None => not_found(),
        },
        ["POST", "pay", provider, id, action] => match (Provider::from_name(provider), buyer_action(action, request)) {
            (Some(provider), Some(action)) => apply(shared, provider, id, &action, request).await,
            _ => not_found(),
        },
        _ => not_found(),
    }
}

fn buyer_action(name: &str, request: &Request) -> Option<BuyerAction> {
    let card = request.param("card").filter(|card| !card.is_empty()).map(str::to_owned);
    Some(match name {
        "pay" => BuyerAction::Pay { card },
        "later" => BuyerAction::PayLater,
        "clear" => BuyerAction::BankClears,
        "bounce" => BuyerAction::BankBounces,
        "decline" => BuyerAction::Decline,
        "cancel" => BuyerAction::Cancel,
        "refund_succeeds" => BuyerAction::RefundSucceeds,
        "refund_fails" => BuyerAction::RefundFails,
        _ => return None,
    })
}

fn index(shared: &Shared) -> Response {
    let state = shared.state();
    let providers = Provider::ALL.map(|provider| {
        json!({
            "name": provider.name(), "title": provider.title(),
            "checkouts": state.provider(provider).open_checkouts(),
        })
    });
    drop(state);
    render("index.html", &json!({"providers": providers, "cards": test_cards(), "faults": Fault::ALL}))
}

fn checkout_page(shared: &Shared, provider: Provider, id: &str, request: &Request) -> Response {
    let Some(checkout) = shared.state().provider(provider).checkout_page(id) else { return not_found() };
    let context = json!({
        "provider": provider.name(), "title": provider.title(), "checkout": checkout, "cards": test_cards(),
        "return_url": request.param("return_url"),
    });
    render("checkout.html", &context)
}

fn test_cards() -> Vec<(&'static str, &'static str)> {
    TEST_CARDS.iter().map(|card| (card.name, card.description)).collect()
}

/// Does what the buyer asked for, and sends them to the shop, or to the checkout page if no return URL is known.
async fn apply(shared: &Shared, provider: Provider, id: &str, action: &BuyerAction, request: &Request) -> Response {
    let (result, events) = {
        let mut state = shared.state();
        if state.provider(provider).checkout_page(id).is_none() {
            return not_found();
        }
        (state.apply_buyer_action(provider, id, action), state.take_events())
    };
    server::send_events(shared, events).await;
    match result {
        Err(message) => Response::json(409, &json!({"error": message})),
        Ok(redirect) => {
            let return_url = request.param("return_url").map(str::to_owned);
            let location = shop_url(redirect, return_url);
            Response::redirect(location.unwrap_or_else(|| format!("/pay/{}/{id}", provider.name())))
        }
    }
}

/// Where the buyer returns to. Only HTTP: the URL comes from outside.
fn shop_url(redirect: Redirect, return_url: Option<String>) -> Option<String> {
    let url = reqwest::Url::parse_with_params(&return_url.or(redirect.url)?, redirect.params).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

fn render(template: &str, context: &Value) -> Response {
    let mut templates = Environment::new();
    let rendered = templates
        .add_template("layout.html", include_str!("pages/layout.html"))
        .and_then(|()| templates.add_template("index.html", include_str!("pages/index.html")))
        .and_then(|()| templates.add_template("checkout.html", include_str!("pages/checkout.html")))
        .and_then(|()| templates.get_template(template)?.render(Serde(context)));
    match rendered {
        Ok(page) => Response::html(page),
        Err(error) => Response::json(500, &json!({"error": error.to_string()})),
    }
}

fn not_found() -> Response {
    Response::json(404, &json!({"error": "Not found. GET / lists the open payments and the endpoints."}))
}
