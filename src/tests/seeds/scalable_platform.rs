//! scalable-platform: sign-in by username, categories and products with every body and answer printed.

use std::time::Duration;

use serde_json::json;

use super::{bare, has_fields, names, reads, shows, signs_in};
use crate::support::TestShop;

on_both_engines! {
    async fn a_user_registers_signs_in_and_stays_signed_in(shop: TestShop) {
        // Lines 50 to 68. The first user of a shop has the id that is printed.
        let registration = json!({"username": "testuser", "email": "test@example.com", "password": "testpassword"});
        let user = shop.visitor().post("/api/auth/register/").json(&registration).await.is(201);
        shows(&user, &json!({"id": 1, "username": "testuser", "email": "test@example.com"}));
        assert!(user["password"].is_null());

        // Lines 70 to 86.
        let login = json!({"username": "testuser", "password": "testpassword"});
        let tokens = shop.visitor().post("/api/auth/login/").json(&login).await.is(200);
        has_fields(&tokens.json(), &["access", "refresh"]);

        // Lines 88 to 102.
        let refresh = json!({"refresh": tokens["refresh"]});
        let renewed = shop.visitor().post("/api/auth/token/refresh/").json(&refresh).await.is(200);
        assert_ne!(renewed["access"], tokens["access"]);
        let renewed = shop.visitor().post("/api/auth/token/refresh").json(&json!({"refresh": renewed["refresh"]})).await;

        // Line 12: signing out, with a JSON web token.
        let user = shop.visitor().with_token(renewed.is(200)["access"].as_str().unwrap());
        assert_eq!(user.get("/api/profile").await.is(200)["username"], "testuser");
        user.post("/api/auth/logout/").await.is(204);
        user.get("/api/profile").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn without_slashes_it_is_the_same(shop: TestShop) {
        let registration = json!({"username": "testuser", "email": "test@example.com", "password": "testpassword"});
        shop.visitor().post(&bare("/api/auth/register/")).json(&registration).await.is(201);
        let login = json!({"username": "testuser", "password": "testpassword"});
        let user = signs_in(&shop, &bare("/api/auth/login/"), &login).await;
        user.post(&bare("/api/auth/logout/")).await.is(204);
        shop.runs_its_jobs().await;
    }

    async fn categories_are_made_shown_changed_and_deleted(shop: TestShop) {
        let admin = shop.admin().await;
        let electronics = json!({"name": "Electronics", "description": "Electronic items"});
        admin.post("/api/categories").json(&electronics).await.is(201);

        // Lines 112 to 124.
        let printed = json!({"id": 1, "name": "Electronics", "description": "Electronic items"});
        shows(&reads(&shop.visitor(), "/api/categories/").await, &json!([printed]));

        // Lines 126 to 136.
        shows(&reads(&shop.visitor(), "/api/categories/1/").await, &printed);

        // Lines 138 to 155: the name is taken already, and the new category gets the id 2 all the same.
        let made = admin.post("/api/categories/").json(&electronics).await.is(201);
        shows(&made, &json!({"id": 2, "name": "Electronics", "description": "Electronic items"}));

        // Lines 157 to 174.
        let appliances = json!({"name": "Home Appliances", "description": "Appliances for home use"});
        let printed = json!({"id": 1, "name": "Home Appliances", "description": "Appliances for home use"});
        shows(&admin.put("/api/categories/1/").json(&appliances).await.is(200), &printed);
        shows(&admin.put("/api/categories/1").json(&appliances).await.is(200), &printed);
        shows(&reads(&shop.visitor(), "/api/categories/1/").await, &printed);

        // Lines 176 to 178.
        admin.delete("/api/categories/1/").await.is(204);
        admin.delete("/api/categories/2").await.is(204);
        shop.visitor().get("/api/categories/1/").await.is(404);
        assert_eq!(reads(&shop.visitor(), "/api/categories/").await.list().len(), 0);
    }

    async fn products_are_made_shown_changed_and_deleted(shop: TestShop) {
        let (admin, visitor) = (shop.admin().await, shop.visitor());
        admin.post("/api/categories/").json(&json!({"name": "Electronics"})).await.is(201);
        let laptop = json!({"name": "Laptop", "description": "A laptop", "price": "1500.00", "category": 1, "stock": 12});
        admin.post("/api/products").json(&laptop).await.is(201);
        shop.time_passes(Duration::from_micros(1_874_267_565));
        let laptop = json!({"name": "Laptop", "description": "High-end gaming laptop", "price": "1500.00", "stock": 10});
        admin.put("/api/products/1").json(&laptop).await.is(200);

        // Lines 182 to 199, to the microsecond.
        let printed = json!({
            "id": 1,
            "name": "Laptop",
            "description": "High-end gaming laptop",
            "price": "1500.00",
            "category": 1,
            "stock": 10,
            "created_at": "2025-01-15T06:31:38.809214Z",
            "updated_at": "2025-01-15T07:02:53.076779Z",
        });
        shows(&reads(&visitor, "/api/products/").await, &json!([printed]));

        // Lines 201 to 203.
        shows(&reads(&visitor, "/api/products/1/").await, &printed);

        // Lines 205 to 217.
        let smartphone = json!({
            "name": "Smartphone",
            "description": "Latest model smartphone",
            "price": "999.99",
            "category": 1,
            "stock": 50,
        });
        let made = admin.post("/api/products/").json(&smartphone).await.is(201);
        shows(&made, &smartphone);

        // Lines 219 to 231.
        let cheaper = json!({
            "name": "Smartphone",
            "description": "Updated smartphone description",
            "price": "899.99",
            "category": 1,
            "stock": 45,
        });
        let path = format!("/api/products/{}/", made["id"]);
        shows(&admin.put(&path).json(&cheaper).await.is(200), &cheaper);
        shows(&admin.put(&bare(&path)).json(&cheaper).await.is(200), &cheaper);
        shows(&reads(&visitor, &path).await, &cheaper);

        // Lines 233 to 235.
        admin.delete(&path).await.is(204);
        visitor.get(&path).await.is(404);
        admin.delete("/api/products/1").await.is(204);
        assert_eq!(reads(&visitor, "/api/products/").await.list().len(), 0);
    }

    async fn products_are_searched_and_put_in_order(shop: TestShop) {
        for (name, price, description) in
            [("Laptop", "1500.00", "High-end gaming laptop"), ("Mouse", "25.00", "For gaming"), ("Desk", "300.00", "Oak")]
        {
            shop.sells(name).with("price", price).with("description", description).await;
        }
        let visitor = shop.visitor();

        // Lines 237 to 239.
        assert_eq!(names(&reads(&visitor, "/api/products/?search=laptop").await), ["Laptop"]);
        assert_eq!(names(&reads(&visitor, "/api/products/?search=GAMING&ordering=price").await), ["Mouse", "Laptop"]);
        assert_eq!(reads(&visitor, "/api/products/?search=piano").await.list().len(), 0);

        // Lines 241 to 243.
        assert_eq!(names(&reads(&visitor, "/api/products/?ordering=price").await), ["Mouse", "Desk", "Laptop"]);
        assert_eq!(names(&reads(&visitor, "/api/products/?ordering=-price").await), ["Laptop", "Desk", "Mouse"]);
    }

    async fn an_order_is_placed_and_its_mail_is_sent_in_the_background(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        // Lines 20 to 22: carts, cart items and orders.
        ada.puts_in_cart(&mug, 2).await.is(201);
        let order = ada.post("/api/orders").json(&json!({})).await.is(201);
        assert_eq!(order["total_price"], "24.00");
        // Line 29: e-mail notifications from a task queue.
        let number = order["order_number"].as_str().unwrap();
        assert!(!shop.mail().mails().iter().any(|mail| mail.text().contains(number)), "not while the customer waits");
        shop.runs_its_jobs().await;
        assert!(shop.mail().mails().iter().any(|mail| mail.text().contains(number) && mail.to == ["ada@example.com"]));
    }
}
