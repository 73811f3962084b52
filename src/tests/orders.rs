//! Orders: the checkout, and what becomes of it.

use std::time::Duration;

use cartwright::checkout::jobs::ExpireUnpaid;
use futures_util::future::join_all;
use platform::jobs::Job;
use serde_json::{Value, json};

use crate::support::{
    Order, Person, TestShop,
    answer::{Answer, Ask},
    people::money,
};

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

    async fn a_total_other_than_shown_is_refused(shop: TestShop) {
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

    async fn an_order_goes_to_the_profile_s_address_or_has_none(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.patch("/api/profile").json(&json!({"address": null})).await.is(200);
        let without = ada.places_order(&[(&mug, 1)]).await.is(201);
        assert_eq!(without["shipping_address"], "");
        let path = format!("/api/orders/{}", without["id"]);
        assert_eq!(ada.put(&path).json(&without.json()).await.is(200).json(), without.json(), "it may be sent back");
        shop.runs_its_jobs().await;
        let mail = &shop.mail().mails()[0];
        for said in [mail.text(), mail.html()] {
            assert!(!said.contains("Delivery address") && !said.contains("is right"), "{said}");
        }

        ada.patch("/api/profile").json(&json!({"address": "5 Quay", "city": "Bristol", "country": "UK"})).await.is(200);
        let order = ada.places_order(&[(&mug, 1)]).await.is(201);
        assert_eq!(order["shipping_address"], "5 Quay\nBristol\nUK");
        let named = ada.patch(&path).json(&json!({"shipping_address": "6 Quay"})).await.is(200);
        assert_eq!(named["shipping_address"], "6 Quay");
        shop.runs_its_jobs().await;
    }

    async fn what_is_lacking_is_named_line_by_line_and_nothing_is_taken(shop: TestShop) {
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

    async fn what_customers_cannot_see_does_not_exist_for_them(shop: TestShop) {
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

    async fn what_was_in_the_cart_keeps_its_name_when_it_leaves_the_shop(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        ada.puts_in_cart(&mug, 1).await.is(201);
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&json!({"is_active": false})).await.is(200);
        let refused = ada.checks_out().await.is(409).with_code("product_unavailable");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("Mug")), "{refused}");
        let refused = bob.places_order(&[(&mug, 1)]).await.is(422).about(&["items[0].product"]);
        assert!(!refused.text().contains("Mug"), "{refused}");
    }

    async fn everything_that_is_wrong_with_an_order_is_told_at_once(shop: TestShop) {
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

    async fn an_order_goes_elsewhere_until_it_has_left(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").await, shop.admin().await);
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let order = ada.buys(&mug).await;
        let path = format!("/api/orders/{}", order.id);
        let elsewhere = json!({"shipping_address": "5 Quay\nBristol"});

        shop.time_passes(Duration::from_secs(1));
        let changed = ada.patch(&path).json(&elsewhere).await.is(200);
        assert_eq!(changed["shipping_address"], "5 Quay\nBristol");
        assert_ne!(changed["updated_at"], order.json["updated_at"]);
        assert_eq!(ada.patch(&path).json(&json!({})).await.is(200).bytes(), changed.bytes());
        let mut sent_back = changed.json();
        sent_back["status"] = json!("delivered");
        sent_back["total_price"] = json!("0.01");
        assert_eq!(ada.put(&path).json(&sent_back).await.is(200).bytes(), changed.bytes());
        boss.moves(&order, "confirmed").await.is(200);
        assert_eq!(boss.put(&path).json(&json!({"shipping_address": "6 Quay"})).await.is(200)["status"], "confirmed");

        for blank in [json!(""), json!(" \n"), json!(null), json!(7), json!("x".repeat(1001))] {
            let blank = json!({"shipping_address": blank});
            ada.patch(&path).json(&blank).await.is(422).about(&["shipping_address"]);
            ada.put(&path).json(&blank).await.is(422).about(&["shipping_address"]);
        }
        ada.put(&path).json(&json!({})).await.is(422).about(&["shipping_address"]);
        eve.put(&path).json(&json!({})).await.is(404);
        eve.patch("/api/orders/987654").json(&elsewhere).await.is(404);
        shop.visitor().patch(&path).json(&elsewhere).await.is(401);

        boss.moves(&order, "shipped").await.is(200);
        ada.patch(&path).json(&elsewhere).await.is(409).with_code("order_already_shipped");
        let other = ada.buys(&mug).await;
        ada.cancels(&other).await.is(200);
        let cancelled = format!("/api/orders/{}", other.id);
        ada.put(&cancelled).json(&elsewhere).await.is(409).with_code("order_cancelled");
        assert_eq!(ada.sees(&order).await["shipping_address"], "6 Quay");
        shop.runs_its_jobs().await;
    }

    async fn orders_are_filtered_and_ordered(shop: TestShop) {
        let (pin, pot) = (shop.sells("Pin").at(1_00).await, shop.sells("Pot").at(30_00).await);
        let boss = shop.admin().await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let mut placed = Vec::new();
        for (buyer, product) in [(&ada, &pot), (&ada, &pin), (&bob, &pot), (&bob, &pin)] {
            shop.time_passes(Duration::from_secs(1));
            placed.push(buyer.buys(product).await);
        }
        let [first, second, third, fourth] = placed.try_into().expect("four orders");
        boss.moves(&first, "confirmed").await.is(200);
        ada.wants_to_pay(&second).await.is(202);
        bob.cancels(&fourth).await.is(200);

        let user = |person: &Person| format!("?user={}", person.id);
        for (person, query, wanted) in [
            (&boss, "?status=pending".to_owned(), vec![&third, &second]),
            (&boss, "?status=cancelled&payment_status=unpaid".to_owned(), vec![&fourth]),
            (&boss, "?payment_status=processing".to_owned(), vec![&second]),
            (&boss, user(&ada), vec![&second, &first]),
            (&boss, "?user=987654".to_owned(), vec![]),
            (&boss, "?status=&user=".to_owned(), vec![&fourth, &third, &second, &first]),
            (&boss, "?ordering=created_at".to_owned(), vec![&first, &second, &third, &fourth]),
            (&boss, "?ordering=-created_at".to_owned(), vec![&fourth, &third, &second, &first]),
            (&boss, "?ordering=total_price".to_owned(), vec![&second, &fourth, &first, &third]),
            (&boss, "?ordering=-total_price,-created_at".to_owned(), vec![&third, &first, &fourth, &second]),
            (&ada, user(&ada), vec![&second, &first]),
            (&ada, user(&bob), vec![]),
            (&ada, "?status=confirmed".to_owned(), vec![&first]),
        ] {
            let page = person.get(&format!("/api/orders{query}")).await.is(200);
            let wanted: Vec<i64> = wanted.into_iter().map(|order| order.id).collect();
            assert_eq!(ids(&page.list()), wanted, "{query}");
            assert_eq!(page.header("x-total-count"), wanted.len().to_string(), "{query}");
        }
        let page = boss.get("/api/orders?status=pending&ordering=total_price&per_page=1&page=2").await.is(200);
        assert_eq!((ids(&page.list()), page.header("x-total-count")), (vec![third.id], "2"));
        let prev = "</api/orders?status=pending&ordering=total_price&per_page=1&page=1>; rel=\"prev\"";
        assert!(page.header("link").contains(prev), "{}", page.header("link"));

        boss.get("/api/orders?ordering=user").await.is(422).with_code("invalid_ordering");
        let wrong = "?status=lost&payment_status=lent&user=me&ordering=created_at,price&page=0";
        let wrong = boss.get(&format!("/api/orders{wrong}")).await.is(422);
        wrong.about(&["status", "payment_status", "user", "ordering", "page"]);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_and_body_give_the_first_order_again(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;

        let first = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        let again = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);

        assert_eq!(again.bytes(), first.bytes());
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        assert_eq!(shop.stock_of(&mug).await, 4);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_with_another_body_is_refused(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        ada.places_order(&[(&mug, 2)]).once("tuesday").await.is(422).with_code("idempotency_key_reused");
        assert_eq!(shop.stock_of(&mug).await, 4);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_of_another_customer_is_another_key(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let hers = ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        let his = bob.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        assert_ne!(hers["id"], his["id"]);
        shop.runs_its_jobs().await;
    }

    async fn a_refused_order_does_not_spend_its_key(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(0).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(409).with_code("out_of_stock");
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&json!({"stock": 1})).await.is(200);
        ada.places_order(&[(&mug, 1)]).once("tuesday").await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn the_same_key_ten_times_at_the_same_moment_is_one_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(50).await;
        let ada = shop.customer("ada@example.com").await;

        let answers = join_all((0..10).map(|_| ada.places_order(&[(&mug, 1)]).once("now").into_future())).await;

        let orders: Vec<Value> = answers.into_iter().map(|answer| answer.is(201)["id"].clone()).collect();
        assert!(orders.iter().all(|id| *id == orders[0]), "{orders:?}");
        assert_eq!(shop.stock_of(&mug).await, 49);
        shop.runs_its_jobs().await;
    }

    async fn twenty_buyers_at_once_share_the_last_five(shop: TestShop) {
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

    async fn two_orders_from_one_cart_at_once_are_one_order(shop: TestShop) {
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

    async fn cancelling_an_order_returns_its_stock_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(1).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;

        let cancelled = ada.cancels(&order).await.is(200);
        let again = ada.cancels(&order).await.is(200);
        ada.delete(&format!("/api/orders/{}", order.id)).await.is(204);

        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(again.bytes(), cancelled.bytes());
        assert_eq!(shop.stock_of(&mug).await, 1);
        shop.runs_its_jobs().await;
    }

    async fn ten_cancellations_at_once_return_the_stock_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(1).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        for answer in join_all((0..10).map(|_| ada.cancels(&order))).await {
            assert_eq!(answer.is(200)["status"], "cancelled");
        }
        assert_eq!(shop.stock_of(&mug).await, 1);
        shop.runs_its_jobs().await;
    }

    async fn an_order_moves_forward_over_any_steps_and_never_back(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").in_stock(20).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let ways: [&[&str]; 5] = [
            &["Confirmed", "SHIPPED", "delivered"],
            &["shipped", "delivered"],
            &["confirmed", "delivered"],
            &["delivered"],
            &["shipped"],
        ];
        for way in ways {
            let order = ada.buys(&mug).await;
            let mut been = vec!["pending".to_owned()];
            for step in way {
                assert_eq!(boss.moves(&order, step).await.is(200)["status"], step.to_lowercase());
                been.push(step.to_lowercase());
                for back in &been {
                    boss.moves(&order, back).await.is(409).with_code("invalid_transition");
                }
            }
            boss.moves(&order, "cancelled").await.is(409).with_code("invalid_transition");
            ada.cancels(&order).await.is(409).with_code("invalid_transition");
        }
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 5 + ways.concat().len(), "an e-mail for each order and each step");

        let order = ada.buys(&mug).await;
        boss.moves(&order, "lost").await.is(422).about(&["status"]);
        ada.moves(&order, "confirmed").await.is(403).with_code("forbidden");
        boss.moves(&order, "cancelled").await.is(200);
        boss.moves(&order, "shipped").await.is(409).with_code("invalid_transition");
        shop.runs_its_jobs().await;
    }

    async fn cash_is_taken_at_the_door_also_of_an_order_that_skipped_steps(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        ada.wants_to_pay(&order).await.is(202);
        boss.moves(&order, "shipped").await.is(200);
        boss.moves(&order, "delivered").await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.standing_of(&order).await, ("delivered".to_owned(), "paid".to_owned()));
    }

    async fn an_unpaid_order_that_an_admin_sends_does_not_run_out_of_time(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").in_stock(5).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys_online(&mug).await;
        boss.moves(&order, "shipped").await.is(200);
        shop.time_passes(Duration::from_hours(2));
        ExpireUnpaid {}.run(shop.inside()).await.expect("the time is looked at");
        assert_eq!((ada.sees(&order).await["status"].clone(), shop.stock_of(&mug).await), (json!("shipped"), 4));
        shop.runs_its_jobs().await;
    }

    async fn orders_are_found_by_number_email_and_day(shop: TestShop) {
        let shop = shop.opens_again(|settings| settings.accounts.access_token_ttl = Duration::from_hours(72)).await;
        let (mug, boss) = (shop.sells("Mug").await, shop.admin().await);
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let first = ada.buys(&mug).await; // on 15 January 2025
        shop.time_passes(Duration::from_hours(24));
        let second = bob.buys(&mug).await;
        shop.time_passes(Duration::from_hours(24));
        let third = ada.buys(&mug).await;
        let number = |order: &Order| order.json["order_number"].as_str().expect("a number").to_owned();

        for (person, query, wanted) in [
            (&boss, format!("number={}", number(&second)), vec![&second]),
            (&boss, format!("number=%20{}", number(&second).to_lowercase()), vec![&second]),
            (&boss, "number=20250115".to_owned(), vec![]),
            (&boss, "email=ADA@example.com".to_owned(), vec![&third, &first]),
            (&boss, "email=ada".to_owned(), vec![]),
            (&boss, "from=2025-01-16".to_owned(), vec![&third, &second]),
            (&boss, "to=2025-01-16".to_owned(), vec![&second, &first]),
            (&boss, "from=2025-01-16&to=2025-01-16".to_owned(), vec![&second]),
            (&boss, "from=2025-01-17&to=2025-01-15".to_owned(), vec![]),
            (&boss, "email=ada@example.com&to=2025-01-15".to_owned(), vec![&first]),
            (&ada, format!("number={}", number(&first)), vec![&first]),
            (&ada, format!("number={}", number(&second)), vec![]),
            (&ada, "email=bob@example.com".to_owned(), vec![]),
            (&ada, "from=2025-01-16".to_owned(), vec![&third]),
            (&ada, "number=&email=&from=&to=".to_owned(), vec![&third, &first]),
        ] {
            let page = person.get(&format!("/api/orders?{query}")).await.is(200);
            let wanted: Vec<i64> = wanted.into_iter().map(|order| order.id).collect();
            assert_eq!(ids(&page.list()), wanted, "{query}");
            assert_eq!(page.header("x-total-count"), wanted.len().to_string(), "{query}");
        }
        boss.get("/api/orders?from=yesterday&to=2025-13-01").await.is(422).about(&["from", "to"]);
        shop.runs_its_jobs().await;
    }

    async fn somebody_elses_order_is_not_there(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let order = ada.buys(&mug).await;

        let theirs = eve.get(&format!("/api/orders/{}", order.id)).await.is(404).with_code("not_found");
        let nobodys = eve.get("/api/orders/987654").await.is(404);
        assert_eq!(theirs["detail"], nobodys["detail"]);
        eve.cancels(&order).await.is(404);
        eve.delete(&format!("/api/orders/{}", order.id)).await.is(404);
        assert_eq!(eve.orders().await, Vec::<Value>::new());
        assert_eq!(shop.admin().await.sees(&order).await["user"], ada.id);
        assert_eq!(ada.sees(&order).await["status"], "pending");
        shop.runs_its_jobs().await;
    }

    async fn orders_are_listed_newest_first_in_pages(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let mut placed = Vec::new();
        for _ in 0..3 {
            shop.time_passes(Duration::from_secs(1));
            placed.insert(0, ada.buys(&mug).await.id);
        }
        bob.buys(&mug).await;

        let page = ada.get("/api/orders?per_page=2").await.is(200);
        assert_eq!(ids(&page.list()), placed[..2]);
        assert_eq!(page.header("x-total-count"), "3");
        assert!(
            page.header("link").contains("</api/orders?per_page=2&page=2>; rel=\"next\""),
            "{}",
            page.header("link")
        );
        assert_eq!(ids(&ada.get("/api/orders?per_page=2&page=2").await.list()), placed[2..]);
        assert_eq!(shop.admin().await.get("/api/orders").await.is(200).header("x-total-count"), "4");
        shop.runs_its_jobs().await;
    }

    async fn an_unpaid_online_order_runs_out_of_time(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(2).await;
        let ada = shop.customer("ada@example.com").await;
        let online = ada.buys_online(&mug).await;
        let at_the_door = ada.buys(&mug).await;
        shop.runs_its_jobs().await;

        shop.time_passes(Duration::from_mins(29));
        expires_the_unpaid(&shop).await;
        assert_eq!(shop.stock_of(&mug).await, 0);

        shop.time_passes(Duration::from_mins(1));
        expires_the_unpaid(&shop).await;
        assert_eq!(ada.sees(&online).await["status"], "cancelled");
        assert_eq!(ada.sees(&at_the_door).await["status"], "pending");
        assert_eq!(shop.stock_of(&mug).await, 1);
        ada.wants_to_pay(&online).await.is(409).with_code("order_cancelled");
        shop.runs_its_jobs().await;
    }

    async fn orders_that_cannot_expire_keep_no_other_waiting(shop: TestShop) {
        shop.expects_in_log("cannot cancel an unpaid order; will retry later");
        shop.expects_waiting_jobs(); // two hundred e-mails that nobody reads
        let (mug, pot) = (shop.sells("Mug").in_stock(101).await, shop.sells("Pot").in_stock(1).await);
        let ada = shop.customer("ada@example.com").await;
        for _ in 0..101 {
            ada.buys_online(&mug).await;
        }
        let last = ada.buys_online(&pot).await;
        shop.tampers("UPDATE products SET stock = 2147483647 WHERE name = 'Mug'").await;
        shop.time_passes(Duration::from_mins(30));
        expires_the_unpaid(&shop).await;
        assert_eq!(ada.sees(&last).await["status"], "cancelled");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM orders WHERE status = 'pending'").await, 101, "no room for a mug");

        shop.tampers("UPDATE products SET stock = 0 WHERE name = 'Mug'").await;
        expires_the_unpaid(&shop).await;
        assert_eq!((shop.stock_of(&mug).await, shop.stock_of(&pot).await), (101, 1));
    }

    async fn the_confirmation_says_what_was_ordered(shop: TestShop) {
        let mug = shop.sells("Möbel & <b>Mug</b>").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        shop.tampers("UPDATE users SET email_verified = TRUE WHERE email LIKE 'ada%'").await;
        let order: Order = ada.places_order(&[(&mug, 2)]).await.is(201).json().into();
        shop.runs_its_jobs().await;

        let mails = shop.mail().mails();
        let [mail] = mails.as_slice() else { panic!("one mail was expected: {mails:?}") };
        let number = order.json["order_number"].as_str().expect("an order has a number");
        assert_eq!(mail.to, ["ada@example.com"]);
        assert_eq!(mail.message_id(), format!("<order-{}.confirmation@shop.test>", order.id));
        assert_eq!(mail.subject(), format!("Your order {number} at Cartwright"));
        let text = mail.text().replace("\r\n", "\n");
        for said in [
            "Hello Ada,",
            number,
            "Möbel & <b>Mug</b>\n  2 x 12.00 = 24.00",
            "Total: 24.00 USD",
            "12 St James's Square",
            "Cash on delivery",
            "15 January 2025, 06:31 UTC",
        ] {
            assert!(text.contains(said), "{said:?} is missing:\n{text}");
        }
        assert!(mail.html().contains("Möbel &amp; &lt;b&gt;Mug&lt;"), "{}", mail.html());
        assert!(!mail.html().contains("<b>Mug"));
    }

    async fn a_confirmation_leaves_once_even_if_its_job_runs_twice(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.runs_its_jobs().await;
        let again = shop
            .tampers("UPDATE jobs SET state = 'pending', due_at = created_at WHERE kind = 'orders.send_confirmation'")
            .await;
        shop.runs_its_jobs().await;
        assert_eq!((again, shop.mail().mails().len()), (1, 1));
    }

    async fn a_confirmation_whose_answer_was_lost_leaves_again_under_the_same_id(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_repeated_mail();
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.mail().hangs_up_before_answering(1);
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;
        let ids: Vec<String> = shop.mail().mails().iter().map(crate::support::smtp::Mail::message_id).collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1]);
    }

    async fn more_money_than_can_be_said_is_refused(shop: TestShop) {
        let ring = shop.sells("Ring").at(999_999_999_999).in_stock(9).await;
        let pin = shop.sells("Pin").at(1).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&ring, 2)]).await.is(422).with_code("amount_out_of_range");
        ada.places_order(&[(&ring, 1), (&pin, 1)]).await.is(422).with_code("amount_out_of_range");
        let order = ada.places_order(&[(&ring, 1)]).await.is(201);
        assert_eq!(order["total_price"], money(999_999_999_999));
        shop.runs_its_jobs().await;
    }
}

/// The scheduled job, run at this moment instead of at its tick.
pub async fn expires_the_unpaid(shop: &TestShop) {
    use cartwright::checkout::jobs::ExpireUnpaid;
    use platform::jobs::Job;
    ExpireUnpaid {}.run(shop.inside()).await.expect("unpaid orders expire");
}

/// What an answer says about the product with this id, whichever that is.
fn told(answer: &Answer, id: i64) -> (u16, String) {
    let said = json!([answer["code"], answer["detail"], answer["errors"]]).to_string();
    (answer.status, said.replace(&format!("product {id},"), "product …,"))
}

fn names_and_subtotals(order: &Value) -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    order["items"].as_array().into_iter().flatten().map(|line| (text(line, "name"), text(line, "subtotal"))).collect()
}

fn ids(list: &[Value]) -> Vec<i64> {
    list.iter().filter_map(|thing| thing["id"].as_i64()).collect()
}
