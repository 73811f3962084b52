//! How often people may try: in one process, and in two that share a Redis.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    cache::two_processes,
    support::{Person, TestShop, answer::Answer, people::PASSWORD},
};

const MINUTE: Duration = Duration::from_mins(1);
const WRONG: &str = "a long walk by the lake";

async fn tries(shop: &TestShop, email: &str, password: &str) -> Answer {
    shop.visitor().post("/api/auth/login").json(&json!({"email": email, "password": password})).await
}

async fn forgets(shop: &TestShop, email: &str) -> Answer {
    shop.visitor().post("/api/auth/password/forgot").json(&json!({"email": email})).await
}

/// The seconds after which to try again.
#[track_caller]
fn is_stopped(answer: Answer) -> u64 {
    let answer = answer.is(429).with_code("rate_limited");
    answer.header("retry-after").parse().unwrap_or_else(|_| panic!("Retry-After in seconds:\n{answer}"))
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

on_both_engines! {
    async fn after_five_wrong_passwords_even_the_right_one_is_refused(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        shop.customer("bob@example.com").await;
        for _ in 0..5 {
            tries(&shop, "ada@example.com", WRONG).await.is(401).with_code("invalid_credentials");
            shop.time_passes(MINUTE);
        }
        assert_eq!(is_stopped(tries(&shop, "ada@example.com", WRONG).await), 600);
        assert_eq!(is_stopped(tries(&shop, "ADA@example.com", PASSWORD).await), 600);
        tries(&shop, "bob@example.com", PASSWORD).await.is(200);

        shop.time_passes(Duration::from_secs(10 * 60 - 1));
        assert_eq!(is_stopped(tries(&shop, "ada@example.com", PASSWORD).await), 1);
        shop.time_passes(Duration::from_secs(1));
        tries(&shop, "ada@example.com", PASSWORD).await.is(200);
        tries(&shop, "ada@example.com", WRONG).await.is(401); // the one place that is free
        assert_eq!(is_stopped(tries(&shop, "ada@example.com", PASSWORD).await), 60, "the window slides");
    }

    async fn limits_never_reveal_accounts(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        shop.customer("off@example.com").await;
        shop.tampers("UPDATE users SET is_active = FALSE WHERE email = 'off@example.com'").await;
        for (email, password) in [("ada@example.com", WRONG), ("nobody@example.com", WRONG), ("off@example.com", PASSWORD)] {
            let mut statuses = Vec::new();
            for _ in 0..6 {
                statuses.push(tries(&shop, email, password).await.status);
            }
            assert_eq!(statuses, [401, 401, 401, 401, 401, 429], "{email}");
        }
        // Nor whether a username belongs to an e-mail.
        shop.visitor().post("/api/auth/login").json(&json!({"username": "ada", "password": PASSWORD})).await.is(200);
    }

    async fn wrong_passwords_at_once_are_counted_like_wrong_passwords_in_a_row(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        let answers = join_all((0..15).map(|_| tries(&shop, "ada@example.com", WRONG))).await;
        assert_eq!((count(&answers, 401), count(&answers, 429)), (5, 10), "{answers:?}");
    }

    async fn right_passwords_do_not_count(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        for _ in 0..3 {
            tries(&shop, "ada@example.com", WRONG).await.is(401);
            tries(&shop, "ada@example.com", PASSWORD).await.is(200);
            tries(&shop, "ada@example.com", PASSWORD).await.is(200);
            tries(&shop, "ada@example.com", PASSWORD).await.is(200);
        }
        tries(&shop, "ada@example.com", WRONG).await.is(401);
        tries(&shop, "ada@example.com", WRONG).await.is(401);
        is_stopped(tries(&shop, "ada@example.com", PASSWORD).await);
    }

    async fn a_wrong_current_password_counts_like_a_failed_sign_in(shop: TestShop) {
        let shop = shop.with_limits().await;
        let ada = shop.customer("ada@example.com").await;
        let changes = async |current: &str| {
            ada.post("/api/auth/password").json(&json!({"current_password": current, "new_password": WRONG})).await
        };
        for _ in 0..3 {
            changes("not my password").await.is(422).about(&["current_password"]);
        }
        tries(&shop, "ada@example.com", WRONG).await.is(401);
        changes("not my password").await.is(422);
        is_stopped(changes(PASSWORD).await);
        is_stopped(tries(&shop, "ada@example.com", PASSWORD).await);
        ada.get("/api/profile").await.is(200);
    }

    async fn resetting_the_password_resets_the_limit(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        for _ in 0..5 {
            tries(&shop, "ada@example.com", WRONG).await.is(401);
        }
        forgets(&shop, "ada@example.com").await.is(202);
        shop.runs_its_jobs().await;
        let token = shop.mail().mails()[0].token();
        is_stopped(tries(&shop, "ada@example.com", PASSWORD).await);
        let reset = json!({"token": token, "password": "another good one"});
        shop.visitor().post("/api/auth/password/reset").json(&reset).await.is(204);
        tries(&shop, "ada@example.com", "another good one").await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn an_address_signs_in_thirty_times_a_minute(shop: TestShop) {
        let shop = shop.with_limits().await;
        let tries_nothing = async || shop.visitor().post("/api/auth/login").json(&json!({})).await;
        tries_nothing().await.is(422);
        let answers = join_all((0..32).map(|number| {
            let shop = &shop;
            async move { tries(shop, &format!("user{number}@example.com"), WRONG).await }
        }))
        .await;
        assert_eq!((count(&answers, 401), count(&answers, 429)), (30, 2), "{answers:?}");
        tries_nothing().await.is(429); // the limit is asked before the body
        shop.time_passes(MINUTE);
        tries(&shop, "user@example.com", WRONG).await.is(401);
    }

    async fn an_address_registers_three_times_an_hour(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.registers("not an address").await.is(422); // tried nothing
        shop.registers("ada@example.com").await.is(201);
        shop.registers("ada@example.com").await.is(409); // learnt something
        shop.registers("bob@example.com").await.is(201);
        assert_eq!(is_stopped(shop.registers("eve@example.com").await), 3600);
        shop.time_passes(60 * MINUTE);
        shop.registers("eve@example.com").await.is(201);
    }

    async fn five_reset_emails_a_day_go_to_one_address(shop: TestShop) {
        let shop = shop.with_limits().await;
        shop.customer("ada@example.com").await;
        for email in ["ada@example.com", "nobody@example.com"] {
            for _ in 0..5 {
                forgets(&shop, email).await.is(202);
            }
            assert_eq!(is_stopped(forgets(&shop, &email.to_uppercase()).await), 86_400);
        }
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 5);
        // One address asks for twenty an hour, for whomever; twelve it has.
        let answers = join_all((0..10).map(|number| {
            let shop = &shop;
            async move { forgets(shop, &format!("user{number}@example.com")).await }
        }))
        .await;
        assert_eq!((count(&answers, 202), count(&answers, 429)), (8, 2), "{answers:?}");
        shop.time_passes(24 * 60 * MINUTE);
        forgets(&shop, "ada@example.com").await.is(202);
        shop.runs_its_jobs().await;
    }

    async fn five_verification_emails_a_day_go_to_one_user(shop: TestShop) {
        let shop = shop.with_limits().await;
        let ada = shop.customer("ada@example.com").await;
        for _ in 0..5 {
            ada.post("/api/auth/email/verify/resend").await.is(202);
        }
        assert_eq!(is_stopped(ada.post("/api/auth/email/verify/resend").await), 86_400);
    }

    async fn an_address_makes_sixty_anonymous_carts_a_minute(shop: TestShop) {
        let shop = shop.with_limits().await;
        let answers = join_all((0..63).map(|_| shop.visitor().post("/api/carts").into_future())).await;
        assert_eq!((count(&answers, 201), count(&answers, 429)), (60, 3));
        let ada = shop.customer("ada@example.com").await;
        ada.post("/api/carts").await.is(201); // the user's own
        shop.time_passes(MINUTE);
        shop.visitor().post("/api/carts").await.is(201);
    }

    async fn an_address_searches_a_hundred_and_twenty_times_a_minute(shop: TestShop) {
        shop.sells("Mug").await;
        let limited = shop.with_limits().await;
        let answers =
            join_all((0..123).map(|_| limited.visitor().get("/api/products?search=mug").into_future())).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (120, 3));
        assert!(is_stopped(limited.visitor().get("/api/products?search=pot").await) <= 60);
        limited.visitor().get("/api/products?ordering=price").await.is(200); // searches for nothing
        limited.visitor().get("/api/products?search=+").await.is(200);
        limited.admin().await.get("/api/products?search=mug").await.is(200);
        limited.time_passes(MINUTE);
        limited.visitor().get("/api/products?search=pot").await.is(200);
    }

    async fn limits_of_carts_and_orders_are_settings(shop: TestShop) {
        let strict = shop
            .opens_again(|settings| {
                settings.rate_limits = true;
                settings.orders.orders_per_hour = 2;
                settings.carts.carts_per_minute = 3;
            })
            .await;
        let carts = join_all((0..5).map(|_| strict.visitor().post("/api/carts").into_future())).await;
        assert_eq!((count(&carts, 201), count(&carts, 429)), (3, 2));

        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await.of(&strict);
        for _ in 0..2 {
            ada.places_order(&[(&mug, 1)]).await.is(201);
        }
        assert_eq!(is_stopped(ada.places_order(&[(&mug, 1)]).await), 3600);
        shop.customer("bob@example.com").await.of(&strict).places_order(&[(&mug, 1)]).await.is(201);
        shop.time_passes(60 * MINUTE);
        ada.places_order(&[(&mug, 1)]).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn a_customer_changes_thirty_addresses_of_orders_an_hour(shop: TestShop) {
        let limited = shop.with_limits().await;
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await.of(&limited);
        let orders = [ada.buys(&mug).await, ada.buys(&mug).await].map(|order| format!("/api/orders/{}", order.id));
        let goes_to = async |who: &Person, order: &str, address: &str| {
            who.patch(order).json(&json!({"shipping_address": address})).await
        };
        for number in 0..30 {
            let (order, address) = (&orders[number % 2], format!("{number} Quay"));
            goes_to(&ada, order, " ").await.is(422); // what changes nothing takes no place
            goes_to(&ada, "/api/orders/987654", &address).await.is(404);
            let stands = ada.get(order).await.is(200).json();
            ada.put(order).json(&stands).await.is(200);
            goes_to(&ada, order, &address).await.is(200);
        }
        assert_eq!(is_stopped(goes_to(&ada, &orders[0], "31 Quay").await), 3600);
        assert_eq!(is_stopped(ada.put(&orders[1]).json(&json!({"shipping_address": "31 Quay"})).await), 3600);
        goes_to(&shop.admin().await.of(&limited), &orders[0], "32 Quay").await.is(200);
        shop.time_passes(60 * MINUTE);
        goes_to(&ada, &orders[0], "31 Quay").await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn a_replayed_order_does_not_count_and_is_never_refused(shop: TestShop) {
        let strict = shop
            .opens_again(|settings| {
                settings.rate_limits = true;
                settings.orders.orders_per_hour = 2;
            })
            .await;
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await.of(&strict);
        let again = async |first: &Answer, key: &str| {
            let again = ada.places_order(&[(&mug, 1)]).once(key).await.is(201);
            assert_eq!((&again["id"], again.header("idempotent-replayed")), (&first["id"], "true"));
        };
        let first = ada.places_order(&[(&mug, 1)]).once("tea").await.is(201);
        for _ in 0..3 {
            again(&first, "tea").await;
        }
        let second = ada.places_order(&[(&mug, 1)]).once("coffee").await.is(201);
        again(&first, "tea").await;
        again(&second, "coffee").await;
        ada.places_order(&[(&mug, 2)]).once("tea").await.is(422).with_code("idempotency_key_reused");
        is_stopped(ada.places_order(&[(&mug, 1)]).once("milk").await);
        is_stopped(ada.places_order(&[(&mug, 1)]).await);
        shop.runs_its_jobs().await;
    }

    async fn x_forwarded_for_counts_only_from_trusted_proxies(shop: TestShop) {
        let tries_for = async |shop: &TestShop, who: &str| {
            let wrong = json!({"email": "ada@example.com", "password": WRONG});
            shop.visitor().post("/api/auth/login").header("x-forwarded-for", who).json(&wrong).await
        };
        let alone = shop.with_limits().await;
        for number in 0..5 {
            tries_for(&alone, &format!("203.0.113.{number}")).await.is(401);
        }
        is_stopped(tries_for(&alone, "203.0.113.9").await);

        let behind = shop
            .opens_again(|settings| {
                settings.rate_limits = true;
                settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
            })
            .await;
        for number in 0..5 {
            tries_for(&behind, &format!("198.51.100.{number}, 203.0.113.9")).await.is(401);
        }
        is_stopped(tries_for(&behind, "198.51.100.9, 203.0.113.9").await);
        tries_for(&behind, "203.0.113.9, 203.0.113.10").await.is(401);
    }

    async fn limits_can_be_turned_off(shop: TestShop) {
        shop.customer("ada@example.com").await;
        let answers = join_all((0..35).map(|_| tries(&shop, "ada@example.com", WRONG))).await;
        assert_eq!(count(&answers, 401), 35, "{answers:?}");
    }

    async fn two_processes_with_one_redis_count_together(shop: TestShop) {
        let Some((here, there)) = two_processes(&shop, |settings| settings.rate_limits = true).await else { return };
        here.customer("ada@example.com").await; // signs in
        let answers = join_all((0..10).map(|number| {
            tries(if number % 2 == 0 { &here } else { &there }, "ada@example.com", WRONG)
        }))
        .await;
        assert_eq!((count(&answers, 401), count(&answers, 429)), (5, 5), "{answers:?}");
        let wait = is_stopped(tries(&there, "ada@example.com", PASSWORD).await);
        assert!((890..=900).contains(&wait), "{wait}");

        // What went well is given back: these are no six wrong ones.
        here.customer("bob@example.com").await;
        for process in [&here, &there, &here, &there, &here] {
            tries(process, "bob@example.com", PASSWORD).await.is(200);
        }
        for process in [&here, &there, &here, &there, &here] {
            tries(process, "bob@example.com", WRONG).await.is(401);
        }
        // Whose password was reset is forgiven everywhere.
        is_stopped(tries(&there, "bob@example.com", PASSWORD).await);
        forgets(&here, "bob@example.com").await.is(202);
        shop.runs_its_jobs().await;
        let reset = json!({"token": shop.mail().mails()[0].token(), "password": "another good one"});
        here.visitor().post("/api/auth/password/reset").json(&reset).await.is(204);
        tries(&there, "bob@example.com", "another good one").await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn redis_stores_no_names_and_its_entries_expire(shop: TestShop) {
        let Some((here, _)) = two_processes(&shop, |settings| settings.rate_limits = true).await else { return };
        tries(&here, "ada@example.com", WRONG).await.is(401);
        let mut redis = here.inside().cache.reachable_redis().expect("it was reached just now");
        let keys: Vec<String> = redis::cmd("KEYS").arg("cartwright:limit:*").query_async(&mut redis).await.expect("keys");
        assert_eq!(keys.len(), 2, "{keys:?}");
        for key in keys {
            assert!(!key.contains("ada") && !key.contains("127.0.0.1"), "{key}");
            let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut redis).await.expect("a time");
            let most = if key.contains("wrong_passwords") { 900 } else { 60 };
            assert!((1..=most).contains(&left), "{key} lives for {left} s");
        }
    }

    async fn without_its_redis_a_process_counts_for_itself(shop: TestShop) {
        let nowhere = shop
            .opens_again(|settings| {
                settings.rate_limits = true;
                settings.redis_url = Some("redis://127.0.0.1:1".into());
            })
            .await;
        let answers = join_all((0..8).map(|_| tries(&nowhere, "ada@example.com", WRONG))).await;
        assert_eq!((count(&answers, 401), count(&answers, 429)), (5, 3), "{answers:?}");
    }
}
