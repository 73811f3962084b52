//! The providers' webhooks: signatures, and the inbox.

use std::time::Duration;

use cartwright::shop;
use hmac::{Hmac, KeyInit, Mac};
use payment_simulator::{Fault, Provider, STRIPE_WEBHOOK_SECRET};
use serde_json::json;
use sha2::Sha256;

use super::{somebody_waits_to_pay, transaction};
use crate::support::TestShop;

on_both_engines! {
    async fn forged_webhooks_are_refused_and_not_stored(shop: TestShop) {
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            let kind = match provider {
                Provider::Stripe => "payment_intent.succeeded",
                Provider::Paypal => "CHECKOUT.ORDER.APPROVED",
                Provider::Razorpay => "order.paid",
            };
            let now = shop.now().unix_seconds();
            let good = shop.simulator().webhook(kind, transaction(&payment));
            let mut forged = vec![shop.simulator().webhook_at(provider, kind, transaction(&payment), now, "another secret")];
            for change in [|body: &str| body.replace("12", "13"), |body: &str| body.replace("\":", "\": ")] {
                let mut changed = good.clone();
                changed.body = change(&good.body);
                assert_ne!(changed.body, good.body);
                forged.push(changed);
            }
            for header in 0..good.headers.len().min(if provider == Provider::Razorpay { 1 } else { 9 }) {
                let mut without = good.clone();
                without.headers.remove(header);
                forged.push(without);
                let mut other = good.clone();
                other.headers[header].1 = "zz".to_owned();
                forged.push(other);
            }
            if provider == Provider::Stripe { // the others check no time
                let old = shop.simulator().webhook(kind, transaction(&payment));
                shop.time_passes(Duration::from_secs(301));
                forged.push(old);
            }
            for webhook in &forged {
                shop.receives_webhook(webhook).await.is(400).with_code("invalid_signature");
            }
            assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
        }
    }

    async fn a_webhook_with_nul_in_its_id_is_refused(shop: TestShop) {
        let body = json!({"id": "evt_\0", "object": "event", "type": "payment_intent.succeeded"}).to_string();
        let time = shop.now().unix_seconds();
        let mut mac = Hmac::<Sha256>::new_from_slice(STRIPE_WEBHOOK_SECRET.as_bytes()).expect("a key");
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        let told = shop.visitor().post("/api/payments/webhooks/stripe").header("stripe-signature", &signature);
        told.body("application/json", body).await.is(400).with_code("malformed_json");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
    }

    async fn the_certificate_of_a_paypal_webhook_must_be_paypals(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, "verify-webhook-signature");
        for url in [
            "http://api.paypal.com/c", "https://paypal.com.example.net/c", "https://evil-paypal.com/c", "https://127.0.0.1/c",
            "https://user@api.paypal.com/c", "https://api.paypal.com:8443/c", "/c", "",
        ] {
            let mut webhook = shop.simulator().webhook("CHECKOUT.ORDER.APPROVED", transaction(&payment));
            webhook.headers.iter_mut().find(|(name, _)| *name == "paypal-cert-url").expect("one").1 = url.to_owned();
            shop.receives_webhook(&webhook).await.is(400).with_code("invalid_signature");
        }
        assert_eq!(shop.simulator().faults_waiting(), 1, "PayPal was not even asked");
    }

    async fn a_webhook_that_cannot_be_verified_gets_503(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        let webhook = shop.simulator().webhook("CHECKOUT.ORDER.APPROVED", transaction(&payment));
        for fault in [Fault::CutBefore, Fault::ErrorBefore, Fault::RateLimited] {
            shop.simulator().next_on(Provider::Paypal, fault, "verify-webhook-signature");
            shop.receives_webhook(&webhook).await.is(503).with_code("provider_unavailable");
        }
        shop.receives_webhook(&webhook).await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn the_old_and_the_new_webhook_secret_are_valid_together(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let changing = shop
            .opens_again(|settings| {
                let stripe = settings.payments.providers.get_mut(&shop::Provider::Stripe).expect("Stripe");
                stripe.webhook_secrets.insert(0, "whsec_new".into());
            })
            .await;
        let now = shop.now().unix_seconds();
        for secret in ["whsec_new", payment_simulator::STRIPE_WEBHOOK_SECRET] {
            let webhook =
                shop.simulator().webhook_at(Provider::Stripe, "payment_intent.succeeded", transaction(&payment), now, secret);
            changing.receives_webhook(&webhook).await.is(200);
        }
        shop.runs_its_jobs().await;
    }

    async fn an_admin_lists_and_replays_webhooks(shop: TestShop) {
        let admin = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let early = shop.simulator().webhook("payment_intent.succeeded", transaction(&payment));
        shop.receives_webhook(&early).await.is(200);
        let inbox = async |query: &str| admin.get(&format!("/api/admin/webhooks{query}")).await.is(200).list();
        let pending = inbox("?provider=stripe&status=pending").await;
        assert_eq!((pending.len(), &pending[0]["event_id"], &pending[0]["kind"]), (1, &json!(early.id), &json!(early.kind)));
        shop.runs_its_jobs().await;
        assert_eq!((inbox("?status=pending").await.len(), inbox("?provider=paypal").await.len()), (0, 0));
        assert_eq!(inbox("?status=processed").await[0]["status"], "processed");
        admin.get("/api/admin/webhooks?status=lost&provider=nobody").await.is(422).about(&["provider", "status"]);

        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks());
        let id = &pending[0]["id"];
        let again = admin.post(&format!("/api/admin/webhooks/{id}/replay")).await.is(202);
        assert_eq!((&again["status"], &again["id"]), (&json!("pending"), id));
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        admin.post("/api/admin/webhooks/987654/replay").await.is(404);
    }
}
