//! Reads of the catalog, as customers send them: without credentials.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rand::Rng;

use crate::{
    bare::Bare,
    load::{Connection, Requests, Server, get},
    table::{Row, print_head},
};

const CONNECTIONS: usize = 32;
const LIST: &str = "/api/products?per_page=20";

/// Measures every read, each in turn with its limit.
pub async fn measure(seconds: u64, rounds: usize) -> anyhow::Result<()> {
    let shop = Server::of_environment()?;
    let ids = product_ids(&shop).await?;
    let product = format!("/api/products/{}", ids[0]);
    let tag = header(&shop, &get(&product, ""), "etag").await?;
    let always = |target: &str, headers: &str| -> Requests {
        let request = get(target, headers);
        Arc::new(move |_, _| request.clone())
    };
    let random: Requests = {
        let requests: Vec<Vec<u8>> = ids.iter().map(|id| get(&format!("/api/products/{id}"), "")).collect();
        Arc::new(move |_, _| requests[rand::rng().random_range(0..requests.len())].clone())
    };
    let rows = [
        ("product", always(&product, "")),
        ("list of 20", always(LIST, "")),
        ("product, 304", always(&product, &format!("If-None-Match: {tag}\r\n"))),
        ("list of 20, brotli", always(LIST, "Accept-Encoding: gzip, deflate, br, zstd\r\n")),
        ("list of 20, gzip", always(LIST, "Accept-Encoding: gzip\r\n")),
        ("random product", random),
    ];
    print_head();
    for (name, requests) in rows {
        let bare = Bare::start(&body(&shop, &requests(0, 0)).await?).await?;
        let mut row = Row { name, shop: Vec::new(), limit: Vec::new(), writes: Vec::new() };
        for _ in 0..rounds {
            row.shop.push(shop.load(CONNECTIONS, Duration::from_secs(seconds), &requests).await?);
            row.limit.push(bare.server.load(CONNECTIONS, Duration::from_secs(seconds), &requests).await?);
        }
        row.print();
    }
    Ok(())
}

/// The ids of the first 10,000 products.
async fn product_ids(shop: &Server) -> anyhow::Result<Vec<i64>> {
    let mut ids = Vec::new();
    for page in 1..=100 {
        let products = body(shop, &get(&format!("/api/products?per_page=100&page={page}"), "")).await?;
        let products: Vec<serde_json::Value> = serde_json::from_slice(&products)?;
        ids.extend(products.iter().filter_map(|product| product["id"].as_i64()));
    }
    Ok(ids)
}

async fn body(shop: &Server, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open(&shop.address).await?;
    connection.ask(request).await?;
    Ok(connection.body().to_vec())
}

async fn header(shop: &Server, request: &[u8], name: &str) -> anyhow::Result<String> {
    let mut connection = Connection::open(&shop.address).await?;
    connection.ask(request).await?;
    let response = String::from_utf8_lossy(connection.response());
    let line =
        response.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| known.eq_ignore_ascii_case(name));
    Ok(line.context("the header")?.1.to_owned())
}
