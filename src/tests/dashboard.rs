//! The dashboard: figures that are exact, for admins only.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Order, Person, TestShop, shop::BEGINNING};

const DAY: Duration = Duration::from_hours(24);

on_both_engines! {
    async fn the_totals_are_exact(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        shop.sells("Pot").with("is_active", false).await;
        shop.sells("Pan").in_stock(0).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let order = ada.buys(&mug).await;
        ada.buys(&mug).await;
        ada.cancels(&order).await.is(200);
        for (of, total) in [("users", 2), ("orders", 2), ("products", 2)] {
            let answer = admin.get(&format!("/api/dashboard/total-{of}")).await.is(200);
            assert_eq!(answer.json(), json!({"total": total}), "{of}");
        }
        shop.runs_its_jobs().await;
    }

    async fn only_admins_see_the_dashboard(shop: TestShop) {
        let (ada, visitor) = (shop.customer("ada@example.com").await, shop.visitor());
        for figure in ["total-users", "total-orders", "total-products", "sales", "top-products", "low-stock"] {
            let path = format!("/api/dashboard/{figure}?from=nonsense&threshold=x");
            visitor.get(&path).await.is(401);
            ada.get(&path).await.is(403).with_code("forbidden");
        }
    }

    async fn sales_are_listed_by_day(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").at(12_00).await, shop.sells("Pot").at(30_50).await);
        let mut ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 2), (&pot, 1)]).await.is(201);
        ada.buys(&mug).await;
        let cancelled = ada.buys(&pot).await;
        ada.cancels(&cancelled).await.is(200);
        shop.time_passes(2 * DAY);
        ada.signs_in().await;
        ada.buys_online(&pot).await;

        assert_eq!(
            sales(&shop, "from=2025-01-14&to=2025-01-18").await,
            json!([
                {"period": "2025-01-14", "orders": 0, "units": 0, "revenue": "0.00"},
                {"period": "2025-01-15", "orders": 2, "units": 4, "revenue": "66.50"},
                {"period": "2025-01-16", "orders": 0, "units": 0, "revenue": "0.00"},
                {"period": "2025-01-17", "orders": 1, "units": 1, "revenue": "30.50"},
                {"period": "2025-01-18", "orders": 0, "units": 0, "revenue": "0.00"},
            ])
        );
        shop.runs_its_jobs().await;
    }

    async fn a_day_is_a_day_in_utc(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let day = 86_400_000_000;
        let left = u64::try_from(day - BEGINNING.micros() % day).unwrap();
        shop.time_passes(Duration::from_micros(left - 1));
        assert_eq!(shop.now().to_string(), "2025-01-15T23:59:59.999999Z");
        ada.places_order(&[(&mug, 1)]).await.is(201);
        shop.time_passes(Duration::from_micros(1));
        ada.places_order(&[(&mug, 2)]).await.is(201);
        let units: Vec<Value> = sales(&shop, "from=2025-01-15&to=2025-01-16")
            .await
            .as_array()
            .into_iter()
            .flatten()
            .map(|period| period["units"].clone())
            .collect();
        assert_eq!(units, [1, 2]);
        shop.runs_its_jobs().await;
    }

    async fn sales_are_listed_by_week_and_by_month(shop: TestShop) {
        let mug = shop.sells("Mug").at(1_00).await;
        let mut ada = shop.customer("ada@example.com").await;
        for days in [0, 4, 1, 12] {
            shop.time_passes(days * DAY);
            ada.signs_in().await;
            ada.buys(&mug).await;
        }
        // Wednesday 15, Sunday 19, Monday 20 January; Saturday 1 February.
        let told = async |query: &str| {
            let periods = sales(&shop, query).await;
            let told = |period: &Value| format!("{} {}", period["period"].as_str().unwrap(), period["orders"]);
            periods.as_array().unwrap().iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(
            told("from=2025-01-15&to=2025-02-01&interval=week").await,
            ["2025-01-13 2", "2025-01-20 1", "2025-01-27 1"]
        );
        assert_eq!(told("from=2025-01-16&to=2025-01-19&interval=week").await, ["2025-01-13 1"], "only the days asked for");
        assert_eq!(
            told("from=2024-12-31&to=2025-03-01&interval=month").await,
            ["2024-12-01 0", "2025-01-01 3", "2025-02-01 1", "2025-03-01 0"]
        );
        shop.runs_its_jobs().await;
    }

    async fn sales_cover_the_last_thirty_days_by_default(shop: TestShop) {
        let days = async |query: &str| {
            let told = sales(&shop, query).await;
            let told = told.as_array().unwrap().clone();
            (told.len(), told[0]["period"].clone(), told.last().unwrap()["period"].clone())
        };
        assert_eq!(days("").await, (30, json!("2024-12-17"), json!("2025-01-15")));
        assert_eq!(days("from=2025-01-10").await, (6, json!("2025-01-10"), json!("2025-01-15")));
        assert_eq!(days("to=2024-03-01").await, (30, json!("2024-02-01"), json!("2024-03-01")));
        assert_eq!(days("interval=month").await, (2, json!("2024-12-01"), json!("2025-01-01")));
        assert_eq!(days("from=2025-01-15&to=2027-10-11").await.0, 1_000);
    }

    async fn top_products_are_ordered_by_units_sold(shop: TestShop) {
        let mug = shop.sells("Mug").at(1_00).await;
        let (pot, pan) = (shop.sells("Pot").at(30_00).await, shop.sells("Pan").at(20_00).await);
        shop.sells("Lid").await;
        let (mut ada, mut admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let lost = ada.places_order(&[(&pan, 9)]).await.is(201);
        ada.cancels(&Order::from(lost.json())).await.is(200);
        ada.places_order(&[(&mug, 3), (&pan, 2)]).await.is(201);
        admin.patch(&format!("/api/products/{}", mug.id)).json(&json!({"name": "Cup", "price": "5.00"})).await.is(200);
        admin.delete(&format!("/api/products/{}", pan.id)).await.is(204);
        shop.time_passes(DAY);
        ada.signs_in().await;
        admin.signs_in().await;
        ada.places_order(&[(&mug, 1), (&pot, 2)]).await.is(201);

        let (cup, pot, pan) = (
            |units: i64, revenue: &str| json!({"product": mug.id, "name": "Cup", "units": units, "revenue": revenue}),
            json!({"product": pot.id, "name": "Pot", "units": 2, "revenue": "60.00"}),
            json!({"product": pan.id, "name": "Pan", "units": 2, "revenue": "40.00"}),
        );
        let top = async |query: &str| admin.get(&format!("/api/dashboard/top-products?{query}")).await.is(200).list();
        assert_eq!(top("").await, [cup(4, "8.00"), pot.clone(), pan.clone()], "at the prices of their orders");
        assert_eq!(top("limit=2").await, [cup(4, "8.00"), pot]);
        assert_eq!(top("to=2025-01-15").await, [cup(3, "3.00"), pan]);
        assert_eq!(top("from=2025-01-17&to=2025-01-18").await, Vec::<Value>::new());
        shop.runs_its_jobs().await;
    }

    async fn low_stock_products_are_listed_scarcest_first(shop: TestShop) {
        for (name, stock) in [("Six", 6), ("Five", 5), ("None", 0), ("Two", 2)] {
            shop.sells(name).in_stock(stock).await;
        }
        shop.sells("Hidden").in_stock(1).with("is_active", false).await;
        let admin = shop.admin().await;
        let low = async |query: &str| {
            let list = admin.get(&format!("/api/dashboard/low-stock?{query}")).await.is(200);
            let names: Vec<String> =
                list.list().iter().map(|product| product["name"].as_str().unwrap().to_owned()).collect();
            (names.join(" "), list.header("x-total-count").to_owned())
        };
        assert_eq!(low("").await, ("None Two Five".to_owned(), "3".to_owned()));
        assert_eq!(low("threshold=0").await, ("None".to_owned(), "1".to_owned()));
        assert_eq!(low("threshold=6&per_page=2&page=2").await, ("Five Six".to_owned(), "4".to_owned()));
        let shown = admin.get("/api/dashboard/low-stock?threshold=0").await.list()[0].clone();
        assert_eq!(shown, admin.get(&format!("/api/products/{}", shown["id"])).await.json(), "the catalog's own product");
    }

    async fn invalid_dashboard_queries_are_refused(shop: TestShop) {
        let admin = shop.admin().await;
        for (query, fields) in [
            ("sales?from=2025-01-16", &["from"][..]),
            ("sales?from=2025-01-10&to=2025-01-09", &["from"]),
            ("sales?from=2025-02-29&to=soon", &["from", "to"]),
            ("sales?interval=year&to=1", &["interval", "to"]),
            ("sales?from=2025-01-15&to=2027-10-12", &["from"]),
            ("sales?from=0001-01-01&to=9999-12-31&interval=month", &["from"]),
            ("top-products?limit=0&from=x", &["limit", "from"]),
            ("top-products?limit=101", &["limit"]),
            ("low-stock?threshold=-1&page=0", &["threshold", "page"]),
            ("low-stock?threshold=few", &["threshold"]),
        ] {
            admin.get(&format!("/api/dashboard/{query}")).await.is(422).about(fields);
        }
        assert_eq!(sales(&shop, "from=9999-12-30&to=9999-12-31").await.as_array().map(Vec::len), Some(2));
    }
}

async fn sales(shop: &TestShop, query: &str) -> Value {
    let mut admin: Person = shop.admin().await;
    admin.signs_in().await;
    admin.get(&format!("/api/dashboard/sales?{query}")).await.is(200).json()
}
