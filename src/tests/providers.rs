//! Every online provider, from the first call to the last refund.

use std::time::Duration;

use cartwright::{
    payments::{jobs::CheckPending, reconciliation::jobs::Reconcile},
    shop,
};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use payment_simulator::{Fault, Provider, STRIPE_WEBHOOK_SECRET};
use platform::jobs::Job;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    orders::expires_the_unpaid,
    support::{Order, Person, Product, TestShop, people::Payment},
};

on_both_engines! {
    async fn each_provider_takes_the_money_once_and_confirms_the_order(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            let paid = ada.looks_at(&payment).await;
            assert_eq!((&paid["status"], &paid["provider"]), (&json!("captured"), &json!(provider.name())));
            assert!(paid["client_secret"].is_null() && paid["approval_url"].is_null(), "{paid}");
            assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!(taken(&shop, &payment), [12_00]);
        }
    }

    async fn each_provider_says_what_the_browser_needs(shop: TestShop) {
        let needs = |payment: &Payment| {
            ["client_secret", "approval_url", "key_id"].map(|name| payment.json[name].as_str().is_some())
        };
        for (provider, needed) in
            [(Provider::Stripe, [true, false, false]), (Provider::Paypal, [false, true, false]), (Provider::Razorpay, [false, false, true])]
        {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            assert_eq!(needs(&payment), needed, "{}", payment.json);
        }
    }

    async fn a_decline_can_be_followed_by_another_try(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, declined) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_is_declined(transaction(&declined)).expect("a decline");
            hears(&shop).await;
            let failed = ada.looks_at(&declined).await;
            assert_eq!(failed["status"], "failed", "{failed}");
            assert!(failed["failure"]["code"].is_string(), "{failed}");
            assert_eq!(shop.standing_of(&order).await, ("pending".into(), "failed".into()));

            let again = waits_to_pay(&shop, &ada, &order).await;
            pays(&shop, &again).await;
            assert_eq!(ada.looks_at(&again).await["status"], "captured");
            assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!((taken(&shop, &declined), taken(&shop, &again)), (vec![], vec![12_00]));
        }
    }

    async fn money_goes_back_in_parts_and_never_more_than_was_taken(shop: TestShop) {
        for provider in Provider::ALL {
            let boss = shop.admin().await;
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            refunds(&boss, &payment, &json!({})).await.is(409).with_code("not_captured");
            pays(&shop, &payment).await;
            boss.moves(&order, "shipped").await.is(200);

            let refund = refunds(&boss, &payment, &json!({"amount": "5.00"})).await.is(202);
            assert_eq!(
                (&refund["status"], &refund["amount"], &refund["payment"], &refund["reason"]),
                (&json!("queued"), &json!("5.00"), &json!(payment.id), &json!("requested"))
            );
            // What is on its way counts as gone.
            refunds(&boss, &payment, &json!({"amount": "7.01"})).await.is(422).with_code("refund_exceeds_payment");
            hears(&shop).await;
            let part = ada.looks_at(&payment).await;
            assert_eq!((&part["status"], &part["refunded"]), (&json!("partially_refunded"), &json!("5.00")));
            assert_eq!(shop.standing_of(&order).await, ("shipped".into(), "paid".into()));

            shop.time_passes(Duration::from_secs(1));
            refunds(&boss, &payment, &json!({})).await.is(202);
            refunds(&boss, &payment, &json!({})).await.is(409).with_code("already_refunded");
            hears(&shop).await;
            let all = ada.looks_at(&payment).await;
            assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!("12.00")));
            assert_eq!(shop.standing_of(&order).await, ("shipped".into(), "refunded".into()), "it has left");
            assert_eq!(went_back(&shop, &payment), [5_00, 7_00]);
            let made = ada.get(&format!("/api/payments/{}/refunds", payment.id)).await.is(200).list();
            let made: Vec<_> = made.iter().map(|refund| (refund["amount"].clone(), refund["status"].clone())).collect();
            assert_eq!(made, [(json!("5.00"), json!("succeeded")), (json!("7.00"), json!("succeeded"))]);
        }
    }

    async fn a_full_refund_of_what_has_not_shipped_cancels_the_order_and_returns_the_stock(shop: TestShop) {
        for provider in Provider::ALL {
            let (mug, ada) = (shop.sells("Mug").at(12_00).in_stock(3).await, customer(&shop).await);
            let order = orders(&ada, &mug, provider).await;
            let payment = waits_to_pay(&shop, &ada, &order).await;
            pays(&shop, &payment).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "12.00"})).await.is(202);
            hears(&shop).await;
            assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!((shop.stock_of(&mug).await, went_back(&shop, &payment)), (3, vec![12_00]));
        }
    }

    async fn cancelling_gives_back_what_was_paid(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            refunds(&shop.admin().await, &payment, &json!({"amount": "2.00"})).await.is(202);
            ada.cancels(&order).await.is(200);
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
            assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
            assert_eq!(went_back(&shop, &payment), [2_00, 10_00]);
        }
    }

    async fn cash_goes_back_too(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.runs_its_jobs().await;
        refunds(&boss, &payment, &json!({})).await.is(409).with_code("not_captured");
        boss.moves(&order, "shipped").await.is(200);
        boss.moves(&order, "delivered").await.is(200);
        refunds(&boss, &payment, &json!({"amount": "1.50"})).await.is(202);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["refunded"], "1.50");
    }

    async fn nothing_that_is_lost_on_the_way_moves_money_twice(shop: TestShop) {
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
                let moved = (taken(&shop, &payment), went_back(&shop, &payment));
                assert_eq!(moved, (vec![12_00], vec![5_00]), "{provider:?} {fault:?}");
                assert_eq!(shop.simulator().faults_waiting(), 0, "{provider:?} {fault:?} met nothing");
                shop.time_passes(Duration::from_mins(1));
                hears(&shop).await;
            }
        }
    }

    async fn a_refund_whose_job_was_given_up_is_sent_again(shop: TestShop) {
        let (mut ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&shop.admin().await, &payment, &json!({})).await.is(202);
        shop.tampers("DELETE FROM jobs WHERE kind = 'payments.refund'").await;
        for (wait, gone) in [(Duration::from_mins(59), vec![]), (Duration::from_mins(2), vec![12_00])] {
            shop.time_passes(wait);
            for _ in 0..2 {
                asks_about_what_hangs(&shop).await;
            }
            let sent = shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.refund'").await;
            assert_eq!(sent, i64::try_from(gone.len()).unwrap(), "once an hour");
            hears(&shop).await;
            assert_eq!(went_back(&shop, &payment), gone);
        }
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
    }

    async fn what_a_provider_made_a_second_time_goes_back(shop: TestShop) {
        shop.expects_in_log("the provider has a duplicate of a payment; ending it");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        // As if we had lost sight of the first one, and asked again under another key.
        shop.tampers("UPDATE payments SET transaction_id = 'pi_lost', capture_id = NULL").await;
        let second = shop.simulator().webhook("payment_intent.succeeded", transaction(&payment));
        shop.receives(&second).await.is(200);
        hears(&shop).await;
        let all = ada.get(&format!("/api/payments?order={}", order.id)).await.is(200).list();
        let mut statuses: Vec<_> = all.iter().map(|payment| payment["status"].as_str().expect("one")).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["captured", "refunded"]);
        assert_eq!(went_back(&shop, &payment), [12_00]);
    }

    async fn an_earlier_try_that_comes_through_ends_the_later_one(shop: TestShop) {
        let (ada, order, first) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.simulator().buyer_is_declined(transaction(&first)).expect("a decline");
        hears(&shop).await;
        let second = waits_to_pay(&shop, &ada, &order).await;
        pays(&shop, &first).await; // in the tab that was still open
        assert_eq!(
            (&ada.looks_at(&first).await["status"], &ada.looks_at(&second).await["status"]),
            (&json!("captured"), &json!("cancelled"))
        );
        assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
        ada.cancels(&order).await.is(200);
        hears(&shop).await;
        assert_eq!(went_back(&shop, &first), [12_00]);
    }

    async fn a_buyer_who_goes_away_leaves_nothing_open(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").at(12_00).in_stock(9).await, shop.admin().await);
        let mut ada = customer(&shop).await;
        let (to_be_paid_at_the_door, to_be_paid_online) = (ada.buys(&mug).await, ada.buys_online(&mug).await);
        let by_card = json!({"order": to_be_paid_at_the_door.id, "provider": "stripe"});
        ada.post("/api/payments").json(&by_card).await.is(202);
        let waits = waits_to_pay(&shop, &ada, &to_be_paid_online).await;
        boss.moves(&to_be_paid_online, "confirmed").await.is(200); // it does not expire any more
        shop.time_passes(Duration::from_mins(31));
        expires_the_unpaid(&shop).await;
        asks_about_what_hangs(&shop).await;
        hears(&shop).await;
        assert_eq!(shop.standing_of(&to_be_paid_at_the_door).await.0, "cancelled");
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&waits).await["status"], "cancelled");
        assert_eq!(shop.standing_of(&to_be_paid_online).await, ("confirmed".into(), "failed".into()));
        waits_to_pay(&shop, &ada, &to_be_paid_online).await;
    }

    async fn cash_that_is_asked_for_at_the_door_is_captured_there(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        for status in ["confirmed", "shipped", "delivered"] {
            boss.moves(&order, status).await.is(200);
        }
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(shop.standing_of(&order).await, ("delivered".into(), "paid".into()));
    }

    async fn a_refund_is_made_once_for_one_key(shop: TestShop) {
        let boss = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        let asks = (0..4).map(|_| refund(&boss, &payment, &json!({"amount": "3.00"})).once("back").into_future());
        let answers = join_all(asks).await;
        let first = answers[0].bytes().to_vec();
        for answer in answers {
            assert_eq!(answer.is(202).bytes(), first);
        }
        refund(&boss, &payment, &json!({"amount": "4.00"})).once("back").await.is(422).with_code("idempotency_key_reused");
        hears(&shop).await;
        assert_eq!(went_back(&shop, &payment), [3_00]);
        assert_eq!(ada.looks_at(&payment).await["refunded"], "3.00");
    }

    async fn a_refund_of_nothing_or_of_nobodys_payment_is_refused(shop: TestShop) {
        let boss = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        pays(&shop, &payment).await;
        refunds(&boss, &payment, &json!({"amount": "12.01"})).await.is(422).with_code("refund_exceeds_payment");
        for amount in [json!("0.00"), json!("-1.00"), json!("1.001"), json!("99999999999.00")] {
            refunds(&boss, &payment, &json!({"amount": amount})).await.is(422).about(&["amount"]);
        }
        refunds(&ada, &payment, &json!({})).await.is(403);
        let nobodys = Payment { id: "0d9c6f0e-6a3b-4f57-9f0e-3b1f6f1f2a77".to_owned(), json: Value::Null };
        refunds(&boss, &nobodys, &json!({})).await.is(404);
    }

    async fn the_last_event_may_come_first_and_each_may_come_twice(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, order, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            shop.runs_its_jobs().await;
            let mut told = shop.simulator().webhooks();
            told.reverse();
            for webhook in told.iter().chain(&told) {
                shop.receives(webhook).await.is(200);
                shop.runs_its_jobs().await;
            }
            hears(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured");
            assert_eq!(shop.standing_of(&order).await, ("confirmed".into(), "paid".into()));
            assert_eq!(taken(&shop, &payment), [12_00]);
        }
    }

    async fn what_no_event_tells_the_scheduled_question_finds_out(shop: TestShop) {
        for provider in Provider::ALL {
            let (ada, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
            drop(shop.simulator().webhooks()); // all lost
            shop.time_passes(Duration::from_secs(241));
            asks_about_what_hangs(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["status"], "captured");
            drop(shop.simulator().webhooks());
            shop.runs_its_jobs().await;
        }
    }

    async fn a_capture_whose_answer_and_event_are_lost_is_asked_about_again(shop: TestShop) {
        shop.expects_in_log("cannot retrieve a payment");
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().buyer_pays(transaction(&payment)).expect("the buyer agrees");
        drop(shop.simulator().webhooks());
        shop.simulator().next_on(Provider::Paypal, Fault::ErrorAfter, "/capture");
        for status in ["requires_action", "captured"] {
            shop.time_passes(Duration::from_secs(241));
            asks_about_what_hangs(&shop).await;
            drop(shop.simulator().webhooks());
            assert_eq!(ada.looks_at(&payment).await["status"], status);
        }
        shop.runs_its_jobs().await;
        assert_eq!(taken(&shop, &payment), [12_00]);
    }

    async fn late_money_that_nobody_tells_of_is_found_in_the_providers_books(shop: TestShop) {
        shop.expects_in_log("found money that moved without a report");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_hours(2));
        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks());
        shop.time_passes(Duration::from_hours(7));
        compares_the_books(&shop).await;
        shop.runs_its_jobs().await;
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!((taken(&shop, &payment), went_back(&shop, &payment)), (vec![12_00], vec![12_00]));
    }

    async fn a_provider_whose_keys_are_gone_keeps_no_other_from_being_compared(shop: TestShop) {
        shop.expects_in_log("cannot compare a payment: its provider is not configured");
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
        }
        shop.time_passes(Duration::from_secs(1));
        let without = shop.opens_again(|settings| drop(settings.payments.providers.remove(&shop::Provider::Paypal))).await;
        compares_the_books(&without).await;
        let compared = "SELECT COUNT(*) FROM payments WHERE compared_at IS NOT NULL";
        assert_eq!(shop.counts(compared).await, 2);
    }

    async fn money_that_comes_after_the_order_expired_goes_back(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (mut ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Razorpay).await;
        shop.time_passes(Duration::from_mins(31));
        expires_the_unpaid(&shop).await;
        shop.runs_its_jobs().await;
        pays(&shop, &payment).await; // Razorpay cannot be told that the money is not wanted
        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!(shop.standing_of(&order).await, ("cancelled".into(), "refunded".into()));
        assert_eq!((taken(&shop, &payment), went_back(&shop, &payment)), (vec![12_00], vec![12_00]));
    }

    async fn what_is_cancelled_cannot_be_paid_any_more_where_the_provider_can_be_told(shop: TestShop) {
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        ada.cancels(&order).await.is(200);
        hears(&shop).await;
        assert!(shop.simulator().buyer_pays(transaction(&payment)).is_err());
        let (ada, order, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        ada.cancels(&order).await.is(200);
        pays(&shop, &payment).await; // the buyer agrees, but we take nothing
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");
        assert_eq!(taken(&shop, &payment), Vec::<i64>::new());
    }

    async fn events_that_are_not_the_providers_are_refused_and_not_kept(shop: TestShop) {
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
                shop.receives(webhook).await.is(400).with_code("invalid_signature");
            }
            assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
        }
    }

    async fn an_event_whose_id_holds_nul_is_refused(shop: TestShop) {
        let body = json!({"id": "evt_\0", "object": "event", "type": "payment_intent.succeeded"}).to_string();
        let time = shop.now().unix_seconds();
        let mut mac = Hmac::<Sha256>::new_from_slice(STRIPE_WEBHOOK_SECRET.as_bytes()).expect("a key");
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        let told = shop.visitor().post("/api/payments/webhooks/stripe").header("stripe-signature", &signature);
        told.body("application/json", body).await.is(400).with_code("malformed_json");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
    }

    async fn paypals_certificate_is_paypals(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        shop.simulator().next_on(Provider::Paypal, Fault::CutBefore, "verify-webhook-signature");
        for url in [
            "http://api.paypal.com/c", "https://paypal.com.example.net/c", "https://evil-paypal.com/c", "https://127.0.0.1/c",
            "https://user@api.paypal.com/c", "https://api.paypal.com:8443/c", "/c", "",
        ] {
            let mut webhook = shop.simulator().webhook("CHECKOUT.ORDER.APPROVED", transaction(&payment));
            webhook.headers.iter_mut().find(|(name, _)| *name == "paypal-cert-url").expect("one").1 = url.to_owned();
            shop.receives(&webhook).await.is(400).with_code("invalid_signature");
        }
        assert_eq!(shop.simulator().faults_waiting(), 1, "PayPal was not even asked");
    }

    async fn an_event_that_cannot_be_checked_is_to_come_again(shop: TestShop) {
        shop.expects_in_log("cannot verify a webhook with PayPal");
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Paypal).await;
        let webhook = shop.simulator().webhook("CHECKOUT.ORDER.APPROVED", transaction(&payment));
        for fault in [Fault::CutBefore, Fault::ErrorBefore, Fault::RateLimited] {
            shop.simulator().next_on(Provider::Paypal, fault, "verify-webhook-signature");
            shop.receives(&webhook).await.is(503).with_code("provider_unavailable");
        }
        shop.receives(&webhook).await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn while_a_secret_is_changed_both_are_good(shop: TestShop) {
        let (_, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let changing = shop
            .opens_again(|settings| {
                let stripe = settings.payments.providers.get_mut(&shop::Provider::Stripe).expect("Stripe");
                stripe.webhook_secrets.insert(0, "whsec_new".into());
            })
            .await;
        let now = shop.now().unix_seconds();
        for secret in ["whsec_new", payment_simulator::STRIPE_WEBHOOK_SECRET] {
            let kind = "payment_intent.succeeded";
            let webhook = shop.simulator().webhook_at(Provider::Stripe, kind, transaction(&payment), now, secret);
            changing.receives(&webhook).await.is(200);
        }
        shop.runs_its_jobs().await;
    }

    async fn an_admin_reads_the_inbox_and_has_an_event_acted_on_again(shop: TestShop) {
        let boss = shop.admin().await;
        let (ada, _, payment) = somebody_waits_to_pay(&shop, Provider::Stripe).await;
        let early = shop.simulator().webhook("payment_intent.succeeded", transaction(&payment));
        shop.receives(&early).await.is(200);
        let inbox = async |query: &str| boss.get(&format!("/api/admin/webhooks{query}")).await.is(200).list();
        let pending = inbox("?provider=stripe&status=pending").await;
        assert_eq!((pending.len(), &pending[0]["event_id"], &pending[0]["kind"]), (1, &json!(early.id), &json!(early.kind)));
        shop.runs_its_jobs().await;
        assert_eq!((inbox("?status=pending").await.len(), inbox("?provider=paypal").await.len()), (0, 0));
        assert_eq!(inbox("?status=processed").await[0]["status"], "processed");
        boss.get("/api/admin/webhooks?status=lost&provider=nobody").await.is(422).about(&["provider", "status"]);

        shop.simulator().buyer_pays(transaction(&payment)).expect("the money");
        drop(shop.simulator().webhooks());
        let id = &pending[0]["id"];
        let again = boss.post(&format!("/api/admin/webhooks/{id}/replay")).await.is(202);
        assert_eq!((&again["status"], &again["id"]), (&json!("pending"), id));
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        boss.post("/api/admin/webhooks/987654/replay").await.is(404);
    }

    async fn differences_between_the_books_are_reported_and_not_repaired(shop: TestShop) {
        shop.expects_in_log("the shop's and the provider's records differ");
        let boss = shop.admin().await;
        let report = async || boss.get("/api/admin/payments/reconciliation").await.is(200).json();
        assert_eq!(report().await, json!({"checked_at": null, "payments": 0, "differences": []}));
        let mut payments = Vec::new();
        for provider in Provider::ALL {
            let (_, _, payment) = somebody_waits_to_pay(&shop, provider).await;
            pays(&shop, &payment).await;
            payments.push(payment);
        }
        shop.time_passes(Duration::from_secs(1));
        compares_the_books(&shop).await;
        let fine = report().await;
        assert_eq!((&fine["payments"], &fine["differences"]), (&json!(3), &json!([])));

        // Somebody changed our books behind the shop's back.
        shop.tampers("UPDATE payments SET refunded = 300, status = 'partially_refunded', compared_at = NULL").await;
        compares_the_books(&shop).await;
        let found = report().await;
        let differences = found["differences"].as_array().expect("a list");
        assert_eq!(differences.len(), 3, "{found}");
        for difference in differences {
            assert_eq!(
                (&difference["matter"], &difference["ours"], &difference["theirs"]),
                (&json!("refunded"), &json!("3.00"), &json!("0.00"))
            );
        }

        shop.tampers("UPDATE payments SET refunded = 0, status = 'captured'").await;
        compares_the_books(&shop).await;
        assert_eq!(report().await["differences"], json!([]));
    }
}

