//! storefront-plan: what a shop has to have. It names ten addresses and leaves the others to us.

use serde_json::{Value, json};

use super::{bare, has_fields, names, one, reads, shows, signs_in};
use crate::support::TestShop;

on_both_engines! {
    async fn people_sign_up_and_keep_a_profile(shop: TestShop) {
        // Lines 173 and 174, with the fields of lines 11 and 15.
        let registration = json!({"username": "ada", "email": "ada@example.com", "password": "a long walk by the sea"});
        let user = shop.visitor().post("/api/auth/register/").json(&registration).await.is(201);
        has_fields(&user.json(), &["username", "email", "role", "phone_number", "address", "city", "country"]);
        let login = json!({"username": "ada", "password": "a long walk by the sea"});
        let ada = signs_in(&shop, "/api/auth/login/", &login).await;
        // Line 21.
        let change = json!({"address": "5 Quay", "city": "Bristol", "country": "UK", "phone_number": "0123"});
        shows(&ada.put("/api/profile/").json(&change).await.is(200), &change);
        shows(&reads(&ada, "/api/profile/").await, &change);
        // Line 187: the cart is there by itself.
        assert_eq!(reads(&ada, "/api/cart/").await["user"], ada.id);
        shop.runs_its_jobs().await;
    }

    async fn products_are_browsed_searched_and_filtered(shop: TestShop) {
        let (visitor, admin) = (shop.visitor(), shop.admin().await);
        // Lines 34 to 38 and 45.
        let input = admin.post("/api/categories/").json(&json!({"name": "Input devices"})).await.is(201);
        has_fields(&input.json(), &["name", "slug", "description"]);
        let acme = admin.post("/api/brands/").json(&json!({"name": "Acme"})).await.is(201);
        has_fields(&acme.json(), &["name", "logo"]);
        assert_eq!(reads(&visitor, "/api/brands/").await.json(), json!([acme.json()]));
        let of = |name: &str, price: &str, stock: i64, category: &Value, brand: &Value| {
            json!({"name": name, "price": price, "stock": stock, "category": category, "brand": brand})
        };
        for product in [
            of("Keyboard", "80.00", 5, &input["id"], &Value::Null),
            of("Mouse", "25.00", 0, &input["id"], &acme["id"]),
            of("Monitor", "300.00", 2, &Value::Null, &acme["id"]),
        ] {
            let made = admin.post("/api/products/").json(&product).await.is(201);
            has_fields(&made.json(), &["name", "description", "price", "category", "image", "stock", "is_active"]);
        }

        // Lines 170 to 172.
        assert_eq!(names(&reads(&visitor, "/api/products/").await), ["Monitor", "Mouse", "Keyboard"]);
        let keyboard = reads(&visitor, "/api/products/?search=keyboard").await;
        assert_eq!(names(&keyboard), ["Keyboard"]);
        let path = format!("/api/products/{}/", keyboard.list()[0]["id"]);
        assert_eq!(reads(&visitor, &path).await.json(), keyboard.list()[0]);

        // Line 43: by category and brand, in the words of the search and as filters.
        for (query, found) in [
            ("search=input", vec!["Mouse", "Keyboard"]),
            ("search=acme", vec!["Monitor", "Mouse"]),
            ("category=input-devices", vec!["Mouse", "Keyboard"]),
            ("brand=acme", vec!["Monitor", "Mouse"]),
            // Line 44.
            ("min_price=25&max_price=80", vec!["Mouse", "Keyboard"]),
            ("in_stock=true", vec!["Monitor", "Keyboard"]),
            ("in_stock=false", vec!["Mouse"]),
        ] {
            assert_eq!(names(&reads(&visitor, &format!("/api/products/?{query}")).await), found, "{query}");
        }
    }

    async fn a_cart_is_filled_before_anybody_signs_in(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        // Lines 55 to 60.
        let visitor = shop.visitor();
        let cart = visitor.post("/api/carts/").await.is(201);
        shows(&cart, &json!({"user": null}));
        has_fields(&cart.json(), &["created_at"]);
        let id = cart["id"].as_str().unwrap();
        // At its own addresses, which the visitor tells by a header which cart it is.
        let filled = visitor.post("/api/cart/add/").header("x-cart-id", id).json(&one(&mug)).await.is(201);
        assert_eq!(visitor.get("/api/cart/").header("x-cart-id", id).await.is(200).json(), filled.json());
        let mut ada = shop.customer("ada@example.com").await;
        let login = json!({"email": ada.email, "password": crate::support::people::PASSWORD, "cart_id": id});
        ada.access = signs_in(&shop, "/api/auth/login/", &login).await.access;

        // Lines 175 and 176; lines 65 to 68.
        for path in ["/api/cart/add/", "/api/cart/add"] {
            ada.post(path).json(&one(&mug)).await.is(201);
        }
        let cart = reads(&ada, "/api/cart/").await;
        shows(&cart, &json!({"items": [{"product": mug.id, "quantity": 3}]}));
        let line = format!("/api/cart/items/{}/", cart["items"][0]["id"]);
        assert_eq!(ada.patch(&line).json(&json!({"quantity": 2})).await.is(200)["total_items"], 2);
        ada.delete(&line).await.is(204);
        shop.runs_its_jobs().await;
    }

    async fn a_checkout_makes_an_order_that_is_then_paid(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);

        // Line 177, with the fields of lines 78 to 86; lines 90 to 92.
        ada.puts_in_cart(&mug, 2).await.is(201);
        let order = ada.post("/api/checkout/").json(&json!({"payment_method": "stripe"})).await.is(201);
        let fields = ["user", "created_at", "total_price", "status", "shipping_address", "payment_status"];
        has_fields(&order.json(), &fields);
        shows(&order, &json!({"items": [{"product": mug.id, "quantity": 2, "price": "12.00"}]}));
        assert_eq!((ada.cart().await["total_items"].as_i64(), shop.stock_of(&mug).await), (Some(0), 7));
        ada.post(&bare("/api/checkout/")).json(&json!({})).await.is(409).with_code("cart_empty");
        shop.runs_its_jobs().await;
        let number = order["order_number"].as_str().unwrap();
        assert!(shop.mail().mails().iter().any(|mail| mail.text().contains(number)), "a confirmation is sent");

        // Line 178, with the fields of line 110; lines 114 to 117.
        let wish = json!({"order": order["id"], "payment_method": "pm_card_visa"});
        let payment = ada.post("/api/payment/").json(&wish).await.is(202);
        has_fields(&payment.json(), &["order", "amount", "provider", "transaction_id", "status"]);
        shows(&payment, &json!({"order": order["id"], "amount": "24.00", "provider": "stripe"}));
        ada.post(&bare("/api/payment/")).json(&json!({"order": 987})).await.is(422);
        shop.runs_its_jobs().await;
        let order_path = format!("/api/orders/{}/", order["id"]);
        assert_eq!(reads(&ada, &order_path).await["payment_status"], "paid");
        let paid = reads(&ada, &format!("/api/payments/{}/", payment["id"].as_str().unwrap())).await;
        assert!(paid["transaction_id"].is_string(), "{paid}");

        // Lines 93 and 179.
        admin.put(&format!("{order_path}status/")).json(&json!({"status": "shipped"})).await.is(200);
        assert_eq!(reads(&ada, "/api/orders/").await.list()[0]["status"], "shipped");
        shop.runs_its_jobs().await;
    }

    async fn products_are_kept_in_a_wishlist(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        // Lines 121 to 128.
        shows(&ada.post("/api/wishlist/").json(&json!({"product": mug.id})).await.is(201), &json!({"product": mug.id}));
        ada.post("/api/wishlist").json(&json!({"product": mug.id})).await.is(200);
        let list = reads(&ada, "/api/wishlist/").await;
        shows(&list, &json!([{"product": mug.id, "name": "Mug", "price": "12.00"}]));
        ada.delete(&format!("/api/wishlist/{}/", mug.id)).await.is(204);
        assert_eq!(reads(&ada, "/api/wishlist/").await.list().len(), 0);
        shop.visitor().get("/api/wishlist/").await.is(401);
        shop.runs_its_jobs().await;
    }

    async fn buyers_rate_and_review_products(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        ada.buys(&mug).await;
        // Lines 132 to 138.
        let path = format!("/api/products/{}/reviews/", mug.id);
        let review = ada.post(&path).json(&json!({"rating": 4, "comment": "Holds tea."})).await.is(201);
        has_fields(&review.json(), &["user", "product", "rating", "comment", "created_at"]);
        ada.post(&bare(&path)).json(&json!({"rating": 5})).await.is(409).with_code("already_reviewed");
        assert_eq!(reads(&shop.visitor(), &path).await.json(), json!([review.json()]));
        shows(&reads(&shop.visitor(), &format!("/api/products/{}/", mug.id)).await, &json!({"rating": 4.0}));
        shop.runs_its_jobs().await;
    }

    async fn admins_manage_users_see_figures_and_add_inventory(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(5).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        ada.buys(&mug).await;
        // Line 144: users. Products and orders are managed in the stories above.
        let users = reads(&admin, "/api/admin/users/").await.list();
        assert!(users.iter().any(|user| user["email"] == "ada@example.com"), "{users:?}");
        let path = format!("/api/admin/users/{}/", ada.id);
        assert_eq!(reads(&admin, &path).await["id"], ada.id);
        shows(&admin.patch(&path).json(&json!({"role": "admin"})).await.is(200), &json!({"role": "admin"}));
        // Line 145.
        shows(&reads(&admin, "/api/dashboard/total-orders/").await, &json!({"total": 1}));
        shows(&reads(&admin, "/api/dashboard/top-products/").await, &json!([{"product": mug.id, "units": 1}]));
        // Line 146.
        let delivery = json!({"delta": 20, "reason": "delivery"});
        admin.post(&format!("/api/admin/inventory/{}/adjust/", mug.id)).json(&delivery).await.succeeds();
        assert_eq!(shop.stock_of(&mug).await, 24);
        shop.runs_its_jobs().await;
    }
}
