//! Paying, at its edges: the bank takes its time, messages repeat themselves, the merchant acts behind the shop's back, the
//! buyer cancels while the provider is being asked.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use cartwright::shop;
use futures_util::future::join_all;
use payment_simulator::{
    Fault, PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, Provider, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, STRIPE_SECRET_KEY,
};
use poem::{
    Request, Response, Server,
    endpoint::make,
    http::Method,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::{Value, json};

use crate::{
    orders::expires_the_unpaid,
    providers::{
        asks_about_what_hangs, compares_the_books, hears, pays, refunds, somebody_waits_to_pay, somebody_who_ordered,
        taken, transaction, went_back,
    },
    support::{
        TestShop,
        people::{Payment, money},
    },
};

on_both_engines! {
    async fn a_bank_that_takes_its_time_keeps_the_order_waiting(shop: TestShop) {
        for provider in Provider::ALL {
            for (clears, ends) in [(true, ["captured", "confirmed", "paid"]), (false, ["failed", "pending", "failed"])] {
                let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
                shop.simulator().buyer_pays_later(transaction(&payment)).expect("a bank");
                hears(&shop).await;
                assert_eq!(shop.standing_of(&order).await, ("pending".into(), "processing".into()));
                let bank = shop.simulator();
                let said = if clears { bank.bank_clears(transaction(&payment)) } else { bank.bank_bounces(transaction(&payment)) };
                said.expect("the bank's answer");
                hears(&shop).await;
                let (status, of_money) = shop.standing_of(&order).await;
                let came = [ada.looks_at(&payment).await["status"].clone(), status.into(), of_money.into()];
                assert_eq!(came, ends.map(Value::from), "{provider:?}");
            }
        }
    }

    async fn a_card_that_is_still_being_checked_confirms_nothing(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_processing", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "processing");
        assert_eq!(shop.standing_of(&order).await, ("pending".into(), "processing".into()));
        shop.time_passes(Duration::from_secs(241));
        asks_about_what_hangs(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        hears(&shop).await;
    }

    async fn what_is_heard_again_changes_nothing(shop: TestShop) {
        for (provider, kind) in [
            (Provider::Stripe, "payment_intent.succeeded"), (Provider::Paypal, "PAYMENT.CAPTURE.COMPLETED"), (Provider::Razorpay, "order.paid"),
        ] {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            let before = ada.looks_at(&payment).await;
            let events = shop.counts("SELECT COUNT(*) FROM order_events").await;
            shop.time_passes(Duration::from_secs(1));
            let again = shop.simulator().webhook(kind, transaction(&payment));
            shop.receives(&again).await.is(200);
            shop.runs_its_jobs().await;
            assert_eq!(ada.looks_at(&payment).await, before);
            assert_eq!(shop.counts("SELECT COUNT(*) FROM order_events").await, events);
        }
    }

    async fn a_payment_that_never_left_is_not_withdrawn(shop: TestShop) {
        let withdrawn = "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.cancel'";
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        ada.wants_to_pay(&order).await.is(202);
        ada.cancels(&order).await.is(200);
        assert_eq!(shop.counts(withdrawn).await, 0);
        shop.runs_its_jobs().await;

        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        ada.wants_to_pay(&order).await.is(202);
        // As if a first call had failed, and the key been renewed for a second.
        shop.tampers("UPDATE payments SET provider_key = REPLACE(provider_key, '-1', '-2') WHERE status = 'queued'").await;
        ada.cancels(&order).await.is(200);
        assert_eq!(shop.counts(withdrawn).await, 1, "the first call may have left something behind");
        shop.runs_its_jobs().await;
    }

    async fn an_order_that_is_paid_online_after_all_waits_as_long_as_any(shop: TestShop) {
        let (mug, ada) = (shop.sells("Mug").at(12_00).await, shop.customer("ada@example.com").await);
        let order = ada.buys(&mug).await; // for cash: it would wait for ever
        ada.post("/api/payments").json(&json!({"order": order.id, "provider": "razorpay"})).await.is(202);
        for (wait, status) in [(29, "pending"), (2, "cancelled")] {
            shop.time_passes(Duration::from_mins(wait));
            expires_the_unpaid(&shop).await;
            hears(&shop).await;
            assert_eq!(shop.standing_of(&order).await.0, status);
        }
    }

    async fn of_late_money_only_what_is_still_there_goes_back(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for provider in [Provider::Stripe, Provider::Razorpay] { // PayPal takes nothing that we did not capture
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            ada.cancels(&order).await.is(200);
            goes_back_by_hand(&shop, &payment, 2_00).await;
            hears(&shop).await;
            let refunded = ada.looks_at(&payment).await;
            assert_eq!((&refunded["status"], &refunded["refunded"]), (&json!("refunded"), &json!("12.00")));
            assert_eq!((taken(&shop, &payment), went_back(&shop, &payment).iter().sum::<i64>()), (vec![12_00], 12_00));
        }
    }

    async fn what_went_back_by_hand_is_not_given_back_again(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            goes_back_by_hand(&shop, &payment, 4_50).await;
            hears(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("4.50")), "{provider:?}");
            ada.cancels(&order).await.is(200);
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "{provider:?}");
            assert_eq!(went_back(&shop, &payment), [4_50, 7_50]);
        }
    }

    async fn an_answer_about_other_money_is_not_believed(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for (provider, of) in [
            (Provider::Stripe, "/payment_intents"), (Provider::Paypal, "/capture"), (Provider::Razorpay, "/payments"),
        ] {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().next_on(provider, Fault::WrongAmount, of);
            shop.simulator().buyer_pays(transaction(&payment)).expect("the buyer can pay");
            shop.receives(&shop.simulator().webhooks()[0]).await.is(200); // and not the next, which would mend it
            shop.runs_its_jobs().await;
            drop(shop.simulator().webhooks());
            assert_eq!(shop.simulator().faults_waiting(), 0, "{provider:?}");
            assert_eq!(ada.looks_at(&payment).await["status"], "requires_action", "{provider:?}");
            shop.time_passes(Duration::from_secs(2));
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured", "{provider:?}");
        }
    }

    async fn the_answers_to_refunds_add_up_without_any_event(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            for (amount, refunded) in [("5.00", "5.00"), ("2.00", "7.00"), ("4.00", "11.00")] {
                refunds(&shop.admin().await, &payment, &json!({"amount": amount})).await.is(202);
                shop.runs_its_jobs().await;
                drop(shop.simulator().webhooks());
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
                shop.time_passes(Duration::from_secs(1));
            }
        }
    }

    async fn a_paid_payment_is_compared_each_six_hours_for_a_week(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        let mut compared = Vec::new();
        for hours in [1, 1, 4, 2, 24 * 7, 7] {
            shop.time_passes(Duration::from_hours(hours));
            compares_the_books(&shop).await;
            compared.push(shop.counts("SELECT payments FROM payment_reconciliation").await);
        }
        assert_eq!(compared, [1, 0, 0, 1, 0, 0]);
        shop.runs_its_jobs().await;
    }

    async fn a_wrong_amount_of_what_went_back_is_not_believed(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
        shop.runs_its_jobs().await;
        shop.simulator().next_on(Provider::Stripe, Fault::WrongAmount, "/payment_intents/");
        goes_back_by_hand(&shop, &payment, 1_00).await;
        shop.receives(&shop.simulator().webhooks()[0]).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.simulator().faults_waiting(), 0, "Stripe was asked");
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
        shop.time_passes(Duration::from_secs(2));
        hears(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "6.00");
    }

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
        hears(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
    }

    async fn a_payment_is_asked_about_after_four_minutes_and_then_each_half_minute(shop: TestShop) {
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        let asked = async |after| {
            shop.time_passes(Duration::from_secs(after));
            asks_about_what_hangs(&shop).await;
            shop.counts("SELECT COUNT(*) FROM payments WHERE asked_at IS NOT NULL").await
        };
        assert_eq!((asked(239).await, asked(2).await), (0, 1));
        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks()); // all lost
        for (after, status) in [(29, "requires_action"), (2, "captured")] {
            asked(after).await;
            assert_eq!(ada.looks_at(&payment).await["status"], status);
        }
        shop.runs_its_jobs().await;
    }

    async fn refunds_nobody_hears_of_are_asked_about(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        for provider in Provider::ALL {
            let (mut ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            for amount in ["5.00", "2.00"] {
                refunds(&shop.admin().await, &payment, &json!({"amount": amount})).await.is(202);
                shop.simulator().next_on(provider, Fault::CutAfter, "refund");
                shop.runs_its_jobs().await;
            }
            drop(shop.simulator().webhooks());
            shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
            // As if they had not been settled at once.
            shop.tampers("UPDATE refunds SET status = 'processing' WHERE status = 'queued'").await;
            for (after, refunded) in [(239, "0.00"), (2, "7.00")] {
                shop.time_passes(Duration::from_secs(after));
                asks_about_what_hangs(&shop).await;
                assert_eq!(ada.looks_at(&payment).await["refunded"], refunded, "{provider:?}");
            }
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            assert!(made.iter().all(|refund| refund["status"] == "succeeded"), "{made:?}");
            assert_ne!(made[0]["transaction_id"], made[1]["transaction_id"]);
            shop.runs_its_jobs().await;
            ada.signs_in().await;
        }
    }

    async fn a_refund_whose_key_may_be_forgotten_is_looked_for_first(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mut ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
        shop.simulator().next_on(Provider::Stripe, Fault::CutAfter, "/refunds");
        shop.runs_its_jobs().await;
        drop(shop.simulator().webhooks());
        shop.time_passes(Duration::from_hours(25));
        shop.runs_its_jobs().await;
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "5.00");
        assert_eq!(went_back(&shop, &payment), [5_00]);
    }

    async fn a_refund_of_what_went_back_by_hand_fails_and_says_so(shop: TestShop) {
        shop.expects_in_log("a refund failed");
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            goes_back_by_hand(&shop, &payment, 12_00).await;
            drop(shop.simulator().webhooks());
            refunds(&shop.admin().await, &payment, &json!({"amount": "5.00"})).await.is(202);
            hears(&shop).await;
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            let asked = made.iter().find(|refund| refund["reason"] == "requested").expect("the one that was asked for");
            assert_eq!((made.len(), &asked["status"]), (2, &json!("failed")), "{provider:?}");
            let why = asked["failure"].as_str().expect("why").to_lowercase();
            let code = if provider == Provider::Razorpay { "bad_request" } else { "refunded" };
            assert!(why.starts_with("the provider rejected the refund") && why.contains(code), "{why}");
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded", "which the shop learnt on this occasion");
            assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
        }
    }

    async fn the_same_key_is_sent_again_while_the_provider_knows_it(shop: TestShop) {
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

    async fn paypals_token_is_asked_for_once(shop: TestShop) {
        somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, "oauth2/token");
        somebody_waits_to_pay(&shop, Provider::Paypal).await;
        assert_eq!(shop.simulator().faults_waiting(), 1, "nobody asked for another");
    }

    async fn what_a_provider_has_forgotten_is_cancelled_all_the_same(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.tampers("UPDATE payments SET transaction_id = 'gone' WHERE status = 'requires_action'").await;
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await; // and leaves no dead letter
            assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
            shop.tampers("UPDATE payments SET transaction_id = NULL WHERE transaction_id = 'gone'").await;
        }
    }

    async fn late_money_is_asked_about_for_an_hour(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        for (minutes, status) in [(59, "refunded"), (61, "cancelled")] {
            let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
            ada.cancels(&order).await.is(200);
            shop.runs_its_jobs().await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks());
            shop.time_passes(Duration::from_mins(minutes));
            asks_about_what_hangs(&shop).await;
            hears(&shop).await;
            ada.signs_in().await;
            assert_eq!(ada.looks_at(&payment).await["status"], status, "after {minutes} minutes");
        }
    }

    async fn however_long_a_payment_was_tried_it_is_found_when_it_ends(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.admin().await.moves(&order, "confirmed").await.is(200); // it does not expire any more
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            shop.simulator().next(Provider::Stripe, fault);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_hours(2));
        }
        ada.signs_in().await;
        drop(shop.simulator().webhooks());
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.pay'").await; // it, too, would have learnt of the charge
        ada.cancels(&order).await.is(200);
        hears(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
    }

    async fn however_long_a_payment_was_tried_it_is_made_once(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mut ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.admin().await.moves(&order, "confirmed").await.is(200); // it does not expire
        for (fault, hours) in [(Fault::CutBefore, 2), (Fault::CutAfter, 23)] {
            shop.simulator().next(Provider::Stripe, fault);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_hours(hours));
        }
        drop(shop.simulator().webhooks());
        shop.runs_its_jobs().await; // the key is too old now: the charge is looked for
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(taken(&shop, &payment), [12_00]);
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

    async fn what_is_cancelled_at_stripe_ends_here(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let cancel = format!("/v1/payment_intents/{}/cancel", transaction(&payment));
        let cancel = shop.http().post(format!("{}{cancel}", shop.simulator().base(Provider::Stripe)));
        assert_eq!(cancel.bearer_auth(STRIPE_SECRET_KEY).send().await.expect("an answer").status(), 200);
        hears(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        assert_eq!(shop.standing_of(&order).await, ("pending".into(), "failed".into()));
    }

    async fn money_that_is_kept_in_vain_or_that_nobody_knows_is_reported(shop: TestShop) {
        shop.expects_in_log("the shop's and the provider's records differ");
        let boss = shop.admin().await;
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        ada.cancels(&order).await.is(200);
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
        for (tamper, matter, ours, theirs) in [
            ("UPDATE refunds SET status = 'failed'", "not_given_back", json!("0.00"), json!("12.00")),
            ("UPDATE payments SET transaction_id = 'gone-' || transaction_id, compared_at = NULL", "unknown", json!("12.00"), json!(null)),
        ] {
            shop.tampers(tamper).await;
            compares_the_books(&shop).await;
            let report = boss.get("/api/admin/payments/reconciliation").await.is(200).json();
            let found = &report["differences"][0];
            assert_eq!((&found["matter"], &found["ours"], &found["theirs"]), (&json!(matter), &ours, &theirs), "{report}");
        }
        shop.tampers("UPDATE payments SET transaction_id = REPLACE(transaction_id, 'gone-', '')").await;
        shop.tampers("UPDATE refunds SET status = 'queued'").await;
        shop.time_passes(Duration::from_mins(61));
        asks_about_what_hangs(&shop).await; // sends what nobody sends any more
        hears(&shop).await;
        assert_eq!(went_back(&shop, &payment), [12_00]);
    }

    async fn a_payment_that_waits_is_ended_by_its_order_or_when_that_waits_for_none(shop: TestShop) {
        let (_, pending, _) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        let (_, wanted, _) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.admin().await.moves(&wanted, "confirmed").await.is(200);
        for (minutes, wait) in [(29, 2), (2, 1)] {
            shop.time_passes(Duration::from_mins(minutes));
            asks_about_what_hangs(&shop).await;
            let waiting = shop.counts("SELECT COUNT(*) FROM payments WHERE status = 'requires_action'").await;
            assert_eq!(waiting, wait, "after {minutes} minutes more");
        }
        expires_the_unpaid(&shop).await;
        assert_eq!(shop.standing_of(&pending).await.0, "cancelled");
        shop.runs_its_jobs().await;
    }

    async fn what_is_open_of_a_second_one_is_withdrawn(shop: TestShop) {
        shop.expects_in_log("the provider has a duplicate of a payment; ending it");
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        // As if we had lost sight of this one, and made another.
        shop.tampers("UPDATE payments SET transaction_id = 'pi_lost'").await;
        let event = shop.simulator().webhook("payment_intent.payment_failed", transaction(&payment));
        shop.receives(&event).await.is(200);
        hears(&shop).await;
        assert!(shop.simulator().buyer_pays(transaction(&payment)).is_err(), "it cannot be paid any more");
    }

    async fn a_parcel_handed_over_unpaid_takes_nothing_online(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        for status in ["confirmed", "shipped", "delivered"] {
            shop.admin().await.moves(&order, status).await.is(200);
        }
        assert_eq!(ada.looks_at(&payment).await["status"], "requires_action");
        assert_eq!(shop.standing_of(&order).await, ("delivered".into(), "processing".into()));
        pays(&shop, &payment).await;
        assert_eq!(shop.standing_of(&order).await, ("delivered".into(), "paid".into()));
    }

    async fn a_cancelled_order_still_says_that_its_payment_failed(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        shop.simulator().buyer_is_declined(transaction(&payment)).expect("a decline");
        hears(&shop).await;
        ada.cancels(&order).await.is(200);
        hears(&shop).await;
        assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "failed".into()));
    }

    async fn an_order_cancelled_while_stripe_is_being_asked_cannot_be_paid(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop, Provider::Stripe).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        let meanwhile = {
            let (shop, ada) = (shop.clone(), ada.clone());
            move || {
                let (shop, ada, order) = (shop.clone(), ada.clone(), order.id);
                async move {
                    ada.post(&format!("/api/orders/{order}/cancel")).await.is(200);
                    shop.runs_its_jobs().await; // asks Stripe, which knows of nothing yet
                }
            }
        };
        let slow = stands_between(&shop, meanwhile).await;
        let waits = shop.opens_again(|settings| {
            settings.payments.providers.get_mut(&shop::Provider::Stripe).expect("keys").api_base = slow;
        }).await;
        waits.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        let transaction = ada.looks_at(&payment).await["transaction_id"].as_str().expect("Stripe's name").to_owned();
        assert!(shop.simulator().buyer_pays(&transaction).is_err(), "it was withdrawn");
    }
}