/// Somebody new.
async fn customer(shop: &TestShop) -> Person {
    shop.customer(&format!("{}@example.com", uuid::Uuid::new_v4().simple())).await
}

async fn orders(buyer: &Person, product: &Product, provider: Provider) -> Order {
    let order = json!({"items": [{"product": product.id, "quantity": 1}], "payment_method": provider.name()});
    buyer.post("/api/orders").json(&order).await.is(201).json().into()
}

pub async fn somebody_who_ordered(shop: &TestShop, provider: Provider) -> (Person, Order) {
    let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
    let ada = customer(shop).await;
    let order = orders(&ada, &mug, provider).await;
    (ada, order)
}

/// Somebody who ordered, asked to pay and now has to do so in their browser.
pub async fn somebody_waits_to_pay(shop: &TestShop, provider: Provider) -> (Person, Order, Payment) {
    let (ada, order) = somebody_who_ordered(shop, provider).await;
    let payment = waits_to_pay(shop, &ada, &order).await;
    (ada, order, payment)
}

pub async fn waits_to_pay(shop: &TestShop, buyer: &Person, order: &Order) -> Payment {
    let payment: Payment = buyer.wants_to_pay(order).await.is(202).json().into();
    shop.runs_its_jobs().await;
    let waiting: Payment = buyer.looks_at(&payment).await.into();
    assert_eq!(waiting.json["status"], "requires_action", "{}", waiting.json);
    waiting
}

