//! Calls to a provider that fail and are repeated, or whose payment is looked for.

use std::time::Duration;

use futures_util::future::join_all;
use payment_simulator::{Fault, Provider, STRIPE_SECRET_KEY};
use serde_json::json;

use crate::{
    providers::{amounts_captured, deliver_webhooks, pays, refunds, somebody_who_ordered},
    support::{TestShop, people::Payment},
};

on_both_engines! {
    async fn a_failure_is_final_only_after_two_minutes(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.simulator().next(Provider::Stripe, Fault::ErrorBefore); // which Stripe repeats under the same key
        for (wait, first_key) in [(0, 1), (60, 1), (30, 1), (31, 0)] {
            shop.time_passes(Duration::from_secs(wait));
            shop.runs_its_jobs().await;
            assert_eq!(shop.counts("SELECT COUNT(*) FROM payments WHERE provider_key LIKE '%-1'").await, first_key);
        }
        shop.time_passes(Duration::from_secs(30));
        shop.runs_its_jobs().await;
        let payment: Payment = ada.looks_at(&payment).await.into();
        pays(&shop, &payment).await;

        refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
        shop.simulator().next_on(Provider::Stripe, Fault::ErrorBefore, "/refunds");
        for (wait, first_key) in [(0, 1), (60, 1), (30, 1), (31, 0)] {
            shop.time_passes(Duration::from_secs(wait));
            shop.runs_its_jobs().await;
            assert_eq!(shop.counts("SELECT COUNT(*) FROM refunds WHERE provider_key LIKE '%-1'").await, first_key);
        }
        shop.time_passes(Duration::from_secs(30));
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
    }

    async fn a_retry_sends_the_same_idempotency_key(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for provider in [Provider::Stripe, Provider::Paypal] {
            let (ada, order) = somebody_who_ordered(&shop, provider).await;
            let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
            shop.simulator().next(provider, Fault::CutAfter);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_secs(1));
            shop.runs_its_jobs().await;
            assert_eq!(ada.looks_at(&payment).await["status"], "requires_action");
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM payments WHERE provider_key LIKE '%-1'").await, 2);
    }

    async fn a_payment_retried_for_hours_is_found_when_it_is_cancelled(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.admin().await.sets_status(&order, "confirmed").await.is(200); // it does not expire any more
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            shop.simulator().next(Provider::Stripe, fault);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_hours(2));
        }
        ada.signs_in().await;
        drop(shop.simulator().webhooks());
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.pay'").await; // it, too, would have learnt of the charge
        ada.cancels(&order).await.is(200);
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
    }

    async fn a_payment_retried_for_hours_is_charged_once(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mut ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.admin().await.sets_status(&order, "confirmed").await.is(200); // it does not expire
        for (fault, hours) in [(Fault::CutBefore, 2), (Fault::CutAfter, 23)] {
            shop.simulator().next(Provider::Stripe, fault);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_hours(hours));
        }
        drop(shop.simulator().webhooks());
        shop.runs_its_jobs().await; // the key is too old now: the charge is looked for
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(amounts_captured(&shop, &payment), [12_00]);
    }

    async fn a_charge_is_found_behind_a_hundred_others(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.simulator().next(Provider::Stripe, Fault::CutAfter);
        shop.runs_its_jobs().await;
        let others = format!("{}/v1/payment_intents", shop.simulator().base(Provider::Stripe));
        join_all((0..100).map(|_| {
            let another = shop.http().post(&others).bearer_auth(STRIPE_SECRET_KEY);
            another.form(&[("amount", "700"), ("currency", "usd")]).send()
        }))
        .await;
        drop(shop.simulator().webhooks());
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;
    }
}
