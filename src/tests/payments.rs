//! Paying: whatever is lost, repeated or late on the way, the money moves once or goes back.

use std::time::Duration;

use cartwright::payments::providers::ONLINE;
use futures_util::future::join_all;
use payment_simulator::{Fault, Provider, STRIPE_WEBHOOK_SECRET, Webhook, stripe_signature};
use serde_json::{Value, json};

use crate::{
    orders::expire_unpaid_orders,
    providers::check_pending_payments,
    support::{Order, Person, TestShop, people::Payment},
};

on_both_engines! {
    async fn cash_is_promised_at_once_and_captured_at_the_door(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        assert_eq!(
            (&payment.json["status"], &payment.json["provider"]),
            (&json!("queued"), &json!("cash_on_delivery"))
        );
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "processing");
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "processing".into()));

        boss.sets_status(&order, "shipped").await.is(200);
        let delivered = boss.sets_status(&order, "delivered").await.is(200);

        assert_eq!(delivered["payment_status"], "paid");
        let paid = ada.looks_at(&payment).await;
        assert_eq!(
            (&paid["status"], &paid["amount"], &paid["currency"]),
            (&json!("captured"), &json!("12.00"), &json!("USD"))
        );
        shop.runs_its_jobs().await;
    }

    async fn a_good_card_pays_and_confirms_the_order(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        assert_eq!(ada.sees(&order).await["payment_status"], "processing");
        shop.runs_its_jobs().await;

        let paid = ada.looks_at(&payment).await;
        assert_eq!(paid["status"], "captured");
        assert!(paid["client_secret"].is_null() && paid["failure"].is_null(), "{paid}");
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        let [charge] = shop.simulator().captures().try_into().expect("one charge");
        assert_eq!((charge.amount, charge.currency.as_str()), (12_00, "USD"));
        assert_eq!((charge.order_id, charge.payment_id), (order.id.to_string(), payment.id.clone()));
        assert_eq!(paid["transaction_id"], charge.transaction);
        assert_eq!(ada.get(&format!("/api/payments?order={}", order.id)).await.is(200).list()[0]["id"], payment.id);
    }

    async fn a_buyer_pays_in_the_browser_and_stripe_tells_us(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (payment, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        let waiting = ada.looks_at(&payment).await;
        let secret = waiting["client_secret"].as_str().expect("what Stripe's page in the browser needs");
        assert!(secret.starts_with(&format!("{intent}_secret_")), "{secret}");

        shop.simulator().buyer_pays(&intent).unwrap();
        shop.receives_all_webhooks().await;
        shop.runs_its_jobs().await;

        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
    }

    async fn a_webhook_that_comes_three_times_counts_once(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (_, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.simulator().buyer_pays(&intent).unwrap();
        let webhook = shop.simulator().webhook("payment_intent.succeeded", &intent);

        for answer in join_all((0..3).map(|_| shop.receives_webhook(&webhook))).await {
            answer.is(200);
        }
        shop.runs_its_jobs().await;
        shop.receives_webhook(&webhook).await.is(200);

        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 1);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.handle_webhook'").await, 1);
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
    }

    async fn a_webhook_is_a_hint_and_not_the_truth(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (payment, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.receives_from_stripe("payment_intent.succeeded", &intent).await.is(200); // signed, but nobody has paid
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "requires_action");
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "processing".into()));
    }

    async fn a_webhook_that_is_not_stripes_is_refused_and_not_kept(shop: TestShop) {
        let (stripe, now) = (shop.simulator(), shop.now().unix_seconds());
        let kind = "payment_intent.succeeded";
        let at = |time: i64, secret: &str| stripe.webhook_at(Provider::Stripe, kind, "pi_1", time, secret);
        let good = at(now, STRIPE_WEBHOOK_SECRET);
        let body = good.body.clone();
        let with_body = |body: String| Webhook { body, ..good.clone() };
        let signed = |signature: String| Webhook { headers: vec![("stripe-signature", signature)], ..good.clone() };
        for forged in [
            at(now, "whsec_other"),
            at(now - 301, STRIPE_WEBHOOK_SECRET),
            at(now + 301, STRIPE_WEBHOOK_SECRET),
            with_body(body.replace("pi_1", "pi_2")),
            with_body(body.replace("\":", "\": ")),
            Webhook { body: String::new(), ..signed(stripe_signature("", now, STRIPE_WEBHOOK_SECRET)) },
            signed(String::new()),
            signed("t=1,v1=zz".to_owned()),
        ] {
            shop.receives_webhook(&forged).await.is(400).with_code("invalid_signature");
        }
        let unsigned = shop.visitor().post("/api/payments/webhooks/stripe").body("application/json", body);
        unsigned.await.is(400).with_code("invalid_signature");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks").await, 0);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs").await, 0);
    }

    async fn a_webhook_about_nothing_of_ours_is_welcome(shop: TestShop) {
        shop.receives_from_stripe("customer.created", "pi_unknown").await.is(200);
        shop.receives_from_stripe("something.new", "pi_unknown").await.is(200);
        shop.visitor().post("/api/payments/webhooks/nobody").json(&json!({})).await.is(404);
        shop.runs_its_jobs().await;
    }

    async fn a_webhook_about_somebody_elses_payment_is_no_trouble(shop: TestShop) {
        shop.receives_from_stripe("payment_intent.succeeded", "pi_unknown").await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn a_declined_card_can_be_followed_by_a_good_one(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let declined = ada.pays_with("pm_card_visa_chargeDeclinedInsufficientFunds", &order).await;
        shop.runs_its_jobs().await;
        let failed = ada.looks_at(&declined).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["failure"], json!({"code": "insufficient_funds", "message": "Your card was declined."}));
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));

        let good = ada.pays_with("pm_card_visa", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&good).await["status"], "captured");
        assert_eq!(ada.looks_at(&declined).await["status"], "failed");
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        ada.wants_to_pay(&order).await.is(409).with_code("already_paid");
    }

    async fn a_card_that_stripe_does_not_know_fails_the_payment(shop: TestShop) {
        shop.expects_in_log("the provider rejected a payment");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_no_such_card", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["failure"]["code"], "provider_refused");
        assert_eq!(shop.statuses_of(&order).await, ("pending".into(), "failed".into()));
    }

    async fn an_order_is_paid_by_one_payment_at_a_time(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let answers = join_all((0..5).map(|_| ada.wants_to_pay(&order).into_future())).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
        assert_eq!(made.len(), 1);
        for answer in refused {
            answer.is(409).with_code("payment_in_progress");
        }
        shop.runs_its_jobs().await;
        ada.wants_to_pay(&order).await.is(409).with_code("payment_in_progress");
    }

    async fn the_same_key_and_body_give_the_first_payment_again(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let first = ada.wants_to_pay(&order).once("pay").await.is(202);
        let again = ada.wants_to_pay(&order).once("pay").await.is(202);
        assert_eq!(again.bytes(), first.bytes());
        assert_eq!(again.header("idempotent-replayed"), "true");
        shop.runs_its_jobs().await;
    }

    async fn a_provider_without_keys_is_not_offered(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let without = shop
            .opens_again(|settings| settings.payments.providers.clear())
            .await;
        let ada = ada.of(&without);
        ada.wants_to_pay(&order).await.is(422).with_code("provider_not_configured");
        for provider in ONLINE.iter().map(|online| online.provider) {
            let payment = json!({"order": order.id, "provider": provider.as_str()});
            let refused = ada.post("/api/payments").json(&payment).await.is(422).with_code("provider_not_configured");
            let name = provider.display_name();
            let detail = format!("{name} is not available in this shop. Choose another payment method.");
            assert_eq!(refused["detail"], detail);
            let event = without.visitor().post(&format!("/api/payments/webhooks/{provider}")).json(&json!({}));
            event.await.is(422).with_code("provider_not_configured");
        }
        shop.runs_its_jobs().await;
    }

    async fn somebody_elses_order_and_payment_are_not_there(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let eve = shop.customer("eve@example.com").await;
        eve.wants_to_pay(&order).await.is(422).about(&["order"]);
        let payment = ada.pays_with("pm_card_visa", &order).await;
        eve.get(&format!("/api/payments/{}", payment.id)).await.is(404).with_code("not_found");
        assert_eq!(eve.get(&format!("/api/payments?order={}", order.id)).await.is(200).list(), Vec::<Value>::new());
        shop.runs_its_jobs().await;
    }

    async fn a_connection_that_breaks_before_the_charge_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        charges_once_in_spite_of(&shop, &[Fault::CutBefore]).await;
    }

    async fn a_connection_that_breaks_after_the_charge_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        charges_once_in_spite_of(&shop, &[Fault::CutAfter]).await;
    }

    async fn a_stored_failure_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        charges_once_in_spite_of(&shop, &[Fault::ErrorBefore]).await;
    }

    async fn a_stored_failure_that_charged_nevertheless_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        charges_once_in_spite_of(&shop, &[Fault::ErrorAfter]).await;
    }

    async fn a_provider_that_is_too_busy_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        charges_once_in_spite_of(&shop, &[Fault::RateLimited, Fault::RateLimited]).await;
    }

    async fn everything_that_can_go_wrong_in_a_row_is_one_charge(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let all = [
            Fault::CutBefore,
            Fault::RateLimited,
            Fault::ErrorBefore,
            Fault::RateLimited,
            Fault::CutBefore,
            Fault::ErrorAfter,
            Fault::RateLimited,
            Fault::CutAfter,
        ];
        charges_once_in_spite_of(&shop, &all).await;
    }

    async fn a_key_that_the_provider_may_have_forgotten_is_not_sent_again(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mut ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.simulator().next(Provider::Stripe, Fault::CutAfter);
        shop.runs_its_jobs().await;

        shop.time_passes(Duration::from_hours(25));
        shop.runs_its_jobs().await;

        ada.signs_in().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(shop.simulator().captures().len(), 1);
    }

    async fn a_webhook_that_overtakes_the_answer_settles_the_payment(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.simulator().next(Provider::Stripe, Fault::CutAfter);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "queued");

        let intent = shop.simulator().captures()[0].transaction.clone();
        shop.receives_from_stripe("payment_intent.succeeded", &intent).await.is(200);
        shop.runs_its_jobs().await;

        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;
    }

    async fn a_payment_nobody_heard_of_is_asked_about(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (payment, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.simulator().buyer_pays(&intent).unwrap(); // and the webhook never comes
        shop.time_passes(Duration::from_secs(301));
        check_pending_payments(&shop).await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
        shop.runs_its_jobs().await;
    }

    async fn money_for_an_order_that_ran_out_of_time_goes_back(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (payment, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.time_passes(Duration::from_mins(30));
        expire_unpaid_orders(&shop).await;
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "unpaid".into()));
        assert_eq!(ada.looks_at(&payment).await["status"], "cancelled");

        shop.simulator().buyer_pays(&intent).unwrap();
        shop.receives_from_stripe("payment_intent.succeeded", &intent).await.is(200);
        shop.runs_its_jobs().await;

        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
        assert_eq!(went_back(&shop, &intent), 12_00);
    }

    async fn a_second_payment_of_a_paid_order_goes_back(shop: TestShop) {
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (first, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.simulator().buyer_is_declined(&intent).unwrap();
        shop.receives_from_stripe("payment_intent.payment_failed", &intent).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&first).await["status"], "failed");
        let second = ada.pays_with("pm_card_visa", &order).await;
        // In the browser tab that is still open, before anybody tells Stripe that this try is over.
        shop.simulator().buyer_pays(&intent).expect("the money");
        shop.runs_its_jobs().await;
        shop.receives_from_stripe("payment_intent.succeeded", &intent).await.is(200);
        shop.runs_its_jobs().await;

        assert_eq!(
            (&ada.looks_at(&first).await["status"], &ada.looks_at(&second).await["status"]),
            (&json!("refunded"), &json!("captured"))
        );
        assert_eq!(went_back(&shop, &intent), 12_00);
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
    }

    async fn a_try_that_failed_cannot_be_paid_once_another_has_begun(shop: TestShop) {
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let (_, intent) = waits_for_the_buyer(&shop, &ada, &order).await;
        shop.simulator().buyer_is_declined(&intent).expect("a decline");
        shop.receives_from_stripe("payment_intent.payment_failed", &intent).await.is(200);
        shop.runs_its_jobs().await;
        waits_for_the_buyer(&shop, &ada, &order).await;
        assert!(shop.simulator().buyer_pays(&intent).is_err(), "that tab is of no use any more");
    }

    async fn cancelling_a_paid_order_refunds_the_buyer_and_returns_the_stock(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.runs_its_jobs().await;

        ada.cancels(&order).await.is(200);
        shop.simulator().next(Provider::Stripe, Fault::CutAfter); // the refund's answer is lost, too
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;

        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        assert_eq!(shop.statuses_of(&order).await, ("cancelled".into(), "refunded".into()));
        assert_eq!(went_back(&shop, &shop.simulator().captures()[0].transaction), 12_00);
    }

    async fn cancelling_an_order_whose_payment_is_under_way_keeps_no_money(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_in_log("received money that the order cannot accept; refunding it");
        let (ada, order) = somebody_who_ordered_online(&shop).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.simulator().next(Provider::Stripe, Fault::CutAfter); // the money is taken, and we do not know
        shop.runs_its_jobs().await;
        assert_eq!(shop.simulator().captures().len(), 1);
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "refunded");
        let kept: i64 =
            shop.simulator().captures().iter().map(|charge| charge.amount - went_back(&shop, &charge.transaction)).sum();
        assert_eq!(kept, 0);
        shop.time_passes(Duration::from_secs(1)); // the payment's own job finds that it is not wanted any more
        shop.runs_its_jobs().await;
    }
}

