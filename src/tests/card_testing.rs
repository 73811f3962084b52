//! Who tries stolen cards one after the other: how often the provider hears of it, and how it shows.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Order, Person, TestShop, answer::Answer};

const HOUR: Duration = Duration::from_hours(1);
const DECLINED: &str = "pm_card_chargeDeclined";

on_both_engines! {
    async fn after_three_declines_each_further_attempt_of_an_order_waits_longer(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        for _ in 0..3 {
            is_declined(&shop, &ada, &order).await;
        }
        for wait in [10, 30, 60, 300] {
            assert_eq!(has_to_wait(ada.wants_to_pay(&order).await), wait);
            shop.time_passes(Duration::from_secs(wait - 1));
            assert_eq!(has_to_wait(ada.wants_to_pay(&order).await), 1, "asking too early makes it no longer");
            shop.time_passes(Duration::from_secs(1));
            is_declined(&shop, &ada, &order).await;
        }
        assert_eq!(has_to_wait(shop.admin().await.wants_to_pay(&order).await), 900, "whoever pays it");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM payments").await, 7);

        let other = ada.buys_online(&shop.sells("Pot").await).await;
        is_declined(&shop, &ada, &other).await; // which was not tried yet
        shop.time_passes(Duration::from_mins(15));
        let payment = ada.pays_with("pm_card_visa", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(ada.looks_at(&payment).await["status"], "captured");
        ada.wants_to_pay(&order).await.is(409).with_code("already_paid");
    }

    async fn concurrent_attempts_wait_like_attempts_in_a_row(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let beside = shop.opens_again(|_| {}).await; // another process
        for _ in 0..3 {
            is_declined(&shop, &ada, &order).await;
        }
        let payers = [ada.of(&beside), ada];
        let tries = async || join_all((0..10).map(|number| payers[number % 2].wants_to_pay(&order).into_future())).await;
        for refused in tries().await {
            has_to_wait(refused);
        }
        shop.time_passes(Duration::from_secs(10));
        let mut statuses: Vec<u16> = tries().await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        let one_goes_through: Vec<u16> = [&[202][..], &[409; 9]].concat();
        assert_eq!(statuses, one_goes_through);
        shop.runs_its_jobs().await;
    }

    async fn payments_that_were_not_declined_delay_nobody(shop: TestShop) {
        shop.expects_in_log("no job sends a payment any more; ending it");
        let (ada, order) = somebody_who_ordered(&shop).await;
        for _ in 0..4 {
            ada.wants_to_pay(&order).await.is(202);
            shop.tampers("DELETE FROM jobs WHERE kind = 'payments.pay'").await;
            shop.time_passes(Duration::from_mins(5));
            crate::providers::check_pending_payments(&shop).await;
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM payments WHERE failure_code = 'not_sent'").await, 4);
        ada.pays_with("pm_card_visa", &order).await;
        shop.runs_its_jobs().await;
        assert_eq!(shop.statuses_of(&order).await, ("confirmed".into(), "paid".into()));
    }

    async fn a_user_and_an_address_ask_for_so_many_payments_an_hour(shop: TestShop) {
        let strict = shop
            .opens_again(|settings| {
                settings.rate_limits = true;
                settings.payments.payments_per_hour = 2;
            })
            .await;
        let mug = shop.sells("Mug").at(12_00).in_stock(99).await;
        for name in ["ada", "bob", "cyd"] {
            let buyer = shop.customer(&format!("{name}@example.com")).await.of(&strict);
            let (first, second, third) =
                (buyer.buys_online(&mug).await, buyer.buys_online(&mug).await, buyer.buys_online(&mug).await);
            let paid = buyer.wants_to_pay(&first).once("first").await.is(202);
            // What no provider hears of uses nothing up.
            buyer.wants_to_pay(&first).await.is(409).with_code("payment_in_progress");
            buyer.post("/api/payments").json(&json!({"order": 987_654})).await.is(422);
            buyer.post("/api/payments").json(&json!({"order": "mine"})).await.is(422);
            buyer.wants_to_pay(&first).once("first").await.is(202);
            buyer.wants_to_pay(&second).await.is(202);
            assert_eq!(has_to_wait(buyer.wants_to_pay(&third).await), 3600, "{name}");
            let again = buyer.wants_to_pay(&first).once("first").await.is(202);
            assert_eq!((&again["id"], again.header("idempotent-replayed")), (&paid["id"], "true"));
        }
        let dan = shop.customer("dan@example.com").await.of(&strict);
        let order = dan.buys_online(&mug).await;
        let refused = dan.wants_to_pay(&order).await;
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("from this IP address")), "{refused}");
        assert_eq!(has_to_wait(refused), 3600);
        shop.runs_its_jobs().await;

        shop.time_passes(HOUR);
        dan.wants_to_pay(&order).await.is(202);
        shop.runs_its_jobs().await;
    }

    async fn an_attack_shows_in_the_metrics(shop: TestShop) {
        let figures = async || shop.visitor().get("/metrics").await.is(200).text();
        figures().await; // from now on it is counted
        let (ada, order) = somebody_who_ordered(&shop).await;
        for _ in 0..3 {
            is_declined(&shop, &ada, &order).await;
        }
        has_to_wait(ada.wants_to_pay(&order).await);
        let text = figures().await;
        for outcome in ["accepted", "declined", "limited"] {
            let figure = format!("cartwright_payment_attempts_total{{provider=\"stripe\",outcome=\"{outcome}\"}} ");
            assert!(text.contains(&figure), "{figure} is missing:\n{text}");
        }
    }
}

async fn somebody_who_ordered(shop: &TestShop) -> (Person, Order) {
    let mug = shop.sells("Mug").at(12_00).await;
    let ada = shop.customer("ada@example.com").await;
    let order = ada.buys_online(&mug).await;
    (ada, order)
}

async fn is_declined(shop: &TestShop, buyer: &Person, order: &Order) {
    let payment = buyer.pays_with(DECLINED, order).await;
    shop.runs_its_jobs().await;
    assert_eq!(buyer.looks_at(&payment).await["status"], "failed");
}

/// The seconds after which to try again.
#[track_caller]
fn has_to_wait(answer: Answer) -> u64 {
    let answer = answer.is(429).with_code("rate_limited");
    answer.header("retry-after").parse().unwrap_or_else(|_| panic!("Retry-After in seconds:\n{answer}"))
}
