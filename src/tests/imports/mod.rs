//! Exports of Shopify, imported by the program beside a shop that is open. What the files say is what real ones say.

mod descriptions;
mod files;
mod interruptions;
mod products;
mod stock;

use serde_json::Value;

use crate::support::{Order, Person, Product, TestShop};

const HEADER: &str = "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,\
    Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Image Position,Gift Card,Status";

/// An export with these rows in the columns of [`HEADER`].
fn export(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

fn mug_in_stock(stock: &str) -> String {
    export(&[&format!("mug,Mug,Acme,Title,Default Title,M-1,shopify,{stock},deny,9.50,,,false,active")])
}

fn mugs(count: usize) -> String {
    let rows: Vec<String> = (0..count)
        .map(|n| format!("mug-{n},Mug {n:04},Acme,Title,Default Title,M-{n},shopify,5,deny,9.50,,,false,active"))
        .collect();
    export(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn buys(ada: &Person, product: &Value, pieces: i64) -> Order {
    ada.places_order(&[(&Product::from(product.clone()), pieces)]).await.is(201).json().into()
}

async fn stock_of(shop: &TestShop, name: &str) -> Value {
    shop.product_named(name).await["stock"].clone()
}
