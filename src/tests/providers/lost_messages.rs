//! Requests, responses and webhooks that are lost, late, or come twice.

use std::time::Duration;

use payment_simulator::{Fault, Provider};
use serde_json::json;

use super::{
    amounts_captured, amounts_refunded, check_pending_payments, deliver_webhooks, pays, refunds, somebody_waits_to_pay,
    somebody_who_ordered, transaction,
};
use crate::{
    orders::expire_unpaid_orders,
    support::{Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn no_fault_moves_money_twice(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let faults = [
            Fault::CutBefore, Fault::CutAfter, Fault::ErrorBefore, Fault::ErrorAfter, Fault::RateLimited, Fault::WrongAmount,
        ];
        for provider in Provider::ALL {
            for fault in faults {
                let (ada, order) = somebody_who_ordered(&shop, provider).await;
                let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
                shop.simulator().next(provider, fault);
                let payment = ends(&shop, &ada, &payment, "requires_action").await;
                if provider == Provider::Paypal {
                    shop.simulator().next_on(provider, fault, "/capture");
                }
                pays(&shop, &payment).await;
                ends(&shop, &ada, &payment, "captured").await;
                refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
                shop.simulator().next_on(provider, fault, "refund");
                ends(&shop, &ada, &payment, "partially_refunded").await;
                let moved = (amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment));
                assert_eq!(moved, (vec![12_00], vec![5_00]), "{provider:?} {fault:?}");
                assert_eq!(shop.simulator().faults_waiting(), 0, "{provider:?} {fault:?} met nothing");
                shop.time_passes(Duration::from_mins(1));
                deliver_webhooks(&shop).await;
            }
        }
    }

    async fn a_duplicate_payment_is_refunded(shop: TestShop) {
        shop.expects_in_log("the provider has a duplicate of a payment; ending it");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        // As if we had lost sight of the first one, and asked again under another key.
        shop.tampers("UPDATE payments SET transaction_id = 'pi_lost', capture_id = NULL").await;
        let second = shop.simulator().webhook("payment_intent.succeeded", transaction(&payment));
        shop.receives_webhook(&second).await.is(200);
        deliver_webhooks(&shop).await;
        let all = ada.get(&format!("/api/payments?order={}", order.id)).await.is(200).list();
        let mut statuses: Vec<_> = all.iter().map(|payment| payment["status"].as_str().expect("one")).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["captured", "refunded"]);
        assert_eq!(amounts_refunded(&shop, &payment), [12_00]);
    }

    async fn webhooks_may_be_reordered_and_repeated(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            shop.runs_its_jobs().await;
            let mut told = shop.simulator().webhooks();
            told.reverse();
            for webhook in told.iter().chain(&told) {
                shop.receives_webhook(webhook).await.is(200);
                shop.runs_its_jobs().await;
            }
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!(amounts_captured(&shop, &payment), [12_00]);
        }
    }

    async fn a_payment_without_webhooks_is_found_by_the_scheduled_check(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks()); // all lost
            shop.time_passes(Duration::from_secs(241));
            check_pending_payments(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured");
            drop(shop.simulator().webhooks());
            shop.runs_its_jobs().await;
        }
    }

    async fn a_capture_whose_response_and_webhook_are_lost_is_checked_again(shop: TestShop) {
        shop.expects_in_log("cannot retrieve a payment");
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().buyer_pays(transaction(&payment)).expect("the buyer agrees");
        drop(shop.simulator().webhooks());
        shop.simulator().next_on(Provider::Paypal, Fault::ErrorAfter, "/capture");
        for status in ["requires_action", "captured"] {
            shop.time_passes(Duration::from_secs(241));
            check_pending_payments(&shop).await;
            drop(shop.simulator().webhooks());
            assert_eq!(ada.looks_at(&payment).await["status"], status);
        }
        shop.runs_its_jobs().await;
        assert_eq!(amounts_captured(&shop, &payment), [12_00]);
    }

    async fn money_for_an_expired_order_is_refunded(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.time_passes(Duration::from_mins(31));
        expire_unpaid_orders(&shop).await;
        shop.runs_its_jobs().await;
        pays(&shop, &payment).await; // Razorpay cannot be told that the money is not wanted
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
        assert_eq!((amounts_captured(&shop, &payment), amounts_refunded(&shop, &payment)), (vec![12_00], vec![12_00]));
    }
}

/// Time passes until a payment has this status, however often its jobs have to try.
async fn ends(shop: &TestShop, buyer: &Person, payment: &Payment, status: &str) -> Payment {
    for _ in 0..20 {
        deliver_webhooks(shop).await;
        let now = buyer.looks_at(payment).await;
        if now["status"] == status {
            return now.into();
        }
        shop.time_passes(Duration::from_secs(30));
    }
    panic!("it never was {status}: {}", buyer.looks_at(payment).await);
}
