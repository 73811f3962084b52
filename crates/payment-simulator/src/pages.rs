//! What the buyer sees: a page per payment with the three things a buyer can do. Its forms also serve scripts.

use minijinja::{Environment, value::Serde};
use serde_json::{Value, json};

use super::{
    Fault, Inside, Provider,
    call::{Answer, Call},
    cards::CARDS,
    server,
    world::{Back, Deed},
};

pub(super) async fn answer(inside: &Inside, call: &Call) -> Answer {
    let steps = call.steps();
    match steps[..] {
        ["GET"] => front_page(inside),
        ["GET", "pay", provider, id] => match Provider::named(provider) {
            Some(provider) => bill_page(inside, provider, id, call),
            None => missing(),
        },
        ["POST", "pay", provider, id, deed] => {
            let card = call.param("card").filter(|card| !card.is_empty()).map(str::to_owned);
            let deed = match deed {
                "pay" => Deed::Pay { card },
                "later" => Deed::PayLater,
                "clear" => Deed::Clear,
                "bounce" => Deed::Bounce,
                "decline" => Deed::BeDeclined,
                "cancel" => Deed::Cancel,
                "refund_succeeds" => Deed::RefundSucceeds,
                "refund_fails" => Deed::RefundFails,
                _ => return missing(),
            };
            match Provider::named(provider) {
                Some(provider) => act(inside, provider, id, &deed, call).await,
                None => missing(),
            }
        }
        _ => missing(),
    }
}

fn front_page(inside: &Inside) -> Answer {
    let state = inside.state();
    let waiting =
        Provider::ALL.map(|provider| json!({"provider": provider.name(), "bills": state.provider(provider).waiting()}));
    drop(state);
    render("front.html", &json!({"waiting": waiting, "cards": cards(), "faults": Fault::ALL}))
}

fn bill_page(inside: &Inside, provider: Provider, id: &str, call: &Call) -> Answer {
    let Some(bill) = inside.state().provider(provider).bill(id) else { return missing() };
    let return_url = call.param("return_url");
    let context = json!({"provider": provider.name(), "bill": bill, "cards": cards(), "return_url": return_url});
    render("bill.html", &context)
}

fn cards() -> Vec<(&'static str, &'static str)> {
    CARDS.iter().map(|card| (card.name, card.does)).collect()
}

/// Does it, and sends the buyer back to the shop, or to the page when the shop did not say where.
async fn act(inside: &Inside, provider: Provider, id: &str, deed: &Deed, call: &Call) -> Answer {
    let (done, told) = {
        let mut state = inside.state();
        let known = state.provider(provider).bill(id).is_some();
        if !known {
            return missing();
        }
        (state.buyer(provider, id, deed), state.told())
    };
    server::send(inside, told).await;
    match done {
        Err(why) => Answer::json(409, &json!({"error": why})),
        Ok(back) => {
            let asked = call.param("return_url").map(str::to_owned);
            Answer::see(way_back(back, asked).unwrap_or_else(|| format!("/pay/{}/{id}", provider.name())))
        }
    }
}

/// Only to pages: the address comes from outside.
fn way_back(back: Back, asked: Option<String>) -> Option<String> {
    let url = reqwest::Url::parse_with_params(&asked.or(back.url)?, back.told).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

fn render(template: &str, context: &Value) -> Answer {
    let mut pages = Environment::new();
    let made = pages
        .add_template("layout.html", include_str!("pages/layout.html"))
        .and_then(|()| pages.add_template("front.html", include_str!("pages/front.html")))
        .and_then(|()| pages.add_template("bill.html", include_str!("pages/bill.html")))
        .and_then(|()| pages.get_template(template)?.render(Serde(context)));
    match made {
        Ok(page) => Answer::html(page),
        Err(error) => Answer::json(500, &json!({"error": error.to_string()})),
    }
}

fn missing() -> Answer {
    Answer::json(404, &json!({"error": "the payment simulator has nothing here; see /"}))
}
