//! A client that was written against one of the documents and knows nothing else: its addresses, its bodies, in its order,
//! and no step that it does not name. Once with the slash at the end of each address, once without.
//!
//! Admins are made outside of every document, so the stories have theirs from the shop.

use reqwest::Method;
use serde_json::{Value, json};

use super::{has_fields, names, shows};
use crate::support::{Person, TestShop, answer::Answer};

const SLASHES: [&str; 2] = ["/", ""];

/// Somebody with such a client.
struct Client {
    person: Person,
    /// What every address ends with.
    slash: &'static str,
    /// The first refresh token. It is never replaced by another.
    refresh: Value,
}

impl Client {
    fn of(shop: &TestShop, slash: &'static str) -> Self {
        Self { person: shop.visitor(), slash, refresh: Value::Null }
    }

    async fn admin(shop: &TestShop, slash: &'static str) -> Self {
        Self { person: shop.admin().await, slash, refresh: Value::Null }
    }

    async fn asks(&self, method: Method, address: &str, body: Option<Value>) -> Answer {
        let (path, query) =
            address.split_once('?').map_or((address, String::new()), |(path, query)| (path, format!("?{query}")));
        let asked = self.person.asks(method, &format!("{path}{}{query}", self.slash));
        match body {
            Some(body) => asked.json(&body).await,
            None => asked.await,
        }
    }

    async fn get(&self, address: &str) -> Answer {
        self.asks(Method::GET, address, None).await.is(200)
    }

    async fn post(&self, address: &str, body: Value) -> Answer {
        self.asks(Method::POST, address, Some(body)).await
    }

    /// Without a body, where the document prints none.
    async fn posts(&self, address: &str) -> Answer {
        self.asks(Method::POST, address, None).await
    }

    async fn put(&self, address: &str, body: Value) -> Answer {
        self.asks(Method::PUT, address, Some(body)).await.is(200)
    }

    async fn patch(&self, address: &str, body: Value) -> Answer {
        self.asks(Method::PATCH, address, Some(body)).await.is(200)
    }

    async fn deletes(&self, address: &str) {
        self.asks(Method::DELETE, address, None).await.is(204);
    }

    async fn is_gone(&self, address: &str) {
        self.asks(Method::GET, address, None).await.is(404);
    }

    async fn signs_in(&mut self, address: &str, body: Value) {
        let tokens = self.post(address, body).await.is(200);
        self.keeps_access(&tokens);
        self.refresh = tokens["refresh"].clone();
    }

    /// Reads `access` and nothing else of the answer, as often as it likes.
    async fn refreshes(&mut self, address: &str) {
        for _ in 0..3 {
            let tokens = self.post(address, json!({"refresh": self.refresh})).await.is(200);
            self.keeps_access(&tokens);
        }
    }

    fn keeps_access(&mut self, tokens: &Answer) {
        self.person = self.person.with_token(tokens["access"].as_str().expect("an access token"));
    }
}

/// The id of what an answer shows, as addresses have it.
fn id(answer: &Value) -> String {
    answer["id"].as_str().map_or_else(|| answer["id"].to_string(), ToOwned::to_owned)
}

