//! Refunds, here and on the providers' own pages: they add up, and one counts when its money has arrived.

use std::time::Duration;

use payment_simulator::{Fault, Provider, Webhook};
use serde_json::{Value, json};

use crate::{
    payment_edges::refund_in_dashboard,
    providers::{
        amounts_refunded, check_pending_payments, deliver_webhooks, pays, reconcile_payments, refunds,
        somebody_waits_to_pay, transaction,
    },
    support::{Order, Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn refunds_of_the_shop_and_of_the_dashboard_add_up_without_webhooks(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            gives_back(&shop, &payment, "5.00").await;
            refund_in_dashboard(&shop, &payment, 2_00).await;
            gives_back(&shop, &payment, "1.00").await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("8.00")), "{provider:?}");
            let made = made(&ada, &payment).await;
            assert_eq!(told(&made), [
                ("1.00", "requested", "succeeded"), ("2.00", "at_provider", "succeeded"), ("5.00", "requested", "succeeded"),
            ], "{provider:?}");
            assert!(made.iter().all(|refund| refund["transaction_id"].is_string()), "{made:?}");

            refunds(&shop.admin().await, &payment, &json!({"amount": "4.01"})).await.is(422).with_code("refund_exceeds_payment");
            refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
            assert_eq!(amounts_refunded(&shop, &payment).iter().sum::<i64>(), 12_00);
        }
    }

    async fn refunds_add_up_when_webhooks_are_reordered_repeated_or_lost(shop: TestShop) {
        for provider in Provider::ALL {
            for step in [1, 2] { // with 2, every other event is lost
                let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
                refund_in_dashboard(&shop, &payment, 2_00).await;
                refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
                shop.runs_its_jobs().await;
                refund_in_dashboard(&shop, &payment, 1_50).await;
                let last_first: Vec<Webhook> = shop.simulator().webhooks().into_iter().rev().step_by(step).collect();
                for _ in 0..2 {
                    for webhook in &last_first {
                        shop.receives_webhook(webhook).await.is(200);
                        shop.runs_its_jobs().await;
                    }
                    assert_eq!(ada.looks_at(&payment).await["refunded"], "8.50", "{provider:?}");
                    assert_eq!(made(&ada, &payment).await.len(), 3, "each once, {provider:?}");
                }
            }
        }
    }

    async fn an_idempotency_key_holds_however_the_payment_id_is_spelled(shop: TestShop) {
        let (ada, _, payment) = somebody_who_paid(&shop, Provider::Stripe).await;
        let admin = shop.admin().await;
        for id in [payment.id.clone(), payment.id.to_uppercase(), payment.id.replace('-', "")] {
            let path = format!("/api/payments/{id}/refund");
            admin.post(&path).once("once").json(&json!({"amount": "1.00"})).await.is(202);
        }
        shop.runs_its_jobs().await;
        assert_eq!(made(&ada, &payment).await.len(), 1);
    }

    async fn refunds_in_the_dashboard_are_found_by_the_reconciliation(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            gives_back(&shop, &payment, "5.00").await;
            refund_in_dashboard(&shop, &payment, 7_00).await;
            drop(shop.simulator().webhooks());
            shop.time_passes(Duration::from_secs(1));
            reconcile_payments(&shop).await;
            shop.runs_its_jobs().await;
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")), "{provider:?}");
            assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
            shop.time_passes(Duration::from_secs(1));
            reconcile_payments(&shop).await;
            assert_eq!(differences(&shop).await, json!([]), "{provider:?}");
        }
    }

    async fn a_refund_whose_response_is_lost_counts_once_beside_one_in_the_dashboard(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            shop.simulator().next_on(provider, Fault::CutAfter, "refund");
            shop.runs_its_jobs().await;
            refund_in_dashboard(&shop, &payment, 2_00).await;
            deliver_webhooks(&shop).await; // the events of both come before the job tries again
            assert_eq!(ada.looks_at(&payment).await["refunded"], "7.00", "{provider:?}");
            shop.time_passes(Duration::from_secs(2));
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["refunded"], "7.00", "{provider:?}");
            assert_eq!(amounts_refunded(&shop, &payment), [5_00, 2_00]);
            assert_eq!(made(&ada, &payment).await.len(), 2);
        }
    }

    async fn cancelling_refunds_what_was_not_refunded_in_the_dashboard(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            refund_in_dashboard(&shop, &payment, 2_00).await;
            drop(shop.simulator().webhooks()); // so that all is asked for, and refused
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await;
            drop(shop.simulator().webhooks());
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")), "{provider:?}");
            assert_eq!(amounts_refunded(&shop, &payment), [2_00, 10_00]);
        }
    }

    async fn a_refund_that_is_pending_counts_when_it_has_arrived(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundPending);
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            deliver_webhooks(&shop).await;
            let waiting = ada.looks_at(&payment).await;
            assert_eq!((&waiting["status"], &waiting["refunded"]), (&json!("captured"), &json!("0.00")), "{provider:?}");
            assert_eq!(made(&ada, &payment).await[0]["status"], "processing");
            refunds(&shop.admin().await, &payment, &json!({"amount": "7.01"})).await.is(422).with_code("refund_exceeds_payment");

            shop.simulator().refund_succeeds(transaction(&payment)).expect("a refund that is pending");
            deliver_webhooks(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("5.00")), "{provider:?}");
            assert_eq!(made(&ada, &payment).await[0]["status"], "succeeded");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        }
    }

    async fn the_amount_of_a_failed_refund_can_be_refunded_again(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundFails);
            refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
            deliver_webhooks(&shop).await;
            shop.simulator().refund_fails(transaction(&payment)).expect("a refund that is pending");
            deliver_webhooks(&shop).await;
            let kept = ada.looks_at(&payment).await;
            assert_eq!((&kept["status"], &kept["refunded"]), (&json!("captured"), &json!("0.00")), "{provider:?}");
            assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
            let failed = &made(&ada, &payment).await[0];
            assert_eq!(failed["status"], "failed");
            assert!(failed["failure"].as_str().is_some_and(|why| !why.is_empty()), "{failed}");

            shop.time_passes(Duration::from_secs(1));
            refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!(amounts_refunded(&shop, &payment), [12_00]);
        }
    }

    async fn a_dashboard_refund_that_is_pending_or_failed_does_not_count(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            for (arrives, refunded) in [(true, "4.50"), (false, "0.00")] {
                let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
                shop.simulator().next_on(provider, Fault::RefundPending, "refund");
                refund_in_dashboard(&shop, &payment, 4_50).await;
                deliver_webhooks(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], "0.00", "{provider:?}");
                assert_eq!(told(&made(&ada, &payment).await), [("4.50", "at_provider", "processing")]);
                refunds(&shop.admin().await, &payment, &json!({"amount": "7.51"})).await.is(422).with_code("refund_exceeds_payment");

                let bank = shop.simulator();
                let name = transaction(&payment);
                if arrives { bank.refund_succeeds(name) } else { bank.refund_fails(name) }.expect("a refund that is pending");
                deliver_webhooks(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
            }
        }
    }

    async fn a_pending_refund_without_webhook_is_checked(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            for (fault, status, refunded) in [(Fault::RefundPending, "succeeded", "5.00"), (Fault::RefundFails, "failed", "0.00")] {
                let (mut ada, _, payment) = somebody_who_paid(&shop, provider).await;
                shop.simulator().next(provider, fault);
                gives_back(&shop, &payment, "5.00").await;
                assert_eq!(made(&ada, &payment).await[0]["status"], "processing", "{provider:?}");
                shop.time_passes(Duration::from_secs(241));
                check_pending_payments(&shop).await;
                shop.runs_its_jobs().await;
                drop(shop.simulator().webhooks());
                ada.signs_in().await;
                assert_eq!(made(&ada, &payment).await[0]["status"], status, "{provider:?}");
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
            }
        }
    }

    async fn money_of_a_cancelled_order_whose_refund_fails_waits_for_an_admin(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundFails);
            ada.cancels(&order).await.is(200);
            deliver_webhooks(&shop).await;
            shop.simulator().refund_fails(transaction(&payment)).expect("a refund that is pending");
            deliver_webhooks(&shop).await;
            shop.time_passes(Duration::from_secs(1));
            reconcile_payments(&shop).await;
            let found = differences(&shop).await;
            assert_eq!((&found[0]["matter"], &found[0]["theirs"]), (&json!("not_given_back"), &json!("12.00")), "{found}");
            refunds(&admin, &payment, &json!({})).await.is(202);
            deliver_webhooks(&shop).await;
            shop.time_passes(Duration::from_secs(1));
            reconcile_payments(&shop).await;
            assert_eq!(differences(&shop).await, json!([]));
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        }
    }

    async fn each_provider_reports_pending_refunds_with_its_own_events(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for (provider, made, failed) in [
            (Provider::Stripe, vec!["charge.refunded", "refund.created"], vec!["refund.updated", "charge.refund.updated", "refund.failed"]),
            (Provider::Paypal, vec!["PAYMENT.REFUND.PENDING"], vec!["PAYMENT.REFUND.FAILED"]),
            (Provider::Razorpay, vec!["refund.created"], vec!["refund.failed"]),
        ] {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next_on(provider, Fault::RefundFails, "refund");
            refund_in_dashboard(&shop, &payment, 4_50).await;
            for kinds in [made, failed] {
                let told = shop.simulator().webhooks();
                assert_eq!(told.iter().map(|webhook| webhook.kind.as_str()).collect::<Vec<_>>(), kinds);
                for webhook in &told {
                    shop.receives_webhook(webhook).await.is(200);
                }
                shop.runs_its_jobs().await;
                let _ = shop.simulator().refund_fails(transaction(&payment)); // the second time it is over
            }
            assert_eq!(told(&self::made(&ada, &payment).await), [("4.50", "at_provider", "failed")], "{provider:?}");
        }
    }

    async fn the_refunded_sum_of_an_earlier_version_becomes_refunds(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            for cents in [3_00, 1_50] {
                refund_in_dashboard(&shop, &payment, cents).await;
            }
            deliver_webhooks(&shop).await;
            shop.tampers("DELETE FROM refunds WHERE amount = 150").await;
            shop.tampers("UPDATE refunds SET amount = 450, transaction_id = NULL WHERE amount = 300").await;
            shop.tampers("UPDATE payments SET compared_at = NULL").await;
            assert_eq!(told(&made(&ada, &payment).await), [("4.50", "at_provider", "succeeded")]);
            reconcile_payments(&shop).await;
            let named = [("1.50", "at_provider", "succeeded"), ("3.00", "at_provider", "succeeded")];
            assert_eq!(told(&made(&ada, &payment).await), named, "{provider:?}");
            assert_eq!(ada.looks_at(&payment).await["refunded"], "4.50");
        }
    }

    async fn a_refund_that_the_bank_returns_counts_as_failed(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        shop.expects_in_log("the shop's and the provider's records differ");
        let admin = shop.admin().await;
        let (ada, order, payment) = somebody_who_paid(&shop, Provider::Stripe).await;
        refunds(&admin, &payment, &json!({})).await.is(202);
        deliver_webhooks(&shop).await;
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
        shop.simulator().refund_fails(transaction(&payment)).expect("a refund to send back");
        deliver_webhooks(&shop).await;
        let back = ada.looks_at(&payment).await;
        assert_eq!((&back["status"], &back["refunded"]), (&json!("refunded"), &json!("0.00")), "statuses only move forward");
        assert_eq!(told(&made(&ada, &payment).await), [("12.00", "requested", "failed")]);
        shop.time_passes(Duration::from_secs(1));
        reconcile_payments(&shop).await;
        let found = differences(&shop).await;
        assert_eq!((&found[0]["matter"], &found[0]["theirs"]), (&json!("not_given_back"), &json!("12.00")), "{found}");

        refunds(&admin, &payment, &json!({})).await.is(202);
        deliver_webhooks(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "12.00");
        shop.time_passes(Duration::from_secs(1));
        reconcile_payments(&shop).await;
        assert_eq!(differences(&shop).await, json!([]));
    }
}

