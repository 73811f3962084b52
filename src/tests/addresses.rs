//! Addresses: what is documented is served and nothing else, under every name and spelling it has.

use std::collections::BTreeMap;

use cartwright::app::{aliases::ALIASES, api};
use platform::http::aliases::table;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::json;

use crate::support::{TestShop, http_client};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

on_both_engines! {
    async fn what_is_documented_is_served_and_nothing_else(shop: TestShop) {
        let stranger = Stranger::at(&shop);
        for (path, methods) in documented() {
            // Nothing takes OPTIONS, so 405 says that the path is there, whatever its endpoints say of the id.
            assert_eq!(stranger.asks("OPTIONS", &path).await, 405, "{path}");
            for method in METHODS {
                let status = stranger.asks(method, &path).await;
                let served = status != 405 && (status != 404 || path.contains("987"));
                assert_eq!(served, methods.contains(&method.to_owned()), "{method} {path} answered {status}");
            }
        }
    }

    async fn what_is_not_documented_is_not_there(shop: TestShop) {
        let stranger = Stranger::at(&shop);
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        for path in [
            "/api", "/api/users", "/api/users/1", "/api/admin", "/api/auth", "/api/carts", "/api/jobs", "/api/stock",
            "/api/products/1/stock", "/admin", "/api/v1/products", "/products", "/orders",
            "/.env", "/debug", "/api/products.json", "/media/../Cargo.toml", "/openapi.yaml", "/token",
        ] {
            for person in [&shop.visitor(), &ada, &admin] {
                let answer = person.get(path).await;
                assert!([404, 405].contains(&answer.status), "{path}\n{answer}");
            }
        }
        for path in ["/", "/docs", "/health/live", "/health/ready", "/metrics", "/openapi.json"] {
            assert_eq!(stranger.asks("GET", path).await, 200, "GET {path}");
        }
        for path in ["/", "/health/live", "/health/ready", "/metrics", "/openapi.json"] {
            assert_eq!(stranger.asks("DELETE", path).await, 405, "DELETE {path}");
        }
    }

    async fn a_slash_at_the_end_changes_nothing_and_redirects_nobody(shop: TestShop) {
        let stranger = Stranger::at(&shop);
        for (path, methods) in documented() {
            for method in methods {
                let bare = stranger.asks(&method, &path).await;
                for slashed in [format!("{path}/"), format!("{path}/?page=1"), format!("{path}//")] {
                    assert_eq!(stranger.asks(&method, &slashed).await, bare, "{method} {slashed}");
                }
                assert!(!(300..400).contains(&bare), "{method} {path} answered {bare}");
            }
        }
        for path in ["/health/live/", "/health/ready/", "/metrics/", "/openapi.json/", "/docs/"] {
            assert_eq!(stranger.asks("GET", path).await, 200, "GET {path}");
        }
    }

    async fn a_slash_at_the_end_keeps_the_query(shop: TestShop) {
        for name in ["Mug", "Pot", "Red mug"] {
            shop.sells(name).await;
        }
        let bare = shop.visitor().get("/api/products?search=mug&per_page=1&page=2").await.is(200);
        let slashed = shop.visitor().get("/api/products/?search=mug&per_page=1&page=2").await.is(200);
        assert_eq!(bare.json(), slashed.json());
        assert_eq!((bare.list().len(), slashed.header("x-total-count")), (1, "2"));
        assert!(slashed.header("link").contains("search=mug&per_page=1&page=1"), "{}", slashed.header("link"));
    }

    async fn an_alias_is_validated_like_its_canonical_path(shop: TestShop) {
        let visitor = shop.visitor();
        for (method, alias, canonical) in table(ALIASES) {
            let known = visitor.asks(method.parse().unwrap(), &with_ids(canonical)).await;
            for asked in [with_ids(alias), with_ids(alias) + "/"] {
                let answer = visitor.asks(method.parse().unwrap(), &asked).await.is(known.status);
                assert_eq!(answer["code"], known["code"], "{answer}");
                assert_eq!(answer["errors"], known["errors"], "{answer}");
                assert_eq!(answer["instance"], asked, "{answer}");
            }
        }
    }

    async fn an_alias_takes_its_own_methods_only(shop: TestShop) {
        let mut taken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (method, alias, _) in table(ALIASES) {
            taken.entry(alias).or_default().push(method);
        }
        let ada = shop.customer("ada@example.com").await;
        for (alias, mut methods) in taken {
            methods.sort_unstable();
            for method in METHODS.into_iter().filter(|method| !methods.contains(method)) {
                for asked in [with_ids(alias), with_ids(alias) + "/"] {
                    let refused = ada.asks(method.parse().unwrap(), &asked).await.is(405).with_code("method_not_allowed");
                    let mut allowed: Vec<&str> = refused.header("allow").split(", ").collect();
                    allowed.sort_unstable();
                    assert_eq!(allowed, methods, "{method} {asked}");
                }
            }
        }
    }

    async fn words_in_paths_are_not_read_as_ids(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let cart = ada.post("/api/cart/add/").json(&json!({"product": mug.id, "quantity": 2})).await.is(201);
        let line = format!("/api/cart/{}", cart["items"][0]["id"]);

        assert_eq!(ada.get(&line).await.is(200)["quantity"], 2);
        assert_eq!(ada.get("/api/cart/summary/").await.is(200)["total_items"], 2);
        assert_eq!(ada.get("/api/cart/items").await.is(405).header("allow"), "POST");
        assert_eq!(ada.delete("/api/cart/summary").await.is(405).header("allow"), "GET");
        assert_eq!(ada.delete("/api/orders/my-orders").await.is(405).header("allow"), "GET");
        for word in ["/api/cart/nothing", "/api/cart/-1", "/api/cart/987", "/api/orders/nothing"] {
            ada.get(word).await.is(404).with_code("not_found");
            ada.delete(word).await.is(404).with_code("not_found");
        }
        ada.delete("/api/cart/clear/").await.is(204);
        ada.get(&line).await.is(404);
    }

    async fn a_key_is_one_key_under_all_names_of_an_endpoint(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        let order = json!({"items": [{"product": mug.id, "quantity": 1}]});
        let first = ada.post("/api/orders/create/").once("monday").json(&order).await.is(201);
        assert_eq!(first.header("location"), format!("/api/orders/{}", first["id"]));
        for name in ["/orders/create", "/api/orders", "/api/orders/", "/api/checkout/", "/orders/checkout/"] {
            let again = ada.post(name).once("monday").json(&order).await.is(201);
            assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), "true"), "{name}");
        }
        assert_eq!(shop.stock_of(&mug).await, 4);
        shop.runs_its_jobs().await;
    }

    async fn my_orders_are_mine_even_for_an_admin(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        ada.buys(&mug).await;
        for _ in 0..3 {
            admin.buys(&mug).await;
        }
        assert_eq!(admin.get("/api/orders").await.is(200).list().len(), 4);
        for mine in ["/api/orders?mine=true", "/api/orders/my-orders", "/orders/my-orders/", "/orders/my-orders?mine=false"] {
            let orders = admin.get(mine).await.is(200).list();
            assert!(orders.len() == 3 && orders.iter().all(|order| order["user"] == admin.id), "{mine}: {orders:?}");
        }
        let page = admin.get("/orders/my-orders/?per_page=2&page=2").await.is(200);
        assert_eq!((page.list().len(), page.header("x-total-count")), (1, "3"));
        assert!(page.header("link").starts_with("</orders/my-orders/?per_page=2&page=1>; rel=\"first\""));
        assert_eq!(ada.get("/api/orders?mine=false").await.is(200).list().len(), 1, "others' orders stay others'");
        admin.get("/api/orders?mine=perhaps").await.is(422).about(&["mine"]);
        shop.runs_its_jobs().await;
    }
}

