//! Sessions and the refresh tokens that continue them: who stays signed in, and how a thief is found.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Person, TestShop, answer::Answer};

const HOUR: Duration = Duration::from_hours(1);

/// What the migration says of the sessions that were there before it; the same on both engines.
const MIGRATION: &str = include_str!("../../migrations/sqlite/0004_accounts.sql");

async fn exchanges(shop: &TestShop, refresh: &str) -> Answer {
    shop.visitor().post("/api/auth/token/refresh").json(&json!({"refresh": refresh})).await
}

/// The refresh token of an exchange that succeeded.
async fn next(shop: &TestShop, refresh: &str) -> String {
    exchanges(shop, refresh).await.is(200)["refresh"].as_str().expect("a refresh token").to_owned()
}

async fn is_stolen(shop: &TestShop, refresh: &str) {
    exchanges(shop, refresh).await.is(401).with_code("refresh_reused");
}

/// The session of these people has ended, and its user was told so once.
async fn is_over(shop: &TestShop, person: &Person) {
    person.get("/api/profile").await.is(401).with_code("session_revoked");
    shop.runs_its_jobs().await;
    let mails = shop.mail().mails();
    assert_eq!(mails.len(), 1, "told once");
    assert_eq!(mails[0].subject(), "We signed you out at Cartwright");
    assert_eq!(mails[0].to, std::slice::from_ref(&person.email));
}

