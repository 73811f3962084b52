//! Payment intents, refunds and idempotency keys at Stripe.

use std::{sync::Arc, time::Duration};

use payment_simulator::{Fault, Provider, STRIPE_PUBLISHABLE_KEY};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, ok, send, with_form};
use crate::support::{eventually, run};

#[test]
fn stripe_repeats_the_first_response_to_a_key_for_a_day() {
    run(async {
        let client = Client::start().await;
        let first = client.charge("k").await.unwrap();
        assert_eq!(client.charge("k").await.unwrap(), first);
        let other =
            client.stripe_post("payment_intents", &[("amount", "1300"), ("currency", "usd")], "k").await.unwrap();
        assert_eq!((other.0, &other.1["error"]["type"]), (400, &json!("idempotency_error")));
        assert_eq!(client.simulator.captures().len(), 1);

        client.clock.advance(Duration::from_hours(25));
        assert_ne!(client.charge("k").await.unwrap().1["id"], first.1["id"]);
        assert_eq!(client.simulator.captures().len(), 2);
    });
}

#[test]
fn stripe_repeats_a_500_although_the_money_moved() {
    run(async {
        let client = Client::start().await;
        client.simulator.next(Provider::Stripe, Fault::ErrorAfter);
        assert_eq!(client.charge("k").await.unwrap().0, 500);
        assert_eq!(client.charge("k").await.unwrap().0, 500);
        let found = client.stripe_get("payment_intents?limit=5&created[gte]=0").await;
        assert_eq!((&found["data"][0]["status"], &found["has_more"]), (&json!("succeeded"), &json!(false)));
        assert_eq!(found["data"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_key_whose_first_request_is_in_progress_is_in_use() {
    run(async {
        let client = Arc::new(Client::start().await);
        client.simulator.next(Provider::Stripe, Fault::TimeoutAfter);
        let first = tokio::spawn({
            let client = Arc::clone(&client);
            async move { client.charge("k").await }
        });
        eventually("the card is charged", async || client.simulator.captures().len() == 1).await;
        let again = client.charge("k").await.unwrap();
        assert_eq!((again.0, &again.1["error"]["type"]), (409, &json!("idempotency_error")));
        first.abort();
    });
}

#[test]
fn stripe_lists_page_by_page() {
    run(async {
        let client = Client::start().await;
        for number in 0..5 {
            ok(client.charge(&format!("k{number}")).await);
        }
        let mut seen = Vec::new();
        let mut page = client.stripe_get("payment_intents?limit=2").await;
        loop {
            seen.extend(page["data"].as_array().unwrap().iter().map(|intent| intent["id"].clone()));
            if page["has_more"] == false {
                break;
            }
            let last = seen.last().unwrap().as_str().unwrap();
            page = client.stripe_get(&format!("payment_intents?limit=2&starting_after={last}")).await;
        }
        let mut newest_first: Vec<Value> =
            client.simulator.captures().iter().map(|capture| json!(capture.transaction)).collect();
        newest_first.reverse();
        assert_eq!(seen, newest_first);
    });
}

#[test]
fn stripe_refunds_no_more_than_was_captured() {
    run(async {
        let client = Client::start().await;
        let intent = ok(client.charge("k").await)["id"].as_str().unwrap().to_owned();
        let some = [("payment_intent", intent.as_str()), ("amount", "500"), ("metadata[why]", "late")];
        let refund = ok(client.stripe_post("refunds", &some, "r1").await);
        assert_eq!(ok(client.stripe_post("refunds", &some, "r1").await), refund);
        let too_much =
            client.stripe_post("refunds", &[("payment_intent", &intent), ("amount", "701")], "r2").await.unwrap();
        assert_eq!((too_much.0, &too_much.1["error"]["type"]), (400, &json!("invalid_request_error")));
        ok(client.stripe_post("refunds", &[("payment_intent", &intent)], "r3").await);
        let nothing_left = client.stripe_post("refunds", &[("payment_intent", &intent)], "r4").await.unwrap();
        assert_eq!(nothing_left.1["error"]["code"], "charge_already_refunded");

        assert_eq!(client.stripe_get(&format!("refunds/{}", refund["id"].as_str().unwrap())).await, refund);
        let all = client.stripe_get(&format!("refunds?payment_intent={intent}")).await;
        assert_eq!(all["data"].as_array().unwrap().len(), 2);
        let shown = client.stripe_get(&format!("payment_intents/{intent}?expand[]=latest_charge")).await;
        assert_eq!(shown["latest_charge"]["amount_refunded"], 1200);
        assert_eq!(client.simulator.ledger().refunded(&intent), 1200);
    });
}

#[test]
fn stripes_own_types_parse_the_responses() {
    fn parse<T: miniserde::Deserialize>(object: &Value) -> T {
        miniserde::json::from_str(&object.to_string()).unwrap_or_else(|_| panic!("cannot be parsed: {object}"))
    }
    run(async {
        let client = Client::start().await;
        let intent = ok(client.charge("k").await)["id"].as_str().unwrap().to_owned();
        ok(client.stripe_post("refunds", &[("payment_intent", &intent), ("amount", "200")], "r").await);
        let shown = client.stripe_get(&format!("payment_intents/{intent}?expand[]=latest_charge.refunds")).await;
        let shown: stripe_shared::PaymentIntent = parse(&shown);
        let charge = shown.latest_charge.as_ref().and_then(|charge| charge.as_object()).expect("the charge itself");
        assert_eq!((charge.amount, charge.amount_refunded), (1200, 200));
        let refunds = charge.refunds.as_ref().expect("the refunds of the charge");
        assert_eq!((refunds.data[0].amount, refunds.has_more), (200, false));
        let listed = client.stripe_get(&format!("refunds?payment_intent={intent}")).await;
        let listed: stripe_types::List<stripe_shared::Refund> = parse(&listed);
        assert_eq!(listed.data[0].amount, 200);
    });
}

#[test]
fn a_browser_needs_the_client_secret_and_may_only_confirm() {
    run(async {
        let client = Client::start().await;
        let intent = client.create_payment_intent().await;
        let (id, secret) = (intent["id"].as_str().unwrap(), intent["client_secret"].as_str().unwrap());
        let confirm = |params: &[(&str, &str)]| {
            let request = client.request(Method::POST, &format!("/stripe/v1/payment_intents/{id}/confirm"));
            send(with_form(request, params))
        };
        let params = [("key", STRIPE_PUBLISHABLE_KEY), ("client_secret", secret), ("payment_method", "pm_card_visa")];
        assert_eq!(confirm(&params[..1]).await.unwrap().0, 401);
        assert_eq!(ok(confirm(&params).await)["status"], "succeeded");
        let refunds = client.request(Method::POST, "/stripe/v1/refunds").bearer_auth(STRIPE_PUBLISHABLE_KEY);
        assert_eq!(send(with_form(refunds, &[("payment_intent", id)])).await.unwrap().0, 401);
    });
}

#[test]
fn each_test_card_does_what_its_name_says() {
    run(async {
        let client = Client::start().await;
        let pay = async |card: &str, off_session: &str| {
            let params = [
                ("amount", "500"),
                ("currency", "usd"),
                ("confirm", "true"),
                ("off_session", off_session),
                ("payment_method", card),
            ];
            let (status, body) =
                client.stripe_post("payment_intents", &params, &format!("{card}{off_session}")).await.unwrap();
            let result =
                body["status"].as_str().or(body["error"]["decline_code"].as_str()).or(body["error"]["code"].as_str());
            (status, result.unwrap().to_owned(), body)
        };
        for (card, off_session, expected) in [
            ("pm_card_visa", "true", (200, "succeeded")),
            ("pm_card_chargeDeclined", "true", (402, "generic_decline")),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "true", (402, "insufficient_funds")),
            ("pm_card_authenticationRequired", "true", (402, "authentication_required")),
            ("pm_card_authenticationRequired", "false", (200, "requires_action")),
            ("pm_card_processing", "true", (200, "processing")),
            ("pm_card_nobody_has", "true", (400, "resource_missing")),
        ] {
            let (status, result, _) = pay(card, off_session).await;
            assert_eq!((status, result.as_str()), expected, "{card}");
        }
        let processing = pay("pm_card_processing", "true").await.2["id"].as_str().unwrap().to_owned();
        client.clock.advance(Duration::from_mins(1));
        assert_eq!(client.stripe_get(&format!("payment_intents/{processing}")).await["status"], "succeeded");
    });
}
