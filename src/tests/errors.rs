//! What each bad input gets: one row for each, and every answer has the form of every error (`Answer::is`).

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestShop, people::PASSWORD};

/// Who does what with which body, and what comes back. A body that is text is sent as it stands.
type Row = (&'static str, Method, String, Value, u16, &'static str);

fn row(
    who: &'static str,
    method: Method,
    path: impl Into<String>,
    body: impl Into<Value>,
    status: u16,
    code: &'static str,
) -> Row {
    (who, method, path.into(), body.into(), status, code)
}

async fn all_get_what_they_should(shop: &TestShop, rows: Vec<Row>) {
    let (visitor, ada, admin) = (shop.visitor(), shop.customer("ada@example.com").await, shop.admin().await);
    for (who, method, path, body, status, code) in rows {
        let person = match who {
            "visitor" => &visitor,
            "ada" => &ada,
            _ => &admin,
        };
        let ask = person.asks(method, &path);
        let answer = match body {
            Value::Null => ask.await,
            Value::String(text) => ask.body("application/json", text).await,
            json => ask.json(&json).await,
        };
        answer.is(status).with_code(code);
    }
}

on_both_engines! {
    async fn malformed_json_is_400(shop: TestShop) {
        let deep = format!("{{\"items\": {}{}}}", "[".repeat(64), "]".repeat(64));
        let malformed = [
            "{",
            "nonsense",
            "{\"items\": NaN}",
            "{\"quantity\": 1, \"quantity\": 2}",
            "{\"shipping_address\": \"\\ud800\"}",
            "{\"shipping_address\": \"a\\u0000b\"}",
            "{} {}",
            "{'items': []}",
            "[1,]",
            &deep,
        ];
        let rows = malformed.map(|text| row("ada", Method::POST, "/api/orders", text, 400, "malformed_json"));
        all_get_what_they_should(&shop, rows.into()).await;
    }

    async fn at_most_fifty_validation_errors_are_listed(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let order = json!({"items": vec![json!({}); 100]});
        let told = ada.post("/api/orders").json(&order).await.is(422).with_code("validation_failed");
        assert_eq!(told["errors"].as_array().map(Vec::len), Some(50));
        assert!(told["detail"].as_str().is_some_and(|detail| detail.starts_with("More than 50 fields")), "{told}");
    }

    async fn the_entries_of_a_list_that_is_too_long_are_not_validated(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let million = format!("{{\"items\":[{}{{}}]}}", "{},".repeat(340_000));
        let told = ada.post("/api/orders").body("application/json", million).await.is(422).about(&["items"]);
        assert_eq!(told["errors"][0]["code"], "maxItems");
    }

    async fn the_rate_limit_of_orders_comes_before_validation(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let mug = shop.sells("Mug").await;
        let limited = shop.opens_again(|settings| {
            settings.rate_limits = true;
            settings.orders.orders_per_hour = 1;
        });
        let ada = ada.of(&limited.await);
        ada.post("/api/orders").json(&json!({"items": 1})).await.is(422); // takes no place
        let order = json!({"items": [{"product": mug.id, "quantity": 1}]});
        ada.post("/api/orders").json(&order).await.is(201);
        ada.post("/api/orders").json(&json!({"items": 1})).await.is(429).with_code("rate_limited");
        shop.runs_its_jobs().await;
    }

    async fn invalid_values_are_422_field_by_field(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        for quantity in [
            json!(0),
            json!(-1),
            json!(10_000),
            json!(2_147_483_648_i64),
            json!(1.5),
            json!("2"),
            json!(null),
            json!(1e30),
        ] {
            let order =
                json!({"items": [{"product": mug.id, "quantity": 1}, {"product": mug.id, "quantity": quantity}]});
            ada.post("/api/orders")
                .json(&order)
                .await
                .is(422)
                .with_code("validation_failed")
                .about(&["items[1].quantity"]);
        }
        for price in [
            json!("-0.01"),
            json!("1e3"),
            json!("19.999"),
            json!("10000000000.00"),
            json!(""),
            json!(-1),
            json!(true),
            json!("1,50"),
            json!(null),
        ] {
            admin.post("/api/products").json(&json!({"name": "Pot", "price": price})).await.is(422).about(&["price"]);
        }
        for price in [json!("0.00"), json!(19.9), json!(7), json!("19.900"), json!("9999999999.99")] {
            admin.post("/api/products").json(&json!({"name": "Pot", "price": price})).await.is(201);
        }
        for stock in [json!(-1), json!(2_147_483_648_i64), json!(0.5), json!("many")] {
            admin.post("/api/products")
                .json(&json!({"name": "Pot", "price": "1.00", "stock": stock}))
                .await
                .is(422)
                .about(&["stock"]);
        }
        let every_fault =
            json!({"name": "", "price": "x", "stock": -1, "is_active": "yes", "description": "x".repeat(10_001)});
        admin.post("/api/products").json(&every_fault).await.is(422).about(&[
            "name",
            "price",
            "stock",
            "is_active",
            "description",
        ]);
        admin.post("/api/products").json(&json!({"name": "x".repeat(256)})).await.is(422).about(&["name", "price"]);
        admin.post("/api/products").json(&json!([])).await.is(422).about(&["body"]);
        let lost = json!({"name": "Pot", "price": "1.00", "category": 99, "brand": 99});
        admin.post("/api/products").json(&lost).await.is(422).about(&["category", "brand"]);
        let many = json!({"items": vec![json!({"product": mug.id, "quantity": 1}); 101]});
        ada.post("/api/orders").json(&many).await.is(422).about(&["items"]);
        ada.post("/api/orders").json(&json!({"payment_method": "gold", "items": [{}]})).await.is(422).about(&[
            "payment_method",
            "items[0].product",
            "items[0].quantity",
        ]);
    }

    async fn every_missing_resource_is_the_same_404(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let mut details = Vec::new();
        for id in ["987654", "0", "-1", "abc", "99999999999999999999999", "1%00", "%27%20OR%201=1"] {
            for list in [
                "/api/products",
                "/api/categories",
                "/api/brands",
                "/api/orders",
                "/api/cart/items",
                "/api/payments",
                "/api/carts",
            ] {
                let missing = ada.get(&format!("{list}/{id}")).await.is(404).with_code("not_found");
                details.push(missing["detail"].clone());
            }
        }
        details.push(ada.get("/api/nothing").await.is(404).with_code("not_found")["detail"].clone());
        details.push(ada.get("/nothing").await.is(404).with_code("not_found")["detail"].clone());
        details.dedup();
        assert_eq!(details.len(), 1, "{details:?}");
    }

    async fn checks_run_in_order_authentication_permission_existence_body(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let rows = vec![
            row("visitor", Method::PATCH, "/api/products/987", "nonsense", 401, "unauthenticated"),
            row("ada", Method::PATCH, "/api/products/987", "nonsense", 403, "forbidden"),
            row("admin", Method::PATCH, "/api/products/987", "nonsense", 404, "not_found"),
            row("admin", Method::PATCH, format!("/api/products/{}", mug.id), "nonsense", 400, "malformed_json"),
            row(
                "admin",
                Method::PATCH,
                format!("/api/products/{}", mug.id),
                json!({"price": "x"}),
                422,
                "validation_failed",
            ),
            row("visitor", Method::POST, "/api/orders", "nonsense", 401, "unauthenticated"),
            row("ada", Method::PUT, "/api/orders/987/status", "nonsense", 403, "forbidden"),
            row("admin", Method::PUT, "/api/orders/987/status", "nonsense", 404, "not_found"),
            row("ada", Method::PATCH, "/api/cart/items/987", "nonsense", 404, "not_found"),
        ];
        all_get_what_they_should(&shop, rows).await;
    }

    async fn customers_cannot_use_admin_endpoints(shop: TestShop) {
        let admins_only = [
            (Method::POST, "/api/products"),
            (Method::PUT, "/api/products/1"),
            (Method::PATCH, "/api/products/1"),
            (Method::DELETE, "/api/products/1"),
            (Method::POST, "/api/categories"),
            (Method::PUT, "/api/categories/1"),
            (Method::PATCH, "/api/categories/1"),
            (Method::DELETE, "/api/categories/1"),
            (Method::POST, "/api/brands"),
            (Method::PUT, "/api/brands/1"),
            (Method::PATCH, "/api/brands/1"),
            (Method::DELETE, "/api/brands/1"),
            (Method::PUT, "/api/orders/1/status"),
            (Method::GET, "/api/admin/jobs"),
            (Method::GET, "/api/admin/jobs/queues"),
            (Method::POST, "/api/admin/jobs/1/retry"),
            (Method::DELETE, "/api/admin/jobs/1"),
            (Method::GET, "/api/admin/inventory/reconciliation"),
        ];
        let rows = admins_only.into_iter().flat_map(|(method, path)| {
            [
                row("visitor", method.clone(), path, Value::Null, 401, "unauthenticated"),
                row("ada", method, path, Value::Null, 403, "forbidden"),
            ]
        });
        all_get_what_they_should(&shop, rows.collect()).await;
    }

    async fn every_bad_token_is_the_same_401(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let without = shop.visitor().get("/api/profile").await.is(401).with_code("unauthenticated");
        for token in forged_tokens(&shop, &ada) {
            let refused = ada.with_token(&token).get("/api/profile").await.is(401).with_code("unauthenticated");
            assert_eq!(refused["detail"], without["detail"], "{token}");
            assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{token}");
            ada.with_token(&token).post("/api/carts").await.is(401).with_code("unauthenticated"); // signing in is optional there
            ada.with_token(&token).get("/api/products").await.is(200); // and ignored here
        }
        let basic = shop.visitor().get("/api/profile").header("authorization", "Basic YWRhOmFkYQ==");
        basic.await.is(401).with_code("unauthenticated");
        let bare = shop.visitor().get("/api/profile").header("authorization", ada.access.as_deref().unwrap());
        bare.await.is(401).with_code("unauthenticated");
    }

    async fn invalid_list_queries_are_422(shop: TestShop) {
        let long = "x".repeat(201);
        let wrong = [
            ("/api/products?page=0", "validation_failed", "page"),
            ("/api/products?page=-1", "validation_failed", "page"),
            ("/api/products?page=x", "validation_failed", "page"),
            ("/api/products?per_page=0", "validation_failed", "per_page"),
            ("/api/products?per_page=101", "validation_failed", "per_page"),
            ("/api/products?per_page=1000000000", "validation_failed", "per_page"),
            ("/api/products?per_page=99999999999999999999", "validation_failed", "per_page"),
            ("/api/products?page=1&page=2", "validation_failed", "page"),
            ("/api/products?min_price=cheap", "validation_failed", "min_price"),
            ("/api/products?max_price=-1", "validation_failed", "max_price"),
            ("/api/products?in_stock=maybe", "validation_failed", "in_stock"),
            ("/api/products?ordering=password", "invalid_ordering", "ordering"),
            ("/api/products?ordering=price,id;DROP", "invalid_ordering", "ordering"),
            ("/api/categories?page=0", "validation_failed", "page"),
        ];
        for (path, code, field) in wrong {
            shop.visitor().get(path).await.is(422).with_code(code).about(&[field]);
        }
        let many = vec!["price"; 1350].join(",");
        let refused = shop.visitor().get(&format!("/api/products?ordering={many}")).await.is(422);
        refused.with_code("invalid_ordering").about(&["ordering"]);
        shop.visitor().get("/api/products?ordering=price,name,-rating,created_at").await.is(200);
        shop.visitor().get(&format!("/api/products?search={long}")).await.is(422).about(&["search"]);
        shop.visitor().get(&format!("/api/products?search={}", "x".repeat(7000))).await.is(422).about(&["search"]);
        for fine in [
            "/api/products?page=999999999",
            "/api/products?page=9223372036854775807",
            "/api/products?page=&category=&search=",
            "/api/products?unknown=1",
        ] {
            assert_eq!(shop.visitor().get(fine).await.is(200).list(), Vec::<Value>::new(), "{fine}");
        }
    }

    async fn a_query_of_many_parameters_is_refused(shop: TestShop) {
        let of_one = ["ordering=price"; 11].join("&");
        let many = |count: usize| (0..count).map(|number| format!("p{number}={number}")).collect::<Vec<_>>().join("&");
        for path in ["/api/products", "/api/orders", "/api/nothing", "/health/live"] {
            let refused = shop.visitor().get(&format!("{path}?{of_one}")).await.is(400).with_code("too_many_parameters");
            assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("\"ordering\"")), "{refused}");
            let refused = shop.visitor().get(&format!("{path}?{}", many(101))).await.is(400);
            refused.with_code("too_many_parameters");
        }
        shop.visitor().get(&format!("/api/products?{}", many(100))).await.is(200);
        let twice = shop.visitor().get("/api/products?ordering=price&ordering=name").await;
        twice.is(422).with_code("validation_failed").about(&["ordering"]);
    }

    async fn an_invalid_idempotency_key_is_400(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        for key in ["", &"k".repeat(256), "tab\there"] {
            ada.places_order(&[(&mug, 1)]).once(key).await.is(400).with_code("idempotency_key_invalid");
        }
        ada.places_order(&[(&mug, 1)]).once(&"k".repeat(255)).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn text_is_stored_as_it_was_typed(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        for text in [
            "<script>alert(1)</script>",
            "=HYPERLINK(\"http://evil\")",
            "a\r\nBcc: eve@example.com",
            "'; DROP TABLE users; --",
            "\u{202e}\u{0007}🦆",
        ] {
            let kept = ada.patch("/api/profile").json(&json!({"first_name": text})).await.is(200);
            assert_eq!(kept["first_name"], text);
            assert!(kept.header("content-type").starts_with("application/json"));
        }
        let mug = shop.sells("<img src=x onerror=alert(1)>").await;
        ada.buys(&mug).await;
        shop.runs_its_jobs().await;
        let mails = shop.mail().mails();
        assert!(!mails[0].html().contains("<img src=x"), "{}", mails[0].html());
        assert!(mails[0].header("Bcc").is_none() && mails[0].to == ["ada@example.com"]);
    }

    async fn errors_reveal_nothing_internal(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let asks = [
            ada.post("/api/orders").body("application/json", "{"),
            ada.post("/api/orders").body("text/plain", "hello"),
            ada.post("/api/auth/login").json(&json!({"email": 7, "password": PASSWORD})),
            ada.get("/api/products?ordering=stock"),
            ada.get("/api/orders/xyz"),
        ];
        for ask in asks {
            let answer = ask.await;
            assert!(answer.status >= 400, "{answer}");
            for word in ["src/", "SELECT", "sqlx", "serde", "poem", "panicked", ".rs", PASSWORD] {
                assert!(!answer.text().contains(word), "{word:?} is told:\n{answer}");
            }
        }
    }
}

