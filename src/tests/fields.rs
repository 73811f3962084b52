//! Every fault of a body is told by the field it stands on, also where the document's schema lets a value through and
//! only the reader of its type refuses it.

use cartwright::app::{api, document::operations};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Answer, people::PASSWORD};

/// Whole numbers that no number of ours holds.
const BEYOND: [&str; 6] = [
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e300",
];

on_both_engines! {
    async fn a_password_of_any_length_is_reported_on_its_field(shop: TestShop) {
        let (visitor, ada) = (shop.visitor(), shop.customer("ada@example.com").await);
        visitor.post("/api/auth/password/forgot").json(&json!({"email": "ada@example.com"})).await.is(202);
        shop.runs_its_jobs().await;
        let token = shop.mail().mails()[0].token();

        for length in [129, 1_000, 1_001, 100_000] {
            let long = "x".repeat(length);
            let refused = |answer: Answer, field: &str| answer.is(422).with_code("weak_password").about(&[field]);
            let registration = json!({"email": "eve@example.com", "password": long});
            refused(visitor.post("/api/auth/register").json(&registration).await, "password");
            let change = json!({"current_password": PASSWORD, "new_password": long});
            refused(ada.post("/api/auth/password").json(&change).await, "new_password");
            let reset = json!({"token": token, "password": long});
            refused(visitor.post("/api/auth/password/reset").json(&reset).await, "password");
        }
        let many = json!({"email": "eve", "username": "x".repeat(256), "password": "x".repeat(1_001)});
        visitor.post("/api/auth/register").json(&many).await.is(422).about(&["email", "username", "password"]);

        // What is looked for and not chosen has a limit far beyond what anybody can have chosen.
        for (length, status) in [(1_000, 401), (1_001, 422)] {
            let login = json!({"email": "ada@example.com", "password": "x".repeat(length)});
            let answer = visitor.post("/api/auth/login").json(&login).await.is(status);
            if status == 422 {
                answer.about(&["password"]);
            }
        }
        let change = json!({"current_password": "x".repeat(1_001), "new_password": "a short walk by the lake"});
        ada.post("/api/auth/password").json(&change).await.is(422).about(&["current_password"]);
        ada.get("/api/profile").await.is(200); // nothing of this changed anything
    }

    async fn a_number_beyond_64_bits_is_reported_on_its_field(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let order = admin.buys(&mug).await;
        let bodies = [
            (Method::POST, "/api/orders", r#"{"items": [{"product": MUG, "quantity": 1}, {"product": MUG, "quantity": N}]}"#, "items[1].quantity"),
            (Method::POST, "/api/orders", r#"{"items": [{"product": N, "quantity": 1}]}"#, "items[0].product"),
            (Method::POST, "/api/cart/items", r#"{"product": N, "quantity": 1}"#, "product"),
            (Method::POST, "/api/cart/items", r#"{"product": MUG, "quantity": N}"#, "quantity"),
            (Method::POST, "/api/wishlist", r#"{"product": N}"#, "product"),
            (Method::POST, "/api/products", r#"{"name": "Pot", "price": "1.00", "stock": N}"#, "stock"),
            (Method::POST, "/api/products", r#"{"name": "Pot", "price": "1.00", "category": N}"#, "category"),
            (Method::PATCH, "/api/products/MUG", r#"{"brand": N}"#, "brand"),
            (Method::POST, "/api/products/MUG/reviews", r#"{"rating": N}"#, "rating"),
            (Method::POST, "/api/payments", r#"{"order": N}"#, "order"),
            (Method::POST, "/api/admin/inventory/MUG/adjust", r#"{"delta": N, "reason": "Counted"}"#, "delta"),
        ];
        for (method, path, body, field) in bodies {
            for number in BEYOND {
                let fill = |text: &str| text.replace("MUG", &mug.id.to_string()).replace('N', number);
                let ask = admin.asks(method.clone(), &fill(path)).body("application/json", fill(body));
                ask.await.is(422).with_code("validation_failed").about(&[field]);
            }
        }
        // The largest that fits is no fault of the form; there just is no such product.
        let lost = json!({"product": i64::MAX, "quantity": 1});
        let answer = admin.post("/api/cart/items").json(&lost).await;
        assert!([404, 422].contains(&answer.status) && !answer.text().contains("\"body\""), "{answer}");
        shop.runs_its_jobs().await;
        admin.sees(&order).await;
    }

    async fn a_whole_number_may_be_written_with_a_point(shop: TestShop) {
        let (mug, ada) = (shop.sells("Mug").await, shop.customer("ada@example.com").await);
        for (written, quantity) in [("2.0", 2), ("3e0", 3), ("0.4e1", 4)] {
            let order = format!("{{\"items\": [{{\"product\": {}.0, \"quantity\": {written}}}]}}", mug.id);
            let order = ada.post("/api/orders").body("application/json", order).await.is(201);
            assert_eq!(order["items"][0]["quantity"], quantity);
        }
        let half = json!({"items": [{"product": mug.id, "quantity": 1.5}]});
        ada.post("/api/orders").json(&half).await.is(422).about(&["items[0].quantity"]);
        shop.runs_its_jobs().await;
    }

    async fn an_invalid_id_is_reported_on_its_field(shop: TestShop) {
        shop.customer("ada@example.com").await;
        let visitor = shop.visitor();
        for cart in ["", "nonsense", "6b0f2c9d-1e8a-4f7c-b3d5", "{6b0f2c9d-1e8a-4f7c-b3d5-a1906e2f4c8}"] {
            let login = json!({"email": "ada@example.com", "password": PASSWORD, "cart_id": cart});
            visitor.post("/api/auth/login").json(&login).await.is(422).about(&["cart_id"]);
            let registration = json!({"email": "eve@example.com", "password": PASSWORD, "cart_id": cart});
            visitor.post("/api/auth/register").json(&registration).await.is(422).about(&["cart_id"]);
        }
    }

    /// Whatever stands in whichever field of whichever body: no fault is told of the body as a whole.
    async fn no_invalid_field_is_reported_as_the_body(shop: TestShop) {
        shop.expects_waiting_jobs();
        let admin = shop.admin().await;
        let ids = ids(&shop, &admin).await;
        let (long, mut judged, mut wrong) = (format!("{:?}", "x".repeat(1_001)), 0, Vec::new());
        for (method, path, body, fields) in bodies() {
            for field in fields {
                for value in ["null", "9223372036854775808", "1.5", "\"nonsense\"", long.as_str(), "[{}]"] {
                    let mut body = body.clone();
                    body[&field] = "HERE".into();
                    let body = body.to_string().replace("\"HERE\"", value);
                    let answer = admin.asks(method.clone(), &filled(&path, &ids)).body("application/json", body).await;
                    judged += usize::from(answer.status == 422);
                    let blamed = answer.status == 422 && answer["errors"].to_string().contains("\"field\":\"body\"");
                    if blamed || answer.status >= 500 {
                        wrong.push(format!("{method} {path} with {field}: {value:.30} is {answer}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(judged > 300, "only {judged} bodies were judged");
    }
}

/// Every operation of the document that takes JSON, with an example of its body and the fields it may have.
fn bodies() -> Vec<(Method, String, Value, Vec<String>)> {
    let document = api::document("USD".parse().expect("a currency"));
    let read = |(path, method, operation): (&str, &str, &Value)| {
        let media = operation["requestBody"]["content"].get("application/json")?;
        let name = media["schema"]["$ref"].as_str()?.rsplit('/').next()?;
        let fields = document["components"]["schemas"][name]["properties"].as_object()?.keys().cloned().collect();
        let method = method.to_uppercase().parse().expect("a method");
        (operation["deprecated"] != true).then(|| (method, path.to_owned(), media["example"].clone(), fields))
    };
    operations(&document).filter_map(read).collect()
}

/// Something to change of every kind, by the part of an address that its id stands behind.
async fn ids(shop: &TestShop, admin: &Person) -> Vec<(&'static str, String)> {
    let (mug, eve) = (shop.sells("Mug").await, shop.customer("eve@example.com").await);
    let order = admin.buys_online(&mug).await;
    let payment = admin.pays_with("pm_card_visa", &order).await;
    let review = admin.reviews(&mug, 5).await.is(201);
    let cart = admin.puts_in_cart(&mug, 1).await.is(201);
    let category = admin.post("/api/categories").json(&json!({"name": "Cups"})).await.is(201);
    let brand = admin.post("/api/brands").json(&json!({"name": "Hollenbrook"})).await.is(201);
    vec![
        ("products", mug.id.to_string()),
        ("inventory", mug.id.to_string()),
        ("orders", order.id.to_string()),
        ("payments", payment.id),
        ("reviews", review["id"].to_string()),
        ("items", cart["items"][0]["id"].to_string()),
        ("categories", category["id"].to_string()),
        ("brands", brand["id"].to_string()),
        ("users", eve.id.to_string()),
    ]
}

fn filled(path: &str, ids: &[(&str, String)]) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let fill = |(index, part): (usize, &&str)| {
        let known = || ids.iter().find(|(before, _)| *before == parts[index - 1]).map(|(_, id)| id.clone());
        if part.starts_with('{') { known().unwrap_or_else(|| "999999".to_owned()) } else { (*part).to_owned() }
    };
    parts.iter().enumerate().map(fill).collect::<Vec<_>>().join("/")
}
