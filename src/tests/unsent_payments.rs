//! Payments whose job was lost, discarded or given up: they end, so that the order can be paid otherwise.

use std::time::Duration;

use payment_simulator::{Fault, Provider};
use serde_json::{Value, json};

use crate::{
    providers::{amounts_captured, check_pending_payments, deliver_webhooks, pays, somebody_who_ordered},
    support::{Order, Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn a_payment_whose_job_was_discarded_ends_and_another_may_be_made(shop: TestShop) {
        shop.expects_in_log("no job sends a payment any more");
        for provider in ["cash_on_delivery", "stripe", "paypal", "razorpay"] {
            let (ada, order, payment) = somebody_asked_to_pay_by(&shop, provider).await;
            discards_the_job(&shop).await;
            for (wait, status) in [(239, "queued"), (2, "failed")] {
                shop.time_passes(Duration::from_secs(wait));
                check_pending_payments(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["status"], status, "{provider}");
            }
            assert_eq!(ada.looks_at(&payment).await["failure"]["code"], "not_sent");
            assert_eq!(shop.statuses_of(&order).await.1, "failed");

            let again: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
            deliver_webhooks(&shop).await;
            let status = if provider == "cash_on_delivery" { "processing" } else { "requires_action" };
            assert_eq!(ada.looks_at(&again).await["status"], status, "{provider}");
        }
    }

    async fn a_payment_whose_job_was_given_up_ends_and_a_retry_of_the_job_does_nothing(shop: TestShop) {
        shop.expects_in_log("no job sends a payment any more");
        let admin = shop.admin().await;
        for provider in ["cash_on_delivery", "stripe", "paypal", "razorpay"] {
            let (ada, order, payment) = somebody_asked_to_pay_by(&shop, provider).await;
            shop.tampers("UPDATE jobs SET state = 'dead' WHERE kind = 'payments.pay' AND state = 'pending'").await;
            ada.wants_to_pay(&order).await.is(409).with_code("payment_in_progress");
            shop.time_passes(Duration::from_secs(241));
            check_pending_payments(&shop).await;
            let ended = ada.looks_at(&payment).await;
            assert_eq!((&ended["status"], &ended["failure"]["code"]), (&json!("failed"), &json!("not_sent")), "{provider}");

            let dead = admin.get("/api/admin/jobs?queue=payment&state=dead").await.is(200).list();
            admin.post(&format!("/api/admin/jobs/{}/retry", dead[0]["id"])).await.is(200);
            deliver_webhooks(&shop).await;
            let still = ada.looks_at(&payment).await;
            assert_eq!((&still["status"], &still["transaction_id"]), (&json!("failed"), &Value::Null), "{provider}");
        }
    }

    async fn a_payment_whose_job_will_try_again_goes_on(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        for _ in 0..8 {
            shop.simulator().next(Provider::Stripe, Fault::CutBefore);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_secs(31));
        }
        check_pending_payments(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "queued");
        shop.simulator().clear_faults();
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
    }

    async fn the_provider_is_asked_before_an_unsent_payment_fails(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("no job sends a payment any more");
        for (fault, status, cents) in [(Fault::CutBefore, "failed", vec![]), (Fault::CutAfter, "captured", vec![12_00])] {
            let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
            let payment = ada.pays_with("pm_card_visa", &order).await;
            shop.simulator().next(Provider::Stripe, fault);
            shop.runs_its_jobs().await;
            discards_the_job(&shop).await;
            drop(shop.simulator().webhooks());
            shop.time_passes(Duration::from_secs(241));
            check_pending_payments(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], status);
            assert_eq!(amounts_captured(&shop, &payment), cents);
            deliver_webhooks(&shop).await;
        }
    }

    async fn an_unsent_payment_stays_while_its_provider_is_unavailable(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("cannot check whether the provider has a payment");
        shop.allows_in_log("cannot retrieve a payment");
        shop.allows_in_log("no job sends a payment any more");
        let (ada, order) = somebody_who_ordered(&shop, Provider::Razorpay).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.simulator().next(Provider::Razorpay, Fault::CutAfter);
        shop.runs_its_jobs().await;
        discards_the_job(&shop).await;
        shop.time_passes(Duration::from_secs(241));
        shop.simulator().fails_at_random(1.0, 7, &[Fault::CutBefore]);
        check_pending_payments(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "queued");
        shop.simulator().clear_faults();
        shop.time_passes(Duration::from_mins(1));
        check_pending_payments(&shop).await;
        pays(&shop, &ada.looks_at(&payment).await.into()).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
    }
}

async fn somebody_asked_to_pay_by(shop: &TestShop, provider: &str) -> (Person, Order, Payment) {
    let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
    let ada = shop.customer(&format!("{}@example.com", uuid::Uuid::new_v4().simple())).await;
    let order = json!({"items": [{"product": mug.id, "quantity": 1}], "payment_method": provider});
    let order: Order = ada.post("/api/orders").json(&order).await.is(201).json().into();
    let payment = ada.wants_to_pay(&order).await.is(202).json().into();
    (ada, order, payment)
}

/// An admin removes the one job of the payment queue that waits.
async fn discards_the_job(shop: &TestShop) {
    let admin = shop.admin().await;
    let waiting = admin.get("/api/admin/jobs?queue=payment").await.is(200).list();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    admin.delete(&format!("/api/admin/jobs/{}", waiting[0]["id"])).await.is(204);
}
