//! Products found by what they are called in addresses and on shelves: slug and SKU.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Product, TestShop};

on_both_engines! {
    async fn a_product_is_found_by_its_slug(shop: TestShop) {
        let (visitor, admin) = (shop.visitor(), shop.admin().await);
        for (name, slug) in [("Oak shelf", "oak-shelf"), ("Reviews", "reviews"), ("Images", "images"), ("Café Crème", "caf%C3%A9-cr%C3%A8me")] {
            let made = shop.sells(name).await;
            let found = visitor.get(&by_slug(slug)).await.is(200);
            let same = visitor.get(&by_id(&made)).await.is(200);
            assert_eq!((found.json(), found.header("etag")), (same.json(), same.header("etag")));
            assert_eq!(found.header("cache-control"), "public, no-cache");
            visitor.get(&by_slug(slug)).header("if-none-match", found.header("etag")).await.is(304);
            visitor.get(&format!("{}/", by_slug(slug))).await.is(200);
            admin.patch(&by_id(&made)).json(&json!({"is_active": false})).await.is(200);
            visitor.get(&by_slug(slug)).await.is(404).with_code("not_found");
            assert_eq!(admin.get(&by_slug(slug)).await.is(200)["id"], made.id);
        }
        for unknown in ["oak", "OAK-SHELF", "oak-shelf%00", "1", &"x".repeat(3_000)] {
            visitor.get(&by_slug(unknown)).await.is(404).with_code("not_found");
        }
        visitor.asks(Method::DELETE, &by_slug("oak-shelf")).await.is(405);
    }

    async fn a_slug_is_chosen_by_who_runs_the_shop(shop: TestShop) {
        let admin = shop.admin().await;
        let (mug, cup) = (shop.sells("Mug").with("slug", "tea-mug").await, shop.sells("Cup").await);
        assert_eq!((&mug.json["slug"], &cup.json["slug"]), (&json!("tea-mug"), &json!("cup")));
        let new = |slug: Value| admin.post("/api/products").json(&json!({"name": "Pot", "price": "1.00", "slug": slug}));
        new(json!("cup")).await.is(409).with_code("slug_taken");
        assert_eq!(new(json!(null)).await.is(201)["slug"], "pot");
        let path = by_id(&mug);
        for method in [Method::PUT, Method::PATCH] {
            let change = |slug: Value| {
                admin.asks(method.clone(), &path).json(&json!({"name": "Mug", "price": "1.00", "slug": slug}))
            };
            for wrong in ["", "Tea", "tea mug", "tea--mug", "-tea", "tea-", "tea/mug", "tea_mug", ".", "téa?", &"x".repeat(201)] {
                change(json!(wrong)).await.is(422).about(&["slug"]);
            }
            change(json!(7)).await.is(422).about(&["slug"]);
            change(json!("cup")).await.is(409).with_code("slug_taken");
            for (slug, now) in [(json!("tasse-für-tee-2"), "tasse-für-tee-2"), (json!(null), "tasse-für-tee-2"), (json!("tea-mug"), "tea-mug")] {
                assert_eq!(change(slug).await.is(200)["slug"], now);
            }
        }
        assert_eq!(admin.patch(&path).json(&json!({"name": "Beaker"})).await.is(200)["slug"], "tea-mug", "links go on working");
        let long = shop.sells(&"word ".repeat(50)).await;
        let copy = admin.get(&by_id(&long)).await.is(200);
        admin.put(&by_id(&long)).json(&copy.json()).await.is(200); // what was shown can be sent
    }

    async fn an_earlier_slug_still_leads_to_its_product(shop: TestShop) {
        let (admin, visitor) = (shop.admin().await, shop.visitor());
        let mug = shop.sells("Mug").await;
        visitor.get(&by_slug("mug")).await.is(200);
        let calls = async |product: &Product, slug: &str| {
            admin.patch(&by_id(product)).json(&json!({"slug": slug})).await.is(200);
        };
        let leads = async |slug: &str| {
            let answer = visitor.get(&by_slug(slug)).await;
            (answer.status, answer.header("location").to_owned(), answer["id"].as_i64())
        };
        let moved = |slug: &str| (301, by_slug(slug), None);
        calls(&mug, "tea-mug").await;
        assert_eq!(leads("mug").await, moved("tea-mug"));
        let told = visitor.get(&by_slug("mug")).await;
        assert_eq!((told.header("cache-control"), told.bytes().len()), ("public, no-cache", 0), "it may change again");
        assert_eq!(admin.get(&by_slug("mug")).await.is(301).header("location"), by_slug("tea-mug"));
        calls(&mug, "großer-becher").await;
        for old in ["mug", "tea-mug"] {
            assert_eq!(leads(old).await, moved("gro%C3%9Fer-becher"), "straight to the newest");
        }
        calls(&mug, "mug").await;
        assert_eq!(leads("mug").await, (200, String::new(), Some(mug.id)));
        assert_eq!(leads("tea-mug").await, moved("mug"));

        // A slug that is made leaves old links alone; one that is chosen takes them over.
        let made = shop.sells("Tea mug").await;
        assert_eq!(made.json["slug"], "tea-mug-2");
        calls(&made, "tea-mug").await;
        assert_eq!(leads("tea-mug").await, (200, String::new(), Some(made.id)));
        let chosen = shop.sells("Pot").with("slug", "tea-mug-2").await;
        assert_eq!(leads("tea-mug-2").await, (200, String::new(), Some(chosen.id)));

        admin.patch(&by_id(&mug)).json(&json!({"slug": "beaker", "is_active": false})).await.is(200);
        assert_eq!(leads("mug").await.0, 404, "nobody hears what a hidden product is called");
        admin.delete(&by_id(&mug)).await.is(204);
        admin.get(&by_slug("mug")).await.is(404);
        assert_eq!(shop.sells("Beaker").await.json["slug"], "beaker");
    }

    async fn a_product_found_by_slug_is_never_stale(shop: TestShop) {
        let (admin, visitor, mug) = (shop.admin().await, shop.visitor(), shop.sells("Mug").in_stock(5).await);
        let sees = async |field: &str| visitor.get(&by_slug("mug")).await.is(200)[field].clone();
        assert_eq!(sees("stock").await, 5);
        shop.customer("ada@example.com").await.buys(&mug).await;
        assert_eq!(sees("stock").await, 4);
        admin.patch(&by_id(&mug)).json(&json!({"price": "3.00"})).await.is(200);
        assert_eq!(sees("price").await, "3.00");
        admin.delete(&by_id(&mug)).await.is(204);
        visitor.get(&by_slug("mug")).await.is(404);
        // It was ordered, so it is hidden and not gone, and keeps its slug.
        let cup = json!({"name": "Cup", "price": "1.00", "slug": "mug"});
        admin.post("/api/products").json(&cup).await.is(409).with_code("slug_taken");
        shop.runs_its_jobs().await;
    }

    async fn a_product_is_found_by_its_sku(shop: TestShop) {
        let (admin, visitor) = (shop.admin().await, shop.visitor());
        let mug = shop.sells("Mug").with("sku", "M-1").await;
        let pot = shop.sells("Pot").await;
        assert_eq!((&mug.json["sku"], &pot.json["sku"]), (&json!("M-1"), &json!(null)));
        let found = async |sku: &str| -> Vec<Value> {
            let list = visitor.get(&format!("/api/products?sku={sku}")).await.is(200);
            assert_eq!(list.header("x-total-count"), list.list().len().to_string());
            list.list().iter().map(|product| product["name"].clone()).collect()
        };
        assert_eq!(found("M-1").await, ["Mug"]);
        for other in ["m-1", "M-", "M-1%20", "%25"] {
            assert_eq!(found(other).await, Vec::<Value>::new(), "{other}");
        }
        assert_eq!(found("").await.len(), 2);
        admin.get("/api/products?sku=a&sku=b&page=0").await.is(422).about(&["sku", "page"]);

        admin.post("/api/products").json(&json!({"name": "Cup", "price": "1.00", "sku": "M-1"})).await.is(409).with_code("sku_taken");
        for method in [Method::PUT, Method::PATCH] {
            let change = |sku: Value| admin.asks(method.clone(), &by_id(&pot)).json(&json!({"name": "Pot", "price": "1.00", "sku": sku}));
            change(json!("M-1")).await.is(409).with_code("sku_taken");
            for wrong in [json!(""), json!(7), json!("x".repeat(256))] {
                change(wrong).await.is(422).about(&["sku"]);
            }
            assert_eq!(change(json!("P-1")).await.is(200)["sku"], "P-1");
            assert_eq!(found("P-1").await, ["Pot"]);
            assert_eq!(admin.patch(&by_id(&pot)).json(&json!({"name": "Pot"})).await.is(200)["sku"], "P-1");
            assert_eq!(change(json!(null)).await.is(200)["sku"], json!(null));
            assert_eq!(found("P-1").await, Vec::<Value>::new());
        }
        admin.patch(&by_id(&mug)).json(&json!({"sku": null})).await.is(200);
        admin.patch(&by_id(&pot)).json(&json!({"sku": "M-1"})).await.is(200);
    }

    async fn of_concurrent_products_with_one_slug_or_sku_one_is_created(shop: TestShop) {
        let admin = shop.admin().await;
        for (field, code) in [("slug", "slug_taken"), ("sku", "sku_taken")] {
            let new = json!({"name": "Mug", "price": "1.00", field: "new"});
            let made = join_all((0..5).map(|_| async { admin.post("/api/products").json(&new).await })).await;
            let (one, others): (Vec<_>, Vec<_>) = made.into_iter().partition(|answer| answer.status == 201);
            assert_eq!(one.len(), 1);
            for answer in others {
                answer.is(409).with_code(code);
            }
            let products = join_all((0..5).map(|_| async { shop.sells("Cup").await })).await;
            let change = json!({field: "changed"});
            let changed = join_all(products.iter().map(|product| async { admin.patch(&by_id(product)).json(&change).await })).await;
            let (one, others): (Vec<_>, Vec<_>) = changed.into_iter().partition(|answer| answer.status == 200);
            assert_eq!(one.len(), 1);
            for answer in others {
                answer.is(409).with_code(code);
            }
        }
    }
}

fn by_slug(slug: &str) -> String {
    format!("/api/products/by-slug/{slug}")
}

fn by_id(product: &Product) -> String {
    format!("/api/products/{}", product.id)
}
