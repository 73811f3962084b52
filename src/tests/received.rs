//! What was received, which is not always what was asked for: less pays no order, and what is too much goes back.

use std::time::Duration;

use payment_simulator::{Fault, Provider};
use serde_json::{Value, json};

use crate::{
    providers::{
        amounts_captured, amounts_refunded, check_pending_payments, deliver_webhooks, pays, reconcile_payments,
        refunds, somebody_waits_to_pay, somebody_who_ordered, transaction, waits_to_pay,
    },
    support::{Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn a_lower_amount_is_refunded_and_pays_no_order(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next(provider, Fault::CapturesLess);
            pays(&shop, &payment).await;
            let short = ada.looks_at(&payment).await;
            assert_eq!(amounts(&short), ["12.00", "10.80", "10.80"], "{provider:?}: {short}");
            assert_eq!((&short["status"], &short["failure"]["code"]), (&json!("failed"), &json!("underpaid")));
            assert_eq!(short["failure"]["message"], "Only 10.80 of 12.00 USD were received. They are refunded.");
            assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));
            assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment)), (vec![10_80], vec![10_80]));
            assert_eq!(reasons(&ada, &payment).await, ["underpaid"]);

            let again = waits_to_pay(&shop, &ada, &order).await; // the order waits for somebody who pays it all
            pays(&shop, &again).await;
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        }
    }

    async fn the_surplus_of_a_higher_amount_is_refunded(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next(provider, Fault::CapturesMore);
            pays(&shop, &payment).await;
            let more = ada.looks_at(&payment).await;
            assert_eq!(amounts(&more), ["12.00", "13.20", "1.20"], "{provider:?}: {more}");
            assert_eq!(more["status"], "partially_refunded");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment)), (vec![13_20], vec![1_20]));
            assert_eq!(reasons(&ada, &payment).await, ["overpaid"]);

            shop.time_passes(Duration::from_secs(1));
            ada.cancels(&order).await.is(200);
            deliver_webhooks(&shop).await;
            assert_eq!(amounts_refunded(&shop, &payment), [1_20, 12_00]);
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        }
    }

    async fn a_saved_card_that_is_charged_less_pays_no_order(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        shop.simulator().next(Provider::Stripe, Fault::CapturesLess);
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.runs_its_jobs().await; // its answer says all, no event is needed
        drop(shop.simulator().webhooks());
        let short = ada.looks_at(&payment).await;
        assert_eq!((&short["status"], amounts(&short)), (&json!("failed"), ["12.00", "10.80", "10.80"].map(Value::from)));
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));
    }

    async fn a_lower_amount_without_webhook_is_found_by_the_check(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next(provider, Fault::CapturesLess);
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks()); // all lost
            shop.time_passes(Duration::from_secs(241));
            check_pending_payments(&shop).await;
            drop(shop.simulator().webhooks());
            shop.runs_its_jobs().await;
            assert_eq!(amounts(&ada.looks_at(&payment).await), ["12.00", "10.80", "10.80"], "{provider:?}");
            assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));
            drop(shop.simulator().webhooks());
        }
    }

    async fn a_lower_amount_for_an_expired_order_is_refunded(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        shop.expects_in_log("found money that moved without a report");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        shop.simulator().next(Provider::Razorpay, Fault::CapturesLess);
        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks());
        shop.time_passes(Duration::from_hours(7));
        reconcile_payments(&shop).await;
        deliver_webhooks(&shop).await;
        ada.signs_in().await;
        let late = ada.looks_at(&payment).await;
        assert_eq!((&late["status"], amounts(&late)), (&json!("cancelled"), ["12.00", "10.80", "10.80"].map(Value::from)));
        assert_eq!(shop.statuses_of(&order).await.0, "cancelled");
        assert_eq!(differences(&shop).await, json!([]));
    }

    async fn a_recorded_amount_that_was_not_received_is_a_difference(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        shop.expects_in_log("the shop's and the provider's records differ");
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next(provider, Fault::CapturesMore);
            pays(&shop, &payment).await;
        }
        shop.time_passes(Duration::from_secs(1));
        // As a version recorded it that took what was asked for as what was received.
        shop.tampers("UPDATE payments SET captured = amount + refunded - 1, compared_at = NULL").await;
        reconcile_payments(&shop).await;
        let found = differences(&shop).await;
        assert_eq!(found.as_array().expect("a list").len(), 3, "{found}");
        for difference in found.as_array().expect("a list") {
            let said = (&difference["matter"], &difference["ours"], &difference["theirs"]);
            assert_eq!(said, (&json!("captured"), &json!("13.19"), &json!("13.20")));
        }
        shop.tampers("UPDATE payments SET captured = amount + refunded").await;
        reconcile_payments(&shop).await;
        assert_eq!(differences(&shop).await, json!([]));
    }

    async fn a_lower_amount_whose_refund_fails_waits_for_an_admin(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        shop.expects_in_log("a refund failed");
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        for provider in Provider::ALL {
            for (fault, kept, stands) in [(Fault::CapturesLess, "10.80", "failed"), (Fault::CapturesMore, "1.20", "captured")] {
                let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
                shop.simulator().next(provider, fault);
                shop.simulator().next(provider, Fault::RefundFails);
                pays(&shop, &payment).await;
                shop.simulator().refund_fails(transaction(&payment)).expect("a refund that is pending");
                deliver_webhooks(&shop).await;
                shop.time_passes(Duration::from_secs(1));
                reconcile_payments(&shop).await;
                let found = differences(&shop).await;
                assert_eq!((&found[0]["matter"], &found[0]["theirs"]), (&json!("not_given_back"), &json!(kept)), "{found}");
                let waiting = ada.looks_at(&payment).await;
                assert_eq!((&waiting["status"], &waiting["refunded"]), (&json!(stands), &json!("0.00")));

                refunds(&admin, &payment, &json!({"amount": kept})).await.is(202);
                deliver_webhooks(&shop).await;
                shop.time_passes(Duration::from_secs(1));
                reconcile_payments(&shop).await;
                assert_eq!(differences(&shop).await, json!([]));
                assert_eq!(ada.looks_at(&payment).await["refunded"], kept);
            }
        }
    }
}

/// What was asked for, what was received and what has gone back.
fn amounts(payment: &Value) -> [Value; 3] {
    ["amount", "captured", "refunded"].map(|name| payment[name].clone())
}

async fn reasons(by: &Person, payment: &Payment) -> Vec<Value> {
    let made = by.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
    made.into_iter().map(|refund| refund["reason"].clone()).collect()
}

async fn differences(shop: &TestShop) -> Value {
    shop.admin().await.get("/api/admin/payments/reconciliation").await.is(200).json()["differences"].clone()
}
