//! mini-shop: products without categories, one cart, an order that moves from pending to delivered, paid at the door.

use std::time::Duration;

use serde_json::json;

use super::{bare, has_fields, reads, shows, signs_in};
use crate::support::TestShop;

/// Minutes of a day.
const DAY: u64 = 24 * 60;

on_both_engines! {
    async fn people_register_sign_in_and_keep_their_profile(shop: TestShop) {
        let visitor = shop.visitor();
        // Line 198, with the fields of lines 91 to 96.
        let registration = json!({
            "email": "ada@example.com",
            "password": "a long walk by the sea",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "phone": "0123",
            "role": "admin",
        });
        let user = visitor.post("/api/auth/register/").json(&registration).await.is(201);
        shows(&user, &json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}));
        assert_eq!(user["phone_number"], "0123");
        assert_eq!(user["role"], "customer", "nobody makes themselves an admin (lines 169 and 170)");
        // Line 168.
        visitor.post("/api/auth/register").json(&registration).await.is(409).with_code("email_taken");

        // Lines 199, 201 and 202.
        let login = json!({"email": "ada@example.com", "password": "a long walk by the sea"});
        let ada = signs_in(&shop, "/api/auth/login/", &login).await;
        shows(&reads(&ada, "/api/auth/profile/").await, &json!({"email": "ada@example.com", "role": "customer"}));
        let change = json!({"first_name": "Augusta", "last_name": "King", "phone": "4567"});
        let changed = ada.put("/api/auth/profile/").json(&change).await.is(200);
        shows(&changed, &json!({"first_name": "Augusta", "last_name": "King", "phone_number": "4567"}));
        assert_eq!(ada.put("/api/auth/profile").json(&change).await.is(200).json(), changed.json());
        visitor.get("/api/auth/profile/").await.is(401);

        // Line 200.
        ada.post("/api/auth/logout/").await.is(204);
        ada.get("/api/auth/profile/").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn access_lasts_a_day_and_the_refresh_token_a_week(shop: TestShop) {
        // Lines 150 and 151.
        let mut ada = shop.customer("ada@example.com").await;
        assert_eq!(ada.signs_in().await["expires_in"], 24 * 60 * 60);
        shop.time_passes(Duration::from_mins(DAY - 1));
        ada.get("/api/auth/profile/").await.is(200);
        shop.time_passes(Duration::from_mins(3));
        ada.get("/api/auth/profile/").await.is(401).with_code("token_expired");
        shop.time_passes(Duration::from_mins(6 * DAY - 5));
        ada.refreshes().await.is(200);
        ada.get("/api/auth/profile/").await.is(200);
        shop.time_passes(Duration::from_mins(7 * DAY + 1));
        ada.refreshes().await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn products_are_managed_by_admins(shop: TestShop) {
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        // Line 207, with the fields of lines 100 to 106 and without a category, as line 173 has it.
        let mug = json!({"name": "Mug", "description": "Holds tea", "price": "12.00", "stock": 5});
        ada.post("/api/products/").json(&mug).await.is(403);
        let mug = admin.post("/api/products/").json(&mug).await.is(201);
        let fields = ["id", "name", "description", "price", "stock", "image", "created_at", "updated_at"];
        has_fields(&mug.json(), &fields);
        let pot = admin.post("/api/products").json(&json!({"name": "Pot", "price": 30.5, "stock": 1})).await.is(201);
        assert!(mug["image"].is_null(), "line 174: an image is optional");
        // Line 175.
        let less_than_none = json!({"name": "Pot", "price": "30.50", "stock": -1});
        admin.post("/api/products/").json(&less_than_none).await.is(422).about(&["stock"]);

        // Lines 206 and 208.
        let path = format!("/api/products/{}/", mug["id"]);
        assert_eq!(reads(&ada, "/api/products/").await.json(), json!([pot.json(), mug.json()]));
        assert_eq!(reads(&ada, &path).await.json(), mug.json());

        // Lines 209 and 210.
        let dearer = json!({"name": "Mug", "description": "Holds tea", "price": "13.00", "stock": 6});
        ada.put(&path).json(&dearer).await.is(403);
        shows(&admin.put(&path).json(&dearer).await.is(200), &dearer);
        shows(&admin.put(&bare(&path)).json(&dearer).await.is(200), &dearer);
        ada.delete(&path).await.is(403);
        admin.delete(&path).await.is(204);
        admin.delete(&format!("/api/products/{}", pot["id"])).await.is(204);
        ada.get(&path).await.is(404);
        shop.runs_its_jobs().await;
    }

    async fn a_cart_is_filled_changed_and_cleared(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let pot = shop.sells("Pot").at(30_50).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;

        // Lines 214 and 215; lines 178 and 179: several products, and the same one again adds up.
        ada.post("/api/cart/").json(&json!({"product": mug.id, "quantity": 2})).await.is(201);
        ada.post("/api/cart").json(&json!({"product": mug.id, "quantity": 1})).await.is(201);
        let cart = ada.post("/api/cart/").json(&json!({"product": pot.id})).await.is(201);
        assert_eq!(reads(&ada, "/api/cart/").await.json(), cart.json());
        shows(&cart, &json!({
            "items": [{"product": mug.id, "quantity": 3, "subtotal": "36.00"}, {"product": pot.id, "quantity": 1}],
            "total_price": "66.50",
        }));

        // Lines 216 and 217.
        let mugs = format!("/api/cart/{}/", cart["items"][0]["id"]);
        assert_eq!(ada.put(&mugs).json(&json!({"quantity": 1})).await.is(200)["total_price"], "42.50");
        assert_eq!(ada.put(&bare(&mugs)).json(&json!({"quantity": 2})).await.is(200)["total_price"], "54.50");
        ada.put(&mugs).json(&json!({"quantity": 0})).await.is(422).about(&["quantity"]);
        ada.delete(&mugs).await.is(204);
        ada.delete(&bare(&mugs)).await.is(404);

        // Line 218.
        ada.delete("/api/cart/clear/").await.is(204);
        assert_eq!(reads(&ada, "/api/cart/").await["items"], json!([]));
        ada.delete("/api/cart/clear").await.is(204);
        shop.visitor().get("/api/cart/").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn an_order_goes_from_pending_to_delivered(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);

        // Lines 183 and 184: a cart must not be empty, and the stock is checked.
        ada.post("/api/orders/create/").json(&json!({})).await.is(409).with_code("cart_empty");
        ada.post("/api/cart/").json(&json!({"product": mug.id, "quantity": 3})).await.is(201);
        admin.patch(&format!("/api/products/{}/", mug.id)).json(&json!({"stock": 2})).await.is(200);
        ada.post("/api/orders/create/").json(&json!({})).await.is(409).with_code("out_of_stock");
        admin.patch(&format!("/api/products/{}/", mug.id)).json(&json!({"stock": 9})).await.is(200);

        // Line 223, with the fields of lines 118 to 133; lines 180, 190 and 191.
        let wanted = json!({"shipping_address": "5 Quay, Bristol", "payment_method": "cash_on_delivery"});
        let order = ada.post("/api/orders/create/").json(&wanted).await.is(201);
        let fields = ["order_number", "user", "status", "shipping_address", "payment_method", "created_at", "updated_at"];
        has_fields(&order.json(), &fields);
        shows(&order, &wanted);
        let line = json!({"product": mug.id, "quantity": 3, "price": "12.00", "subtotal": "36.00"});
        shows(&order, &json!({"status": "pending", "total_price": "36.00", "items": [line]}));
        assert_eq!(ada.cart().await["items"], json!([]), "line 180: the cart is clear");
        ada.post("/api/cart/").json(&json!({"product": mug.id})).await.is(201);
        let second = ada.post("/api/orders/create").json(&json!({})).await.is(201);
        assert_eq!(second["payment_method"], "cash_on_delivery");

        // Lines 222 and 224.
        assert_eq!(reads(&ada, "/api/orders/").await.json(), json!([second.json(), order.json()]));
        let path = format!("/api/orders/{}/", order["id"]);
        assert_eq!(reads(&ada, &path).await.json(), order.json());

        // Line 187.
        for status in ["Confirmed", "Shipped", "Delivered"] {
            let moved = admin.put(&format!("{path}status/")).json(&json!({"status": status})).await.is(200);
            assert_eq!(moved["status"], status.to_lowercase());
        }
        let back = admin.put(&format!("{path}status/")).json(&json!({"status": "Pending"})).await;
        back.is(409).with_code("invalid_transition");

        // Line 225.
        ada.post(&format!("{path}cancel/")).await.is(409);
        let cancel = format!("/api/orders/{}/cancel/", second["id"]);
        let cancelled = ada.post(&cancel).await.is(200);
        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(ada.post(&bare(&cancel)).await.is(200).json(), cancelled.json());
        assert_eq!(shop.stock_of(&mug).await, 6);
        shop.runs_its_jobs().await;
    }
}