async fn somebody_who_paid(shop: &TestShop, provider: Provider) -> (Person, Order, Payment) {
    let (ada, order, payment) = somebody_waits_to_pay(shop, provider).await;
    pays(shop, &payment).await;
    shop.time_passes(Duration::from_secs(1));
    (ada, order, payment)
}

/// An admin gives some back, and no event of it comes.
async fn gives_back(shop: &TestShop, payment: &Payment, amount: &str) {
    refunds(&shop.admin().await, payment, &json!({"amount": amount})).await.is(202);
    shop.runs_its_jobs().await;
    drop(shop.simulator().webhooks());
    shop.time_passes(Duration::from_secs(1));
}

/// A payment's refunds, oldest first.
async fn made(by: &Person, payment: &Payment) -> Vec<Value> {
    by.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list()
}

/// Amount, reason and status of each, the smallest first.
fn told(refunds: &[Value]) -> Vec<(&str, &str, &str)> {
    fn text<'a>(refund: &'a Value, name: &str) -> &'a str {
        refund[name].as_str().unwrap_or_default()
    }
    let mut told: Vec<_> =
        refunds.iter().map(|made| (text(made, "amount"), text(made, "reason"), text(made, "status"))).collect();
    told.sort_unstable();
    told
}

async fn differences(shop: &TestShop) -> Value {
    shop.admin().await.get("/api/admin/payments/reconciliation").await.is(200).json()["differences"].clone()
}
