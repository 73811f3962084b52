//! Wishlists: one for each user, of products that are in the shop.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, Product, TestShop};

on_both_engines! {
    async fn a_product_is_on_the_wishlist_once(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
        let ada = shop.customer("ada@example.com").await;
        let wished = wishes(&ada, &mug).await.is(201);
        let wanted = json!({
            "product": mug.id, "name": "Mug", "price": "12.00", "image": null, "in_stock": true,
            "added_at": shop.now().to_string(),
        });
        assert_eq!(wished.json(), wanted);
        shop.time_passes(Duration::from_secs(5));
        assert_eq!(wishes(&ada, &mug).await.is(200).json(), wanted, "it stays where it was");
        let list = ada.get("/api/wishlist").await.is(200);
        assert_eq!((list.list(), list.header("x-total-count")), (vec![wanted], "1"));
    }

    async fn the_wishlist_shows_current_products(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        wishes(&ada, &mug).await.is(201);
        shop.admin().await.patch(&product(&mug)).json(&json!({"name": "Cup", "price": "9.00"})).await.is(200);
        bob.buys(&mug).await;
        let list = ada.get("/api/wishlist").await.is(200).list();
        assert_eq!((&list[0]["name"], &list[0]["price"], &list[0]["in_stock"]), (&json!("Cup"), &json!("9.00"), &json!(false)));
        shop.runs_its_jobs().await;
    }

    async fn the_wishlist_shows_the_first_image_of_a_product(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        shop.tampers(
            "INSERT INTO product_images (product_id, file, created_at)
             SELECT id, 'https://pictures.example/' || name || '.png', created_at FROM products",
        )
        .await;
        let picture = wishes(&ada, &mug).await.is(201)["image"].clone();
        assert_eq!(picture, "https://pictures.example/Mug.png");
        assert_eq!(shop.admin().await.get(&product(&mug)).await["image"], picture);
        assert_eq!(ada.get("/api/wishlist").await.list()[0]["image"], picture);
    }

    async fn the_wishlist_is_ordered_newest_first(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        for name in ["Mug", "Pot", "Pan"] {
            let thing = shop.sells(name).await;
            wishes(&ada, &thing).await.is(201);
            shop.time_passes(Duration::from_secs(1));
        }
        assert_eq!(names(&ada, "").await, ["Pan", "Pot", "Mug"]);
        assert_eq!(names(&ada, "?per_page=2&page=2").await, ["Mug"]);
        ada.get("/api/wishlist?per_page=101").await.is(422).about(&["per_page"]);
    }

    async fn inactive_products_are_hidden_from_the_wishlist(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").await, shop.sells("Pot").await);
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        for thing in [&mug, &pot] {
            wishes(&ada, thing).await.is(201);
        }
        admin.patch(&product(&mug)).json(&json!({"is_active": false})).await.is(200);
        let list = ada.get("/api/wishlist").await.is(200);
        assert_eq!((names(&ada, "").await, list.header("x-total-count")), (vec!["Pot".to_owned()], "1"));
        wishes(&ada, &mug).await.is(422).about(&["product"]);
        admin.patch(&product(&mug)).json(&json!({"is_active": true})).await.is(200);
        assert_eq!(names(&ada, "").await.len(), 2);
        admin.patch(&product(&mug)).json(&json!({"is_active": false})).await.is(200);
        ada.delete(&format!("/api/wishlist/{}", mug.id)).await.is(204);
        admin.delete(&product(&pot)).await.is(204);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM wishlist_entries").await, 0, "what is gone for good is on no list");
    }

    async fn a_product_is_removed_from_the_wishlist(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        wishes(&ada, &mug).await.is(201);
        let path = format!("/api/wishlist/{}", mug.id);
        bob.delete(&path).await.is(404).with_code("not_found");
        assert_eq!(names(&bob, "").await, Vec::<String>::new(), "everybody has a list of their own");
        ada.delete(&path).await.is(204);
        ada.delete(&path).await.is(404);
        ada.delete("/api/wishlist/mug").await.is(404);
        assert_eq!(names(&ada, "").await, Vec::<String>::new());
    }

    async fn an_invalid_wishlist_request_is_refused(shop: TestShop) {
        let (ada, visitor) = (shop.customer("ada@example.com").await, shop.visitor());
        for (method, path) in
            [(Method::GET, "/api/wishlist"), (Method::POST, "/api/wishlist"), (Method::DELETE, "/api/wishlist/1")]
        {
            visitor.asks(method, path).await.is(401);
        }
        for wish in [json!({}), json!({"product": null}), json!({"product": "mug"}), json!({"product": 99_999})] {
            ada.post("/api/wishlist").json(&wish).await.is(422).about(&["product"]);
        }
    }
}

async fn wishes(person: &Person, product: &Product) -> crate::support::answer::Answer {
    person.post("/api/wishlist").json(&json!({"product": product.id})).await
}

fn product(product: &Product) -> String {
    format!("/api/products/{}", product.id)
}

async fn names(person: &Person, query: &str) -> Vec<String> {
    let list = person.get(&format!("/api/wishlist{query}")).await.is(200).list();
    let name = |entry: &Value| entry["name"].as_str().unwrap_or_default().to_owned();
    list.iter().map(name).collect()
}
