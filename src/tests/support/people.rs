//! The people in the stories, and what they can do.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Ask},
    shop::TestShop,
};

pub const PASSWORD: &str = "a long walk by the sea";

/// A visitor, a customer or an admin.
#[derive(Clone)]
pub struct Person {
    shop: TestShop,
    pub id: i64,
    pub email: String,
    pub access: Option<String>,
    pub refresh: String,
}

/// A product as it was put on the shelf.
#[derive(Clone, Debug)]
pub struct Product {
    pub id: i64,
    pub json: Value,
}

/// An order as it was placed.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: i64,
    pub json: Value,
}

/// A payment as it was asked for.
#[derive(Clone, Debug)]
pub struct Payment {
    pub id: String,
    pub json: Value,
}

impl From<Value> for Product {
    fn from(json: Value) -> Self {
        Self { id: json["id"].as_i64().unwrap_or_else(|| panic!("a product has an id: {json}")), json }
    }
}

impl From<Value> for Order {
    fn from(json: Value) -> Self {
        Self { id: json["id"].as_i64().unwrap_or_else(|| panic!("an order has an id: {json}")), json }
    }
}

impl From<Value> for Payment {
    fn from(json: Value) -> Self {
        let id = json["id"].as_str().unwrap_or_else(|| panic!("a payment has an id: {json}")).to_owned();
        Self { id, json }
    }
}

/// Minor units as JSON shows them: `12_00` is `"12.00"`.
pub fn money(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

impl Person {
    pub fn unknown(shop: &TestShop) -> Self {
        Self { shop: shop.clone(), id: 0, email: String::new(), access: None, refresh: String::new() }
    }

    /// The same person in a shop that was opened beside this one.
    pub fn of(&self, shop: &TestShop) -> Self {
        Self { shop: shop.clone(), ..self.clone() }
    }

    /// The same person with another token.
    pub fn with_token(&self, access: &str) -> Self {
        Self { access: Some(access.to_owned()), ..self.clone() }
    }

    pub fn asks(&self, method: Method, path: &str) -> Ask {
        let name = method.to_string();
        let request = self.shop.http().request(method, format!("{}{path}", self.shop.address()));
        let request = match &self.access {
            Some(access) => request.bearer_auth(access),
            None => request,
        };
        Ask::new(&name, path, self.shop.inside().store.currency, request)
    }

    pub fn get(&self, path: &str) -> Ask {
        self.asks(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Ask {
        self.asks(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Ask {
        self.asks(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Ask {
        self.asks(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Ask {
        self.asks(Method::DELETE, path)
    }

    /// Begins a new session.
    pub async fn signs_in(&mut self) -> Answer {
        let tokens = self
            .shop
            .visitor()
            .post("/api/auth/login")
            .json(&json!({"email": self.email, "password": PASSWORD}))
            .await
            .is(200);
        self.store_tokens(&tokens);
        tokens
    }

    /// Exchanges the refresh token for the next one.
    pub async fn refreshes(&mut self) -> Answer {
        let tokens = self.shop.visitor().post("/api/auth/token/refresh").json(&json!({"refresh": self.refresh})).await;
        if tokens.status == 200 {
            self.store_tokens(&tokens);
        }
        tokens
    }

    fn store_tokens(&mut self, tokens: &Answer) {
        self.access = tokens["access"].as_str().map(ToOwned::to_owned);
        self.refresh = tokens["refresh"].as_str().unwrap_or_default().to_owned();
    }

    pub async fn puts_in_cart(&self, product: &Product, quantity: i64) -> Answer {
        self.post("/api/cart/items").json(&json!({"product": product.id, "quantity": quantity})).await
    }

    pub async fn cart(&self) -> Value {
        self.get("/api/cart").await.is(200).json()
    }

    /// Orders what is in the cart, to be paid at the door.
    pub async fn checks_out(&self) -> Answer {
        self.post("/api/orders").json(&json!({})).await
    }

    /// Asks for an order of these products, leaving the cart alone.
    pub fn places_order(&self, items: &[(&Product, i64)]) -> Ask {
        self.post("/api/orders").json(&json!({"items": lines(items)}))
    }

    /// One piece, to be paid at the door.
    pub async fn buys(&self, product: &Product) -> Order {
        self.places_order(&[(product, 1)]).await.is(201).json().into()
    }

    /// One piece, to be paid with Stripe.
    pub async fn buys_online(&self, product: &Product) -> Order {
        let order = json!({"items": lines(&[(product, 1)]), "payment_method": "stripe"});
        self.post("/api/orders").json(&order).await.is(201).json().into()
    }

    pub async fn cancels(&self, order: &Order) -> Answer {
        self.post(&format!("/api/orders/{}/cancel", order.id)).await
    }

    pub async fn orders(&self) -> Vec<Value> {
        self.get("/api/orders").await.is(200).list()
    }

    /// Asks for the events of an order; `.stream().await` opens the stream.
    pub fn events_of(&self, order: &Order) -> Ask {
        self.get(&format!("/api/orders/{}/events", order.id))
    }

    /// The order as it is now.
    pub async fn sees(&self, order: &Order) -> Value {
        self.get(&format!("/api/orders/{}", order.id)).await.is(200).json()
    }

    /// Rates a product, without words.
    pub async fn reviews(&self, product: &Product, rating: i64) -> Answer {
        self.post(&format!("/api/products/{}/reviews", product.id)).json(&json!({"rating": rating})).await
    }

    /// As an admin: moves an order to its next status.
    pub async fn sets_status(&self, order: &Order, status: &str) -> Answer {
        self.put(&format!("/api/orders/{}/status", order.id)).json(&json!({"status": status})).await
    }

    /// Asks for an order to be paid by its own payment method, chosen in the browser.
    pub fn wants_to_pay(&self, order: &Order) -> Ask {
        self.post("/api/payments").json(&json!({"order": order.id}))
    }

    /// Asks for an order to be paid with this card, as Stripe names it.
    pub async fn pays_with(&self, card: &str, order: &Order) -> Payment {
        let payment = json!({"order": order.id, "payment_method": card});
        self.post("/api/payments").json(&payment).await.is(202).json().into()
    }

    /// The payment as it is now.
    pub async fn looks_at(&self, payment: &Payment) -> Value {
        self.get(&format!("/api/payments/{}", payment.id)).await.is(200).json()
    }
}

fn lines(items: &[(&Product, i64)]) -> Value {
    items.iter().map(|(product, quantity)| json!({"product": product.id, "quantity": quantity})).collect()
}
