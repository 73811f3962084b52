//! The currency of the prices: it is changed by converting them, and never by naming it otherwise.

use serde_json::{Value, json};

use crate::{
    crashes::{crash_on_both_engines, survives},
    support::{Engine, TestShop, programs::Site},
};

const CSV: &str = "Handle,Title,Variant Price,Variant Inventory Qty\nmug,Mug,3.00,5\n";

crash_on_both_engines! {
    async fn a_changed_currency_setting_does_not_start(site: Site) {
        let admin = sells_a_mug_and_closes(&site).await;
        site.set("STORE_CURRENCY", "EUR");
        site.set("INLINE_WORKERS", "true");
        std::fs::write(site.folder.path().join("products.csv"), CSV).expect("a file");
        let expected = "STORE_CURRENCY=EUR: the prices in the database are in USD; convert them with \
                        `cartwright currency EUR --rate RATE`, RATE being what 1 USD is in EUR, or set STORE_CURRENCY=USD";
        for (program, args) in [
            ("cartwright", &["serve"][..]), ("email-worker", &[]), ("payment-worker", &[]), ("stock-worker", &[]),
            ("cartwright", &["import", "products", "products.csv"]), ("cartwright", &["seed", "--demo"]),
        ] {
            let (succeeded, said) = site.runs(program, args).await;
            assert_eq!((succeeded, said.lines().last()), (false, Some(expected)), "{program} {args:?}: {said}");
        }
        let doctor = site.runs("cartwright", &["doctor"]).await.1;
        assert!(doctor.contains(&format!("FAIL  prices        {expected}")), "{doctor}");

        site.set("STORE_CURRENCY", "USD");
        let api = site.opens().await;
        let (_, products) = site.get("/api/products", &admin).await.expect("an answer");
        assert_eq!(prices(&products), ["12.50"]);
        assert_eq!(api.stops(), Some(0));
    }
}

crash_on_both_engines! {
    async fn prices_are_converted_and_what_was_sold_is_not(site: Site) {
        let admin = sells_a_mug_and_closes(&site).await;
        let converted = site.runs("cartwright", &["currency", "EUR", "--rate", "0.9124"]).await;
        let said = "converted 1 price from USD to EUR, 1 USD = 0.9124 EUR; set STORE_CURRENCY=EUR and restart the programs";
        assert_eq!(converted, (true, said.to_owned()));
        site.set("STORE_CURRENCY", "EUR");
        let api = site.opens().await;
        let get = async |path: &str| site.get(path, &admin).await.expect("an answer").1;
        assert_eq!(prices(&get("/api/products").await), ["11.41"]); // 11.405, rounded to what can be paid
        let mug = get("/api/products").await[0]["id"].clone();
        let order = json!({"items": [{"product": mug, "quantity": 2}], "shipping_address": "12 Mill Lane"});
        assert_eq!(site.post("/api/orders", &admin, None, &order).await.expect("an answer").0, 201);

        let orders = get("/api/orders").await;
        let totals: Vec<&Value> = orders.as_array().expect("a list").iter().map(|order| &order["total_price"]).collect();
        assert_eq!(totals, ["22.82", "12.50"], "an order keeps what it was placed for");
        let sales = get("/api/dashboard/sales?interval=month").await;
        let sold: Vec<&Value> = sales.as_array().expect("a list").iter().filter(|sold| sold["orders"] != 0).collect();
        assert_eq!(sold.len(), 1, "{sales}");
        assert_eq!([&sold[0]["orders"], &sold[0]["units"], &sold[0]["revenue"]], [&json!(1), &json!(2), &json!("22.82")]);
        let top = get("/api/dashboard/top-products").await;
        assert_eq!([&top[0]["units"], &top[0]["revenue"]], [&json!(2), &json!("22.82")], "{top}");
        assert_eq!(api.stops(), Some(0));
    }
}

crash_on_both_engines! {
    async fn prices_are_converted_between_currencies_of_other_decimals(site: Site) {
        let admin = sells_a_mug_and_closes(&site).await;
        for (to, rate, price) in [("JPY", "147.36", "1842"), ("KWD", "0.00205", "3.776"), ("USD", "3.26", "12.31")] {
            let (succeeded, said) = site.runs("cartwright", &["currency", to, "--rate", rate]).await;
            assert!(succeeded, "{said}");
            assert_eq!(site.runs("cartwright", &["currency"]).await, (true, format!("the prices are in {to}")));
            site.set("STORE_CURRENCY", to);
            let api = site.opens().await;
            assert_eq!(prices(&site.get("/api/products", &admin).await.expect("an answer").1), [price]);
            assert_eq!(api.stops(), Some(0));
        }
    }
}

