//! The API as five other documents describe it, each walked from top to bottom. `docs/seeds.md` says which story proves
//! which line; a comment in a story names the line, too.
//!
//! Bodies and answers are as printed there, and addresses are asked for as written and without the slash at their end.

mod dashboard_shop;
mod drop_in_backend;
mod literal;
mod mini_shop;
mod scalable_platform;
mod storefront_plan;
mod table;

use serde_json::{Value, json};

use crate::support::{Person, Product, TestShop, answer::Answer};

/// Reads a list or a thing, which has a slash at its end as written. Without it, it is the same.
async fn reads(person: &Person, path: &str) -> Answer {
    let written = person.get(path).await.is(200);
    let bare = person.get(&bare(path)).await.is(200);
    assert_eq!(bare.json(), written.json(), "{path}");
    written
}

/// `/api/products/?search=mug` without the slash.
fn bare(path: &str) -> String {
    path.replace("/?", "?").trim_end_matches('/').to_owned()
}

/// The answer has what a document prints; it may have more.
#[track_caller]
fn shows(answer: &Answer, printed: &Value) {
    assert!(has(&answer.json(), printed), "this was to be seen: {printed}\n{answer}");
}

fn has(seen: &Value, printed: &Value) -> bool {
    match (seen, printed) {
        (Value::Object(seen), Value::Object(printed)) => {
            printed.iter().all(|(name, value)| seen.get(name).is_some_and(|seen| has(seen, value)))
        }
        (Value::Array(seen), Value::Array(printed)) => {
            seen.len() == printed.len() && seen.iter().zip(printed).all(|(seen, printed)| has(seen, printed))
        }
        _ => seen == printed,
    }
}

/// The answer has these fields, whatever is in them.
#[track_caller]
fn has_fields(answer: &Value, fields: &[&str]) {
    for field in fields {
        assert!(answer.get(field).is_some(), "{field} was to be seen in {answer}");
    }
}

/// Signs in at one of the addresses for it.
async fn signs_in(shop: &TestShop, path: &str, body: &Value) -> Person {
    let tokens = shop.visitor().post(path).json(body).await.is(200);
    let mut person = shop.visitor().with_token(tokens["access"].as_str().expect("an access token"));
    person.refresh = tokens["refresh"].as_str().expect("a refresh token").to_owned();
    person.id = person.get("/api/profile").await.is(200)["id"].as_i64().expect("a user has an id");
    person
}

/// One piece of a product.
fn one(product: &Product) -> Value {
    json!({"product": product.id, "quantity": 1})
}

/// The names in a list, in its order.
fn names(list: &Answer) -> Vec<String> {
    list.list().iter().map(|thing| thing["name"].as_str().expect("a name").to_owned()).collect()
}
