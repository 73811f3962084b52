//! The `Idempotency-Key` of an order.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::TestShop;

on_both_engines! {
    async fn the_same_key_and_body_give_the_first_order_again(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;

        let first = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        let again = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);

        assert_eq!(again.bytes(), first.bytes());
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        assert_eq!(shop.stock_of(&mug).await, 4);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_with_another_body_is_refused(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        ada.places_order(&[(&mug, 2)]).once("tuesday").await.is(422).with_code("idempotency_key_reused");
        assert_eq!(shop.stock_of(&mug).await, 4);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_of_another_customer_is_another_key(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let hers = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        let his = bob.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        assert_ne!(hers["id"], his["id"]);
        shop.runs_its_jobs().await;
    }

    async fn a_refused_order_does_not_spend_its_key(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(0).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(409).with_code("out_of_stock");
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&json!({"stock": 1})).await.is(200);
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_ten_times_at_the_same_moment_is_one_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(50).await;
        let ada = shop.customer("ada@example.com").await;

        let answers = join_all((0..10).map(|_| ada.places_order(&[(&mug, 1)]).once("now").into_future())).await;

        let orders: Vec<Value> = answers.into_iter().map(|answer| answer.is(201)["id"].clone()).collect();
        assert!(orders.iter().all(|id| *id == orders[0]), "{orders:?}");
        assert_eq!(shop.stock_of(&mug).await, 49);
        shop.runs_its_jobs().await;
    }
}
