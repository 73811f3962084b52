//! Orders, payments, refunds and webhooks at Razorpay.

use hmac::{Hmac, KeyInit, Mac};
use payment_simulator::RAZORPAY_WEBHOOK_SECRET;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Client, ok};
use crate::support::run;

#[test]
fn razorpay_creates_two_orders_for_two_requests_and_finds_both_by_receipt() {
    run(async {
        let client = Client::start().await;
        let order = json!({"amount": 50_000, "currency": "INR", "receipt": "p-1"});
        let first = ok(client.razorpay_post("orders", &order, None).await);
        let second = ok(client.razorpay_post("orders", &order, None).await);
        assert_ne!(first["id"], second["id"]);
        let found = ok(client.razorpay_get("orders?receipt=p-1").await);
        assert_eq!((&found["count"], &found["items"]), (&json!(2), &json!([second, first])));
        let (status, _) = client.razorpay_get("orders/order_unknown").await.unwrap();
        assert_eq!(status, 400);
        let long = json!({"amount": 50_000, "currency": "INR", "receipt": "x".repeat(41)});
        assert_eq!(client.razorpay_post("orders", &long, None).await.unwrap().0, 400);
    });
}

#[test]
fn razorpay_refunds_once_per_key_and_no_more_than_was_captured() {
    run(async {
        let client = Client::start().await;
        let (order, payment) = client.create_paid_razorpay_order().await;
        let path = format!("payments/{payment}/refund");
        let refund = ok(client.razorpay_post(&path, &json!({"amount": 20_000}), Some("refund-key-1")).await);
        assert_eq!(
            client.razorpay_post(&path, &json!({"amount": 20_000}), Some("refund-key-1")).await,
            Some((200, refund.clone()))
        );
        for (body, key) in [
            (json!({"amount": 10_000}), "refund-key-1"),
            (json!({"amount": 30_001}), "refund-key-2"),
            (json!({"amount": 10_000}), "short"),
        ] {
            assert_eq!(client.razorpay_post(&path, &body, Some(key)).await.unwrap().0, 400, "{key} {body}");
        }
        ok(client.razorpay_post(&path, &json!({}), Some("refund-key-3")).await);
        assert_eq!(client.razorpay_post(&path, &json!({}), None).await.unwrap().0, 400);

        let shown = ok(client.razorpay_get(&format!("payments/{payment}")).await);
        assert_eq!((&shown["status"], &shown["amount_refunded"]), (&json!("refunded"), &json!(50_000)));
        assert_eq!(ok(client.razorpay_get(&format!("payments/{payment}/refunds")).await)["count"], 2);
        let id = refund["id"].as_str().unwrap();
        assert_eq!(ok(client.razorpay_get(&format!("refunds/{id}")).await), refund);
        assert_eq!(ok(client.razorpay_get(&format!("orders/{order}")).await)["status"], "paid");
        assert_eq!(client.simulator.ledger().refunded(&order), 50_000);
    });
}

#[test]
fn razorpay_sends_three_signed_webhooks_for_a_payment() {
    run(async {
        let client = Client::start().await;
        let (order, payment) = client.create_paid_razorpay_order().await;
        let webhooks = client.simulator.webhooks();
        let kinds: Vec<&str> = webhooks.iter().map(|webhook| webhook.kind.as_str()).collect();
        assert_eq!(kinds, ["payment.authorized", "payment.captured", "order.paid"]);
        for webhook in &webhooks {
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
        assert!(client.simulator.webhooks().is_empty());
    });
}
