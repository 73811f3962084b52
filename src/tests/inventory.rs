//! Stock as the storeroom sees it: what there is, what is held, and every change with its reason.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Order, Person, Product, TestShop, answer::Answer};

on_both_engines! {
    async fn stock_of_orders_that_are_not_shipped_is_reserved(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").in_stock(10).await, shop.sells("Pot").in_stock(3).await);
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let stands = async || {
            let list = admin.get("/api/admin/inventory").await.is(200).list();
            let of = |product: &Product| list.iter().find(|found| found["product"] == product.id).unwrap().clone();
            (of(&mug)["stock"].clone(), of(&mug)["reserved"].clone(), of(&pot)["reserved"].clone())
        };
        assert_eq!(stands().await, (json!(10), json!(0), json!(0)));
        let sent: Order = ada.places_order(&[(&mug, 2), (&pot, 1)]).await.is(201).json().into();
        let cancelled: Order = ada.places_order(&[(&mug, 4)]).await.is(201).json().into();
        assert_eq!(stands().await, (json!(4), json!(6), json!(1)));
        ada.cancels(&cancelled).await.is(200);
        admin.sets_status(&sent, "confirmed").await.is(200);
        assert_eq!(stands().await, (json!(8), json!(2), json!(1)));
        admin.sets_status(&sent, "shipped").await.is(200);
        assert_eq!(stands().await, (json!(8), json!(0), json!(0)));
        shop.runs_its_jobs().await;
    }

    async fn the_inventory_list_has_every_product(shop: TestShop) {
        let admin = shop.admin().await;
        for (name, active) in [("Oak shelf", true), ("Oak lamp", false), ("Mug", true)] {
            shop.sells(name).with("is_active", active).await;
        }
        let names = async |query: &str| {
            let list = admin.get(&format!("/api/admin/inventory{query}")).await.is(200);
            let names = list.list().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
            (names.join(", "), list.header("x-total-count").to_owned())
        };
        assert_eq!(names("").await, ("Mug, Oak lamp, Oak shelf".to_owned(), "3".to_owned()));
        assert_eq!(names("?search=oak").await, ("Oak lamp, Oak shelf".to_owned(), "2".to_owned()));
        assert_eq!(names("?per_page=1&page=2").await, ("Oak lamp".to_owned(), "3".to_owned()));
        let bad = format!("/api/admin/inventory?page=0&search={}", "x".repeat(201));
        admin.get(&bad).await.is(422).about(&["page", "search"]);
    }

    async fn an_adjustment_changes_the_stock_and_says_why(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (admin, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        assert_eq!(shop.visitor().get(&path).await["stock"], 5);
        let adjusted = adjusts(&admin, &mug, json!(-2), "Two broke in the storeroom").await.is(200);
        assert_eq!(adjusted.json(), json!({"product": mug.id, "name": "Mug", "stock": 3, "reserved": 0}));
        assert_eq!(shop.visitor().get(&path).await["stock"], 3, "the cache forgot what it knew");
        assert_eq!(adjusts(&admin, &mug, json!(4), "Found").await.is(200)["stock"], 7);

        let movements = admin.get("/api/admin/inventory/movements").await.is(200).list();
        let told: Vec<(Value, Value)> =
            movements.iter().map(|movement| (movement["delta"].clone(), movement["reason"].clone())).collect();
        let wanted = [(4, "Found"), (-2, "Two broke in the storeroom"), (5, "received")];
        assert_eq!(told, wanted.map(|(delta, reason)| (json!(delta), json!(reason))));
    }

    async fn stock_stays_in_its_range(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let admin = shop.admin().await;
        let refused = adjusts(&admin, &mug, json!(-6), "Lost").await.is(409).with_code("out_of_stock");
        assert_eq!(refused["available"], 5);
        adjusts(&admin, &mug, json!(2_147_483_643_i64), "Typo").await.is(409).with_code("stock_out_of_range");
        assert_eq!(shop.stock_of(&mug).await, 5);
        adjusts(&admin, &mug, json!(-5), "Lost").await.is(200);
        adjusts(&admin, &mug, json!(2_147_483_647_i64), "Found").await.is(200);
        assert_eq!(shop.stock_of(&mug).await, 2_147_483_647);
    }

    async fn an_adjustment_is_validated_in_the_documented_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, admin, path) =
            (shop.customer("ada@example.com").await, shop.admin().await, format!("/api/admin/inventory/{}/adjust", mug.id));
        shop.visitor().post(&path).json(&json!({})).await.is(401);
        ada.post(&path).json(&json!({})).await.is(403).with_code("forbidden");
        admin.post("/api/admin/inventory/99999/adjust").json(&json!({})).await.is(404);
        admin.post(&path).json(&json!({})).await.is(422).about(&["delta", "reason"]);
        for delta in [json!(0), json!(1.5), json!("1"), json!(null), json!(2_147_483_648_i64), json!(-2_147_483_648_i64)] {
            adjusts(&admin, &mug, delta, "Found").await.is(422).about(&["delta"]);
        }
        adjusts(&admin, &mug, json!(1), "").await.is(422).about(&["reason"]);
        adjusts(&admin, &mug, json!(1), &"x".repeat(256)).await.is(422).about(&["reason"]);
        assert_eq!(shop.stock_of(&mug).await, 5);
    }

    async fn movements_name_their_order(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").in_stock(5).await, shop.sells("Pot").in_stock(0).await);
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let order = ada.buys(&mug).await;
        ada.cancels(&order).await.is(200);
        admin.patch(&format!("/api/products/{}", pot.id)).json(&json!({"stock": 2})).await.is(200);

        let path = format!("/api/admin/inventory/movements?product={}", mug.id);
        let list = admin.get(&path).await.is(200);
        let told = |movement: &Value| (movement["delta"].clone(), movement["reason"].clone(), movement["order"].clone());
        assert_eq!(
            list.list().iter().map(told).collect::<Vec<_>>(),
            [
                (json!(1), json!("returned"), json!(order.id)),
                (json!(-1), json!("ordered"), json!(order.id)),
                (json!(5), json!("received"), json!(null)),
            ]
        );
        assert_eq!(list.list()[0]["product"], mug.id);
        assert_eq!(list.list()[0]["created_at"], shop.now().to_string());
        let page = admin.get(&format!("{path}&per_page=2&page=2")).await.is(200);
        assert_eq!((page.list().len(), page.header("x-total-count")), (1, "3"));
        assert_eq!(admin.get("/api/admin/inventory/movements").await.list().len(), 4);
        assert_eq!(admin.get("/api/admin/inventory/movements?product=99999").await.is(200).list().len(), 0);
        admin.get("/api/admin/inventory/movements?product=mug&per_page=0").await.is(422).about(&["product", "per_page"]);
        shop.runs_its_jobs().await;
    }

    async fn a_count_leaves_what_orders_hold_out_of_the_stock(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(10).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let order: Order = ada.places_order(&[(&mug, 3)]).await.is(201).json().into();
        let stands = |stock: i64| json!({"product": mug.id, "name": "Mug", "stock": stock, "reserved": 3});
        assert_eq!(counts(&admin, &mug, json!({"counted": 9})).await.is(200).json(), stands(6));
        assert_eq!(shop.visitor().get(&format!("/api/products/{}", mug.id)).await["stock"], 6);
        assert_eq!(counts(&admin, &mug, json!({"counted": 9, "reason": null})).await.is(200).json(), stands(6));
        let spring = json!({"counted": 12, "reason": "Stocktaking in spring"});
        assert_eq!(counts(&admin, &mug, spring).await.is(200).json(), stands(9));

        let told = admin.get(&format!("/api/admin/inventory/movements?product={}", mug.id)).await.is(200).list();
        let told: Vec<(Value, Value)> =
            told.iter().map(|movement| (movement["delta"].clone(), movement["reason"].clone())).collect();
        let wanted = [(3, "Stocktaking in spring"), (-1, "counted"), (-3, "ordered"), (10, "received")];
        assert_eq!(told, wanted.map(|(delta, reason)| (json!(delta), json!(reason))), "a count that agrees moves nothing");

        admin.sets_status(&order, "confirmed").await.is(200);
        admin.sets_status(&order, "shipped").await.is(200);
        let after = counts(&admin, &mug, json!({"counted": 9})).await.is(200);
        assert_eq!((&after["stock"], &after["reserved"]), (&json!(9), &json!(0)), "nine lie there since three were sent");
        shop.runs_its_jobs().await;
    }

    async fn a_count_below_what_orders_hold_is_refused(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(10).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        ada.places_order(&[(&mug, 3)]).await.is(201);
        let refused = counts(&admin, &mug, json!({"counted": 2})).await.is(409).with_code("count_below_reserved");
        assert_eq!(refused["reserved"], 3);
        assert_eq!(shop.stock_of(&mug).await, 7);
        assert_eq!(counts(&admin, &mug, json!({"counted": 3})).await.is(200)["stock"], 0);
        shop.runs_its_jobs().await;
    }

    async fn a_count_is_validated_in_the_documented_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        counts(&shop.visitor(), &mug, json!({})).await.is(401);
        counts(&ada, &mug, json!({})).await.is(403).with_code("forbidden");
        admin.post("/api/admin/inventory/99999/count").json(&json!({})).await.is(404);
        counts(&admin, &mug, json!({"reason": ""})).await.is(422).about(&["counted", "reason"]);
        for counted in [json!(-1), json!(1.5), json!("1"), json!(null), json!(2_147_483_648_i64)] {
            counts(&admin, &mug, json!({"counted": counted})).await.is(422).about(&["counted"]);
        }
        assert_eq!(counts(&admin, &mug, json!({"counted": 2_147_483_647})).await.is(200)["stock"], 2_147_483_647);
        assert_eq!(counts(&admin, &mug, json!({"counted": 0})).await.is(200)["stock"], 0);
    }

    async fn concurrent_counts_orders_and_cancellations_agree_on_the_stock(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(14).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let mut orders = Vec::new();
        for _ in 0..4 {
            orders.push(ada.buys(&mug).await);
        }
        let hands = (0..12).map(|number| {
            let (ada, admin, mug, order) = (ada.clone(), admin.clone(), mug.clone(), orders[number / 3].clone());
            async move {
                match number % 3 {
                    0 => counts(&admin, &mug, json!({"counted": 12})).await.status,
                    1 => ada.places_order(&[(&mug, 1)]).await.status,
                    _ => ada.cancels(&order).await.status,
                }
            }
        });
        let answers = futures_util::future::join_all(hands).await;
        assert!(answers.iter().all(|status| [200, 201].contains(status)), "{answers:?}");
        let stands = admin.get("/api/admin/inventory").await.is(200).list()[0].clone();
        assert_eq!((&stands["stock"], &stands["reserved"]), (&json!(8), &json!(4)), "twelve lie there");
        shop.runs_its_jobs().await;
    }

    async fn only_admins_see_the_inventory(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        for path in ["", "/movements", "/reconciliation"] {
            let path = format!("/api/admin/inventory{path}");
            shop.visitor().get(&path).await.is(401);
            ada.get(&path).await.is(403);
            ada.asks(Method::DELETE, &path).await.is(405);
        }
    }

    async fn concurrent_adjustments_and_orders_lose_no_unit(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let takes = (0..8).map(|number| {
            let (ada, admin, mug) = (ada.clone(), admin.clone(), mug.clone());
            async move {
                match number % 2 {
                    0 => ada.places_order(&[(&mug, 1)]).await.status == 201,
                    _ => adjusts(&admin, &mug, json!(-1), "Gone").await.status == 200,
                }
            }
        });
        let taken = futures_util::future::join_all(takes).await.into_iter().filter(|taken| *taken).count();
        assert_eq!((taken, shop.stock_of(&mug).await), (5, 0));
        shop.runs_its_jobs().await;
    }
}

async fn adjusts(admin: &Person, product: &Product, delta: Value, reason: &str) -> Answer {
    let adjustment = json!({"delta": delta, "reason": reason});
    admin.post(&format!("/api/admin/inventory/{}/adjust", product.id)).json(&adjustment).await
}

async fn counts(admin: &Person, product: &Product, count: Value) -> Answer {
    admin.post(&format!("/api/admin/inventory/{}/count", product.id)).json(&count).await
}