on_both_engines! {
    async fn each_refresh_returns_a_new_refresh_token(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        let first = ada.clone();
        ada.refreshes().await.is(200);
        assert_ne!(ada.refresh, first.refresh);
        ada.get("/api/profile").await.is(200);
        first.get("/api/profile").await.is(200); // the session is the same
        ada.refreshes().await.is(200);
        ada.get("/api/profile").await.is(200);
    }

    async fn the_first_refresh_token_can_be_reused_until_it_expires(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        let first = ada.refresh.clone();
        let mut answers = vec![first.clone()];
        for _ in 0..27 {
            shop.time_passes(6 * HOUR);
            let tokens = exchanges(&shop, &first).await.is(200);
            ada.access = tokens["access"].as_str().map(ToOwned::to_owned); // and reads nothing else
            ada.get("/api/profile").await.is(200);
            answers.push(tokens["refresh"].to_string());
        }
        answers.sort_unstable();
        answers.dedup();
        assert_eq!(answers.len(), 28, "each answer has a refresh token of its own");
        shop.time_passes(6 * HOUR);
        exchanges(&shop, &first).await.is(401).with_code("unauthenticated");
        ada.get("/api/profile").await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 0, "nobody is told of a thief");
    }

    async fn a_refresh_whose_response_was_lost_can_be_repeated(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let mut token = ada.refresh.clone();
        for _ in 0..4 {
            for _lost in 0..3 {
                exchanges(&shop, &token).await.is(200);
                shop.time_passes(HOUR);
            }
            token = next(&shop, &token).await;
        }
        ada.get("/api/profile").await.is(200);
    }

    async fn a_refresh_token_whose_successor_was_used_is_stolen(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let mut ada = shop.customer("ada@example.com").await;
        let mut elsewhere = ada.clone();
        elsewhere.signs_in().await;
        let thief = ada.refresh.clone();
        ada.refreshes().await.is(200);
        ada.refreshes().await.is(200);

        is_stolen(&shop, &thief).await;
        is_stolen(&shop, &thief).await;

        exchanges(&shop, &ada.refresh).await.is(401).with_code("session_revoked");
        is_over(&shop, &ada).await;
        elsewhere.get("/api/profile").await.is(200);
        elsewhere.refreshes().await.is(200);
    }

    async fn a_thief_who_refreshes_first_is_detected_by_the_owner(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let ada = shop.customer("ada@example.com").await;
        let mut thief = ada.clone();
        thief.refreshes().await.is(200);
        thief.refreshes().await.is(200);

        is_stolen(&shop, &ada.refresh).await;
        thief.refreshes().await.is(401).with_code("session_revoked");
        is_over(&shop, &ada).await;
    }

    async fn any_successor_of_a_refresh_token_continues_its_session(shop: TestShop) {
        for kept in 0..3 {
            let ada = shop.customer(&format!("ada{kept}@example.com")).await;
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(next(&shop, &ada.refresh).await);
                shop.time_passes(HOUR);
            }
            let mut token = answers[kept].clone();
            for _ in 0..3 {
                token = next(&shop, &token).await;
            }
            ada.get("/api/profile").await.is(200);
        }
    }

    async fn a_thief_with_another_successor_is_detected_when_both_were_used(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let ada = shop.customer("ada@example.com").await;
        let (thiefs, adas) = (next(&shop, &ada.refresh).await, next(&shop, &ada.refresh).await);
        next(&shop, &adas).await;
        next(&shop, &adas).await; // whose answer was lost asks again
        is_stolen(&shop, &thiefs).await;
        is_over(&shop, &ada).await;
    }

    async fn concurrent_refreshes_of_one_token_all_succeed(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let answers = join_all((0..6).map(|_| next(&shop, &ada.refresh))).await;
        let mut token = answers.last().expect("six answers").clone();
        for _ in 0..3 {
            shop.time_passes(HOUR);
            token = next(&shop, &token).await;
        }
        ada.get("/api/profile").await.is(200);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM refresh_tokens").await, 10);
    }

    async fn of_two_successors_used_concurrently_one_counts_as_stolen(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let ada = shop.customer("ada@example.com").await;
        let (one, other) = (next(&shop, &ada.refresh).await, next(&shop, &ada.refresh).await);
        let (first, second) = tokio::join!(exchanges(&shop, &one), exchanges(&shop, &other));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{first}\n{second}");
        is_over(&shop, &ada).await;
    }

    async fn a_token_and_its_successor_used_concurrently_are_serialized(shop: TestShop) {
        shop.allows_in_log("a refresh token was used after its successor; the session was ended");
        for number in 0..4 {
            let ada = shop.customer(&format!("ada{number}@example.com")).await;
            let successor = next(&shop, &ada.refresh).await;
            let (before, after) = tokio::join!(exchanges(&shop, &ada.refresh), exchanges(&shop, &successor));
            match (before.status, after.status) {
                (200, 200) => ada.get("/api/profile").await.is(200),
                (401, 200) => ada.get("/api/profile").await.is(401).with_code("session_revoked"),
                _ => panic!("{before}\n{after}"),
            };
        }
        shop.runs_its_jobs().await;
    }

    async fn a_token_that_is_used_again_and_again_leaves_few_rows(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let ada = shop.customer("ada@example.com").await;
        let first = next(&shop, &ada.refresh).await;
        for _ in 0..150 {
            shop.time_passes(Duration::from_secs(1));
            next(&shop, &ada.refresh).await;
        }
        let newest = next(&shop, &ada.refresh).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM refresh_tokens").await, 101, "itself, and a hundred answers");
        // The first answers stay, so that no thief can push out the one that the owner holds.
        next(&shop, &first).await;
        is_stolen(&shop, &newest).await;
        is_over(&shop, &ada).await;
    }

    async fn sessions_of_the_previous_version_continue(shop: TestShop) {
        shop.expects_in_log("a refresh token was used after its successor; the session was ended");
        let mut ada = shop.customer("ada@example.com").await;
        let mut tokens = vec![ada.refresh.clone()];
        for _ in 0..3 {
            shop.time_passes(HOUR);
            ada.refreshes().await.is(200);
            tokens.push(ada.refresh.clone());
        }
        let fresh = shop.customer("bob@example.com").await;
        shop.tampers("UPDATE refresh_tokens SET generation = 1").await;
        shop.tampers("UPDATE sessions SET generation = 0").await;
        let updates: Vec<&'static str> =
            MIGRATION.split(';').map(str::trim).filter(|sql| sql.starts_with("UPDATE")).collect();
        assert_eq!(updates.len(), 2);
        for update in updates {
            assert!(shop.tampers(update).await > 0);
        }

        let lost = next(&shop, &tokens[2]).await;
        next(&shop, &tokens[3]).await;
        is_stolen(&shop, &lost).await;
        is_stolen(&shop, &tokens[0]).await;
        is_over(&shop, &ada).await;
        next(&shop, &fresh.refresh).await;
    }
}
