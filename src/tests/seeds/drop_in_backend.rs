//! drop-in-backend: sign-in at `/api/token`, plain resources for products and orders, and orders under `/orders`.

use image::ImageFormat;
use serde_json::json;

use super::{bare, has_fields, names, one, reads, shows, signs_in};
use crate::support::{TestShop, image_files::solid};

on_both_engines! {
    async fn a_token_is_had_for_a_username_and_renewed(shop: TestShop) {
        let visitor = shop.visitor();
        // Line 9.
        let registration =
            json!({"username": "ada", "email": "ada@example.com", "password": "a long walk by the sea"});
        shows(&visitor.post("/api/users/register/").json(&registration).await.is(201), &json!({"username": "ada"}));
        visitor.post("/api/users/register").json(&registration).await.is(409);
        visitor.post("/api/users/register/").json(&json!({"username": "", "email": "", "password": ""})).await.is(422);

        // Lines 4 and 5; line 82: the token goes into the header.
        let login = json!({"username": "ada", "password": "a long walk by the sea"});
        for [token, refresh] in
            [["/api/token/", "/api/token/refresh/"], ["/api/token", "/api/token/refresh"]]
        {
            let ada = signs_in(&shop, token, &login).await;
            let renewed = visitor.post(refresh).json(&json!({"refresh": ada.refresh})).await.is(200);
            ada.with_token(renewed["access"].as_str().unwrap()).get("/api/orders/").await.is(200);
        }
        visitor.post("/api/token/").json(&json!({"username": "", "password": ""})).await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn products_are_a_plain_resource(shop: TestShop) {
        let (visitor, admin) = (shop.visitor(), shop.admin().await);
        // Lines 15 to 17.
        let mug = admin.post("/api/products/").json(&json!({"name": "Mug", "price": "12.00", "stock": 5})).await.is(201);
        let pot = admin.post("/api/products").json(&json!({"name": "Pot", "price": "30.50"})).await.is(201);
        let path = format!("/api/products/{}/", mug["id"]);
        assert_eq!(reads(&visitor, "/api/products/").await.json(), json!([pot.json(), mug.json()]));
        assert_eq!(reads(&visitor, &path).await.json(), mug.json());

        // Lines 18 and 19.
        for path in [&path, &bare(&path)] {
            let replaced = admin.put(path).json(&json!({"name": "Cup", "price": "9.00"})).await.is(200);
            shows(&replaced, &json!({"name": "Cup", "price": "9.00", "stock": 5}));
            let changed = admin.patch(path).json(&json!({"price": "9.50"})).await.is(200);
            shows(&changed, &json!({"name": "Cup", "price": "9.50"}));
        }
        // Line 93: for admins only.
        visitor.patch(&path).json(&json!({"price": "0.01"})).await.is(401);
        admin.delete(&path).await.is(204);
        admin.delete(&format!("/api/products/{}", pot["id"])).await.is(204);
        assert_eq!(reads(&visitor, "/api/products/").await.list().len(), 0);
    }

    async fn a_cart_sums_up_what_is_in_it(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        // Line 119.
        assert_eq!(reads(&ada, "/api/cart/").await["items"], json!([]));
        let cart = ada.post("/api/cart/").json(&json!({"product": mug.id, "quantity": 2})).await.is(201);
        ada.post("/api/cart").json(&one(&mug)).await.is(201);

        // Line 121.
        let line = format!("/api/cart/{}/", cart["items"][0]["id"]);
        shows(&reads(&ada, &line).await, &json!({"product": mug.id, "quantity": 3}));
        for path in [&line, &bare(&line)] {
            assert_eq!(ada.put(path).json(&json!({"quantity": 4})).await.is(200)["total_items"], 4);
            assert_eq!(ada.patch(path).json(&json!({"quantity": 2})).await.is(200)["total_items"], 2);
        }

        // Line 123.
        assert_eq!(reads(&ada, "/api/cart/summary/").await.json(), json!({"total_items": 2, "total_price": "24.00"}));
        ada.delete(&line).await.is(204);
        ada.delete(&bare(&line)).await.is(404);
        assert_eq!(reads(&ada, "/api/cart/summary/").await.json(), json!({"total_items": 0, "total_price": "0.00"}));
        shop.runs_its_jobs().await;
    }

    async fn orders_are_made_from_a_body_or_from_the_cart(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);

        // Line 127: from the body; the cart stays.
        ada.puts_in_cart(&mug, 2).await.is(201);
        for path in ["/orders/create/", "/orders/create"] {
            let order = ada.post(path).json(&json!({"items": [one(&mug)]})).await.is(201);
            assert_eq!(order["total_price"], "12.00");
        }
        assert_eq!(ada.cart().await["total_items"], 2);

        // Line 129: from the cart, which is empty then.
        let order = ada.post("/orders/checkout/").await.is(201);
        assert_eq!(order["total_price"], "24.00");
        assert_eq!(ada.cart().await["total_items"], 0);
        ada.post("/orders/checkout").await.is(409).with_code("cart_empty");

        // Line 128.
        eve.buys(&mug).await;
        let mine = reads(&ada, "/orders/my-orders/").await.list();
        assert!(mine.len() == 3 && mine.iter().all(|order| order["user"] == ada.id), "{mine:?}");

        for path in ["/orders/create/", "/orders/checkout/"] {
            shop.visitor().post(path).await.is(401);
        }
        shop.visitor().get("/orders/my-orders/").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn orders_are_a_plain_resource_of_their_owner(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        // Lines 25 to 27.
        let order = ada.post("/api/orders/").json(&json!({"items": [one(&mug)]})).await.is(201);
        let second = ada.post("/api/orders").json(&json!({"items": [one(&mug)]})).await.is(201);
        let path = format!("/api/orders/{}/", order["id"]);
        assert_eq!(reads(&ada, "/api/orders/").await.json(), json!([second.json(), order.json()]));
        assert_eq!(reads(&ada, &path).await.json(), order.json());

        // Line 31: for their owner only.
        assert_eq!(reads(&eve, "/api/orders/").await.list().len(), 0);
        eve.get(&path).await.is(404);
        eve.delete(&path).await.is(404);

        // Line 29.
        ada.delete(&path).await.is(204);
        ada.delete(&format!("/api/orders/{}", second["id"])).await.is(204);
        assert_eq!(shop.stock_of(&mug).await, 9);
        shop.runs_its_jobs().await;
    }

    async fn an_order_is_changed_by_its_owner(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let order = ada.buys(&mug).await;
        // Line 28.
        let path = format!("/api/orders/{}/", order.id);
        for path in [&path, &bare(&path)] {
            let replaced = ada.put(path).json(&json!({"shipping_address": "5 Quay, Bristol"})).await.is(200);
            shows(&replaced, &json!({"id": order.id, "shipping_address": "5 Quay, Bristol", "total_price": "12.00"}));
            let changed = ada.patch(path).json(&json!({"shipping_address": "6 Quay", "status": "paid"})).await.is(200);
            shows(&changed, &json!({"shipping_address": "6 Quay", "status": "pending"}));
        }
        eve.patch(&path).json(&json!({"shipping_address": "Eve's"})).await.is(404);
        shop.runs_its_jobs().await;
    }

    async fn the_document_can_be_read_and_tried(shop: TestShop) {
        // Line 114.
        assert!(shop.visitor().get("/docs/").await.is(200).text().contains("<html"));
        has_fields(&reads(&shop.visitor(), "/openapi.json").await.json(), &["openapi", "paths", "components"]);
    }

    async fn lists_have_pages_and_other_origins_may_ask(shop: TestShop) {
        for name in ["Mug", "Pot", "Cup"] {
            shop.sells(name).await;
        }
        // Line 110.
        let page = reads(&shop.visitor(), "/api/products/?per_page=2&page=2").await;
        assert_eq!((names(&page), page.header("x-total-count")), (vec!["Mug".to_owned()], "3"));
        // Line 101.
        let shop = shop.opens_again(|settings| settings.cors_origins = vec!["https://front.example".to_owned()]).await;
        let answer = shop.visitor().get("/api/products/").header("origin", "https://front.example").await.is(200);
        assert_eq!(answer.header("access-control-allow-origin"), "https://front.example");
    }

    async fn products_have_pictures(shop: TestShop) {
        // Lines 50 and 112.
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let part = b"--x\r\ncontent-disposition: form-data; name=\"image\"; filename=\"mug.png\"\r\n\r\n";
        let body = [&part[..], &solid(40, 40, ImageFormat::Png), b"\r\n--x--\r\n"].concat();
        let upload = format!("/api/products/{}/images/", mug.id);
        let image = admin.post(&upload).body("multipart/form-data; boundary=x", body).await.is(201);
        let shown = reads(&shop.visitor(), &format!("/api/products/{}/", mug.id)).await;
        assert_eq!(shown["image"], image["url"]);
        let url = image["url"].as_str().expect("an address").trim_start_matches("https://shop.test");
        assert!(shop.visitor().get(url).await.is(200).header("content-type").starts_with("image/"));
        shop.runs_its_jobs().await;
    }
}