/// Tokens that look right and are not: each differs from a good one in one thing.
fn forged_tokens(shop: &TestShop, person: &Person) -> Vec<String> {
    let good = person.access.clone().expect("somebody who is signed in");
    let parts: Vec<&str> = good.split('.').collect();
    let payload = jsonwebtoken::dangerous::insecure_decode::<Value>(&good).expect("a token of ours").claims;
    let secret = EncodingKey::from_secret(b"a secret of the stories, long enough");
    let ours = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
    let sign = |header: &Header, claims: &Value, key: &EncodingKey| encode(header, claims, key).expect("a token");
    let changed = |name: &str, value: Value| {
        let mut claims = payload.clone();
        claims[name] = value;
        sign(&ours, &claims, &secret)
    };
    let lacking = |name: &str| {
        let mut claims = payload.clone();
        claims.as_object_mut().expect("claims").remove(name);
        sign(&ours, &claims, &secret)
    };
    let future = shop.now().unix_seconds() + 3600;
    let mut forged = vec![
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        String::new(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], "A".repeat(43)),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]), // alg none
        format!("eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.{}.{}", parts[1], parts[2]), // alg RS256
        sign(&ours, &payload, &EncodingKey::from_secret(b"another secret that is long enough")),
        sign(&Header { typ: Some("JWT".to_owned()), ..ours.clone() }, &payload, &secret),
        sign(&Header { typ: None, ..ours.clone() }, &payload, &secret),
        sign(&Header { alg: Algorithm::HS384, ..ours.clone() }, &payload, &secret),
        changed("iss", json!("somebody")),
        changed("aud", json!("something")),
        changed("nbf", json!(future)),
        changed("sid", json!("not a session")),
        changed("exp", json!("soon")),
    ];
    forged.extend(["iss", "aud", "sub", "sid", "exp", "nbf"].map(lacking));
    forged
}
