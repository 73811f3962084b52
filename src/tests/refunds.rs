//! Refunds, here and on the providers' own pages: they add up, and one counts when its money has arrived.

use std::time::Duration;

use payment_simulator::{Fault, Provider, Webhook};
use serde_json::{Value, json};

use crate::{
    payment_edges::goes_back_by_hand,
    providers::{
        asks_about_what_hangs, compares_the_books, hears, pays, refunds, somebody_waits_to_pay, transaction, went_back,
    },
    support::{Order, Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn what_goes_back_here_and_at_the_provider_adds_up_without_any_event(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            gives_back(&shop, &payment, "5.00").await;
            goes_back_by_hand(&shop, &payment, 2_00).await;
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
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
            assert_eq!(went_back(&shop, &payment).iter().sum::<i64>(), 12_00);
        }
    }

    async fn it_adds_up_whatever_event_comes_first_twice_or_never(shop: TestShop) {
        let orders: [fn(Vec<Webhook>) -> Vec<Webhook>; 4] = [
            |told| told,
            |told| told.into_iter().rev().collect(),
            |told| [told.clone(), told].concat(),
            |told| told.into_iter().rev().step_by(2).collect(),
        ];
        for provider in Provider::ALL {
            for order in orders {
                let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
                goes_back_by_hand(&shop, &payment, 2_00).await;
                refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
                shop.runs_its_jobs().await;
                goes_back_by_hand(&shop, &payment, 1_50).await;
                for webhook in order(shop.simulator().webhooks()) {
                    shop.receives(&webhook).await.is(200);
                    shop.runs_its_jobs().await;
                }
                assert_eq!(ada.looks_at(&payment).await["refunded"], "8.50", "{provider:?}");
                assert_eq!(made(&ada, &payment).await.len(), 3, "each once, {provider:?}");
            }
        }
    }

    async fn a_key_holds_however_the_payment_is_spelled(shop: TestShop) {
        let (ada, _, payment) = somebody_who_paid(&shop, Provider::Stripe).await;
        let boss = shop.admin().await;
        for id in [payment.id.clone(), payment.id.to_uppercase(), payment.id.replace('-', "")] {
            let path = format!("/api/payments/{id}/refund");
            boss.post(&path).once("once").json(&json!({"amount": "1.00"})).await.is(202);
        }
        shop.runs_its_jobs().await;
        assert_eq!(made(&ada, &payment).await.len(), 1);
    }

    async fn what_went_back_at_the_provider_is_found_by_the_comparison(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            gives_back(&shop, &payment, "5.00").await;
            goes_back_by_hand(&shop, &payment, 7_00).await;
            drop(shop.simulator().webhooks());
            shop.time_passes(Duration::from_secs(1));
            compares_the_books(&shop).await;
            shop.runs_its_jobs().await;
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")), "{provider:?}");
            assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
            shop.time_passes(Duration::from_secs(1));
            compares_the_books(&shop).await;
            assert_eq!(differences(&shop).await, json!([]), "{provider:?}");
        }
    }

    async fn a_refund_whose_answer_is_lost_while_another_is_made_by_hand_counts_once(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            shop.simulator().next_on(provider, Fault::CutAfter, "refund");
            shop.runs_its_jobs().await;
            goes_back_by_hand(&shop, &payment, 2_00).await;
            hears(&shop).await; // the events of both come before the job tries again
            assert_eq!(ada.looks_at(&payment).await["refunded"], "7.00", "{provider:?}");
            shop.time_passes(Duration::from_secs(2));
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["refunded"], "7.00", "{provider:?}");
            assert_eq!(went_back(&shop, &payment), [5_00, 2_00]);
            assert_eq!(made(&ada, &payment).await.len(), 2);
        }
    }

    async fn of_a_cancelled_order_goes_back_what_did_not_go_back_by_hand(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            goes_back_by_hand(&shop, &payment, 2_00).await;
            drop(shop.simulator().webhooks()); // so that all is asked for, and refused
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await;
            drop(shop.simulator().webhooks());
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")), "{provider:?}");
            assert_eq!(went_back(&shop, &payment), [2_00, 10_00]);
        }
    }

    async fn a_refund_that_is_pending_counts_when_it_has_arrived(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundPending);
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            hears(&shop).await;
            let waiting = ada.looks_at(&payment).await;
            assert_eq!((&waiting["status"], &waiting["refunded"]), (&json!("captured"), &json!("0.00")), "{provider:?}");
            assert_eq!(made(&ada, &payment).await[0]["status"], "processing");
            refunds(&shop.admin().await, &payment, &json!({"amount": "7.01"})).await.is(422).with_code("refund_exceeds_payment");

            shop.simulator().refund_succeeds(transaction(&payment)).expect("a refund that is pending");
            hears(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("5.00")), "{provider:?}");
            assert_eq!(made(&ada, &payment).await[0]["status"], "succeeded");
            assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
        }
    }

    async fn the_amount_of_a_refund_that_fails_can_be_given_back_again(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundFails);
            refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
            hears(&shop).await;
            shop.simulator().refund_fails(transaction(&payment)).expect("a refund that is pending");
            hears(&shop).await;
            let kept = ada.looks_at(&payment).await;
            assert_eq!((&kept["status"], &kept["refunded"]), (&json!("captured"), &json!("0.00")), "{provider:?}");
            assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
            let failed = &made(&ada, &payment).await[0];
            assert_eq!(failed["status"], "failed");
            assert!(failed["failure"].as_str().is_some_and(|why| !why.is_empty()), "{failed}");

            shop.time_passes(Duration::from_secs(1));
            refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!(went_back(&shop, &payment), [12_00]);
        }
    }

    async fn a_refund_at_the_providers_page_that_is_pending_or_fails_does_not_count(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            for (arrives, refunded) in [(true, "4.50"), (false, "0.00")] {
                let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
                shop.simulator().next_on(provider, Fault::RefundPending, "refund");
                goes_back_by_hand(&shop, &payment, 4_50).await;
                hears(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], "0.00", "{provider:?}");
                assert_eq!(told(&made(&ada, &payment).await), [("4.50", "at_provider", "processing")]);
                refunds(&shop.admin().await, &payment, &json!({"amount": "7.51"})).await.is(422).with_code("refund_exceeds_payment");

                let bank = shop.simulator();
                let name = transaction(&payment);
                if arrives { bank.refund_succeeds(name) } else { bank.refund_fails(name) }.expect("a refund that is pending");
                hears(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
            }
        }
    }

    async fn the_end_of_a_pending_refund_that_nobody_tells_of_is_asked_about(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            for (fault, status, refunded) in [(Fault::RefundPending, "succeeded", "5.00"), (Fault::RefundFails, "failed", "0.00")] {
                let (mut ada, _, payment) = somebody_who_paid(&shop, provider).await;
                shop.simulator().next(provider, fault);
                gives_back(&shop, &payment, "5.00").await;
                assert_eq!(made(&ada, &payment).await[0]["status"], "processing", "{provider:?}");
                shop.time_passes(Duration::from_secs(241));
                asks_about_what_hangs(&shop).await;
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
        let boss = shop.admin().await;
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next(provider, Fault::RefundFails);
            ada.cancels(&order).await.is(200);
            hears(&shop).await;
            shop.simulator().refund_fails(transaction(&payment)).expect("a refund that is pending");
            hears(&shop).await;
            shop.time_passes(Duration::from_secs(1));
            compares_the_books(&shop).await;
            let found = differences(&shop).await;
            assert_eq!((&found[0]["matter"], &found[0]["theirs"]), (&json!("not_given_back"), &json!("12.00")), "{found}");
            refunds(&boss, &payment, &json!({})).await.is(202);
            hears(&shop).await;
            shop.time_passes(Duration::from_secs(1));
            compares_the_books(&shop).await;
            assert_eq!(differences(&shop).await, json!([]));
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        }
    }

    async fn each_provider_tells_of_a_pending_refund_in_its_own_words(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for (provider, made, failed) in [
            (Provider::Stripe, vec!["charge.refunded", "refund.created"], vec!["refund.updated", "charge.refund.updated", "refund.failed"]),
            (Provider::Paypal, vec!["PAYMENT.REFUND.PENDING"], vec!["PAYMENT.REFUND.FAILED"]),
            (Provider::Razorpay, vec!["refund.created"], vec!["refund.failed"]),
        ] {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            shop.simulator().next_on(provider, Fault::RefundFails, "refund");
            goes_back_by_hand(&shop, &payment, 4_50).await;
            for kinds in [made, failed] {
                let told = shop.simulator().webhooks();
                assert_eq!(told.iter().map(|webhook| webhook.kind.as_str()).collect::<Vec<_>>(), kinds);
                for webhook in &told {
                    shop.receives(webhook).await.is(200);
                }
                shop.runs_its_jobs().await;
                let _ = shop.simulator().refund_fails(transaction(&payment)); // the second time it is over
            }
            assert_eq!(told(&self::made(&ada, &payment).await), [("4.50", "at_provider", "failed")], "{provider:?}");
        }
    }

    async fn a_sum_that_an_earlier_version_kept_becomes_the_refunds_it_was_of(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_who_paid(&shop, provider).await;
            for cents in [3_00, 1_50] {
                goes_back_by_hand(&shop, &payment, cents).await;
            }
            hears(&shop).await;
            shop.tampers("DELETE FROM refunds WHERE amount = 150").await;
            shop.tampers("UPDATE refunds SET amount = 450, transaction_id = NULL WHERE amount = 300").await;
            shop.tampers("UPDATE payments SET compared_at = NULL").await;
            assert_eq!(told(&made(&ada, &payment).await), [("4.50", "at_provider", "succeeded")]);
            compares_the_books(&shop).await;
            let named = [("1.50", "at_provider", "succeeded"), ("3.00", "at_provider", "succeeded")];
            assert_eq!(told(&made(&ada, &payment).await), named, "{provider:?}");
            assert_eq!(ada.looks_at(&payment).await["refunded"], "4.50");
        }
    }

    async fn what_a_bank_sends_back_is_not_refunded_any_more(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        shop.expects_in_log("the shop's and the provider's records differ");
        let boss = shop.admin().await;
        let (ada, order, payment) = somebody_who_paid(&shop, Provider::Stripe).await;
        refunds(&boss, &payment, &json!({})).await.is(202);
        hears(&shop).await;
        assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
        shop.simulator().refund_fails(transaction(&payment)).expect("a refund to send back");
        hears(&shop).await;
        let back = ada.looks_at(&payment).await;
        assert_eq!((&back["status"], &back["refunded"]), (&json!("refunded"), &json!("0.00")), "statuses only move forward");
        assert_eq!(told(&made(&ada, &payment).await), [("12.00", "requested", "failed")]);
        shop.time_passes(Duration::from_secs(1));
        compares_the_books(&shop).await;
        let found = differences(&shop).await;
        assert_eq!((&found[0]["matter"], &found[0]["theirs"]), (&json!("not_given_back"), &json!("12.00")), "{found}");

        refunds(&boss, &payment, &json!({})).await.is(202);
        hears(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "12.00");
        shop.time_passes(Duration::from_secs(1));
        compares_the_books(&shop).await;
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