/// The merchant gives back so many cents of a captured payment on the provider's own pages.
pub async fn goes_back_by_hand(shop: &TestShop, payment: &Payment, cents: i64) {
    let captures = shop.simulator().captures();
    let capture = captures.iter().find(|capture| capture.payment_id == payment.id).expect("a capture");
    let (id, base) = (&capture.capture, shop.simulator().base(capture.provider));
    let post = |path: String| shop.http().post(format!("{base}{path}"));
    let refund = match capture.provider {
        Provider::Stripe => post("/v1/refunds".to_owned())
            .bearer_auth(STRIPE_SECRET_KEY)
            .form(&[("charge", id), ("amount", &cents.to_string())]),
        Provider::Paypal => {
            let keys = post("/v1/oauth2/token".to_owned()).basic_auth(PAYPAL_CLIENT_ID, Some(PAYPAL_CLIENT_SECRET));
            let token = keys.form(&[("grant_type", "client_credentials")]).send().await.expect("a token");
            let token: Value = token.json().await.expect("a token");
            let amount = json!({"amount": {"currency_code": "USD", "value": money(cents)}});
            let refund = post(format!("/v2/payments/captures/{id}/refund")).json(&amount);
            refund.bearer_auth(token["access_token"].as_str().expect("a token"))
        }
        Provider::Razorpay => post(format!("/v1/payments/{id}/refund"))
            .basic_auth(RAZORPAY_KEY_ID, Some(RAZORPAY_KEY_SECRET))
            .json(&json!({"amount": cents})),
    };
    let answer = refund.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Stands between the shop and Stripe: lets something happen before it passes the first creation on. Its address.
async fn stands_between<F>(shop: &TestShop, meanwhile: impl Fn() -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
    let address = format!("http://{}", acceptor.local_addr()[0].as_socket_addr().expect("an address"));
    let (http, stripe) = (shop.http().clone(), shop.simulator().base(Provider::Stripe));
    let first = AtomicBool::new(true);
    let app = make(move |mut call: Request| {
        let (http, url) = (http.clone(), format!("{stripe}{}", call.uri()));
        let creates = call.method() == Method::POST && call.uri().path() == "/v1/payment_intents";
        let happens = (creates && first.swap(false, Ordering::Relaxed)).then(&meanwhile);
        async move {
            if let Some(happens) = happens {
                happens.await;
            }
            let (headers, body) = (call.headers().clone(), call.take_body().into_bytes().await.expect("a body"));
            let answer =
                http.request(call.method().clone(), url).headers(headers).body(body).send().await.expect("one");
            let status = answer.status();
            Response::builder().status(status).body(answer.bytes().await.expect("a body"))
        }
    });
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    address
}