/// Pays with a good card while each fault meets one call, and looks at what came of it.
async fn charges_once_in_spite_of(shop: &TestShop, faults: &[Fault]) {
    let (ada, order) = somebody_who_ordered_online(shop).await;
    let payment = ada.pays_with("pm_card_visa", &order).await;
    for fault in faults {
        shop.simulator().next(Provider::Stripe, *fault);
    }
    for _ in 0..20 {
        shop.runs_its_jobs().await;
        if ada.looks_at(&payment).await["status"] == "captured" {
            break;
        }
        shop.time_passes(Duration::from_secs(30));
    }
    assert_eq!(ada.looks_at(&payment).await["status"], "captured");
    assert_eq!(shop.simulator().captures().len(), 1, "{:?}", shop.simulator().captures());
    assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
}

async fn somebody_who_ordered_online(shop: &TestShop) -> (Person, Order) {
    let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
    let ada = shop.customer("ada@example.com").await;
    let order = ada.buys_online(&mug).await;
    (ada, order)
}

/// Asks to pay in the browser: the payment, and Stripe's name for it.
async fn waits_for_the_buyer(shop: &TestShop, buyer: &Person, order: &Order) -> (Payment, String) {
    let payment: Payment = buyer.wants_to_pay(order).await.is(202).json().into();
    shop.runs_its_jobs().await;
    let waiting = buyer.looks_at(&payment).await;
    assert_eq!(waiting["status"], "requires_action");
    (payment, waiting["transaction_id"].as_str().expect("Stripe's name for it").to_owned())
}

/// How much of a payment Stripe has given back.
fn went_back(shop: &TestShop, intent: &str) -> i64 {
    shop.simulator().ledger().refunded(intent)
}
