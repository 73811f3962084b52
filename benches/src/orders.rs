//! Orders, as signed-in customers place them.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use rand::Rng;
use serde_json::{Value, json};

use crate::{
    load::{Connection, Requests, Server, send},
    table::{Row, print_head},
    writes::orders_per_second,
};

/// So many customers order at a time.
const CUSTOMERS: usize = 32;
/// What they order from.
const PRODUCTS: usize = 1_000;

/// Measures orders, and the requests before them, beside what an order writes.
pub async fn measure(seconds: u64, rounds: usize) -> anyhow::Result<()> {
    let shop = Server::of_environment()?;
    let products = Arc::new(stocked_products(&shop).await?);
    let tokens = Arc::new(customers(&shop).await?);
    let (for_items, for_cart) = (Arc::clone(&tokens), Arc::clone(&tokens));
    let (of_items, of_cart) = (Arc::clone(&products), Arc::clone(&products));
    let items: Requests = Arc::new(move |customer, _| {
        let items: Vec<Value> = three(&of_items).map(|id| json!({"product": id, "quantity": 1})).to_vec();
        order(&for_items[customer], &json!({"shipping_address": "Lake Road 1", "items": items}))
    });
    let purchase: Requests = Arc::new(move |customer, number| {
        if number % 4 == 3 {
            return order(&for_cart[customer], &json!({"shipping_address": "Lake Road 1"}));
        }
        let product = of_cart[rand::rng().random_range(0..of_cart.len())];
        send("POST", "/api/cart/items", Some(&for_cart[customer]), "", &json!({"product": product}))
    });
    let hot = products[0];
    let one: Requests = Arc::new(move |customer, _| {
        order(
            &tokens[customer],
            &json!({"shipping_address": "Lake Road 1", "items": [{"product": hot, "quantity": 1}]}),
        )
    });
    print_head();
    let time = Duration::from_secs(seconds);
    let database = std::env::var("LIMIT_DATABASE_URL").context("LIMIT_DATABASE_URL is missing")?;
    let rows = [
        ("order of 3 lines", items),
        ("one of 3 to the cart, or the order", purchase),
        ("order of one hot product", one),
    ];
    for (name, requests) in rows {
        let mut row = Row { name, shop: Vec::new(), limit: Vec::new(), writes: Vec::new() };
        for _ in 0..rounds {
            row.shop.push(shop.load(CUSTOMERS, time, &requests).await?);
            row.writes.push(orders_per_second(&database, time).await?);
        }
        row.print();
    }
    Ok(())
}

fn three(products: &[i64]) -> [i64; 3] {
    let first = rand::rng().random_range(0..products.len());
    [0, 1, 2].map(|step| products[(first + step * 7) % products.len()])
}

fn order(token: &str, body: &Value) -> Vec<u8> {
    let key = format!("Idempotency-Key: {:x}\r\n", rand::rng().random::<u128>());
    send("POST", "/api/orders", Some(token), &key, body)
}

/// Products with more units than are sold.
async fn stocked_products(shop: &Server) -> anyhow::Result<Vec<i64>> {
    let mut connection = Connection::open(&shop.address).await?;
    let admin = sign_in(&mut connection, "admin@example.com", "demo-admin-1").await?;
    let mut ids = Vec::new();
    for page in 1..=PRODUCTS / 100 {
        let list = send("GET", &format!("/api/products?per_page=100&page={page}"), None, "", &Value::Null);
        let list = connection.json(&list).await?;
        ids.extend(list.as_array().context("a list")?.iter().filter_map(|product| product["id"].as_i64()));
    }
    for id in &ids {
        let stock = json!({"stock": 1_000_000_000});
        connection.json(&send("PATCH", &format!("/api/products/{id}"), Some(&admin), "", &stock)).await?;
    }
    Ok(ids)
}

async fn customers(shop: &Server) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(&shop.address).await?;
    let mut tokens = Vec::new();
    for _ in 0..CUSTOMERS {
        let email = format!("{:x}@example.com", rand::rng().random::<u64>());
        let new = json!({"email": email, "password": "a long walk by the sea"});
        connection.json(&send("POST", "/api/auth/register", None, "", &new)).await?;
        tokens.push(sign_in(&mut connection, &email, "a long walk by the sea").await?);
    }
    Ok(tokens)
}

async fn sign_in(connection: &mut Connection, email: &str, password: &str) -> anyhow::Result<String> {
    let login = json!({"email": email, "password": password});
    let session = connection.json(&send("POST", "/api/auth/login", None, "", &login)).await?;
    let token = session["access"].as_str().context("a token")?;
    ensure!(!token.is_empty(), "the token is empty");
    Ok(token.to_owned())
}
