//! dashboard-shop: sign-in outside of `/api`, carts that are reached by their id, and an admin's dashboard.

use serde_json::json;

use super::{bare, has_fields, names, one, reads, shows, signs_in};
use crate::support::TestShop;

on_both_engines! {
    async fn people_register_sign_in_and_sign_out(shop: TestShop) {
        // Line 6, with the fields of lines 83 to 89.
        let visitor = shop.visitor();
        let registration = json!({
            "first_name": "Ada",
            "last_name": "Lovelace",
            "email": "ada@example.com",
            "address": "12 St James's Square",
            "phone_number": "+44 20 7946 0000",
            "password": "a long walk by the sea",
        });
        let user = visitor.post("/auth/register/").json(&registration).await.is(201);
        has_fields(&user.json(), &["id", "first_name", "last_name", "email", "address", "phone_number"]);
        shows(&user, &json!({"first_name": "Ada", "phone_number": "+44 20 7946 0000"}));
        assert!(user["password"].is_null());
        visitor.post(&bare("/auth/register/")).json(&registration).await.is(409).with_code("email_taken");

        // Lines 7 to 9.
        let login = json!({"email": "ada@example.com", "password": "a long walk by the sea"});
        for [login_path, refresh_path, logout_path] in [
            ["/auth/login/", "/auth/token/refresh/", "/auth/logout/"],
            ["/auth/login", "/auth/token/refresh", "/auth/logout"],
        ] {
            let ada = signs_in(&shop, login_path, &login).await;
            let renewed = visitor.post(refresh_path).json(&json!({"refresh": ada.refresh})).await.is(200);
            let ada = ada.with_token(renewed["access"].as_str().unwrap());
            ada.get("/api/profile/").await.is(200);
            ada.post(logout_path).await.is(204);
            ada.get("/api/profile/").await.is(401);
        }
        shop.runs_its_jobs().await;
    }

    async fn categories_are_managed(shop: TestShop) {
        let (visitor, ada, admin) = (shop.visitor(), shop.customer("ada@example.com").await, shop.admin().await);

        // Lines 16 and 18, with the fields of lines 96 to 98.
        ada.post("/api/categories/").json(&json!({"name": "Cups"})).await.is(403);
        let cups = admin.post("/api/categories/").json(&json!({"name": "Cups"})).await.is(201);
        has_fields(&cups.json(), &["id", "name", "description"]);
        let pots = admin.post("/api/categories").json(&json!({"name": "Pots", "description": "For tea"})).await.is(201);
        assert_eq!(reads(&visitor, "/api/categories/").await.json(), json!([cups.json(), pots.json()]));

        // Lines 17, 19 and 20.
        let path = format!("/api/categories/{}/", cups["id"]);
        assert_eq!(reads(&visitor, &path).await.json(), cups.json());
        let mugs = json!({"name": "Mugs", "description": "For coffee"});
        shows(&admin.put(&path).json(&mugs).await.is(200), &mugs);
        shows(&admin.put(&bare(&path)).json(&mugs).await.is(200), &mugs);
        admin.delete(&path).await.is(204);
        admin.delete(&format!("/api/categories/{}", pots["id"])).await.is(204);
        assert_eq!(reads(&visitor, "/api/categories/").await.list().len(), 0);
        shop.runs_its_jobs().await;
    }

    async fn products_are_managed_searched_and_filtered(shop: TestShop) {
        let (visitor, ada, admin) = (shop.visitor(), shop.customer("ada@example.com").await, shop.admin().await);
        let cups = admin.post("/api/categories/").json(&json!({"name": "Cups"})).await.is(201);

        // Lines 27 and 31, with the fields of lines 110 to 117.
        let mug = json!({"name": "Mug", "description": "Holds tea", "price": "12.00", "stock": 5, "category": cups["id"]});
        ada.post("/api/products/").json(&mug).await.is(403);
        let mug = admin.post("/api/products/").json(&mug).await.is(201);
        let fields =
            ["id", "name", "description", "price", "stock", "image", "category", "created_at", "updated_at"];
        has_fields(&mug.json(), &fields);
        let pot = admin.post("/api/products").json(&json!({"name": "Pot", "price": "30.50"})).await.is(201);
        assert_eq!(reads(&visitor, "/api/products/").await.json(), json!([pot.json(), mug.json()]));

        // Lines 28, 30 and 34.
        let path = format!("/api/products/{}/", mug["id"]);
        assert_eq!(reads(&visitor, &path).await.json(), mug.json());
        assert_eq!(names(&reads(&visitor, "/api/products/?search=pot").await), ["Pot"]);
        assert_eq!(names(&reads(&visitor, "/api/products/?search=tea").await), ["Mug"]);
        assert_eq!(reads(&visitor, "/api/products/?search=").await.list().len(), 2);
        assert_eq!(names(&reads(&visitor, &format!("/api/products/?category={}", cups["id"])).await), ["Mug"]);

        // Lines 32 and 33.
        let dearer = json!({"name": "Mug", "description": "Holds more tea", "price": "13.00", "stock": 4});
        ada.put(&path).json(&dearer).await.is(403);
        shows(&admin.put(&path).json(&dearer).await.is(200), &dearer);
        shows(&admin.put(&bare(&path)).json(&dearer).await.is(200), &dearer);
        admin.delete(&path).await.is(204);
        admin.delete(&format!("/api/products/{}", pot["id"])).await.is(204);
        assert_eq!(reads(&visitor, "/api/products/").await.list().len(), 0);
        shop.runs_its_jobs().await;
    }

    async fn a_cart_is_made_filled_changed_and_deleted(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let ada = shop.customer("ada@example.com").await;
        for (person, user) in [(shop.visitor(), json!(null)), (ada.clone(), json!(ada.id))] {
            // Lines 41 and 42, with the fields of lines 128 to 131.
            let cart = person.post("/api/carts/").await.is(201);
            has_fields(&cart.json(), &["id", "user", "created_at"]);
            assert_eq!(cart["user"], user);
            let path = format!("/api/carts/{}/", cart["id"].as_str().unwrap());
            assert_eq!(reads(&person, &path).await.json(), cart.json());

            // Line 44, with the fields of lines 142 to 145.
            let filled = person.post(&format!("{path}items/")).json(&one(&mug)).await.is(201);
            person.post(&format!("{path}items")).json(&one(&mug)).await.is(201);
            has_fields(&filled["items"][0], &["id", "product", "quantity"]);

            // Lines 45 and 46.
            let line = format!("{path}items/{}/", filled["items"][0]["id"]);
            assert_eq!(person.patch(&line).json(&json!({"quantity": 3})).await.is(200)["total_price"], "36.00");
            assert_eq!(person.patch(&bare(&line)).json(&json!({"quantity": 1})).await.is(200)["total_price"], "12.00");
            person.delete(&line).await.is(204);
            person.delete(&bare(&line)).await.is(404);

            // Line 43.
            person.delete(&path).await.is(204);
            person.get(&bare(&path)).await.is(404);
            person.delete(&bare(&path)).await.is(404);
        }
        // Line 130: one cart for each user.
        let own = ada.post("/api/carts").await.is(201);
        assert_eq!(ada.post("/api/carts/").await.is(200)["id"], own["id"]);
        assert_eq!(ada.get("/api/cart/").await.is(200)["id"], own["id"]);
        shop.runs_its_jobs().await;
    }

    async fn orders_are_placed_followed_and_cancelled(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, eve, admin) =
            (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await, shop.admin().await);

        // Line 55, with the fields of lines 158 to 163 and 174 to 178.
        ada.puts_in_cart(&mug, 2).await.is(201);
        let order = ada.post("/api/orders/").json(&json!({})).await.is(201);
        has_fields(&order.json(), &["id", "user", "status", "total_price", "created_at", "updated_at"]);
        has_fields(&order["items"][0], &["id", "product", "quantity", "price"]);
        shows(&order, &json!({"user": ada.id, "status": "pending", "total_price": "24.00"}));
        assert_eq!(ada.cart().await["total_items"], 0);
        ada.puts_in_cart(&mug, 1).await.is(201);
        let second = ada.post("/api/orders").await.is(201);

        // Lines 53 and 54.
        assert_eq!(reads(&ada, "/api/orders/").await.json(), json!([second.json(), order.json()]));
        assert_eq!(reads(&eve, "/api/orders/").await.list().len(), 0);
        let path = format!("/api/orders/{}/", order["id"]);
        assert_eq!(reads(&ada, &path).await.json(), order.json());
        eve.get(&path).await.is(404);

        // Line 56, in the spelling of line 160.
        let status = format!("{path}status/");
        ada.put(&status).json(&json!({"status": "Shipped"})).await.is(403);
        assert_eq!(admin.put(&status).json(&json!({"status": "Shipped"})).await.is(200)["status"], "shipped");
        assert_eq!(admin.put(&bare(&status)).json(&json!({"status": "Delivered"})).await.is(200)["status"], "delivered");

        // Line 57.
        ada.delete(&path).await.is(409).with_code("invalid_transition");
        let path = format!("/api/orders/{}/", second["id"]);
        ada.delete(&path).await.is(204);
        ada.delete(&bare(&path)).await.is(204);
        assert_eq!(ada.get(&path).await.is(200)["status"], "cancelled");
        assert_eq!(shop.stock_of(&mug).await, 7);
        shop.runs_its_jobs().await;
    }

    async fn a_profile_is_shown_and_changed(shop: TestShop) {
        // Lines 64 and 65.
        let ada = shop.customer("ada@example.com").await;
        shows(&reads(&ada, "/api/profile/").await, &json!({"email": "ada@example.com", "first_name": "Ada"}));
        let change = json!({"first_name": "Augusta", "last_name": "King", "address": "5 Quay", "phone_number": "123"});
        shows(&ada.put("/api/profile/").json(&change).await.is(200), &change);
        shows(&ada.put("/api/profile").json(&change).await.is(200), &change);
        shop.visitor().get("/api/profile/").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn the_dashboard_counts_users_orders_and_products(shop: TestShop) {
        let (mug, _) = (shop.sells("Mug").await, shop.sells("Old").with("is_active", false).await);
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        ada.buys(&mug).await;
        // Lines 72 to 74.
        for (path, total) in [
            ("/api/dashboard/total-users/", 2),
            ("/api/dashboard/total-orders/", 1),
            ("/api/dashboard/total-products/", 1),
        ] {
            shows(&reads(&admin, path).await, &json!({"total": total}));
            ada.get(path).await.is(403);
            shop.visitor().get(&bare(path)).await.is(401);
        }
        shop.runs_its_jobs().await;
    }
}
