//! Placing an order, from the cart or of named products.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestShop, people::money};

on_both_engines! {
    async fn an_order_from_the_cart_takes_the_stock_and_empties_the_cart(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(5).await;
        let pot = shop.sells("Pot").at(30_50).in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 2).await.is(201);
        ada.puts_in_cart(&pot, 1).await.is(201);

        let order = ada.checks_out().await.is(201);

        assert_eq!(order["status"], "pending");
        assert_eq!(order["payment_status"], "unpaid");
        assert_eq!(order["payment_method"], "cash_on_delivery");
        assert_eq!(order["shipping_address"], "12 St James's Square");
        assert_eq!(order["total_price"], "54.50");
        assert_eq!(order["user"], ada.id);
        assert_eq!(order.header("location"), format!("/api/orders/{}", order["id"]));
        assert_eq!(
            names_and_subtotals(&order.json()),
            [("Mug".into(), "24.00".into()), ("Pot".into(), "30.50".into())]
        );
        assert_eq!(ada.cart().await["total_items"], 0);
        assert_eq!((shop.stock_of(&mug).await, shop.stock_of(&pot).await), (3, 4));
        shop.runs_its_jobs().await;
    }

    async fn an_order_of_named_products_leaves_the_cart_alone(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 1).await.is(201);

        let order = ada.places_order(&[(&mug, 2), (&mug, 3)]).await.is(201);

        assert_eq!(order["items"].as_array().map(Vec::len), Some(1), "a product named twice is one line");
        assert_eq!(order["items"][0]["quantity"], 5);
        assert_eq!(ada.cart().await["total_items"], 1);
        shop.runs_its_jobs().await;
    }

    async fn an_order_keeps_the_name_and_price_of_its_moment(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;

        let dearer = json!({"name": "Cup", "price": "99.00"});
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&dearer).await.is(200);

        let seen = ada.sees(&order).await;
        assert_eq!(seen["total_price"], "12.00");
        assert_eq!(names_and_subtotals(&seen), [("Mug".into(), "12.00".into())]);
        shop.runs_its_jobs().await;
    }

    async fn a_price_in_the_request_changes_nothing(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let wish = json!({
            "items": [{"product": mug.id, "quantity": 1, "price": "0.01"}],
            "status": "delivered", "payment_status": "paid", "total_price": "0.01", "user": 1,
        });
        let order = ada.post("/api/orders").json(&wish).await.is(201);
        assert_eq!(
            (&order["total_price"], &order["status"], &order["payment_status"]),
            (&json!("12.00"), &json!("pending"), &json!("unpaid"))
        );
        assert_eq!(order["user"], ada.id);
        shop.runs_its_jobs().await;
    }

    async fn a_total_other_than_expected_is_refused(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(3).await;
        let ada = shop.customer("ada@example.com").await;
        let order = |expected: &str| json!({"items": [{"product": mug.id, "quantity": 2}], "expected_total": expected});

        let refused = ada.post("/api/orders").json(&order("20.00")).await.is(409).with_code("total_changed");
        assert_eq!(refused["total_price"], "24.00");
        assert_eq!(shop.stock_of(&mug).await, 3);

        ada.post("/api/orders").json(&order("24.00")).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn an_empty_cart_cannot_be_ordered(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        ada.checks_out().await.is(409).with_code("cart_empty");
        ada.post("/api/orders").json(&json!({"items": []})).await.is(422).about(&["items"]);
    }

    async fn out_of_stock_names_each_line_and_takes_nothing(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(1).await;
        let pot = shop.sells("Pot").in_stock(7).await;
        let cup = shop.sells("Cup").in_stock(0).await;
        let ada = shop.customer("ada@example.com").await;

        let refused = ada.places_order(&[(&mug, 2), (&pot, 3), (&cup, 1)]).await.is(409).with_code("out_of_stock");

        assert_eq!(
            refused["lines"],
            json!([
                {"product": mug.id, "name": "Mug", "quantity": 2, "available": 1},
                {"product": cup.id, "name": "Cup", "quantity": 1, "available": 0},
            ])
        );
        assert_eq!(shop.stock_of(&pot).await, 7);
        assert_eq!(ada.orders().await, Vec::<Value>::new());
    }

    async fn every_error_of_an_order_is_reported_at_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        let items = json!([
            {"product": mug.id, "quantity": 9999},
            {"product": 987_654, "quantity": 1},
            {"product": mug.id, "quantity": 1},
            {"product": 987_655, "quantity": 1},
            {"product": 987_654, "quantity": 2},
        ]);
        let wish = json!({"items": items, "expected_total": "1.001"});
        let faults =
            ["items[1].product", "items[2].quantity", "items[3].product", "items[4].product", "expected_total"];
        ada.post("/api/orders").json(&wish).once("tuesday").await.is(422).about(&faults);
        assert_eq!(shop.stock_of(&mug).await, 9);
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn a_total_that_is_too_large_is_refused(shop: TestShop) {
        let ring = shop.sells("Ring").at(999_999_999_999).in_stock(9).await;
        let pin = shop.sells("Pin").at(1).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&ring, 2)]).await.is(422).with_code("amount_out_of_range");
        ada.places_order(&[(&ring, 1), (&pin, 1)]).await.is(422).with_code("amount_out_of_range");
        let order = ada.places_order(&[(&ring, 1)]).await.is(201);
        assert_eq!(order["total_price"], money(999_999_999_999));
        shop.runs_its_jobs().await;
    }

    async fn twenty_concurrent_buyers_share_the_last_five(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let emails: Vec<String> = (0..20).map(|number| format!("buyer{number}@example.com")).collect();
        let buyers = join_all(emails.iter().map(|email| shop.customer(email))).await;

        let answers = join_all(buyers.iter().map(|buyer| buyer.places_order(&[(&mug, 1)]).into_future())).await;

        let (bought, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!((bought.len(), refused.len()), (5, 15));
        for answer in refused {
            answer.is(409).with_code("out_of_stock");
        }
        assert_eq!(shop.stock_of(&mug).await, 0);
        shop.runs_its_jobs().await;
    }

    async fn two_concurrent_orders_from_one_cart_are_one_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 2).await.is(201);

        let (one, other) = tokio::join!(ada.checks_out(), ada.checks_out());

        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{one}\n{other}");
        assert_eq!(shop.stock_of(&mug).await, 3);
        shop.runs_its_jobs().await;
    }
}

fn names_and_subtotals(order: &Value) -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    order["items"].as_array().into_iter().flatten().map(|line| (text(line, "name"), text(line, "subtotal"))).collect()
}