on_both_engines! {
    async fn dashboard_shop(shop: TestShop) {
        for slash in SLASHES {
            let (mut ada, admin) = (Client::of(&shop, slash), Client::admin(&shop, slash).await);
            // Its users need a first and a last name; address and phone number are optional.
            let email = format!("ada{}@example.com", slash.len());
            let login = json!({"email": email, "password": "a long walk by the sea"});
            let mut registration = login.clone();
            registration["first_name"] = json!("Ada");
            registration["last_name"] = json!("Lovelace");
            has_fields(&ada.post("/auth/register", registration).await.is(201).json(), &["id", "first_name", "email"]);
            ada.signs_in("/auth/login", login).await;
            ada.refreshes("/auth/token/refresh").await;

            let cups = admin.post("/api/categories", json!({"name": "Cups", "description": "To drink from"})).await.is(201);
            let category = format!("/api/categories/{}", cups["id"]);
            assert_eq!(names(&ada.get("/api/categories").await), ["Cups"]);
            admin.put(&category, json!({"name": "Mugs", "description": "To drink from"})).await;
            assert_eq!(ada.get(&category).await["name"], "Mugs");

            let mug = json!({"name": "Mug", "description": "Holds tea", "price": "12.00", "stock": 9, "category": cups["id"]});
            let mug = admin.post("/api/products", mug).await.is(201);
            let product = format!("/api/products/{}", mug["id"]);
            assert_eq!(ada.get(&product).await.json(), mug.json());
            for list in ["/api/products", "/api/products?search=tea", &format!("/api/products?category={}", cups["id"])] {
                assert_eq!(names(&ada.get(list).await), ["Mug"], "{list}");
            }
            admin.put(&product, json!({"name": "Mug", "description": "Holds tea", "price": "13.00", "stock": 9})).await;

            let line = json!({"product": mug["id"], "quantity": 1});
            let fills_a_cart = async || {
                let cart = format!("/api/carts/{}", id(&ada.posts("/api/carts").await.succeeds().json()));
                let filled = ada.post(&format!("{cart}/items"), line.clone()).await.is(201);
                let item = format!("{cart}/items/{}", filled["items"][0]["id"]);
                (cart, item)
            };
            let (cart, item) = fills_a_cart().await;
            ada.patch(&item, json!({"quantity": 2})).await;
            assert_eq!(ada.get(&cart).await["items"][0]["quantity"], 2);
            ada.deletes(&item).await;
            ada.deletes(&cart).await;

            fills_a_cart().await;
            let sent = ada.posts("/api/orders").await.is(201);
            fills_a_cart().await;
            let cancelled = ada.posts("/api/orders").await.is(201);
            assert_eq!(ada.get("/api/orders").await.json(), json!([cancelled.json(), sent.json()]));
            let order = format!("/api/orders/{}", sent["id"]);
            shows(&ada.get(&order).await, &json!({"status": "pending", "total_price": "13.00"}));
            for status in ["Shipped", "Delivered"] {
                admin.put(&format!("{order}/status"), json!({"status": status})).await;
                assert_eq!(ada.get(&order).await["status"], status.to_lowercase());
            }
            ada.deletes(&format!("/api/orders/{}", cancelled["id"])).await;

            shows(&ada.get("/api/profile").await, &json!({"email": email, "last_name": "Lovelace"}));
            let profile = json!({"first_name": "Augusta", "last_name": "King", "address": "5 Quay", "phone_number": "0123"});
            shows(&ada.put("/api/profile", profile.clone()).await, &profile);
            for figure in ["total-users", "total-orders", "total-products"] {
                assert!(admin.get(&format!("/api/dashboard/{figure}")).await["total"].is_u64(), "{figure}");
            }
            admin.deletes(&product).await;
            ada.posts("/auth/logout").await.is(204);
            // What was sold stays for the books; its category can go when nothing is in it.
            admin.put(&product, json!({"name": "Mug", "price": "13.00", "category": null})).await;
            admin.deletes(&category).await;
            shop.runs_its_jobs().await;
        }
    }

    async fn storefront_plan(shop: TestShop) {
        let keyboard = shop.sells("Keyboard").at(80_00).in_stock(9).await;
        for slash in SLASHES {
            let mut ada = Client::of(&shop, slash);
            let product = format!("/api/products/{}", keyboard.id);
            assert_eq!(names(&ada.get("/api/products").await), ["Keyboard"]);
            assert_eq!(names(&ada.get("/api/products?search=keyboard").await), ["Keyboard"]);
            assert_eq!(ada.get(&product).await["price"], "80.00");

            let name = format!("ada{}", slash.len());
            let login = json!({"username": name, "password": "a long walk by the sea"});
            let mut registration = login.clone();
            registration["email"] = json!(format!("{name}@example.com"));
            ada.post("/api/auth/register", registration).await.is(201);
            ada.signs_in("/api/auth/login", login).await;

            assert_eq!(ada.get("/api/cart").await["items"], json!([]));
            ada.post("/api/cart/add", json!({"product": keyboard.id, "quantity": 2})).await.is(201);
            assert_eq!(ada.get("/api/cart").await["total_items"], 2);
            let order = ada.posts("/api/checkout").await.is(201);
            let wish = json!({"order": order["id"], "amount": order["total_price"], "provider": "stripe"});
            let payment = ada.post("/api/payment", wish).await.is(202);
            has_fields(&payment.json(), &["order", "amount", "provider", "transaction_id", "status"]);
            shop.runs_its_jobs().await;
            let (intent,): (String,) = shop
                .db()
                .query("SELECT transaction_id FROM payments WHERE order_id = $1")
                .bind(order["id"].as_i64().expect("an order"))
                .fetch_one()
                .await
                .expect("the payment");
            shop.simulator().buyer_pays(&intent).expect("the buyer can pay");
            shop.receives_all_webhooks().await;
            shop.runs_its_jobs().await;
            let orders = ada.get("/api/orders").await;
            shows(&orders, &json!([{"id": order["id"], "status": "confirmed", "payment_status": "paid"}]));
        }
    }

    async fn mini_shop(shop: TestShop) {
        for slash in SLASHES {
            let (mut ada, admin) = (Client::of(&shop, slash), Client::admin(&shop, slash).await);
            let email = format!("ada{}@example.com", slash.len());
            let login = json!({"email": email, "password": "a long walk by the sea"});
            let mut registration = login.clone();
            registration["first_name"] = json!("Ada");
            registration["last_name"] = json!("Lovelace");
            registration["phone"] = json!("0123");
            ada.post("/api/auth/register", registration).await.is(201);
            ada.signs_in("/api/auth/login", login).await;
            shows(&ada.get("/api/auth/profile").await, &json!({"email": email, "role": "customer"}));
            ada.put("/api/auth/profile", json!({"first_name": "Augusta", "last_name": "King", "phone": "4567"})).await;

            let mug = json!({"name": "Mug", "description": "Holds tea", "price": "12.00", "stock": 9});
            let mug = admin.post("/api/products", mug).await.is(201);
            let product = format!("/api/products/{}", mug["id"]);
            assert_eq!(ada.get("/api/products").await.json(), json!([mug.json()]));
            assert_eq!(ada.get(&product).await.json(), mug.json());
            admin.put(&product, json!({"name": "Mug", "description": "Holds tea", "price": "13.00", "stock": 9})).await;

            let line = json!({"product": mug["id"], "quantity": 1});
            let cart = ada.post("/api/cart", line.clone()).await.is(201);
            let item = format!("/api/cart/{}", cart["items"][0]["id"]);
            ada.put(&item, json!({"quantity": 3})).await;
            assert_eq!(ada.get("/api/cart").await["items"][0]["quantity"], 3);
            ada.deletes(&item).await;
            ada.post("/api/cart", line.clone()).await.is(201);
            ada.deletes("/api/cart/clear").await;
            assert_eq!(ada.get("/api/cart").await["items"], json!([]));

            ada.post("/api/cart", line).await.is(201);
            let order = ada.posts("/api/orders/create").await.is(201);
            shows(&order, &json!({"status": "pending", "payment_method": "cash_on_delivery", "total_price": "13.00"}));
            assert_eq!(ada.get("/api/orders").await.json(), json!([order.json()]));
            let path = format!("/api/orders/{}", order["id"]);
            assert_eq!(ada.get(&path).await.json(), order.json());
            assert_eq!(ada.posts(&format!("{path}/cancel")).await.is(200)["status"], "cancelled");
            admin.deletes(&product).await;
            ada.posts("/api/auth/logout").await.is(204);
            shop.runs_its_jobs().await;
        }
    }

    async fn scalable_platform(shop: TestShop) {
        for slash in SLASHES {
            let (mut user, admin) = (Client::of(&shop, slash), Client::admin(&shop, slash).await);
            let name = format!("testuser{slash}").replace('/', "2");
            let registration =
                json!({"username": name, "email": format!("{name}@example.com"), "password": "testpassword"});
            let made = user.post("/api/auth/register", registration.clone()).await.is(201);
            shows(&made, &json!({"username": name, "email": registration["email"]}));
            user.signs_in("/api/auth/login", json!({"username": name, "password": "testpassword"})).await;
            user.refreshes("/api/auth/token/refresh").await;

            let electronics = json!({"name": "Electronics", "description": "Electronic items"});
            let made = admin.post("/api/categories", electronics.clone()).await.is(201);
            shows(&made, &electronics);
            let category = format!("/api/categories/{}", made["id"]);
            shows(&user.get("/api/categories").await, &json!([electronics]));
            shows(&user.get(&category).await, &electronics);
            let appliances = json!({"name": "Home Appliances", "description": "Appliances for home use"});
            shows(&admin.put(&category, appliances.clone()).await, &appliances);

            let smartphone = |description: &str, price: &str, stock: i64| {
                json!({"name": "Smartphone", "description": description, "price": price, "category": made["id"], "stock": stock})
            };
            let latest = smartphone("Latest model smartphone", "999.99", 50);
            let phone = admin.post("/api/products", latest.clone()).await.is(201);
            shows(&user.get("/api/products").await, &json!([latest]));
            let product = format!("/api/products/{}", phone["id"]);
            has_fields(&user.get(&product).await.json(), &["id", "name", "created_at", "updated_at"]);
            let updated = smartphone("Updated smartphone description", "899.99", 45);
            shows(&admin.put(&product, updated.clone()).await, &updated);
            assert_eq!(names(&user.get("/api/products?search=smartphone").await), ["Smartphone"]);
            assert_eq!(names(&user.get("/api/products?ordering=price").await), ["Smartphone"]);
            admin.deletes(&product).await;
            admin.deletes(&category).await;
            user.is_gone(&product).await;
            shop.runs_its_jobs().await;
        }
    }

    async fn drop_in_backend(shop: TestShop) {
        for slash in SLASHES {
            let (mut ada, admin) = (Client::of(&shop, slash), Client::admin(&shop, slash).await);
            let name = format!("ada{}", slash.len());
            let login = json!({"username": name, "password": "a long walk by the sea"});
            let mut registration = login.clone();
            registration["email"] = json!(format!("{name}@example.com"));
            ada.post("/api/users/register", registration).await.is(201);
            ada.signs_in("/api/token", login).await;
            ada.refreshes("/api/token/refresh").await;

            let mug = admin.post("/api/products", json!({"name": "Mug", "price": "12.00", "stock": 9})).await.is(201);
            let product = format!("/api/products/{}", mug["id"]);
            assert_eq!(ada.get("/api/products").await.json(), json!([mug.json()]));
            assert_eq!(ada.get(&product).await.json(), mug.json());
            admin.put(&product, json!({"name": "Mug", "price": "13.00"})).await;
            admin.patch(&product, json!({"price": "14.00"})).await;

            let items = json!({"items": [{"product": mug["id"], "quantity": 1}]});
            let order = ada.post("/api/orders", items.clone()).await.is(201);
            assert_eq!(ada.get("/api/orders").await.json(), json!([order.json()]));
            let path = format!("/api/orders/{}", order["id"]);
            let seen = ada.get(&path).await.json();
            assert_eq!(ada.put(&path, seen.clone()).await.json(), seen, "it is sent back as it was received");
            assert_eq!(ada.patch(&path, json!({"shipping_address": "5 Quay"})).await["shipping_address"], "5 Quay");
            ada.deletes(&path).await;

            let line = json!({"product": mug["id"], "quantity": 1});
            assert_eq!(ada.get("/api/cart").await["items"], json!([]));
            let cart = ada.post("/api/cart", line.clone()).await.is(201);
            let item = format!("/api/cart/{}", cart["items"][0]["id"]);
            assert_eq!(ada.get(&item).await["quantity"], 1);
            ada.put(&item, json!({"quantity": 2})).await;
            assert_eq!(ada.get("/api/cart/summary").await.json(), json!({"total_items": 2, "total_price": "28.00"}));
            ada.deletes(&item).await;

            let made = ada.post("/orders/create", items).await.is(201);
            ada.post("/api/cart", line).await.is(201);
            let from_cart = ada.posts("/orders/checkout").await.is(201);
            assert_eq!(ada.get("/api/cart").await["items"], json!([]));
            let mine: Vec<Value> = ada.get("/orders/my-orders").await.list().into_iter().map(|order| order["id"].clone()).collect();
            assert_eq!(mine, [&from_cart["id"], &made["id"], &order["id"]].map(Clone::clone));
            admin.deletes(&product).await;
            shop.runs_its_jobs().await;
        }
    }
}
