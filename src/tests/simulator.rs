//! The payment simulator keeps what the providers promise. If it did not, no story that pays would prove anything.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use payment_simulator::{
    Fault, Options, PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, PAYPAL_WEBHOOK_ID, Provider, RAZORPAY_KEY_ID,
    RAZORPAY_KEY_SECRET, RAZORPAY_WEBHOOK_SECRET, STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY, Simulator,
};
use platform::clock::Clock;
use poem::{
    Server,
    endpoint::make,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{eventually, run, shop::BEGINNING};

/// A simulator, and somebody who calls it.
struct Desk {
    simulator: Simulator,
    clock: Clock,
    http: reqwest::Client,
}

/// The status and body; nothing when the connection broke.
type Heard = Option<(u16, Value)>;

impl Desk {
    async fn opens() -> Self {
        Self::opens_with(|_| {}).await
    }

    async fn opens_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::fixed_at(BEGINNING);
        let mut options = Options { clock: clock.clone(), stall: Duration::from_mins(5), ..Options::default() };
        change(&mut options);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { simulator: Simulator::start(options).await.unwrap(), clock, http }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.simulator.url()))
    }

    async fn stripe_asks(&self, path: &str) -> Value {
        done(hear(self.ask(Method::GET, &format!("/stripe/v1/{path}")).bearer_auth(STRIPE_SECRET_KEY)).await)
    }

    async fn stripe(&self, path: &str, params: &[(&str, &str)], key: &str) -> Heard {
        let request = self.ask(Method::POST, &format!("/stripe/v1/{path}")).bearer_auth(STRIPE_SECRET_KEY);
        hear(with_form(request, params).header("idempotency-key", key)).await
    }

    /// Charges a good card; the payment intent.
    async fn charges(&self, key: &str) -> Heard {
        let params = [
            ("amount", "1200"),
            ("currency", "usd"),
            ("confirm", "true"),
            ("off_session", "true"),
            ("payment_method", "pm_card_visa"),
            ("metadata[order_id]", "7"),
            ("metadata[payment_id]", "p-7"),
        ];
        self.stripe("payment_intents", &params, key).await
    }

    /// What a payment for the buyer in the browser is.
    async fn asks_a_buyer_at_stripe(&self) -> Value {
        done(self.stripe("payment_intents", &[("amount", "500"), ("currency", "usd")], "browser").await)
    }

    async fn paypal_token(&self) -> String {
        let request =
            self.ask(Method::POST, "/paypal/v1/oauth2/token").basic_auth(PAYPAL_CLIENT_ID, Some(PAYPAL_CLIENT_SECRET));
        let token = done(hear(with_form(request, &[("grant_type", "client_credentials")])).await);
        assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(32_400)));
        token["access_token"].as_str().unwrap().to_owned()
    }

    async fn paypal_asks(&self, path: &str) -> Heard {
        hear(self.ask(Method::GET, &format!("/paypal{path}")).bearer_auth(self.paypal_token().await)).await
    }

    async fn paypal(&self, path: &str, body: &Value, id: &str) -> Heard {
        let request = self.ask(Method::POST, &format!("/paypal{path}")).bearer_auth(self.paypal_token().await);
        hear(request.json(body).header("paypal-request-id", id)).await
    }

    /// An order at PayPal, for 12.00 USD.
    async fn orders_at_paypal(&self) -> String {
        let (status, order) = self.paypal("/v2/checkout/orders", &paypal_order("12.00"), "make").await.unwrap();
        assert_eq!((status, &order["status"]), (201, &json!("CREATED")));
        order["id"].as_str().unwrap().to_owned()
    }

    async fn razorpay_asks(&self, path: &str) -> Heard {
        let request = self.ask(Method::GET, &format!("/razorpay/v1/{path}"));
        hear(request.basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET))).await
    }

    async fn razorpay(&self, path: &str, body: &Value, key: Option<&str>) -> Heard {
        let request = self.ask(Method::POST, &format!("/razorpay/v1/{path}")).json(body);
        let request = request.basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET));
        hear(key.into_iter().fold(request, |request, key| request.header("x-refund-idempotency", key))).await
    }

    /// An order at Razorpay that the buyer has paid; the order and the payment.
    async fn is_paid_at_razorpay(&self) -> (String, String) {
        let order = json!({"amount": 50_000, "currency": "INR", "receipt": "p-1", "notes": {"order_id": "1"}});
        let order = done(self.razorpay("orders", &order, None).await)["id"].as_str().unwrap().to_owned();
        self.simulator.buyer_pays(&order).unwrap();
        let payments = done(self.razorpay_asks(&format!("orders/{order}/payments")).await);
        (order, payments["items"][0]["id"].as_str().unwrap().to_owned())
    }

    async fn ledger(&self) -> Value {
        done(hear(self.ask(Method::GET, "/simulator/ledger")).await)
    }

    async fn arranges(&self, faults: &Value) -> Heard {
        hear(self.ask(Method::POST, "/simulator/faults").json(faults)).await
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

async fn hear(request: RequestBuilder) -> Heard {
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

fn done(heard: Heard) -> Value {
    let (status, body) = heard.expect("an answer");
    assert!((200..300).contains(&status), "{status} {body}");
    body
}

/// PayPal's name for what is wrong.
fn issue(heard: Heard) -> (u16, String) {
    let (status, body) = heard.expect("an answer");
    (status, body["details"][0]["issue"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn stripe_repeats_the_first_answer_to_a_key_for_a_day() {
    run(async {
        let desk = Desk::opens().await;
        let first = desk.charges("k").await.unwrap();
        assert_eq!(desk.charges("k").await.unwrap(), first);
        let other = desk.stripe("payment_intents", &[("amount", "1300"), ("currency", "usd")], "k").await.unwrap();
        assert_eq!((other.0, &other.1["error"]["type"]), (400, &json!("idempotency_error")));
        assert_eq!(desk.simulator.captures().len(), 1);

        desk.clock.advance(Duration::from_hours(25));
        assert_ne!(desk.charges("k").await.unwrap().1["id"], first.1["id"]);
        assert_eq!(desk.simulator.captures().len(), 2);
    });
}

#[test]
fn stripe_repeats_a_500_and_only_a_look_shows_the_money() {
    run(async {
        let desk = Desk::opens().await;
        desk.simulator.next(Provider::Stripe, Fault::ErrorAfter);
        assert_eq!(desk.charges("k").await.unwrap().0, 500);
        assert_eq!(desk.charges("k").await.unwrap().0, 500);
        let found = desk.stripe_asks("payment_intents?limit=5&created[gte]=0").await;
        assert_eq!((&found["data"][0]["status"], &found["has_more"]), (&json!("succeeded"), &json!(false)));
        assert_eq!(found["data"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_key_whose_first_call_still_runs_is_in_use() {
    run(async {
        let desk = Arc::new(Desk::opens().await);
        desk.simulator.next(Provider::Stripe, Fault::TimeoutAfter);
        let waiting = tokio::spawn({
            let desk = Arc::clone(&desk);
            async move { desk.charges("k").await }
        });
        eventually("the money is taken", async || desk.simulator.captures().len() == 1).await;
        let again = desk.charges("k").await.unwrap();
        assert_eq!((again.0, &again.1["error"]["type"]), (409, &json!("idempotency_error")));
        waiting.abort();
    });
}

#[test]
fn stripe_lists_page_by_page() {
    run(async {
        let desk = Desk::opens().await;
        for number in 0..5 {
            done(desk.charges(&format!("k{number}")).await);
        }
        let mut seen = Vec::new();
        let mut page = desk.stripe_asks("payment_intents?limit=2").await;
        loop {
            seen.extend(page["data"].as_array().unwrap().iter().map(|intent| intent["id"].clone()));
            if page["has_more"] == false {
                break;
            }
            let last = seen.last().unwrap().as_str().unwrap();
            page = desk.stripe_asks(&format!("payment_intents?limit=2&starting_after={last}")).await;
        }
        let mut newest_first: Vec<Value> =
            desk.simulator.captures().iter().map(|capture| json!(capture.transaction)).collect();
        newest_first.reverse();
        assert_eq!(seen, newest_first);
    });
}

#[test]
fn stripe_gives_back_no_more_than_it_took() {
    run(async {
        let desk = Desk::opens().await;
        let intent = done(desk.charges("k").await)["id"].as_str().unwrap().to_owned();
        let some = [("payment_intent", intent.as_str()), ("amount", "500"), ("metadata[why]", "late")];
        let refund = done(desk.stripe("refunds", &some, "r1").await);
        assert_eq!(done(desk.stripe("refunds", &some, "r1").await), refund);
        let too_much = desk.stripe("refunds", &[("payment_intent", &intent), ("amount", "701")], "r2").await.unwrap();
        assert_eq!((too_much.0, &too_much.1["error"]["type"]), (400, &json!("invalid_request_error")));
        done(desk.stripe("refunds", &[("payment_intent", &intent)], "r3").await);
        let nothing_left = desk.stripe("refunds", &[("payment_intent", &intent)], "r4").await.unwrap();
        assert_eq!(nothing_left.1["error"]["code"], "charge_already_refunded");

        assert_eq!(desk.stripe_asks(&format!("refunds/{}", refund["id"].as_str().unwrap())).await, refund);
        let all = desk.stripe_asks(&format!("refunds?payment_intent={intent}")).await;
        assert_eq!(all["data"].as_array().unwrap().len(), 2);
        let shown = desk.stripe_asks(&format!("payment_intents/{intent}?expand[]=latest_charge")).await;
        assert_eq!(shown["latest_charge"]["amount_refunded"], 1200);
        assert_eq!(desk.simulator.ledger().refunded(&intent), 1200);
    });
}

#[test]
fn stripes_own_types_read_what_the_simulator_says() {
    fn read<T: miniserde::Deserialize>(said: &Value) -> T {
        miniserde::json::from_str(&said.to_string()).unwrap_or_else(|_| panic!("cannot be read: {said}"))
    }
    run(async {
        let desk = Desk::opens().await;
        let intent = done(desk.charges("k").await)["id"].as_str().unwrap().to_owned();
        done(desk.stripe("refunds", &[("payment_intent", &intent), ("amount", "200")], "r").await);
        let shown = desk.stripe_asks(&format!("payment_intents/{intent}?expand[]=latest_charge.refunds")).await;
        let shown: stripe_shared::PaymentIntent = read(&shown);
        let charge = shown.latest_charge.as_ref().and_then(|charge| charge.as_object()).expect("the charge itself");
        assert_eq!((charge.amount, charge.amount_refunded), (1200, 200));
        let refunds = charge.refunds.as_ref().expect("the refunds of the charge");
        assert_eq!((refunds.data[0].amount, refunds.has_more), (200, false));
        let listed = desk.stripe_asks(&format!("refunds?payment_intent={intent}")).await;
        let listed: stripe_types::List<stripe_shared::Refund> = read(&listed);
        assert_eq!(listed.data[0].amount, 200);
    });
}

#[test]
fn a_browser_needs_the_client_secret_and_may_only_confirm() {
    run(async {
        let desk = Desk::opens().await;
        let intent = desk.asks_a_buyer_at_stripe().await;
        let (id, secret) = (intent["id"].as_str().unwrap(), intent["client_secret"].as_str().unwrap());
        let confirms = |params: &[(&str, &str)]| {
            let request = desk.ask(Method::POST, &format!("/stripe/v1/payment_intents/{id}/confirm"));
            hear(with_form(request, params))
        };
        let good = [("key", STRIPE_PUBLISHABLE_KEY), ("client_secret", secret), ("payment_method", "pm_card_visa")];
        assert_eq!(confirms(&good[..1]).await.unwrap().0, 401);
        assert_eq!(done(confirms(&good).await)["status"], "succeeded");
        let refunds = desk.ask(Method::POST, "/stripe/v1/refunds").bearer_auth(STRIPE_PUBLISHABLE_KEY);
        assert_eq!(hear(with_form(refunds, &[("payment_intent", id)])).await.unwrap().0, 401);
    });
}

#[test]
fn each_test_card_does_what_its_name_says() {
    run(async {
        let desk = Desk::opens().await;
        let pays = async |card: &str, alone: &str| {
            let params = [
                ("amount", "500"),
                ("currency", "usd"),
                ("confirm", "true"),
                ("off_session", alone),
                ("payment_method", card),
            ];
            let (status, body) = desk.stripe("payment_intents", &params, &format!("{card}{alone}")).await.unwrap();
            let what =
                body["status"].as_str().or(body["error"]["decline_code"].as_str()).or(body["error"]["code"].as_str());
            (status, what.unwrap().to_owned(), body)
        };
        for (card, alone, expected) in [
            ("pm_card_visa", "true", (200, "succeeded")),
            ("pm_card_chargeDeclined", "true", (402, "generic_decline")),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "true", (402, "insufficient_funds")),
            ("pm_card_authenticationRequired", "true", (402, "authentication_required")),
            ("pm_card_authenticationRequired", "false", (200, "requires_action")),
            ("pm_card_processing", "true", (200, "processing")),
            ("pm_card_nobody_has", "true", (400, "resource_missing")),
        ] {
            let (status, what, _) = pays(card, alone).await;
            assert_eq!((status, what.as_str()), expected, "{card}");
        }
        let waiting = pays("pm_card_processing", "true").await.2["id"].as_str().unwrap().to_owned();
        desk.clock.advance(Duration::from_mins(1));
        assert_eq!(desk.stripe_asks(&format!("payment_intents/{waiting}")).await["status"], "succeeded");
    });
}

#[test]
fn paypal_captures_what_the_buyer_approved_once() {
    run(async {
        let desk = Desk::opens().await;
        let order = desk.orders_at_paypal().await;
        assert_eq!(desk.paypal("/v2/checkout/orders", &paypal_order("13.00"), "make").await.unwrap().1["id"], order);
        let capture = format!("/v2/checkout/orders/{order}/capture");
        assert_eq!(issue(desk.paypal(&capture, &json!({}), "c").await), (422, "ORDER_NOT_APPROVED".to_owned()));
        desk.simulator.buyer_is_declined(&order).unwrap();
        assert_eq!(issue(desk.paypal(&capture, &json!({}), "c").await), (422, "INSTRUMENT_DECLINED".to_owned()));
        desk.simulator.buyer_pays(&order).unwrap();

        desk.simulator.next(Provider::Paypal, Fault::CutAfter);
        assert_eq!(desk.paypal(&capture, &json!({}), "c").await, None);
        let (status, again) = desk.paypal(&capture, &json!({}), "c").await.unwrap();
        assert_eq!((status, &again["status"]), (200, &json!("COMPLETED")));
        assert_eq!(issue(desk.paypal(&capture, &json!({}), "d").await), (422, "ORDER_ALREADY_CAPTURED".to_owned()));

        let [taken] = desk.simulator.captures().try_into().expect("one capture");
        assert_eq!((taken.amount, taken.payment_id.as_str(), &taken.transaction), (1200, "p-1", &order));
        let shown = done(desk.paypal_asks(&format!("/v2/checkout/orders/{order}")).await);
        assert_eq!(shown["purchase_units"][0]["payments"]["captures"][0]["id"], taken.capture);
    });
}

#[test]
fn paypal_gives_back_no_more_than_it_took() {
    run(async {
        let desk = Desk::opens().await;
        let order = desk.orders_at_paypal().await;
        desk.simulator.buyer_pays(&order).unwrap();
        done(desk.paypal(&format!("/v2/checkout/orders/{order}/capture"), &json!({}), "c").await);
        let capture = desk.simulator.captures()[0].capture.clone();
        let path = format!("/v2/payments/captures/{capture}/refund");
        let amount = |value: &str| json!({"amount": {"currency_code": "USD", "value": value}});

        let refund = done(desk.paypal(&path, &amount("5.00"), "r1").await);
        assert_eq!(desk.paypal(&path, &amount("5.00"), "r1").await, Some((200, refund.clone())));
        assert_eq!(issue(desk.paypal(&path, &amount("7.01"), "r2").await), (422, "REFUND_AMOUNT_EXCEEDED".to_owned()));
        let euros = json!({"amount": {"currency_code": "EUR", "value": "1.00"}});
        assert_eq!(issue(desk.paypal(&path, &euros, "r2").await).0, 422);
        done(desk.paypal(&path, &json!({}), "r3").await);
        assert_eq!(issue(desk.paypal(&path, &json!({}), "r4").await), (422, "CAPTURE_FULLY_REFUNDED".to_owned()));

        let shown = done(desk.paypal_asks(&format!("/v2/payments/captures/{capture}")).await);
        assert_eq!((&shown["status"], &shown["custom_id"]), (&json!("REFUNDED"), &json!("p-1")));
        let id = refund["id"].as_str().unwrap();
        assert_eq!(done(desk.paypal_asks(&format!("/v2/payments/refunds/{id}")).await)["amount"]["value"], "5.00");
        assert_eq!(desk.simulator.refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [500, 700]);
    });
}

#[test]
fn paypal_says_which_webhooks_are_its_own() {
    run(async {
        let desk = Desk::opens().await;
        let order = desk.orders_at_paypal().await;
        let webhook = desk.simulator.webhook("CHECKOUT.ORDER.APPROVED", &order);
        let header = |name: &str| webhook.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let event: Value = serde_json::from_str(&webhook.body).unwrap();
        let good = json!({
            "transmission_id": header("paypal-transmission-id"), "transmission_time": header("paypal-transmission-time"),
            "transmission_sig": header("paypal-transmission-sig"), "cert_url": header("paypal-cert-url"),
            "auth_algo": header("paypal-auth-algo"), "webhook_id": PAYPAL_WEBHOOK_ID, "webhook_event": event,
        });
        let asked = async |question: &Value| {
            let path = "/v1/notifications/verify-webhook-signature";
            done(desk.paypal(path, question, "v").await)["verification_status"].clone()
        };
        assert_eq!(asked(&good).await, "SUCCESS");
        let mut other_event = event.clone();
        other_event["resource"]["status"] = "COMPLETED".into();
        for (name, value) in [
            ("webhook_event", other_event),
            ("webhook_id", json!("WH-OTHER")),
            ("transmission_id", json!("1")),
            ("transmission_time", json!("2025-01-15T00:00:00Z")),
            ("transmission_sig", json!("")),
            ("cert_url", json!("https://evil.test/cert")),
            ("auth_algo", json!("none")),
        ] {
            let mut question = good.clone();
            question[name] = value;
            assert_eq!(asked(&question).await, "FAILURE", "{name}");
        }
    });
}

#[test]
fn paypal_wants_json_a_token_that_lives_and_a_currency_it_knows() {
    run(async {
        let desk = Desk::opens().await;
        let token = desk.paypal_token().await;
        let order = desk.orders_at_paypal().await;
        let path = format!("/paypal/v2/checkout/orders/{order}/capture");
        assert_eq!(desk.ask(Method::POST, &path).bearer_auth(&token).send().await.unwrap().status(), 415);
        desk.clock.advance(Duration::from_hours(10));
        assert_eq!(hear(desk.ask(Method::POST, &path).bearer_auth(&token).json(&json!({}))).await.unwrap().0, 401);

        let mut rupees = paypal_order("12.00");
        rupees["purchase_units"][0]["amount"]["currency_code"] = "INR".into();
        let refused = desk.paypal("/v2/checkout/orders", &rupees, "i").await;
        assert_eq!(issue(refused), (422, "CURRENCY_NOT_SUPPORTED".to_owned()));
        let mut yen = paypal_order("12.00");
        yen["purchase_units"][0]["amount"]["currency_code"] = "JPY".into();
        assert_eq!(
            issue(desk.paypal("/v2/checkout/orders", &yen, "y").await),
            (422, "DECIMALS_NOT_SUPPORTED".to_owned())
        );
    });
}

#[test]
fn razorpay_makes_two_orders_of_two_calls_and_finds_both_by_receipt() {
    run(async {
        let desk = Desk::opens().await;
        let order = json!({"amount": 50_000, "currency": "INR", "receipt": "p-1"});
        let first = done(desk.razorpay("orders", &order, None).await);
        let second = done(desk.razorpay("orders", &order, None).await);
        assert_ne!(first["id"], second["id"]);
        let found = done(desk.razorpay_asks("orders?receipt=p-1").await);
        assert_eq!((&found["count"], &found["items"]), (&json!(2), &json!([second, first])));
        let (status, _) = desk.razorpay_asks("orders/order_unknown").await.unwrap();
        assert_eq!(status, 400);
        let long = json!({"amount": 50_000, "currency": "INR", "receipt": "x".repeat(41)});
        assert_eq!(desk.razorpay("orders", &long, None).await.unwrap().0, 400);
    });
}

#[test]
fn razorpay_refunds_once_per_key_and_no_more_than_it_took() {
    run(async {
        let desk = Desk::opens().await;
        let (order, payment) = desk.is_paid_at_razorpay().await;
        let path = format!("payments/{payment}/refund");
        let refund = done(desk.razorpay(&path, &json!({"amount": 20_000}), Some("refund-key-1")).await);
        assert_eq!(
            desk.razorpay(&path, &json!({"amount": 20_000}), Some("refund-key-1")).await,
            Some((200, refund.clone()))
        );
        for (body, key) in [
            (json!({"amount": 10_000}), "refund-key-1"),
            (json!({"amount": 30_001}), "refund-key-2"),
            (json!({"amount": 10_000}), "short"),
        ] {
            assert_eq!(desk.razorpay(&path, &body, Some(key)).await.unwrap().0, 400, "{key} {body}");
        }
        done(desk.razorpay(&path, &json!({}), Some("refund-key-3")).await);
        assert_eq!(desk.razorpay(&path, &json!({}), None).await.unwrap().0, 400);

        let shown = done(desk.razorpay_asks(&format!("payments/{payment}")).await);
        assert_eq!((&shown["status"], &shown["amount_refunded"]), (&json!("refunded"), &json!(50_000)));
        assert_eq!(done(desk.razorpay_asks(&format!("payments/{payment}/refunds")).await)["count"], 2);
        let id = refund["id"].as_str().unwrap();
        assert_eq!(done(desk.razorpay_asks(&format!("refunds/{id}")).await), refund);
        assert_eq!(done(desk.razorpay_asks(&format!("orders/{order}")).await)["status"], "paid");
        assert_eq!(desk.simulator.ledger().refunded(&order), 50_000);
    });
}

#[test]
fn razorpay_tells_of_a_payment_in_three_signed_webhooks() {
    run(async {
        let desk = Desk::opens().await;
        let (order, payment) = desk.is_paid_at_razorpay().await;
        let told = desk.simulator.webhooks();
        let kinds: Vec<&str> = told.iter().map(|webhook| webhook.kind.as_str()).collect();
        assert_eq!(kinds, ["payment.authorized", "payment.captured", "order.paid"]);
        for webhook in &told {
            let mut mac = Hmac::<Sha256>::new_from_slice(RAZORPAY_WEBHOOK_SECRET.as_bytes()).unwrap();
            mac.update(webhook.body.as_bytes());
            let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                webhook.headers,
                [("x-razorpay-signature", expected), ("x-razorpay-event-id", webhook.id.clone())]
            );
            let event: Value = serde_json::from_str(&webhook.body).unwrap();
            let entity = &event["payload"]["payment"]["entity"];
            assert_eq!((&entity["id"], &entity["order_id"]), (&json!(payment), &json!(order)));
        }
        assert!(desk.simulator.webhooks().is_empty());
    });
}

#[test]
fn a_bank_that_takes_its_time_says_yes_or_no_in_the_end() {
    run(async {
        for (clears, intent_is, capture_is, payment_is) in
            [(true, "succeeded", "COMPLETED", "captured"), (false, "requires_payment_method", "DECLINED", "failed")]
        {
            let desk = Desk::opens().await;
            let sim = &desk.simulator;
            let intent = desk.asks_a_buyer_at_stripe().await["id"].as_str().unwrap().to_owned();
            let order = desk.orders_at_paypal().await;
            let rupees = json!({"amount": 50_000, "currency": "INR"});
            let third = done(desk.razorpay("orders", &rupees, None).await)["id"].as_str().unwrap().to_owned();
            for transaction in [&intent, &order, &third] {
                assert!(sim.bank_clears(transaction).is_err());
                sim.buyer_pays_later(transaction).unwrap();
            }
            done(desk.paypal(&format!("/v2/checkout/orders/{order}/capture"), &json!({}), "c").await);
            assert_eq!(sim.captures(), []);
            for transaction in [&intent, &order, &third] {
                if clears { sim.bank_clears(transaction) } else { sim.bank_bounces(transaction) }.unwrap();
            }
            assert_eq!(sim.captures().len(), if clears { 3 } else { 0 });
            assert_eq!(desk.stripe_asks(&format!("payment_intents/{intent}")).await["status"], intent_is);
            let shown = done(desk.paypal_asks(&format!("/v2/checkout/orders/{order}")).await);
            assert_eq!(shown["purchase_units"][0]["payments"]["captures"][0]["status"], capture_is);
            let payments = done(desk.razorpay_asks(&format!("orders/{third}/payments")).await);
            assert_eq!((&payments["count"], &payments["items"][0]["status"]), (&json!(1), &json!(payment_is)));
        }
    });
}

#[test]
fn whoever_has_other_keys_is_turned_away() {
    run(async {
        let desk = Desk::opens().await;
        let (get, post) = (Method::GET, Method::POST);
        for request in [
            desk.ask(get.clone(), "/stripe/v1/payment_intents"),
            desk.ask(get.clone(), "/stripe/v1/payment_intents").bearer_auth("sk_test_other"),
            desk.ask(get.clone(), "/stripe/v1/payment_intents").bearer_auth(STRIPE_PUBLISHABLE_KEY),
            desk.ask(post.clone(), "/paypal/v1/oauth2/token").basic_auth(PAYPAL_CLIENT_ID, Some("other")),
            desk.ask(get.clone(), "/paypal/v2/checkout/orders/1").bearer_auth("A21AA9999999999-00"),
            desk.ask(get.clone(), "/razorpay/v1/orders"),
            desk.ask(get, "/razorpay/v1/orders").basic_auth(RAZORPAY_KEY_ID, Some("other")),
        ] {
            assert_eq!(hear(request).await.unwrap().0, 401);
        }
    });
}

#[test]
fn each_fault_does_what_it_says_before_or_after_the_money_moved() {
    run(async {
        for (fault, status, taken) in [
            (Fault::CutBefore, None, 0),
            (Fault::CutAfter, None, 1),
            (Fault::TimeoutBefore, None, 0),
            (Fault::TimeoutAfter, Some(200), 1),
            (Fault::ErrorBefore, Some(500), 0),
            (Fault::ErrorAfter, Some(500), 1),
            (Fault::RateLimited, Some(429), 0),
            (Fault::Declined, Some(402), 0),
            (Fault::WrongAmount, Some(200), 1),
        ] {
            let desk = Desk::opens_with(|options| options.stall = Duration::from_millis(1)).await;
            done(desk.arranges(&json!({"provider": "stripe", "fault": fault})).await);
            let heard = desk.charges("k").await;
            assert_eq!(heard.as_ref().map(|(status, _)| *status), status, "{fault:?}");
            assert_eq!(desk.simulator.captures().len(), taken, "{fault:?}");
            if fault == Fault::WrongAmount {
                assert_eq!(heard.unwrap().1["amount"], 1201);
                assert_eq!(desk.charges("k").await.unwrap().1["amount"], 1200);
            }
            assert_eq!(desk.ledger().await["faults"][fault.name()], 1);
        }
    });
}

#[test]
fn faults_can_be_meant_for_one_call_and_taken_back() {
    run(async {
        let desk = Desk::opens().await;
        let capture = json!({"provider": "paypal", "fault": "error_before", "on": "/capture"});
        done(desk.arranges(&capture).await);
        let order = desk.orders_at_paypal().await;
        desk.simulator.buyer_pays(&order).unwrap();
        let path = format!("/v2/checkout/orders/{order}/capture");
        assert_eq!(desk.paypal(&path, &json!({}), "c").await.unwrap().0, 500);
        assert_eq!(desk.paypal(&path, &json!({}), "c").await.unwrap().0, 201);

        done(desk.arranges(&json!({"fault": "cut_before", "times": 3})).await);
        done(hear(desk.ask(Method::DELETE, "/simulator/faults")).await);
        assert_eq!(desk.charges("k").await.unwrap().0, 200);
        for wrong in [json!({"fault": "flood"}), json!({"rate": 2.0}), json!({}), json!({"speed": 1})] {
            assert_eq!(desk.arranges(&wrong).await.unwrap().0, 400, "{wrong}");
        }
    });
}

#[test]
fn faults_are_scripted_within_reason() {
    run(async {
        let desk = Desk::opens().await;
        for wrong in [
            json!({"fault": "declined", "times": u64::MAX}),
            json!({"fault": "declined", "times": 101}),
            json!({"fault": "declined", "on": "/".repeat(201)}),
            json!({"rate": 0.5, "only": vec!["declined"; 20]}),
            json!({"stall_ms": u64::MAX}),
            json!({"stall_ms": 600_001}),
        ] {
            assert_eq!(desk.arranges(&wrong).await.unwrap().0, 400, "{wrong:.100}");
        }
        for fine in [json!({"fault": "declined", "times": 100}), json!({"stall_ms": 600_000})] {
            done(desk.arranges(&fine).await);
        }
        assert_eq!(desk.simulator.faults_waiting(), 100);
    });
}

#[test]
fn pages_of_strangers_arrange_nothing() {
    run(async {
        let desk = Desk::opens().await;
        let body = json!({"fault": "declined"}).to_string();
        let arranges = |kind: &str, origin: Option<&str>| {
            let request = desk.ask(Method::POST, "/simulator/faults").header("content-type", kind).body(body.clone());
            let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            async move { hear(request).await.expect("an answer").0 }
        };
        let (own, json) = (desk.simulator.url(), "application/json");
        assert_eq!(arranges("text/plain", None).await, 415);
        for foreign in ["https://evil.example", "http://localhost:8000", "null", "https://127.0.0.1"] {
            assert_eq!(arranges(json, Some(foreign)).await, 403, "{foreign}");
            assert_eq!(arranges("text/plain", Some(foreign)).await, 403, "{foreign}");
        }
        // A name of their own that leads here is theirs all the same.
        let rebound = desk.ask(Method::DELETE, "/simulator/faults");
        let rebound = rebound.header("host", "evil.example:12111").header("origin", "http://evil.example:12111");
        assert_eq!(hear(rebound).await.expect("an answer").0, 403);
        assert_eq!(desk.simulator.faults_waiting(), 0);

        let order = desk.orders_at_paypal().await;
        let pays = desk.ask(Method::POST, &format!("/pay/paypal/{order}/pay")).header("origin", "https://evil.example");
        assert_eq!(hear(pays).await.expect("an answer").0, 403);

        assert_eq!(arranges(json, Some(own)).await, 200);
        assert_eq!(arranges("application/json; charset=utf-8", None).await, 200);
        assert_eq!(desk.simulator.faults_waiting(), 2);
    });
}

#[test]
fn the_same_seed_deals_the_same_faults() {
    run(async {
        let told = async |seed: u64| {
            let desk = Desk::opens_with(|options| options.stall = Duration::ZERO).await;
            done(desk.arranges(&json!({"rate": 0.5, "seed": seed})).await);
            let mut statuses = Vec::new();
            for number in 0..40 {
                statuses.push(desk.charges(&format!("k{number}")).await.map(|(status, _)| status));
            }
            statuses
        };
        let first = told(7).await;
        assert_eq!(first, told(7).await);
        assert_ne!(first, told(8).await);
        assert!(first.contains(&None) && first.contains(&Some(200)), "{first:?}");
    });
}

/// A shop that only hears webhooks: it says no to so many, then yes.
struct Ear {
    url: String,
    signatures: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    async fn opens(says_no_to: usize) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let url = format!("http://{}", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let signatures: Arc<Mutex<Vec<String>>> = Arc::default();
        let hearing = Arc::clone(&signatures);
        let app = make(move |request: poem::Request| {
            assert_eq!(request.uri().path(), "/api/payments/webhooks/stripe");
            let mut heard = hearing.lock().unwrap();
            heard.push(request.header("stripe-signature").unwrap().to_owned());
            let status = if heard.len() > says_no_to { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            async move { status }
        });
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        Self { url, signatures }
    }

    fn heard(&self) -> Vec<String> {
        self.signatures.lock().unwrap().clone()
    }
}

/// Charges once with this fault on its webhook, at a shop that says no to so many.
async fn tells(fault: Option<Fault>, says_no_to: usize, expected: usize) -> (Desk, Ear) {
    let ear = Ear::opens(says_no_to).await;
    let (url, quick) = (ear.url.clone(), Duration::from_millis(1));
    let desk = Desk::opens_with(|options| {
        options.webhooks_to = Some(url);
        (options.retry_after, options.late) = (quick, quick);
    })
    .await;
    if let Some(fault) = fault {
        desk.simulator.next(Provider::Stripe, fault);
    }
    done(desk.charges("k").await);
    eventually("the webhooks are sent", async || {
        ear.heard().len() >= expected && desk.simulator.webhooks_under_way() == 0
    })
    .await;
    assert_eq!(ear.heard().len(), expected);
    (desk, ear)
}

#[test]
fn a_webhook_is_sent_until_the_shop_says_yes() {
    run(async {
        tells(None, 0, 1).await;
        let (desk, _) = tells(None, 3, 4).await;
        assert_eq!(
            (&desk.ledger().await["webhooks"]["accepted"], &desk.ledger().await["webhooks"]["refused"]),
            (&json!(1), &json!(3))
        );
    });
}

#[test]
fn webhooks_come_twice_late_badly_signed_or_never() {
    run(async {
        tells(Some(Fault::WebhookDuplicated), 0, 2).await;
        tells(Some(Fault::WebhookLate), 0, 1).await;
        tells(Some(Fault::WebhookEarly), 0, 1).await;
        tells(Some(Fault::WebhookLost), 0, 0).await;
        let (_, ear) = tells(Some(Fault::WebhookBadlySigned), 1, 2).await;
        let [bad, good] = ear.heard().try_into().expect("two");
        assert_ne!(bad, good);
    });
}

#[test]
fn a_webhook_is_overtaken_by_the_next() {
    run(async {
        let desk = Desk::opens().await;
        desk.simulator.next(Provider::Razorpay, Fault::WebhookShuffled);
        desk.is_paid_at_razorpay().await;
        let kinds: Vec<String> = desk.simulator.webhooks().into_iter().map(|webhook| webhook.kind).collect();
        assert_eq!(kinds, ["payment.captured", "payment.authorized", "order.paid"]);
    });
}

#[test]
fn the_buyers_page_pays_and_goes_back_to_the_shop() {
    run(async {
        let desk = Desk::opens().await;
        let order = desk.orders_at_paypal().await;
        let shown = done(desk.paypal_asks(&format!("/v2/checkout/orders/{order}")).await);
        let approve = shown["links"].as_array().unwrap().iter().find(|link| link["rel"] == "approve").unwrap();
        let page = desk.http.get(approve["href"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("SIMULATOR: no money moves") && page.contains("12.00 USD"), "{page}");
        let goes = async |deed: &str| {
            let answer = desk.ask(Method::POST, &format!("/pay/paypal/{order}/{deed}")).send().await.unwrap();
            (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap().to_owned())
        };
        assert_eq!(goes("cancel").await, (303, format!("https://shop.test/cart?token={order}")));
        let back = format!("https://shop.test/paid?order=1&token={order}&PayerID=SIMULATEDBUYER");
        assert_eq!(goes("pay").await, (303, back));
        assert_eq!(done(desk.paypal_asks(&format!("/v2/checkout/orders/{order}")).await)["status"], "APPROVED");

        let intent = desk.asks_a_buyer_at_stripe().await["id"].as_str().unwrap().to_owned();
        let form = [("card", "pm_card_visa"), ("return_url", "javascript:alert(1)")];
        let answer =
            with_form(desk.ask(Method::POST, &format!("/pay/stripe/{intent}/pay")), &form).send().await.unwrap();
        assert_eq!(answer.headers()["location"], format!("/pay/stripe/{intent}").as_str());
        assert_eq!(desk.stripe_asks(&format!("payment_intents/{intent}")).await["status"], "succeeded");
        let front = desk.ask(Method::GET, "/").send().await.unwrap().text().await.unwrap();
        assert!(front.contains(&order) && !front.contains(&intent) && front.contains("pm_card_stall"), "{front}");
    });
}

#[test]
fn the_ledger_counts_to_the_cent() {
    run(async {
        let desk = Desk::opens().await;
        let intent = done(desk.charges("k").await)["id"].as_str().unwrap().to_owned();
        done(desk.stripe("refunds", &[("payment_intent", &intent), ("amount", "500")], "r").await);
        desk.is_paid_at_razorpay().await;
        let ledger = desk.ledger().await;
        let stripe = &ledger["stripe"]["captures"][0];
        for (field, expected) in [
            ("amount", json!(1200)),
            ("currency", json!("USD")),
            ("payment_id", json!("p-7")),
            ("order_id", json!("7")),
        ] {
            assert_eq!(stripe[field], expected, "{field}");
        }
        assert_eq!(ledger["stripe"]["refunds"][0]["amount"], 500);
        assert_eq!(ledger["razorpay"]["captures"][0]["amount"], 50_000);
        assert_eq!(ledger["paypal"]["captures"], json!([]));
        assert_eq!((&ledger["calls"]["stripe"], &ledger["calls"]["razorpay"]), (&json!(2), &json!(2)));
    });
}

#[test]
fn it_listens_to_this_machine_only_and_not_beside_live_keys() {
    run(async {
        let bind = "0.0.0.0:0".parse().unwrap();
        let refused = Simulator::start(Options { bind, ..Options::default() }).await.err().expect("a refusal");
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    });
    let folder = tempfile::tempdir().unwrap();
    let starts = |settings: &[(&str, &str)]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_cartwright"))
            .args(["simulate-payments", "--bind", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env_clear()
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let (status, told) = starts(&[("STRIPE_SECRET_KEY", "sk_live_0123")]);
    assert_eq!((status, told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("STRIPE_SECRET_KEY") && !told.contains("0123"), "{told}");
    std::fs::write(folder.path().join(".env"), "RAZORPAY_KEY_ID=rzp_live_0123\n").unwrap();
    // What the environment says hides the file's line, which is still there for the next program.
    let (status, told) = starts(&[("RAZORPAY_KEY_ID", "rzp_test_1")]);
    assert!(status == Some(1) && told.contains("RAZORPAY_KEY_ID"), "{told}");
}
