//! Products that are not sold, or that customers cannot see.

use serde_json::json;

use crate::support::{
    Person, TestShop,
    answer::{Answer, Ask},
};

on_both_engines! {
    async fn a_product_that_is_not_sold_any_more_cannot_be_ordered(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 1).await.is(201);
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&json!({"is_active": false})).await.is(200);

        ada.checks_out().await.is(409).with_code("product_unavailable");
        ada.post("/api/orders")
            .json(&json!({"items": [{"product": 999, "quantity": 1}]}))
            .await
            .is(422)
            .about(&["items[0].product"]);
        assert_eq!(ada.cart().await["items"][0]["available"], false);
    }

    async fn inactive_products_do_not_exist_for_customers(shop: TestShop) {
        let hidden = shop.sells("Surprise").with("is_active", false).await.id;
        let ada = shop.customer("ada@example.com").await;
        let asks: [fn(&Person, i64) -> Ask; 9] = [
            |by, id| by.post("/api/orders").json(&json!({"items": [{"product": id, "quantity": 1}]})),
            |by, id| by.post("/api/orders").json(&json!({"items": [{"product": id, "quantity": 9999}]})),
            |by, id| by.post("/api/cart").json(&json!({"product": id})),
            |by, id| by.post("/api/cart/items").json(&json!({"product": id, "quantity": 9999})),
            |by, id| by.post("/api/wishlist").json(&json!({"product": id})),
            |by, id| by.delete(&format!("/api/wishlist/{id}")),
            |by, id| by.get(&format!("/api/products/{id}")),
            |by, id| by.get(&format!("/api/products/{id}/reviews")),
            |by, id| by.post(&format!("/api/products/{id}/reviews")).json(&json!({"rating": 5})),
        ];
        for ask in asks {
            let (answer, unused) = (ask(&ada, hidden).await, ask(&ada, 987_654).await);
            assert_eq!(told(&answer, hidden), told(&unused, 987_654), "{answer}");
            assert!(!answer.text().contains("Surprise"), "{answer}");
        }
        let by_slug = ada.get("/api/products/by-slug/surprise").await.is(404);
        assert_eq!(by_slug["detail"], ada.get("/api/products/by-slug/nothing").await.is(404)["detail"]);
    }

    async fn an_unavailable_product_is_named_only_to_who_has_it_in_the_cart(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        ada.puts_in_cart(&mug, 1).await.is(201);
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&json!({"is_active": false})).await.is(200);
        let refused = ada.checks_out().await.is(409).with_code("product_unavailable");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("Mug")), "{refused}");
        let refused = bob.places_order(&[(&mug, 1)]).await.is(422).about(&["items[0].product"]);
        assert!(!refused.text().contains("Mug"), "{refused}");
    }
}

/// What an answer says about the product with this id, whichever that is.
fn told(answer: &Answer, id: i64) -> (u16, String) {
    let said = json!([answer["code"], answer["detail"], answer["errors"]]).to_string();
    (answer.status, said.replace(&format!("product {id},"), "product …,"))
}
