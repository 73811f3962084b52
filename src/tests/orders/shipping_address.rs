//! Where an order goes.

use std::time::Duration;

use serde_json::json;

use crate::support::TestShop;

on_both_engines! {
    async fn the_shipping_address_comes_from_the_profile(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.patch("/api/profile").json(&json!({"address": null})).await.is(200);
        let without = ada.places_order(&[(&mug, 1)]).await.is(201);
        assert_eq!(without["shipping_address"], "");
        let path = format!("/api/orders/{}", without["id"]);
        assert_eq!(ada.put(&path).json(&without.json()).await.is(200).json(), without.json(), "it may be sent back");
        shop.runs_its_jobs().await;
        let mail = &shop.mail().mails()[0];
        for said in [mail.text(), mail.html()] {
            assert!(!said.contains("Delivery address") && !said.contains("is right"), "{said}");
        }

        ada.patch("/api/profile").json(&json!({"address": "5 Quay", "city": "Bristol", "country": "UK"})).await.is(200);
        let order = ada.places_order(&[(&mug, 1)]).await.is(201);
        assert_eq!(order["shipping_address"], "5 Quay\nBristol\nUK");
        let named = ada.patch(&path).json(&json!({"shipping_address": "6 Quay"})).await.is(200);
        assert_eq!(named["shipping_address"], "6 Quay");
        shop.runs_its_jobs().await;
    }

    async fn the_shipping_address_can_be_changed_until_the_order_ships(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let order = ada.buys(&mug).await;
        let path = format!("/api/orders/{}", order.id);
        let elsewhere = json!({"shipping_address": "5 Quay\nBristol"});

        shop.time_passes(Duration::from_secs(1));
        let changed = ada.patch(&path).json(&elsewhere).await.is(200);
        assert_eq!(changed["shipping_address"], "5 Quay\nBristol");
        assert_ne!(changed["updated_at"], order.json["updated_at"]);
        assert_eq!(ada.patch(&path).json(&json!({})).await.is(200).bytes(), changed.bytes());
        let mut sent_back = changed.json();
        sent_back["status"] = json!("delivered");
        sent_back["total_price"] = json!("0.01");
        assert_eq!(ada.put(&path).json(&sent_back).await.is(200).bytes(), changed.bytes());
        admin.sets_status(&order, "confirmed").await.is(200);
        assert_eq!(admin.put(&path).json(&json!({"shipping_address": "6 Quay"})).await.is(200)["status"], "confirmed");

        for blank in [json!(""), json!(" \n"), json!(null), json!(7), json!("x".repeat(1001))] {
            let blank = json!({"shipping_address": blank});
            ada.patch(&path).json(&blank).await.is(422).about(&["shipping_address"]);
            ada.put(&path).json(&blank).await.is(422).about(&["shipping_address"]);
        }
        ada.put(&path).json(&json!({})).await.is(422).about(&["shipping_address"]);
        eve.put(&path).json(&json!({})).await.is(404);
        eve.patch("/api/orders/987654").json(&elsewhere).await.is(404);
        shop.visitor().patch(&path).json(&elsewhere).await.is(401);

        admin.sets_status(&order, "shipped").await.is(200);
        ada.patch(&path).json(&elsewhere).await.is(409).with_code("order_already_shipped");
        let other = ada.buys(&mug).await;
        ada.cancels(&other).await.is(200);
        let cancelled = format!("/api/orders/{}", other.id);
        ada.put(&cancelled).json(&elsewhere).await.is(409).with_code("order_cancelled");
        assert_eq!(ada.sees(&order).await["shipping_address"], "6 Quay");
        shop.runs_its_jobs().await;
    }
}
