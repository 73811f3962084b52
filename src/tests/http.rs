//! What all answers share, and what the edge refuses before any endpoint is asked.

use std::{future::IntoFuture, time::Duration};

use cartwright::app::document::operations;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Person, TestShop, eventually};

on_both_engines! {
    async fn every_answer_has_a_request_id_and_says_what_it_is(shop: TestShop) {
        let visitor = shop.visitor();
        for path in
            ["/", "/api/products", "/health/live", "/health/ready", "/openapi.json", "/docs", "/metrics", "/nothing"]
        {
            let answer = visitor.get(path).await;
            assert!(!answer.header("x-request-id").is_empty(), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
        let kept = visitor.get("/api/products").header("x-request-id", "mine-42").await;
        assert_eq!(kept.header("x-request-id"), "mine-42");
        for refused in ["", "two words", &"x".repeat(129), "ümlaut"] {
            let made = visitor.get("/nothing").header("x-request-id", refused).await.is(404);
            assert_ne!(made.header("x-request-id"), refused);
            assert_eq!(made.header("x-request-id").len(), 36);
        }
        assert_eq!(
            visitor.get("/health/ready").await.is(200).json(),
            json!({"status": "ready", "database": "up", "redis": "unused"})
        );
        let ada = shop.customer("ada@example.com").await;
        assert_eq!(ada.get("/api/profile").await.is(200).header("cache-control"), "no-store");
    }

    async fn allowed_origins_get_cors_headers(shop: TestShop) {
        let shop = shop.opens_again(|settings| settings.cors_origins = vec!["https://front.example".to_owned()]).await;
        let visitor = shop.visitor();
        let listed = visitor.get("/api/products").header("origin", "https://front.example").await.is(200);
        assert_eq!(listed.header("access-control-allow-origin"), "https://front.example");
        for exposed in
            ["ETag", "Link", "Location", "Retry-After", "X-Total-Count", "X-Request-Id", "Idempotent-Replayed"]
        {
            assert!(listed.header("access-control-expose-headers").contains(exposed), "{exposed}");
        }
        assert!(
            listed.header("vary").contains("Origin") || listed.header("vary").contains("Authorization"),
            "{}",
            listed.header("vary")
        );
        assert!(!listed.has_header("access-control-allow-credentials"));
        let refused = visitor.get("/api/nothing").header("origin", "https://front.example").await.is(404);
        assert_eq!(
            refused.header("access-control-allow-origin"),
            "https://front.example",
            "a page may read what went wrong"
        );

        let preflight = asks_before_sending(&visitor, "https://front.example").await.is(204);
        assert_eq!(preflight.header("access-control-allow-origin"), "https://front.example");
        assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
        for sent in ["Authorization", "Content-Type", "Idempotency-Key", "X-Cart-Id"] {
            assert!(preflight.header("access-control-allow-headers").contains(sent), "{sent}");
        }

        for stranger in ["https://evil.example", "https://front.example.evil.example", "null", "http://front.example"] {
            let unlisted = visitor.get("/api/products").header("origin", stranger).await.is(200);
            assert!(!unlisted.has_header("access-control-allow-origin"), "{stranger}");
            assert!(
                !asks_before_sending(&visitor, stranger).await.has_header("access-control-allow-origin"),
                "{stranger}"
            );
        }
    }

    async fn head_is_get_without_the_body(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let path = format!("/api/products/{}", mug.id);
        let (get, head) =
            (shop.visitor().get(&path).await.is(200), shop.visitor().asks(Method::HEAD, &path).await.is(200));
        assert_eq!((head.bytes().len(), head.header("etag")), (0, get.header("etag")));
        shop.visitor().asks(Method::HEAD, "/api/products/987").await.is(404);
    }

    async fn a_wrong_method_gets_405_with_allow(shop: TestShop) {
        let allows = async |method: Method, path: &str| {
            let refused = shop.visitor().asks(method, path).await.is(405).with_code("method_not_allowed");
            let mut allowed: Vec<String> = refused.header("allow").split(", ").map(ToOwned::to_owned).collect();
            allowed.sort_unstable();
            allowed.join(" ")
        };
        assert_eq!(allows(Method::DELETE, "/api/products").await, "GET POST");
        assert_eq!(allows(Method::POST, "/api/products/7").await, "DELETE GET PATCH PUT");
        assert_eq!(allows(Method::POST, "/api/products/7/").await, "DELETE GET PATCH PUT");
        assert_eq!(allows(Method::POST, "/api/cart/summary").await, "GET");
        assert_eq!(allows(Method::GET, "/api/auth/login").await, "POST");
        assert_eq!(allows(Method::POST, "/health/live").await, "GET");
    }

    async fn large_answers_are_compressed_for_those_who_can_read_it(shop: TestShop) {
        for number in 0..30 {
            shop.sells(&format!("Mug {number}")).with("description", "tea ".repeat(50)).await;
        }
        let plain = shop.visitor().get("/api/products").await.is(200);
        let packed = shop.visitor().get("/api/products").header("accept-encoding", "gzip").await.is(200);
        assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
        assert!(packed.bytes().len() * 4 < plain.bytes().len());
        assert!(packed.header("vary").to_lowercase().contains("accept-encoding") || packed.has_header("vary"));
    }

    async fn a_body_of_another_kind_is_refused(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"]
        {
            ada.post("/api/orders").body(kind, "{\"items\": []}").await.is(415).with_code("unsupported_media_type");
        }
        ada.post("/api/orders").body("application/json; charset=utf-8", "{}").await.is(409).with_code("cart_empty");
        ada.get("/api/orders").header("accept", "text/html").await.is(406).with_code("not_acceptable");
        for kind in ["*/*", "application/json", "text/html, application/*;q=0.5", "application/problem+json"] {
            ada.get("/api/orders").header("accept", kind).await.is(200);
        }
    }

    async fn a_body_beyond_the_limit_is_refused(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let of_size = |size: usize| format!("{{\"shipping_address\": \"{}\"}}", "x".repeat(size - 24));
        ada.post("/api/orders")
            .body("application/json", of_size((1 << 20) + 1))
            .await
            .is(413)
            .with_code("payload_too_large");
        ada.post("/api/orders").body("application/json", of_size(1 << 20)).await.is(422).about(&["shipping_address"]);

        let small = shop.opens_again(|settings| settings.body_limit = 4096).await;
        ada.of(&small).post("/api/orders").body("application/json", of_size(4097)).await.is(413);
        let head = "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = format!("800\r\n{}\r\n", " ".repeat(0x800));
        let answer = says(&small, &format!("{head}{}0\r\n\r\n", chunk.repeat(3))).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"payload_too_large\""), "{answer}");
    }

    async fn a_head_that_is_too_large_is_refused(shop: TestShop) {
        let visitor = shop.visitor();
        visitor.get(&format!("/api/products?search={}", "x".repeat(8 * 1024))).await.is(414).with_code("uri_too_long");
        visitor
            .get("/api/products")
            .header("x-much", &"x".repeat(16 * 1024))
            .await
            .is(431)
            .with_code("headers_too_large");
        visitor.get("/api/products").header("x-much", &"x".repeat(15 * 1024)).await.is(200);
    }

    async fn a_request_that_two_servers_would_read_differently_is_refused(shop: TestShop) {
        let rest = "Host: shop\r\nContent-Type: application/json\r\n";
        for smuggled in [
            format!("POST /api/auth/login HTTP/1.1\r\n{rest}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{{}}"),
            format!("POST /api/auth/login HTTP/1.1\r\n{rest}Content-Length: x\r\n\r\n{{}}"),
            format!("POST /api/auth/login HTTP/1.1\r\n{rest}Transfer-Encoding: gzip\r\n\r\n"),
            format!("POST /api/auth/login HTTP/1.1\r\n{rest}Bad Header: 1\r\n\r\n"),
            "GET /api/products HTTP/9.9\r\n\r\n".to_owned(),
        ] {
            let answer = says(&shop, &smuggled).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{smuggled}\n{answer}");
        }
    }

    async fn a_line_that_ends_with_a_bare_line_feed_is_refused(shop: TestShop) {
        let whole = "GET /api/products HTTP/1.1\r\nHost: shop\r\n\r\n";
        assert!(says(&shop, whole).await.starts_with("HTTP/1.1 200 "));
        for torn in [
            "GET /api/products HTTP/1.1\nHost: shop\r\n\r\n",
            "GET /api/products HTTP/1.1\r\nHost: shop\n\r\n",
            "GET /api/products HTTP/1.1\r\nHost: shop\r\nX: y\nZ: z\r\n\r\n",
        ] {
            let answer = says(&shop, torn).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{torn}\n{answer}");
            // The second of two is judged as the first.
            let answer = says(&shop, &[whole, torn].concat()).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 400 "), "{torn}\n{answer}");
        }
        // A body is free to have them.
        let login = "{\n\"email\": \"ada@example.com\",\n\"password\": \"wrong\"\n}";
        let head = "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n";
        for body in [
            format!("Content-Length: {}\r\n\r\n{login}", login.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{login}\r\n0\r\n\r\n", login.len()),
        ] {
            let answer = says(&shop, &[head, &body, whole].concat()).await;
            assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("HTTP/1.1 200 "), "{answer}");
        }
    }

    async fn a_request_names_one_host(shop: TestShop) {
        for heads in ["", "Host: shop\r\nHost: shop\r\n", "Host: shop\r\nhost: other\r\n"] {
            let answer = says(&shop, &format!("GET /api/products HTTP/1.1\r\n{heads}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"malformed_request\""), "{heads}\n{answer}");
        }
        let twice = "OPTIONS /api/products HTTP/1.1\r\nHost: shop\r\nHost: shop\r\nOrigin: https://a\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
        assert!(says(&shop, twice).await.starts_with("HTTP/1.1 400 "));
        assert!(says(&shop, "GET /api/products HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 "));
    }

    async fn slow_bodies_delay_nobody(shop: TestShop) {
        let (admin, ada, mug) = (shop.admin().await, shop.customer("ada@example.com").await, shop.sells("Mug").await);
        let mut slow = Vec::new();
        for (path, method) in with_bodies() {
            let mut connection = connects(&shop).await;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
                admin.access.as_deref().unwrap_or_default()
            );
            connection.write_all(head.as_bytes()).await.expect("the shop listens");
            slow.push(connection);
        }
        assert!(slow.len() > 30);
        for _ in 0..5 {
            let added = ada.post("/api/cart/items").json(&json!({"product": mug.id}));
            tokio::time::timeout(Duration::from_secs(2), added.into_future()).await.expect("at once").is(201);
        }
    }

    async fn a_customer_who_hangs_up_while_the_order_is_placed_has_ordered_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(50).await;
        let body = json!({"items": [{"product": mug.id, "quantity": 1}]}).to_string();
        for number in 0..5 {
            let ada = shop.customer(&format!("ada{number}@example.com")).await;
            let mut connection = begins_to_order(&shop, &ada, body.len(), "Expect: 100-continue\r\n").await;
            connection.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).await.expect("the shop wants the body");
            connection.write_all(body.as_bytes()).await.expect("the shop listens");
            drop(connection); // without waiting for the answer

            eventually("the order is placed", async || ada.orders().await.len() == 1).await;
            let again = ada.post("/api/orders").once("hung up").body("application/json", body.clone()).await.is(201);
            assert_eq!(again.header("idempotent-replayed"), "true");
        }
        assert_eq!(shop.stock_of(&mug).await, 45);
        shop.runs_its_jobs().await;
    }

    /// Whether the shop began before the line was cut or not: all is done, or nothing, and the key tells which.
    async fn a_customer_who_hangs_up_at_once_and_orders_again_has_ordered_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(50).await;
        let body = json!({"items": [{"product": mug.id, "quantity": 1}]}).to_string();
        for number in 0..5 {
            let ada = shop.customer(&format!("ada{number}@example.com")).await;
            let mut connection = begins_to_order(&shop, &ada, body.len(), "").await;
            connection.write_all(body.as_bytes()).await.expect("the shop listens");
            drop(connection);

            ada.post("/api/orders").once("hung up").body("application/json", body.clone()).await.is(201);
            assert_eq!(ada.orders().await.len(), 1);
        }
        assert_eq!(shop.stock_of(&mug).await, 45);
        shop.runs_its_jobs().await;
    }

    async fn the_document_describes_every_operation_once(shop: TestShop) {
        let document = shop.visitor().get("/openapi.json").await.is(200).json();
        assert_eq!(document, cartwright::app::api::document(shop.inside().store.currency));
        let mut names = Vec::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let name =
                    operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
                assert!(
                    operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                    "{name} has no summary"
                );
                names.push(name.to_owned());
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

async fn asks_before_sending(visitor: &Person, origin: &str) -> crate::support::answer::Answer {
    visitor
        .asks(Method::OPTIONS, "/api/orders")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .await
}

/// Sends the head of an order under the key `hung up`, and leaves the body to the story.
async fn begins_to_order(shop: &TestShop, person: &Person, length: usize, more: &str) -> TcpStream {
    let access = person.access.as_deref().expect("somebody who is signed in");
    let head = format!(
        "POST /api/orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {access}\r\nIdempotency-Key: hung up\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    let mut connection = connects(shop).await;
    connection.write_all(head.as_bytes()).await.expect("the shop listens");
    connection
}

async fn connects(shop: &TestShop) -> TcpStream {
    TcpStream::connect(shop.address().trim_start_matches("http://")).await.expect("the shop is open")
}

/// Sends bytes as they are and reads until the server closes, or has nothing more to say to a finished request.
/// The operations that take JSON, with an id in each path.
fn with_bodies() -> Vec<(String, String)> {
    let document = cartwright::app::api::document("USD".parse().expect("a currency"));
    let takes_json = |operation: &Value| operation["requestBody"]["content"].get("application/json").is_some();
    let taking = operations(&document).filter(|(_, _, operation)| takes_json(operation));
    let with_ids = |path: &str| {
        path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/")
    };
    taking.map(|(path, method, _)| (with_ids(path), method.to_uppercase())).collect()
}

async fn says(shop: &TestShop, request: &str) -> String {
    let mut connection = connects(shop).await;
    connection.write_all(request.as_bytes()).await.expect("the shop listens");
    connection.shutdown().await.expect("nothing more is said");
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await; // a reset is an answer, too
    String::from_utf8_lossy(&answer).into_owned()
}
