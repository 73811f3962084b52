//! PayPal's webhooks, of which only PayPal knows whether they are its own: it is not asked in vain, and not too often.

use std::{net::Ipv4Addr, time::Duration};

use payment_simulator::{Fault, Provider, Webhook};

use crate::{
    providers::{deliver_webhooks, somebody_waits_to_pay, transaction},
    support::{TestShop, answer::Answer, people::Payment},
};

const ASKED: &str = "verify-webhook-signature";
/// How many forged ones of one sender PayPal is asked about within ten minutes.
const FORGED: usize = 100;

on_both_engines! {
    async fn paypal_is_not_asked_about_webhooks_without_its_headers(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, ASKED);
        let good = approval(&shop, &payment);
        assert_eq!(good.headers.len(), 5);
        for index in 0..5 {
            let mut without = good.clone();
            let (name, _) = without.headers.remove(index);
            shop.receives_webhook(&without).await.is(400).with_code("invalid_signature");
            without.headers.push((name, String::new()));
            shop.receives_webhook(&without).await.is(400).with_code("invalid_signature");
        }
        let mut broken = good.clone();
        broken.body.push('}');
        shop.receives_webhook(&broken).await.is(400).with_code("invalid_signature");
        assert_eq!(shop.simulator().faults_waiting(), 1, "PayPal was not even asked");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
    }

    async fn a_webhook_that_paypal_sends_again_for_days_is_accepted(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.admin().await.sets_status(&order, "confirmed").await.is(200); // it does not expire
        shop.simulator().buyer_pays(transaction(&payment)).expect("the buyer agrees");
        let [approval] = shop.simulator().webhooks().try_into().expect("one event");
        shop.time_passes(Duration::from_hours(3 * 24));
        shop.receives_webhook(&approval).await.is(503).with_code("provider_unavailable"); // the shop's token has run out, too
        shop.receives_webhook(&approval).await.is(200);
        deliver_webhooks(&shop).await;
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
    }

    async fn forged_webhooks_of_one_sender_are_rate_limited(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        let shop = behind_a_proxy(&shop).await;
        let (paypal, forger) = ([66, 211, 168, 1], [203, 0, 113, 7]);
        let mut forged = approval(&shop, &payment);
        forged.headers[2].1 = "forged".to_owned();
        for _ in 0..FORGED {
            comes_from(&shop, forger, &forged).await.is(400).with_code("invalid_signature");
        }
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, ASKED);
        let refused = comes_from(&shop, forger, &forged).await.is(429).with_code("rate_limited");
        assert_eq!(refused.header("retry-after"), "600");
        assert_eq!(shop.simulator().faults_waiting(), 1, "PayPal was not even asked");
        shop.simulator().clear_faults();

        comes_from(&shop, paypal, &approval(&shop, &payment)).await.is(200);
        shop.time_passes(Duration::from_mins(10));
        comes_from(&shop, forger, &approval(&shop, &payment)).await.is(200); // as if it had come through the same proxy
        deliver_webhooks(&shop).await;
    }

    async fn genuine_webhooks_are_never_rate_limited(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        let shop = shop.with_limits().await;
        let approval = approval(&shop, &payment);
        for _ in 0..=FORGED {
            shop.receives_webhook(&approval).await.is(200); // PayPal is asked each time, the event is handled once
        }
        for _ in 0..=FORGED { // PayPal is away: that is not the sender's fault
            shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, ASKED);
            shop.receives_webhook(&approval).await.is(503).with_code("provider_unavailable");
        }
        deliver_webhooks(&shop).await;
    }
}

fn approval(shop: &TestShop, payment: &Payment) -> Webhook {
    shop.simulator().webhook("CHECKOUT.ORDER.APPROVED", transaction(payment))
}

/// The same shop behind a proxy that says where a request comes from, where nobody may try too often.
async fn behind_a_proxy(shop: &TestShop) -> TestShop {
    shop.opens_again(|settings| {
        settings.rate_limits = true;
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    })
    .await
}

async fn comes_from(shop: &TestShop, sender: [u8; 4], webhook: &Webhook) -> Answer {
    let request = shop
        .visitor()
        .post("/api/payments/webhooks/paypal")
        .header("x-forwarded-for", &Ipv4Addr::from(sender).to_string());
    let request = webhook.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(webhook.media_type, webhook.body.clone()).await
}
