//! Orders, captures, refunds, access tokens and the verification of webhooks at PayPal.

use std::time::Duration;

use payment_simulator::{Fault, PAYPAL_WEBHOOK_ID, Provider};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, ok, paypal_issue, paypal_order, send};
use crate::support::run;

#[test]
fn paypal_captures_an_approved_order_once() {
    run(async {
        let client = Client::start().await;
        let order = client.create_paypal_order().await;
        assert_eq!(
            client.paypal_post("/v2/checkout/orders", &paypal_order("13.00"), "make").await.unwrap().1["id"],
            order
        );
        let capture = format!("/v2/checkout/orders/{order}/capture");
        assert_eq!(
            paypal_issue(client.paypal_post(&capture, &json!({}), "c").await),
            (422, "ORDER_NOT_APPROVED".to_owned())
        );
        client.simulator.buyer_is_declined(&order).unwrap();
        assert_eq!(
            paypal_issue(client.paypal_post(&capture, &json!({}), "c").await),
            (422, "INSTRUMENT_DECLINED".to_owned())
        );
        client.simulator.buyer_pays(&order).unwrap();

        client.simulator.next(Provider::Paypal, Fault::CutAfter);
        assert_eq!(client.paypal_post(&capture, &json!({}), "c").await, None);
        let (status, again) = client.paypal_post(&capture, &json!({}), "c").await.unwrap();
        assert_eq!((status, &again["status"]), (200, &json!("COMPLETED")));
        assert_eq!(
            paypal_issue(client.paypal_post(&capture, &json!({}), "d").await),
            (422, "ORDER_ALREADY_CAPTURED".to_owned())
        );

        let [captured] = client.simulator.captures().try_into().expect("one capture");
        assert_eq!((captured.amount, captured.payment_id.as_str(), &captured.transaction), (1200, "p-1", &order));
        let shown = ok(client.paypal_get(&format!("/v2/checkout/orders/{order}")).await);
        assert_eq!(shown["purchase_units"][0]["payments"]["captures"][0]["id"], captured.capture);
    });
}

#[test]
fn paypal_refunds_no_more_than_was_captured() {
    run(async {
        let client = Client::start().await;
        let order = client.create_paypal_order().await;
        client.simulator.buyer_pays(&order).unwrap();
        ok(client.paypal_post(&format!("/v2/checkout/orders/{order}/capture"), &json!({}), "c").await);
        let capture = client.simulator.captures()[0].capture.clone();
        let path = format!("/v2/payments/captures/{capture}/refund");
        let amount = |value: &str| json!({"amount": {"currency_code": "USD", "value": value}});

        let refund = ok(client.paypal_post(&path, &amount("5.00"), "r1").await);
        assert_eq!(client.paypal_post(&path, &amount("5.00"), "r1").await, Some((200, refund.clone())));
        assert_eq!(
            paypal_issue(client.paypal_post(&path, &amount("7.01"), "r2").await),
            (422, "REFUND_AMOUNT_EXCEEDED".to_owned())
        );
        let euros = json!({"amount": {"currency_code": "EUR", "value": "1.00"}});
        assert_eq!(paypal_issue(client.paypal_post(&path, &euros, "r2").await).0, 422);
        ok(client.paypal_post(&path, &json!({}), "r3").await);
        assert_eq!(
            paypal_issue(client.paypal_post(&path, &json!({}), "r4").await),
            (422, "CAPTURE_FULLY_REFUNDED".to_owned())
        );

        let shown = ok(client.paypal_get(&format!("/v2/payments/captures/{capture}")).await);
        assert_eq!((&shown["status"], &shown["custom_id"]), (&json!("REFUNDED"), &json!("p-1")));
        let id = refund["id"].as_str().unwrap();
        assert_eq!(ok(client.paypal_get(&format!("/v2/payments/refunds/{id}")).await)["amount"]["value"], "5.00");
        assert_eq!(client.simulator.refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [500, 700]);
    });
}

#[test]
fn paypal_verifies_its_own_webhooks() {
    run(async {
        let client = Client::start().await;
        let order = client.create_paypal_order().await;
        let webhook = client.simulator.webhook("CHECKOUT.ORDER.APPROVED", &order);
        let header = |name: &str| webhook.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let event: Value = serde_json::from_str(&webhook.body).unwrap();
        let valid = json!({
            "transmission_id": header("paypal-transmission-id"), "transmission_time": header("paypal-transmission-time"),
            "transmission_sig": header("paypal-transmission-sig"), "cert_url": header("paypal-cert-url"),
            "auth_algo": header("paypal-auth-algo"), "webhook_id": PAYPAL_WEBHOOK_ID, "webhook_event": event,
        });
        let verify = async |request: &Value| {
            let path = "/v1/notifications/verify-webhook-signature";
            ok(client.paypal_post(path, request, "v").await)["verification_status"].clone()
        };
        assert_eq!(verify(&valid).await, "SUCCESS");
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
            let mut invalid = valid.clone();
            invalid[name] = value;
            assert_eq!(verify(&invalid).await, "FAILURE", "{name}");
        }
    });
}

#[test]
fn paypal_requires_json_a_valid_token_and_a_supported_currency() {
    run(async {
        let client = Client::start().await;
        let token = client.paypal_token().await;
        let order = client.create_paypal_order().await;
        let path = format!("/paypal/v2/checkout/orders/{order}/capture");
        assert_eq!(client.request(Method::POST, &path).bearer_auth(&token).send().await.unwrap().status(), 415);
        client.clock.advance(Duration::from_hours(10));
        assert_eq!(
            send(client.request(Method::POST, &path).bearer_auth(&token).json(&json!({}))).await.unwrap().0,
            401
        );

        let mut rupees = paypal_order("12.00");
        rupees["purchase_units"][0]["amount"]["currency_code"] = "INR".into();
        let refused = client.paypal_post("/v2/checkout/orders", &rupees, "i").await;
        assert_eq!(paypal_issue(refused), (422, "CURRENCY_NOT_SUPPORTED".to_owned()));
        let mut yen = paypal_order("12.00");
        yen["purchase_units"][0]["amount"]["currency_code"] = "JPY".into();
        assert_eq!(
            paypal_issue(client.paypal_post("/v2/checkout/orders", &yen, "y").await),
            (422, "DECIMALS_NOT_SUPPORTED".to_owned())
        );
    });
}