crash_on_both_engines! {
    async fn a_conversion_that_makes_no_sense_changes_nothing(site: Site) {
        sells_a_mug_and_closes(&site).await;
        for (args, why) in [
            (&["EUR"][..], "--rate is required"),
            (&["EUR", "--rate", "0"], "write a number above 0, like 0.92"),
            (&["EUR", "--rate", "-1"], "write a number above 0, like 0.92"),
            (&["EUR", "--rate", "a lot"], "write a number above 0, like 0.92"),
            (&["EUR", "--rate", "1.0000000001"], "write a number above 0, like 0.92"),
            (&["euro", "--rate", "1"], "an ISO 4217 code"),
            (&["USD", "--rate", "2"], "the prices are already in USD"),
            (&["JPY", "--rate", "0.03"], "product 1 would cost nothing"),
            (&["JPY", "--rate", "99999999999"], "product 1 would cost more than 999999999999"),
        ] {
            let (succeeded, said) = site.runs("cartwright", &[&["currency"], args].concat()).await;
            assert!(!succeeded && said.contains(why), "{args:?}: {said}");
        }
        assert_eq!(site.count("SELECT CAST(SUM(price) AS BIGINT) FROM products").await, 12_50);
        assert_eq!(site.runs("cartwright", &["currency"]).await, (true, "the prices are in USD".to_owned()));
    }
}

crash_on_both_engines! {
    async fn an_older_database_has_the_currency_of_its_newest_order(site: Site) {
        sells_a_mug_and_closes(&site).await;
        forgets_the_currency(&site).await;
        site.set("STORE_CURRENCY", "EUR");
        let (succeeded, said) = site.runs("cartwright", &["serve"]).await;
        assert!(!succeeded && said.contains("the prices in the database are in USD"), "{said}");
        site.set("STORE_CURRENCY", "USD");
        assert_eq!(site.opens().await.stops(), Some(0));
    }
}

crash_on_both_engines! {
    async fn a_shop_without_products_may_change_its_currency(site: Site) {
        for currency in ["USD", "EUR", "JPY"] {
            site.set("STORE_CURRENCY", currency);
            assert_eq!(site.opens().await.stops(), Some(0), "{currency}");
        }
    }
}

on_both_engines! {
    async fn the_dashboard_adds_up_one_currency(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 2)]).await.is(201);
        shop.tampers("UPDATE orders SET currency = 'JPY'").await; // of before the prices were converted
        ada.places_order(&[(&mug, 3)]).await.is(201);
        let admin = shop.admin().await;
        let sales = admin.get("/api/dashboard/sales?from=2025-01-15").await.is(200).json();
        assert_eq!(sales, json!([{"period": "2025-01-15", "orders": 1, "units": 3, "revenue": "36.00"}]));
        let top = admin.get("/api/dashboard/top-products").await.is(200).json();
        assert_eq!(top, json!([{"product": mug.id, "name": "Mug", "units": 3, "revenue": "36.00"}]));
        assert_eq!(admin.get("/api/dashboard/total-orders").await.is(200)["total"], 2);
        shop.runs_its_jobs().await;
    }

    async fn no_order_uses_a_currency_that_the_prices_have_left(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        shop.tampers("INSERT INTO price_currency (id, currency) VALUES (1, 'EUR')").await; // while this program was running
        ada.places_order(&[(&mug, 1)]).await.is(503).with_code("currency_changed");
        assert_eq!(shop.stock_of(&mug).await, 9);
        shop.tampers("UPDATE price_currency SET currency = 'USD'").await;
        ada.places_order(&[(&mug, 1)]).await.is(201);
        shop.runs_its_jobs().await;
    }
}

/// A shop in US dollars sells a mug for 12.50, and one of them. The admin's token.
async fn sells_a_mug_and_closes(site: &Site) -> String {
    let api = site.opens().await;
    let admin = site.admin().await;
    let mug = site.sells(&admin, "Mug", 9).await;
    let order = json!({"items": [{"product": mug, "quantity": 1}]});
    assert_eq!(site.post("/api/orders", &admin, None, &order).await.expect("an answer").0, 201);
    assert_eq!(api.stops(), Some(0));
    admin
}

async fn forgets_the_currency(site: &Site) {
    let mut tx = site.db.write().await.expect("a transaction");
    tx.query("DELETE FROM price_currency").execute().await.expect("the currency is kept there");
    tx.commit().await.expect("it is forgotten");
}

fn prices(products: &Value) -> Vec<&str> {
    products.as_array().expect("a list").iter().filter_map(|product| product["price"].as_str()).collect()
}
