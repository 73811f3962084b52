//! The catalog: kept by admins, read by everybody.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestShop;

on_both_engines! {
    async fn a_product_is_made_changed_and_taken_away(shop: TestShop) {
        let admin = shop.admin().await;
        let category = admin.post("/api/categories").json(&json!({"name": "Kitchen & Bath"})).await.is(201);
        let brand = admin.post("/api/brands").json(&json!({"name": "Ölwerk"})).await.is(201);
        let new = json!({"name": "Mug", "description": "Holds tea.", "price": 12.5, "stock": 3, "category": category["id"], "brand": brand["id"]});
        let mug = admin.post("/api/products").json(&new).await.is(201);
        let path = format!("/api/products/{}", mug["id"]);
        assert_eq!(mug.header("location"), path);
        assert_eq!(
            (&category["slug"], &brand["slug"], &mug["slug"]),
            (&json!("kitchen-bath"), &json!("ölwerk"), &json!("mug"))
        );
        assert_eq!(
            (&mug["price"], &mug["is_active"], &mug["rating"], &mug["images"]),
            (&json!("12.50"), &json!(true), &json!(null), &json!([]))
        );
        assert_eq!(shop.visitor().get(&path).await.is(200).json(), mug.json());

        shop.time_passes(Duration::from_secs(1));
        let changed = admin.patch(&path).json(&json!({"price": "13.00", "stock": 8})).await.is(200);
        assert_eq!(
            (&changed["price"], &changed["stock"], &changed["name"]),
            (&json!("13.00"), &json!(8), &json!("Mug"))
        );
        assert_ne!(changed["updated_at"], mug["updated_at"]);
        assert_eq!(changed["created_at"], mug["created_at"]);

        admin.delete(&path).await.is(204);
        shop.visitor().get(&path).await.is(404);
        admin.get(&path).await.is(404);
    }

    async fn a_put_keeps_optional_fields_and_null_clears_them(shop: TestShop) {
        let admin = shop.admin().await;
        let category =
            admin.post("/api/categories").json(&json!({"name": "Kitchen", "description": "Pots"})).await.is(201);
        let mug = shop
            .sells("Mug")
            .in_stock(3)
            .with("description", "Holds tea.")
            .with("category", category["id"].clone())
            .await;
        let path = format!("/api/products/{}", mug.id);

        let put = admin.put(&path).json(&json!({"name": "Cup", "price": "9.00"})).await.is(200);
        assert_eq!(
            (&put["name"], &put["description"], &put["stock"], &put["category"]),
            (&json!("Cup"), &json!("Holds tea."), &json!(3), &category["id"])
        );
        admin.put(&path).json(&json!({"name": "Cup"})).await.is(422).about(&["price"]);
        admin.put(&path).json(&put.json()).await.is(200); // what was got can be sent back
        let cleared = admin.patch(&path).json(&json!({"category": null})).await.is(200);
        assert_eq!(cleared["category"], json!(null));

        let kitchen = format!("/api/categories/{}", category["id"]);
        assert_eq!(admin.put(&kitchen).json(&json!({"name": "Cooking"})).await.is(200)["description"], "Pots");
        assert_eq!(shop.visitor().get(&kitchen).await.is(200)["name"], "Cooking");
    }

    async fn names_may_repeat_and_slugs_do_not(shop: TestShop) {
        let admin = shop.admin().await;
        let mut slugs = Vec::new();
        for _ in 0..7 {
            let made = admin.post("/api/products").json(&json!({"name": "Mug", "price": "1.00"})).await.is(201);
            slugs.push(made["slug"].as_str().unwrap().to_owned());
        }
        assert_eq!(slugs[..3], ["mug", "mug-2", "mug-3"]);
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), 7);
    }

    async fn lists_are_filtered(shop: TestShop) {
        let admin = shop.admin().await;
        let kitchen = admin.post("/api/categories").json(&json!({"name": "Kitchen"})).await.is(201)["id"].clone();
        let acme = admin.post("/api/brands").json(&json!({"name": "Acme"})).await.is(201)["id"].clone();
        shop.sells("Mug").at(12_00).in_stock(1).with("category", kitchen.clone()).await;
        shop.sells("Pot").at(30_00).in_stock(0).with("category", kitchen.clone()).with("brand", acme.clone()).await;
        shop.sells("Lamp").at(80_00).in_stock(2).with("brand", acme.clone()).await;
        for (query, wanted) in [
            (format!("category={kitchen}"), vec!["Mug", "Pot"]),
            ("category=kitchen".to_owned(), vec!["Mug", "Pot"]),
            ("category=nowhere".to_owned(), vec![]),
            ("brand=acme".to_owned(), vec!["Lamp", "Pot"]),
            (format!("brand={acme}&category=kitchen"), vec!["Pot"]),
            ("min_price=12.00&max_price=30".to_owned(), vec!["Mug", "Pot"]),
            ("min_price=12.01".to_owned(), vec!["Lamp", "Pot"]),
            ("in_stock=true".to_owned(), vec!["Lamp", "Mug"]),
            ("in_stock=false".to_owned(), vec!["Pot"]),
            ("in_stock=true&brand=acme&max_price=79.99".to_owned(), vec![]),
        ] {
            let list = shop.visitor().get(&format!("/api/products?ordering=name&{query}")).await.is(200);
            let (total, list) = (list.header("x-total-count").to_owned(), list.list());
            let mut found = names(&list);
            found.sort_unstable();
            assert_eq!(found.len().to_string(), total, "{query}");
            assert_eq!(found, wanted, "{query}");
        }
    }

    async fn a_search_finds_pieces_of_words_in_any_case(shop: TestShop) {
        let admin = shop.admin().await;
        let category = admin.post("/api/categories").json(&json!({"name": "Küche"})).await.is(201)["id"].clone();
        let brand = admin.post("/api/brands").json(&json!({"name": "Nordlicht"})).await.is(201)["id"].clone();
        shop.sells("Teetasse Grün").with("category", category).await;
        shop.sells("LAMPE 100% hell").with("description", "a_b c\\d \"zitiert\" it's").with("brand", brand).await;
        shop.sells("XL Regal").with("description", "für die Küche, nimmt Tassen auf").await;
        for (typed, wanted) in [
            ("tasse", vec!["Teetasse Grün", "XL Regal"]),
            ("TASSE", vec!["Teetasse Grün", "XL Regal"]),
            ("grün", vec!["Teetasse Grün"]),
            ("GRÜN", vec!["Teetasse Grün"]),
            ("xl", vec!["XL Regal"]),
            ("x", vec!["XL Regal"]),
            ("ü", vec!["Teetasse Grün"]), // one or two letters by themselves: in names only
            ("ü tasse", vec!["Teetasse Grün", "XL Regal"]),
            ("tasse x", vec!["XL Regal"]),
            ("x l", vec!["XL Regal"]),
            ("küche", vec!["Teetasse Grün", "XL Regal"]),
            ("nordl", vec!["LAMPE 100% hell"]),
            ("tasse küche", vec!["Teetasse Grün", "XL Regal"]),
            ("tasse,grün", vec!["Teetasse Grün"]),
            ("tasse lampe", vec![]),
            ("\"xl regal\"", vec!["XL Regal"]),
            ("\"regal xl\"", vec![]),
            ("%", vec!["LAMPE 100% hell"]),
            ("100%", vec!["LAMPE 100% hell"]),
            ("_", vec![]),
            ("_ 100%", vec!["LAMPE 100% hell"]),
            ("a_b", vec!["LAMPE 100% hell"]),
            ("axb", vec![]),
            ("\\", vec![]),
            ("\\ zitiert", vec!["LAMPE 100% hell"]),
            ("c\\d", vec!["LAMPE 100% hell"]),
            ("it's", vec!["LAMPE 100% hell"]),
            ("'", vec![]),
            ("' lampe", vec!["LAMPE 100% hell"]),
            ("zitiert\"", vec!["LAMPE 100% hell"]),
            ("OR", vec!["LAMPE 100% hell"]), // of Nordlicht
            ("AND", vec![]),
            ("NOT xl", vec![]),
            ("te*", vec![]),
            ("(", vec![]),
            ("   ", vec!["LAMPE 100% hell", "Teetasse Grün", "XL Regal"]),
        ] {
            let list = shop.visitor().get(&format!("/api/products?search={}", encoded(typed))).await.is(200).list();
            let mut found = names(&list);
            found.sort_unstable();
            assert_eq!(found, wanted, "{typed:?}");
        }
    }

    async fn every_error_of_a_query_is_reported_at_once(shop: TestShop) {
        let asked = "/api/products?page=0&per_page=0&ordering=bogus&min_price=x&in_stock=maybe";
        let told = shop.visitor().get(asked).await.is(422).with_code("validation_failed");
        told.about(&["min_price", "in_stock", "ordering", "page", "per_page"]);
        shop.visitor().get("/api/products?ordering=bogus").await.is(422).with_code("invalid_ordering");
    }

    async fn null_clears_a_description(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").with("description", "Blue").await);
        let path = format!("/api/products/{}", mug.id);
        assert_eq!(admin.patch(&path).json(&json!({"stock": 3})).await.is(200)["description"], "Blue");
        assert_eq!(admin.patch(&path).json(&json!({"description": null})).await.is(200)["description"], "");
    }

    async fn products_whose_name_matches_come_first(shop: TestShop) {
        shop.sells("Oak shelf").await;
        shop.sells("Lamp").with("description", "stands on an oak shelf").await;
        let found = shop.visitor().get("/api/products?search=oak").await.is(200);
        assert_eq!(names(&found.list()), ["Oak shelf", "Lamp"], "although the lamp is newer");
        let newest = shop.visitor().get("/api/products?search=oak&ordering=-created_at").await.is(200);
        assert_eq!(names(&newest.list()).len(), 2);
        let renamed = shop.sells("Chair").await;
        shop.admin()
            .await
            .patch(&format!("/api/products/{}", renamed.id))
            .json(&json!({"name": "Oak chair"}))
            .await
            .is(200);
        let found = shop.visitor().get("/api/products?search=oak").await.is(200);
        assert_eq!(names(&found.list()), ["Oak chair", "Oak shelf", "Lamp"]);
        assert_eq!(names(&shop.visitor().get("/api/products?search=chair").await.list()), ["Oak chair"]);
    }

    async fn lists_are_ordered(shop: TestShop) {
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        for (name, price, ratings) in
            [("banana", 3_00, &[(&ada, 4), (&bob, 5)][..]), ("Apple", 2_00, &[]), ("cherry", 2_00, &[(&ada, 5)])]
        {
            let fruit = shop.sells(name).at(price).await;
            shop.time_passes(Duration::from_secs(1));
            for (buyer, rating) in ratings {
                buyer.buys(&fruit).await;
                buyer.reviews(&fruit, *rating).await.is(201);
            }
        }
        shop.runs_its_jobs().await;
        for (ordering, wanted) in [
            ("", ["cherry", "Apple", "banana"]),
            ("price", ["Apple", "cherry", "banana"]),
            ("-price", ["banana", "Apple", "cherry"]),
            ("name", ["Apple", "banana", "cherry"]),
            ("-name", ["cherry", "banana", "Apple"]),
            ("created_at", ["banana", "Apple", "cherry"]),
            ("-created_at", ["cherry", "Apple", "banana"]),
            ("rating", ["banana", "cherry", "Apple"]),
            ("-rating", ["cherry", "banana", "Apple"]),
            ("price,-created_at", ["cherry", "Apple", "banana"]),
        ] {
            let list = shop.visitor().get(&format!("/api/products?ordering={ordering}")).await.is(200);
            assert_eq!(names(&list.list()), wanted, "{ordering}");
        }
        let rated = shop.visitor().get("/api/products?ordering=rating").await;
        assert_eq!((&rated.list()[0]["rating"], &rated.list()[2]["rating"]), (&json!(4.5), &json!(null)));
    }

    async fn lists_have_pages(shop: TestShop) {
        for number in 1..=5 {
            shop.sells(&format!("Mug {number}")).await;
        }
        let page = shop.visitor().get("/api/products?ordering=name&per_page=2&page=2").await.is(200);
        assert_eq!(names(&page.list()), ["Mug 3", "Mug 4"]);
        assert_eq!(page.header("x-total-count"), "5");
        for (rel, number) in [("first", 1), ("prev", 1), ("next", 3), ("last", 3)] {
            let link = format!("</api/products?ordering=name&per_page=2&page={number}>; rel=\"{rel}\"");
            assert!(page.header("link").contains(&link), "{}", page.header("link"));
        }
        assert_eq!(shop.visitor().get("/api/products?page=9").await.is(200).list(), Vec::<Value>::new());
        assert_eq!(shop.visitor().get("/api/categories").await.is(200).header("x-total-count"), "0");
    }

    async fn a_current_etag_gets_304(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let admin = shop.admin().await;
        let category = admin.post("/api/categories").json(&json!({"name": "Kitchen"})).await.is(201);
        for path in [
            format!("/api/products/{}", mug.id),
            "/api/products".to_owned(),
            format!("/api/categories/{}", category["id"]),
            "/api/categories".to_owned(),
        ] {
            let first = shop.visitor().get(&path).await.is(200);
            let tag = first.header("etag").to_owned();
            assert!(!tag.is_empty() && first.header("cache-control") == "public, no-cache", "{first}");
            let again = shop.visitor().get(&path).header("if-none-match", &tag).await.is(304);
            assert_eq!((again.bytes().len(), again.header("etag")), (0, tag.as_str()));
            shop.visitor().get(&path).header("if-none-match", "\"other\"").await.is(200);

            admin.patch(&format!("/api/products/{}", mug.id))
                .json(&json!({"name": format!("Mug of {path}")}))
                .await
                .is(200);
            admin.patch(&format!("/api/categories/{}", category["id"]))
                .json(&json!({"name": format!("Room of {path}")}))
                .await
                .is(200);
            let changed = shop.visitor().get(&path).header("if-none-match", &tag).await.is(200);
            assert_ne!(changed.header("etag"), tag);
        }
        assert_eq!(
            admin.get("/api/products").await.is(200).header("cache-control"),
            "no-store",
            "what admins see is theirs"
        );
    }

    async fn the_cache_forgets_what_was_changed(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (visitor, admin, path) = (shop.visitor(), shop.admin().await, format!("/api/products/{}", mug.id));
        let sees = async || {
            (
                visitor.get(&path).await.status,
                visitor.get("/api/products").await.list().len(),
                visitor.get("/api/categories").await.list().len(),
            )
        };
        assert_eq!(sees().await, (200, 1, 0));
        shop.sells("Pot").await;
        admin.post("/api/categories").json(&json!({"name": "Kitchen"})).await.is(201);
        assert_eq!(sees().await, (200, 2, 1));
        assert_eq!(visitor.get(&path).await["stock"], 5);
        shop.customer("ada@example.com").await.buys(&mug).await;
        assert_eq!(visitor.get(&path).await["stock"], 4, "an order is seen at once where the product is shown");
        admin.patch(&path).json(&json!({"is_active": false})).await.is(200);
        assert_eq!(sees().await, (404, 1, 1));
        admin.patch(&path).json(&json!({"is_active": true})).await.is(200);
        assert_eq!(sees().await, (200, 2, 1));
        admin.delete(&path).await.is(204);
        assert_eq!(sees().await, (404, 1, 1));
        shop.runs_its_jobs().await;
    }

    async fn inactive_products_exist_for_admins_only(shop: TestShop) {
        let mug = shop.sells("Mug").with("is_active", false).await;
        shop.sells("Pot").await;
        let (admin, ada, path) =
            (shop.admin().await, shop.customer("ada@example.com").await, format!("/api/products/{}", mug.id));
        for person in [&shop.visitor(), &ada] {
            person.get(&path).await.is(404).with_code("not_found");
            assert_eq!(names(&person.get("/api/products").await.list()), ["Pot"]);
            assert_eq!(names(&person.get("/api/products?is_active=false").await.list()), ["Pot"]);
        }
        assert_eq!(admin.get(&path).await.is(200)["is_active"], false);
        assert_eq!(admin.get("/api/products").await.list().len(), 2);
        assert_eq!(names(&admin.get("/api/products?is_active=false").await.list()), ["Mug"]);
        assert_eq!(names(&admin.get("/api/products?is_active=true").await.list()), ["Pot"]);
    }

    async fn a_product_that_was_ordered_is_deactivated_instead_of_deleted(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, admin, path) =
            (shop.customer("ada@example.com").await, shop.admin().await, format!("/api/products/{}", mug.id));
        let order = ada.buys(&mug).await;
        ada.puts_in_cart(&mug, 1).await.is(201);
        admin.delete(&path).await.is(204);
        shop.visitor().get(&path).await.is(404);
        assert_eq!(admin.get(&path).await.is(200)["is_active"], false);
        assert_eq!(ada.sees(&order).await["items"][0]["name"], "Mug");
        assert_eq!(ada.cart().await["items"][0]["available"], false);
        shop.runs_its_jobs().await;
    }

    async fn a_category_or_brand_with_products_stays(shop: TestShop) {
        let admin = shop.admin().await;
        for (kind, field) in [("categories", "category"), ("brands", "brand")] {
            let made = admin.post(&format!("/api/{kind}")).json(&json!({"name": "Kitchen"})).await.is(201);
            let path = format!("/api/{kind}/{}", made["id"]);
            let mug = shop.sells("Mug").with(field, made["id"].clone()).await;
            admin.delete(&path).await.is(409).with_code("in_use");
            admin.delete(&format!("/api/products/{}", mug.id)).await.is(204);
            admin.delete(&path).await.is(204);
            admin.delete(&path).await.is(404);
            shop.visitor().get(&path).await.is(404);
        }
    }

    async fn a_count_of_the_stock_is_a_movement(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (admin, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        for stock in [9, 9, 0, 2] {
            assert_eq!(admin.patch(&path).json(&json!({"stock": stock})).await.is(200)["stock"], stock);
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM stock_movements").await, 4);
    }
}

fn names(list: &[Value]) -> Vec<&str> {
    list.iter().filter_map(|thing| thing["name"].as_str()).collect()
}

/// Every byte escaped: right for any query, if not pretty.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
