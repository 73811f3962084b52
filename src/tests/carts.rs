//! Carts: the user's own, and anonymous ones that become theirs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, Product, TestShop, people::PASSWORD};

on_both_engines! {
    async fn a_cart_adds_up(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(10).await;
        let pot = shop.sells("Pot").at(30_50).in_stock(10).await;
        let ada = shop.customer("ada@example.com").await;
        assert_eq!(ada.cart().await["items"], json!([]));

        ada.puts_in_cart(&mug, 2).await.is(201);
        ada.puts_in_cart(&mug, 3).await.is(201);
        let cart = ada.post("/api/cart").json(&json!({"product": pot.id})).await.is(201);

        assert_eq!(in_it(&cart.json()), [(mug.id, 5), (pot.id, 1)]);
        assert_eq!((&cart["total_items"], &cart["total_price"]), (&json!(6), &json!("90.50")));
        assert_eq!(
            (&cart["items"][0]["subtotal"], &cart["items"][0]["available"], &cart["user"]),
            (&json!("60.00"), &json!(true), &json!(ada.id))
        );
        assert_eq!(
            ada.get("/api/cart/summary").await.is(200).json(),
            json!({"total_items": 6, "total_price": "90.50"})
        );
        assert_eq!(ada.cart().await, cart.json());
        assert_eq!(shop.stock_of(&mug).await, 10, "a cart takes no stock");
    }

    async fn a_line_of_a_cart_is_seen_changed_and_taken_out(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(10).await;
        let ada = shop.customer("ada@example.com").await;
        let cart = ada.puts_in_cart(&mug, 2).await.is(201);
        let line = format!("/api/cart/items/{}", cart["items"][0]["id"]);

        assert_eq!(ada.get(&line).await.is(200)["quantity"], 2);
        assert_eq!(
            ada.patch(&line).json(&json!({"quantity": 4, "price": "0.01"})).await.is(200)["total_price"],
            "48.00"
        );
        assert_eq!(ada.put(&line).json(&json!({"quantity": 1})).await.is(200)["total_items"], 1);
        ada.patch(&line).json(&json!({"quantity": 11})).await.is(409).with_code("out_of_stock");
        ada.patch(&line).json(&json!({"quantity": 0})).await.is(422).about(&["quantity"]);
        ada.delete(&line).await.is(204);
        ada.delete(&line).await.is(404);
        ada.puts_in_cart(&mug, 1).await.is(201);
        ada.delete("/api/cart").await.is(204);
        assert_eq!(ada.cart().await["items"], json!([]));
    }

    async fn a_slash_at_the_end_is_fine_everywhere(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        let cart = ada.post("/api/cart/items/").json(&json!({"product": mug.id})).await.is(201);
        for path in [
            "/api/cart/",
            "/api/cart/summary/",
            &format!("/api/cart/items/{}/", cart["items"][0]["id"]),
            "/api/products/",
            &format!("/api/products/{}/", mug.id),
            "/api/orders/",
            "/api/profile/",
            "/health/live/",
        ] {
            ada.get(path).await.is(200);
        }
        ada.post("/api/orders/").json(&json!({})).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn a_cart_holds_what_is_in_stock(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(3).await;
        let old = shop.sells("Old").with("is_active", false).await;
        let ada = shop.customer("ada@example.com").await;
        let refused = ada.puts_in_cart(&mug, 4).await.is(409).with_code("out_of_stock");
        assert_eq!(refused["available"], 3);
        ada.puts_in_cart(&mug, 2).await.is(201);
        ada.puts_in_cart(&mug, 2).await.is(409).with_code("out_of_stock");
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 2)]);
        ada.puts_in_cart(&old, 1).await.is(422).about(&["product"]);
        ada.post("/api/cart").json(&json!({"product": 987})).await.is(422).about(&["product"]);
        ada.post("/api/cart").json(&json!({})).await.is(422).about(&["product"]);
    }

    async fn a_cart_holds_a_hundred_products(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 1).await.is(201);
        for number in 2..=100 {
            let pot = shop.sells(&format!("Pot {number}")).await;
            ada.puts_in_cart(&pot, 1).await.is(201);
        }
        let pan = shop.sells("Pan").await;
        ada.puts_in_cart(&pan, 1).await.is(409).with_code("cart_full");
        ada.puts_in_cart(&mug, 1).await.is(201);
    }

    async fn a_shop_can_say_how_many_of_a_product_one_buyer_may_have(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 3).await.is(201);
        let strict = shop.opens_again(|settings| settings.carts.max_per_product = 2).await;
        let ada = ada.of(&strict);
        ada.checks_out().await.is(422).about(&["items"]); // it was put in before
        ada.delete("/api/cart").await.is(204);

        ada.puts_in_cart(&mug, 3).await.is(422).about(&["quantity"]);
        ada.places_order(&[(&mug, 1), (&mug, 2)]).await.is(422).about(&["items[1].quantity"]);
        let (id, _) = anonymous_cart(&strict.visitor(), &[(&mug, 2)]).await;
        let cart = ada.puts_in_cart(&mug, 1).await.is(201);
        let line = format!("/api/cart/items/{}", cart["items"][0]["id"]);
        ada.patch(&line).json(&json!({"quantity": 3})).await.is(422).about(&["quantity"]);
        let signed_in = json!({"email": "ada@example.com", "password": PASSWORD, "cart_id": id});
        strict.visitor().post("/api/auth/login").json(&signed_in).await.is(200);
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 2)], "together they would be three");
        ada.checks_out().await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn unavailable_products_stay_in_the_cart(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(3).await;
        let ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 3).await.is(201);
        shop.admin()
            .await
            .patch(&format!("/api/products/{}", mug.id))
            .json(&json!({"stock": 2, "price": "13.00"}))
            .await
            .is(200);
        let cart = ada.cart().await;
        assert_eq!((&cart["items"][0]["available"], &cart["total_price"]), (&json!(false), &json!("39.00")));
    }

    async fn the_quantity_of_an_unavailable_product_cannot_be_changed(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        let cart = ada.puts_in_cart(&mug, 1).await.is(201);
        let hidden = json!({"is_active": false});
        shop.admin().await.patch(&format!("/api/products/{}", mug.id)).json(&hidden).await.is(200);
        let line = format!("/api/cart/items/{}", cart["items"][0]["id"]);
        let refused = ada.patch(&line).json(&json!({"quantity": 2})).await.is(409).with_code("product_unavailable");
        assert_eq!(refused["product"], mug.id);
        ada.delete(&line).await.is(204);
    }

    async fn carts_of_others_are_not_found(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let cart = ada.puts_in_cart(&mug, 1).await.is(201);
        let (id, item) = (cart["id"].as_str().unwrap(), &cart["items"][0]["id"]);
        for person in [&eve, &shop.visitor()] {
            person.get(&format!("/api/carts/{id}")).await.is(404).with_code("not_found");
            person.delete(&format!("/api/carts/{id}")).await.is(404);
            person.post(&format!("/api/carts/{id}/items")).json(&json!({"product": mug.id})).await.is(404);
            person.delete(&format!("/api/carts/{id}/items/{item}")).await.is(404);
        }
        eve.get(&format!("/api/cart/items/{item}")).await.is(404);
        eve.delete(&format!("/api/cart/items/{item}")).await.is(404);
        eve.patch(&format!("/api/cart/items/{item}")).json(&json!({"quantity": 9})).await.is(404);
        shop.visitor().get("/api/cart").await.is(401);
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 1)]);
    }

    async fn an_anonymous_cart_is_reached_by_its_id(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let visitor = shop.visitor();
        let (id, cart) = anonymous_cart(&visitor, &[(&mug, 2)]).await;
        assert_eq!((&cart["user"], &cart["total_price"]), (&json!(null), &json!("24.00")));
        let line = format!("/api/carts/{id}/items/{}", cart["items"][0]["id"]);
        assert_eq!(visitor.patch(&line).json(&json!({"quantity": 3})).await.is(200)["total_items"], 3);
        assert_eq!(visitor.get(&format!("/api/carts/{id}")).await.is(200)["total_items"], 3);
        visitor.delete(&line).await.is(204);
        visitor.delete(&format!("/api/carts/{id}")).await.is(204);
        visitor.get(&format!("/api/carts/{id}")).await.is(404);
    }

    async fn the_cart_header_names_an_anonymous_cart(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let visitor = shop.visitor();
        let (id, _) = anonymous_cart(&visitor, &[]).await;
        let asks = |method: Method, path: &str| visitor.asks(method, path).header("x-cart-id", &id);
        for (path, count) in [("/api/cart", 1), ("/api/cart/items", 2), ("/api/cart/add", 3)] {
            let cart = asks(Method::POST, path).json(&json!({"product": mug.id})).await.is(201);
            assert_eq!((&cart["id"], &cart["user"], &cart["total_items"]), (&json!(id), &json!(null), &json!(count)));
        }
        let cart = asks(Method::GET, "/api/cart").await.is(200);
        assert_eq!(cart.json(), visitor.get(&format!("/api/carts/{id}")).await.is(200).json());
        assert_eq!(asks(Method::GET, "/api/cart/summary").await.is(200)["total_price"], "36.00");

        let item = &cart["items"][0]["id"];
        for line in [format!("/api/cart/items/{item}"), format!("/api/cart/{item}")] {
            assert_eq!(asks(Method::GET, &line).await.is(200)["product"], mug.id);
            for method in [Method::PUT, Method::PATCH] {
                let cart = asks(method, &line).json(&json!({"quantity": 2})).await.is(200);
                assert_eq!(cart["total_items"], 2);
            }
        }
        asks(Method::DELETE, &format!("/api/cart/items/{item}")).await.is(204);
        let cart = asks(Method::POST, "/api/cart").json(&json!({"product": mug.id})).await.is(201);
        asks(Method::DELETE, &format!("/api/cart/{}", cart["items"][0]["id"])).await.is(204);
        for empties in ["/api/cart", "/api/cart/clear"] {
            asks(Method::POST, "/api/cart").json(&json!({"product": mug.id})).await.is(201);
            asks(Method::DELETE, empties).await.is(204);
            assert_eq!(in_it(&asks(Method::GET, "/api/cart").await.is(200).json()), []);
        }
    }

    async fn the_cart_header_cannot_name_carts_of_others(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        let (ada, visitor) = (shop.customer("ada@example.com").await, shop.visitor());
        let hers = ada.puts_in_cart(&mug, 1).await.is(201);
        let (theirs, _) = anonymous_cart(&visitor, &[(&mug, 2)]).await;

        let new = json!({"product": mug.id});
        let strangers = [hers["id"].as_str().unwrap(), "0e8c5c6e-0a6b-4a0e-9b0e-000000000000", "no id", ""];
        for id in strangers {
            visitor.get("/api/cart").header("x-cart-id", id).await.is(404).with_code("not_found");
            visitor.post("/api/cart").header("x-cart-id", id).json(&new).await.is(404);
            visitor.delete("/api/cart").header("x-cart-id", id).await.is(404);
            visitor.get("/api/cart/items/1").header("x-cart-id", id).await.is(404);
        }
        visitor.get("/api/cart").await.is(401).with_code("unauthenticated");
        visitor.post("/api/cart").json(&new).await.is(401);

        // Who is signed in has a cart of their own, whatever the page goes on sending.
        assert_eq!(ada.get("/api/cart").header("x-cart-id", &theirs).await.is(200)["id"], hers["id"]);
        ada.delete("/api/cart").header("x-cart-id", &theirs).await.is(204);
        assert_eq!(visitor.get("/api/cart").header("x-cart-id", &theirs).await.is(200)["total_items"], 2);
        ada.with_token("nonsense").get("/api/cart").header("x-cart-id", &theirs).await.is(401);
    }

    async fn a_signed_in_customer_has_one_cart(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let made = ada.post("/api/carts").await.is(201);
        let known = ada.post("/api/carts").await.is(200);
        assert_eq!(made.json(), known.json());
        assert_eq!(made["user"], ada.id);
        assert_eq!(ada.cart().await["id"], made["id"]);

        let mug = shop.sells("Mug").await;
        let cart = format!("/api/carts/{}", made["id"].as_str().unwrap());
        let filled = ada.post(&format!("{cart}/items")).json(&json!({"product": mug.id})).await.is(201);
        let line = format!("{cart}/items/{}", filled["items"][0]["id"]);
        ada.patch(&line).json(&json!({"quantity": 2})).await.is(200);
        assert_eq!(ada.get(&cart).await.is(200).json(), ada.cart().await);
        ada.delete(&line).await.is(204);
        ada.delete(&cart).await.is(204);
        ada.get(&cart).await.is(404);
        assert_ne!(ada.cart().await["id"], made["id"], "the next one is made when it is needed");
    }

    async fn signing_in_merges_the_anonymous_cart_capped_by_the_stock(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let pot = shop.sells("Pot").in_stock(5).await;
        let mut ada = shop.customer("ada@example.com").await;
        ada.puts_in_cart(&mug, 3).await.is(201);
        let (id, _) = anonymous_cart(&shop.visitor(), &[(&mug, 4), (&pot, 2)]).await;

        let login = json!({"email": ada.email, "password": PASSWORD, "cart_id": id});
        shop.visitor().post("/api/auth/login").json(&login).await.is(200);

        assert_eq!(in_it(&ada.cart().await), [(mug.id, 5), (pot.id, 2)]);
        shop.visitor().get(&format!("/api/carts/{id}")).await.is(404);
        shop.visitor().post("/api/auth/login").json(&login).await.is(200); // the cart is gone; that is no reason to refuse
        ada.signs_in().await;
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 5), (pot.id, 2)]);
    }

    async fn registering_with_a_cart_keeps_it(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (id, _) = anonymous_cart(&shop.visitor(), &[(&mug, 4)]).await;
        let registration = json!({"email": "ada@example.com", "password": PASSWORD, "cart_id": id});
        shop.visitor().post("/api/auth/register").json(&registration).await.is(201);
        let mut ada = shop.visitor();
        ada.email = "ada@example.com".to_owned();
        ada.signs_in().await;
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 4)]);
    }

    async fn carts_of_others_are_not_merged(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let cart = ada.puts_in_cart(&mug, 2).await.is(201);
        let login = json!({"email": eve.email, "password": PASSWORD, "cart_id": cart["id"]});
        shop.visitor().post("/api/auth/login").json(&login).await.is(200);
        assert_eq!(in_it(&eve.cart().await), []);
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 2)]);
    }

    async fn concurrent_additions_add_up(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(50).await;
        let ada = shop.customer("ada@example.com").await;
        for answer in futures_util::future::join_all((0..10).map(|_| ada.puts_in_cart(&mug, 1))).await {
            answer.is(201);
        }
        assert_eq!(in_it(&ada.cart().await), [(mug.id, 10)]);
    }
}

async fn anonymous_cart(visitor: &Person, products: &[(&Product, i64)]) -> (String, Value) {
    let mut cart = visitor.post("/api/carts").await.is(201);
    let id = cart["id"].as_str().expect("a cart has an id").to_owned();
    for (product, quantity) in products {
        let item = json!({"product": product.id, "quantity": quantity});
        cart = visitor.post(&format!("/api/carts/{id}/items")).json(&item).await.is(201);
    }
    (id, cart.json())
}

fn in_it(cart: &Value) -> Vec<(i64, i64)> {
    let number = |line: &Value, name: &str| line[name].as_i64().expect("a number");
    cart["items"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (number(line, "product"), number(line, "quantity")))
        .collect()
}
