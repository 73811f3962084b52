//! How many statements a request makes: as many for a hundred lines as for one.

use serde_json::json;

use crate::support::{Product, TestShop, answer::Answer};

/// Of these, one finds the caller's session.
const ADD_TO_CART: u64 = 5;
/// As above, and two for the `Idempotency-Key`.
const CHECKOUT: u64 = 12;

on_both_engines! {
    async fn a_checkout_makes_as_many_statements_for_forty_lines_as_for_one(shop: TestShop) {
        let products = products(&shop, 40).await;
        let ada = shop.customer("ada@example.com").await;
        for lines in [1, 3, 40] {
            for product in &products[..lines] {
                ada.puts_in_cart(product, 1).await.is(201);
            }
            let key = format!("{lines} lines");
            let order = ada.post("/api/orders").header("idempotency-key", &key);
            let order = order.json(&json!({"shipping_address": "Lake Road 1"}));
            let (statements, placed) = counting(&shop, order).await;
            assert_eq!(placed.is(201)["items"].as_array().map(Vec::len), Some(lines));
            assert!(statements <= CHECKOUT, "{statements} statements for {lines} lines");
        }
        shop.runs_its_jobs().await;
    }

    async fn adding_to_a_cart_makes_as_many_statements_whatever_is_in_it(shop: TestShop) {
        let products = products(&shop, 20).await;
        let ada = shop.customer("ada@example.com").await;
        for product in &products {
            let (statements, added) = counting(&shop, ada.puts_in_cart(product, 1)).await;
            added.is(201);
            assert!(statements <= ADD_TO_CART, "{statements} statements");
        }
    }
}

async fn products(shop: &TestShop, count: usize) -> Vec<Product> {
    let mut products = Vec::new();
    for number in 0..count {
        products.push(shop.sells(&format!("Mug {number}")).in_stock(100).await);
    }
    products
}

/// How many statements the shop makes for a request, and its response.
async fn counting(shop: &TestShop, request: impl IntoFuture<Output = Answer>) -> (u64, Answer) {
    let before = shop.db().statements();
    let answer = request.await;
    (shop.db().statements() - before, answer)
}
