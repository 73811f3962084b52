//! The payment simulator follows the rules of the providers. Otherwise no story that pays would prove anything.

mod faults;
mod pages;
mod paypal;
mod providers;
mod razorpay;
mod stripe;
mod webhooks;

use std::time::Duration;

use payment_simulator::{
    Options, PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, STRIPE_SECRET_KEY, Simulator,
};
use platform::clock::Clock;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{http_client, shop::BEGINNING};

/// A simulator and an HTTP client of it.
struct Client {
    simulator: Simulator,
    clock: Clock,
    http: reqwest::Client,
}

/// The status and body of a response. `None` if the connection broke.
type Reply = Option<(u16, Value)>;

impl Client {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::fixed_at(BEGINNING);
        let mut options = Options { clock: clock.clone(), stall: Duration::from_mins(5), ..Options::default() };
        change(&mut options);
        let http = http_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { simulator: Simulator::start(options).await.unwrap(), clock, http }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.simulator.url()))
    }

    async fn stripe_get(&self, path: &str) -> Value {
        ok(send(self.request(Method::GET, &format!("/stripe/v1/{path}")).bearer_auth(STRIPE_SECRET_KEY)).await)
    }

    async fn stripe_post(&self, path: &str, params: &[(&str, &str)], key: &str) -> Reply {
        let request = self.request(Method::POST, &format!("/stripe/v1/{path}")).bearer_auth(STRIPE_SECRET_KEY);
        send(with_form(request, params).header("idempotency-key", key)).await
    }

    /// Charges a card that succeeds. The payment intent.
    async fn charge(&self, key: &str) -> Reply {
        let params = [
            ("amount", "1200"),
            ("currency", "usd"),
            ("confirm", "true"),
            ("off_session", "true"),
            ("payment_method", "pm_card_visa"),
            ("metadata[order_id]", "7"),
            ("metadata[payment_id]", "p-7"),
        ];
        self.stripe_post("payment_intents", &params, key).await
    }

    /// A payment intent that the buyer confirms in the browser.
    async fn create_payment_intent(&self) -> Value {
        ok(self.stripe_post("payment_intents", &[("amount", "500"), ("currency", "usd")], "browser").await)
    }

    async fn paypal_token(&self) -> String {
        let request = self.request(Method::POST, "/paypal/v1/oauth2/token");
        let request = request.basic_auth(PAYPAL_CLIENT_ID, Some(PAYPAL_CLIENT_SECRET));
        let token = ok(send(with_form(request, &[("grant_type", "client_credentials")])).await);
        assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(32_400)));
        token["access_token"].as_str().unwrap().to_owned()
    }

    async fn paypal_get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, &format!("/paypal{path}")).bearer_auth(self.paypal_token().await)).await
    }

    async fn paypal_post(&self, path: &str, body: &Value, request_id: &str) -> Reply {
        let request = self.request(Method::POST, &format!("/paypal{path}")).bearer_auth(self.paypal_token().await);
        send(request.json(body).header("paypal-request-id", request_id)).await
    }

    /// A PayPal order of 12.00 USD. Its id.
    async fn create_paypal_order(&self) -> String {
        let (status, order) = self.paypal_post("/v2/checkout/orders", &paypal_order("12.00"), "make").await.unwrap();
        assert_eq!((status, &order["status"]), (201, &json!("CREATED")));
        order["id"].as_str().unwrap().to_owned()
    }

    async fn razorpay_get(&self, path: &str) -> Reply {
        let request = self.request(Method::GET, &format!("/razorpay/v1/{path}"));
        send(request.basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET))).await
    }

    async fn razorpay_post(&self, path: &str, body: &Value, key: Option<&str>) -> Reply {
        let request = self.request(Method::POST, &format!("/razorpay/v1/{path}")).json(body);
        let request = request.basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET));
        send(key.into_iter().fold(request, |request, key| request.header("x-refund-idempotency", key))).await
    }

    /// A Razorpay order that the buyer has paid. The ids of the order and the payment.
    async fn create_paid_razorpay_order(&self) -> (String, String) {
        let order = json!({"amount": 50_000, "currency": "INR", "receipt": "p-1", "notes": {"order_id": "1"}});
        let order = ok(self.razorpay_post("orders", &order, None).await)["id"].as_str().unwrap().to_owned();
        self.simulator.buyer_pays(&order).unwrap();
        let payments = ok(self.razorpay_get(&format!("orders/{order}/payments")).await);
        (order, payments["items"][0]["id"].as_str().unwrap().to_owned())
    }

    async fn ledger(&self) -> Value {
        ok(send(self.request(Method::GET, "/simulator/ledger")).await)
    }

    async fn set_faults(&self, faults: &Value) -> Reply {
        send(self.request(Method::POST, "/simulator/faults").json(faults)).await
    }
}

fn paypal_order(value: &str) -> Value {
    json!({
        "intent": "CAPTURE",
        "purchase_units": [{"custom_id": "p-1", "amount": {"currency_code": "USD", "value": value}}],
        "application_context": {"return_url": "https://shop.test/paid?order=1", "cancel_url": "https://shop.test/cart"},
    })
}

fn with_form(request: RequestBuilder, params: &[(&str, &str)]) -> RequestBuilder {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(form)
}

async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.ok()?;
    Some((response.status().as_u16(), response.json().await.ok()?))
}

/// The body of a successful response.
fn ok(reply: Reply) -> Value {
    let (status, body) = reply.expect("a response");
    assert!((200..300).contains(&status), "{status} {body}");
    body
}

/// The status and PayPal's code of an error.
fn paypal_issue(reply: Reply) -> (u16, String) {
    let (status, body) = reply.expect("a response");
    (status, body["details"][0]["issue"].as_str().unwrap_or_default().to_owned())
}