/// The provider's name of a payment.
pub fn transaction(payment: &Payment) -> &str {
    payment.json["transaction_id"].as_str().expect("the provider's name of it")
}

/// The buyer pays in the browser, and the shop hears of it.
pub async fn pays(shop: &TestShop, payment: &Payment) {
    shop.simulator().buyer_pays(transaction(payment)).expect("the buyer can pay");
    hears(shop).await;
}

/// The scheduled question about what hangs.
pub async fn asks_about_what_hangs(shop: &TestShop) {
    CheckPending {}.run(shop.inside()).await.expect("a check");
}

/// The scheduled comparison with the providers' books.
pub async fn compares_the_books(shop: &TestShop) {
    Reconcile::default().run(shop.inside()).await.expect("a comparison");
}

/// The shop does its work and hears everything the providers have to tell of it.
pub async fn hears(shop: &TestShop) {
    shop.runs_its_jobs().await;
    loop {
        let told = shop.simulator().webhooks();
        if told.is_empty() {
            break;
        }
        for webhook in told {
            shop.receives(&webhook).await.is(200);
        }
        shop.runs_its_jobs().await;
    }
}

/// Time passes until a payment has this status, however often its jobs have to try.
async fn ends(shop: &TestShop, buyer: &Person, payment: &Payment, status: &str) -> Payment {
    for _ in 0..20 {
        hears(shop).await;
        let now = buyer.looks_at(payment).await;
        if now["status"] == status {
            return now.into();
        }
        shop.time_passes(Duration::from_secs(30));
    }
    panic!("it never was {status}: {}", buyer.looks_at(payment).await);
}

fn refund(by: &Person, payment: &Payment, body: &Value) -> crate::support::answer::Ask {
    by.post(&format!("/api/payments/{}/refund", payment.id)).json(body)
}

pub async fn refunds(by: &Person, payment: &Payment, body: &Value) -> crate::support::answer::Answer {
    refund(by, payment, body).await
}

/// What was taken for a payment, in minor units.
pub fn taken(shop: &TestShop, payment: &Payment) -> Vec<i64> {
    let captures = shop.simulator().captures();
    captures.iter().filter(|capture| capture.payment_id == payment.id).map(|capture| capture.amount).collect()
}

/// What of a payment went back, in minor units.
pub fn went_back(shop: &TestShop, payment: &Payment) -> Vec<i64> {
    let refunds = shop.simulator().refunds();
    refunds.iter().filter(|refund| refund.payment_id == payment.id).map(|refund| refund.amount).collect()
}
