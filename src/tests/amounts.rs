//! Amounts in currencies without decimals and with three: what the shop writes it takes back, wherever it takes an amount.

use serde_json::{Value, json};

use crate::{
    providers::{deliver_webhooks, refunds},
    support::TestShop,
};

on_both_engines! {
    async fn a_shop_without_decimals_takes_what_it_writes(shop: TestShop) {
        let yen = opens_in("JPY", &shop).await;
        takes_what_it_writes(&yen, &["0", "1", "1842", "99999999999", "999999999999"]).await;
        refuses(&yen, &["1.5", "1000000000000", "-1", "1e3", "1,000"]).await;
        imports(&yen, "999999999999").await;
    }

    async fn a_shop_with_three_decimals_takes_what_it_writes(shop: TestShop) {
        let dinars = opens_in("KWD", &shop).await;
        takes_what_it_writes(&dinars, &["0.000", "0.001", "1.500", "12345678.901", "999999999.999"]).await;
        refuses(&dinars, &["0.0001", "1000000000", "9999999999", "-1", "1e3"]).await;
        imports(&dinars, "999999999.999").await;
    }

    async fn refunds_are_written_with_the_currencys_decimals(shop: TestShop) {
        for (code, paid, part, rest) in
            [("JPY", "1842", json!("842"), json!(1000)), ("KWD", "1.840", json!("0.840"), json!(1.000))]
        {
            let shop = opens_in(code, &shop).await;
            let mug = shop.sells("Mug").with("price", paid).await;
            let ada = shop.customer(&format!("{}@example.com", code.to_lowercase())).await;
            let order = ada.buys_online(&mug).await;
            let payment = ada.pays_with("pm_card_visa", &order).await;
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["captured"], paid);
            for amount in [part, rest] {
                refunds(&shop.admin().await, &payment, &json!({"amount": amount})).await.is(202);
            }
            deliver_webhooks(&shop).await;
            assert_eq!(ada.looks_at(&payment).await["refunded"], paid);
        }
    }
}

/// The same shop beside itself, with prices in another currency.
async fn opens_in(code: &str, shop: &TestShop) -> TestShop {
    let currency = code.parse().expect("a currency");
    shop.opens_again(|settings| settings.store.currency = currency).await
}

/// As text and as a number.
fn written(amount: &str) -> [Value; 2] {
    [amount.into(), serde_json::from_str(amount).expect("an amount is a number")]
}

async fn takes_what_it_writes(shop: &TestShop, amounts: &[&str]) {
    let (admin, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
    for amount in amounts {
        let mug = shop.sells("Mug").with("price", *amount).await;
        assert_eq!(mug.json["price"], *amount);
        for written in written(amount) {
            let change = json!({"price": written});
            let changed = admin.patch(&format!("/api/products/{}", mug.id)).json(&change).await.is(200);
            assert_eq!(changed["price"], *amount);
            let order = json!({"items": [{"product": mug.id, "quantity": 1}], "expected_total": written});
            let placed = ada.post("/api/orders").json(&order).await.is(201);
            assert_eq!(placed["total_price"], *amount);
        }
        let found = shop.visitor().get(&format!("/api/products?min_price={amount}&max_price={amount}")).await.is(200);
        assert_eq!(found.list()[0]["id"], mug.id);
    }
    shop.runs_its_jobs().await;
}

async fn refuses(shop: &TestShop, amounts: &[&str]) {
    let (admin, bob) = (shop.admin().await, shop.customer("bob@example.com").await);
    let mug = shop.sells("Mug").with("price", "1").await;
    for amount in amounts {
        admin.post("/api/products").json(&json!({"name": "Pot", "price": amount})).await.is(422).about(&["price"]);
        let order = json!({"items": [{"product": mug.id, "quantity": 1}], "expected_total": amount});
        bob.post("/api/orders").json(&order).await.is(422).about(&["expected_total"]);
        shop.visitor().get(&format!("/api/products?min_price={amount}")).await.is(422).about(&["min_price"]);
    }
}

async fn imports(shop: &TestShop, price: &str) {
    let csv = format!("Handle,Title,Variant Price,Variant Inventory Qty\nring,Ring,{price},5\n");
    shop.imports(&csv, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
    assert_eq!(shop.product_named("Ring").await["price"], price);
}