#[test]
fn every_alias_is_documented_as_one() {
    let document = api::document("USD".parse().expect("a currency"));
    for (method, alias, canonical) in table(ALIASES) {
        let operation = &document["paths"][alias][method.to_lowercase()];
        assert_eq!(operation["deprecated"], true, "{method} {alias}");
        assert_eq!(operation["summary"], format!("The same as {method} {canonical}."));
        let known = &document["paths"][canonical.split('?').next().unwrap()][method.to_lowercase()];
        assert_eq!((&operation["responses"], &operation["requestBody"]), (&known["responses"], &known["requestBody"]));
        assert_eq!(operation["security"], known["security"]);
    }
    let parameters = document["paths"]["/api/orders/my-orders"]["get"]["parameters"].as_array().expect("parameters");
    assert!(parameters.iter().all(|parameter| parameter["name"] != "mine"), "{parameters:?}");
}

/// Every documented path, with ids that name nothing, and its methods.
fn documented() -> Vec<(String, Vec<String>)> {
    let document = api::document("USD".parse().expect("a currency"));
    let paths = document["paths"].as_object().expect("paths").clone();
    let methods = |operations: serde_json::Value| {
        operations.as_object().expect("operations").keys().map(|method| method.to_uppercase()).collect()
    };
    paths.into_iter().map(|(path, operations)| (with_ids(&path), methods(operations))).collect()
}

/// `/api/orders/{id}` as a client asks for it.
fn with_ids(pattern: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "987".to_owned() } else { part.to_owned() };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Somebody unknown, who follows no redirect.
struct Stranger {
    address: String,
    client: Client,
}

impl Stranger {
    fn at(shop: &TestShop) -> Self {
        let client = http_client().redirect(Policy::none()).build().expect("an HTTP client");
        Self { address: shop.address().to_owned(), client }
    }

    async fn asks(&self, method: &str, path: &str) -> u16 {
        let method: Method = method.parse().expect("a method");
        let asked = self.client.request(method, format!("{}{path}", self.address)).send().await;
        asked.expect("an answer").status().as_u16()
    }
}
