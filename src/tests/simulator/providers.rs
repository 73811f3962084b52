//! What all providers have in common.

use payment_simulator::{Options, PAYPAL_CLIENT_ID, RAZORPAY_KEY_ID, STRIPE_PUBLISHABLE_KEY, Simulator};
use reqwest::Method;
use serde_json::json;

use super::{Client, ok, send};
use crate::support::run;

#[test]
fn a_bank_confirms_or_rejects_a_pending_payment() {
    run(async {
        for (clears, intent_is, capture_is, payment_is) in
            [(true, "succeeded", "COMPLETED", "captured"), (false, "requires_payment_method", "DECLINED", "failed")]
        {
            let client = Client::start().await;
            let simulator = &client.simulator;
            let intent = client.create_payment_intent().await["id"].as_str().unwrap().to_owned();
            let order = client.create_paypal_order().await;
            let rupees = json!({"amount": 50_000, "currency": "INR"});
            let razorpay_order =
                ok(client.razorpay_post("orders", &rupees, None).await)["id"].as_str().unwrap().to_owned();
            for transaction in [&intent, &order, &razorpay_order] {
                assert!(simulator.bank_clears(transaction).is_err());
                simulator.buyer_pays_later(transaction).unwrap();
            }
            ok(client.paypal_post(&format!("/v2/checkout/orders/{order}/capture"), &json!({}), "c").await);
            assert_eq!(simulator.captures(), []);
            for transaction in [&intent, &order, &razorpay_order] {
                if clears { simulator.bank_clears(transaction) } else { simulator.bank_bounces(transaction) }.unwrap();
            }
            assert_eq!(simulator.captures().len(), if clears { 3 } else { 0 });
            assert_eq!(client.stripe_get(&format!("payment_intents/{intent}")).await["status"], intent_is);
            let shown = ok(client.paypal_get(&format!("/v2/checkout/orders/{order}")).await);
            assert_eq!(shown["purchase_units"][0]["payments"]["captures"][0]["status"], capture_is);
            let payments = ok(client.razorpay_get(&format!("orders/{razorpay_order}/payments")).await);
            assert_eq!((&payments["count"], &payments["items"][0]["status"]), (&json!(1), &json!(payment_is)));
        }
    });
}

#[test]
fn other_credentials_are_rejected() {
    run(async {
        let client = Client::start().await;
        let (get, post) = (Method::GET, Method::POST);
        for request in [
            client.request(get.clone(), "/stripe/v1/payment_intents"),
            client.request(get.clone(), "/stripe/v1/payment_intents").bearer_auth("sk_test_other"),
            client.request(get.clone(), "/stripe/v1/payment_intents").bearer_auth(STRIPE_PUBLISHABLE_KEY),
            client.request(post.clone(), "/paypal/v1/oauth2/token").basic_auth(PAYPAL_CLIENT_ID, Some("other")),
            client.request(get.clone(), "/paypal/v2/checkout/orders/1").bearer_auth("A21AA9999999999-00"),
            client.request(get.clone(), "/razorpay/v1/orders"),
            client.request(get, "/razorpay/v1/orders").basic_auth(RAZORPAY_KEY_ID, Some("other")),
        ] {
            assert_eq!(send(request).await.unwrap().0, 401);
        }
    });
}

#[test]
fn the_ledger_has_every_capture_and_refund() {
    run(async {
        let client = Client::start().await;
        let intent = ok(client.charge("k").await)["id"].as_str().unwrap().to_owned();
        ok(client.stripe_post("refunds", &[("payment_intent", &intent), ("amount", "500")], "r").await);
        client.create_paid_razorpay_order().await;
        let ledger = client.ledger().await;
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
fn it_listens_on_loopback_addresses_only() {
    run(async {
        let bind = "0.0.0.0:0".parse().unwrap();
        let error = Simulator::start(Options { bind, ..Options::default() }).await.err().expect("an error");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    });
}
