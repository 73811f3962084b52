//! A product that the shop is about to sell.

use std::pin::Pin;

use serde_json::Value;

use super::TestShop;
use crate::support::people::{Product, money};

/// A product that is created when it is awaited.
pub struct Offer {
    pub(super) shop: TestShop,
    pub(super) product: Value,
}

impl Offer {
    /// Minor units: `12_00` is 12.00.
    pub fn at(self, price: i64) -> Self {
        self.with("price", money(price))
    }

    pub fn in_stock(self, stock: i64) -> Self {
        self.with("stock", stock)
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.product[field] = value.into();
        self
    }
}

impl IntoFuture for Offer {
    type Output = Product;
    type IntoFuture = Pin<Box<dyn Future<Output = Product> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let made = self.shop.admin().await.post("/api/products").json(&self.product).await.is(201);
            Product::from(made.json())
        })
    }
}
