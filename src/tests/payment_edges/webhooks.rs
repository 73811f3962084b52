//! Webhooks that come again, and responses that are wrong.

use std::time::Duration;

use payment_simulator::{Fault, Provider};

use crate::{
    providers::{deliver_webhooks, pays, somebody_waits_to_pay, transaction},
    support::TestShop,
};

on_both_engines! {
    async fn a_repeated_webhook_changes_nothing(shop: TestShop) {
        for (provider, kind) in [
            (Provider::Stripe, "payment_intent.succeeded"), (Provider::Paypal, "PAYMENT.CAPTURE.COMPLETED"), (Provider::Razorpay, "order.paid"),
        ] {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            let before = ada.looks_at(&payment).await;
            let events = shop.counts("SELECT COUNT(*) FROM order_events").await;
            shop.time_passes(Duration::from_secs(1));
            let again = shop.simulator().webhook(kind, transaction(&payment));
            shop.receives_webhook(&again).await.is(200);
            shop.runs_its_jobs().await;
            assert_eq!(ada.looks_at(&payment).await, before);
            assert_eq!(shop.counts("SELECT COUNT(*) FROM order_events").await, events);
        }
    }

    async fn a_response_with_another_amount_is_not_believed(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for (provider, of) in [
            (Provider::Stripe, "/payment_intents"), (Provider::Paypal, "/capture"), (Provider::Razorpay, "/payments"),
        ] {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next_on(provider, Fault::WrongAmount, of);
            shop.simulator().buyer_pays(transaction(&payment)).expect("the buyer can pay");
            shop.receives_webhook(&shop.simulator().webhooks()[0]).await.is(200); // and not the next, which would mend it
            shop.runs_its_jobs().await;
            drop(shop.simulator().webhooks());
            assert_eq!(shop.simulator().faults_waiting(), 0, "{provider:?}");
            assert_eq!(ada.looks_at(&payment).await["status"], "requires_action", "{provider:?}");
            shop.time_passes(Duration::from_secs(2));
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured", "{provider:?}");
        }
    }

    async fn paypals_token_is_requested_once(shop: TestShop) {
        somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, "oauth2/token");
        somebody_waits_to_pay(&shop, Provider::Paypal).await;
        assert_eq!(shop.simulator().faults_waiting(), 1, "nobody asked for another");
    }
}
