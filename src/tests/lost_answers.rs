//! The database goes away in the middle of a request. PostgreSQL's part only: SQLite is in the process.

use cartwright::app::settings::Settings;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{
    Engine, Person, Product, TestShop,
    proxy::{Cut, Proxy},
    run_story,
};

const UNKNOWN: &str = "the outcome of a commit is unknown";

/// The shop beside itself with a line to its database that can be cut, and in it Ada and a mug.
async fn a_shop_on_a_thin_line(shop: &TestShop) -> (TestShop, Person, Product, Proxy) {
    shop.allows_in_log("error occurred while testing the connection on-release");
    let proxy = Proxy::before(shop.inside().get::<Settings>().database_url.expose_secret()).await;
    let beside = shop.opens_again(|settings| settings.database_url = proxy.url().into()).await;
    let mug = shop.sells("Mug").in_stock(5).await;
    let ada = shop.customer("ada@example.com").await.of(&beside);
    (beside, ada, mug, proxy)
}

#[test]
fn an_order_whose_commit_was_not_answered_is_placed_once() {
    run_story(Engine::Postgres, async |shop| {
        shop.expects_in_log(UNKNOWN);
        let (_beside, ada, mug, proxy) = a_shop_on_a_thin_line(&shop).await;

        proxy.cuts(Cut::AnswerTo("COMMIT"));
        let lost = ada.places_order(&[(&mug, 1)]).once("today").await.is(503).with_code("outcome_unknown");
        assert_eq!(lost.header("retry-after"), "1");
        assert!(lost["detail"].as_str().is_some_and(|detail| detail.contains("Idempotency-Key")), "{lost}");

        let again = ada.places_order(&[(&mug, 1)]).once("today").await.is(201);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!((ada.orders().await.len(), shop.stock_of(&mug).await), (1, 4));
        shop.runs_its_jobs().await;
    });
}

#[test]
fn an_order_whose_commit_was_not_heard_is_placed_by_the_second_request() {
    run_story(Engine::Postgres, async |shop| {
        shop.expects_in_log(UNKNOWN);
        let (_beside, ada, mug, proxy) = a_shop_on_a_thin_line(&shop).await;

        proxy.cuts(Cut::Before("COMMIT"));
        ada.places_order(&[(&mug, 1)]).once("today").await.is(503).with_code("outcome_unknown");
        assert_eq!(ada.orders().await.len(), 0);

        let again = ada.places_order(&[(&mug, 1)]).once("today").await.is(201);
        assert!(!again.has_header("idempotent-replayed"));
        assert_eq!((ada.orders().await.len(), shop.stock_of(&mug).await), (1, 4));
        shop.runs_its_jobs().await;
    });
}

/// Who sent no key looks first: an order of the last minutes is there or is not.
#[test]
fn a_committed_request_without_a_key_can_be_found() {
    run_story(Engine::Postgres, async |shop| {
        shop.expects_in_log(UNKNOWN);
        let (beside, ada, mug, proxy) = a_shop_on_a_thin_line(&shop).await;
        proxy.cuts(Cut::AnswerTo("COMMIT"));
        ada.places_order(&[(&mug, 1)]).await.is(503).with_code("outcome_unknown");
        let order = ada.orders().await.pop().expect("it was placed").into();

        proxy.cuts(Cut::AnswerTo("COMMIT"));
        ada.wants_to_pay(&order).await.is(503).with_code("outcome_unknown");
        let payments = ada.get(&format!("/api/payments?order={}", order.id)).await.is(200).list();
        assert_eq!(payments.len(), 1);

        proxy.cuts(Cut::AnswerTo("COMMIT"));
        let (path, admin) = (format!("/api/products/{}", mug.id), shop.admin().await.of(&beside));
        assert_eq!(ada.get(&path).await.is(200)["price"], "10.00");
        admin.patch(&path).json(&json!({"price": "13.00"})).await.is(503).with_code("outcome_unknown");
        assert_eq!(ada.get(&path).await.is(200)["price"], "13.00", "what was cached is forgotten");
        shop.runs_its_jobs().await;
    });
}

#[test]
fn a_request_cut_before_the_commit_is_not_done() {
    run_story(Engine::Postgres, async |shop| {
        shop.expects_in_log("the database is unavailable or busy");
        let (_beside, ada, mug, proxy) = a_shop_on_a_thin_line(&shop).await;

        proxy.cuts(Cut::Before("INSERT INTO orders"));
        let refused = ada.places_order(&[(&mug, 1)]).await.is(503).with_code("overloaded");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("Nothing was changed")), "{refused}");
        assert_eq!((ada.orders().await.len(), shop.stock_of(&mug).await), (0, 5));
        ada.places_order(&[(&mug, 1)]).await.is(201);
        shop.runs_its_jobs().await;
    });
}
