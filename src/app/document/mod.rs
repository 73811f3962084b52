//! The OpenAPI document: what poem-openapi generates from the types, completed with what types cannot express.
//!
//! What types can express is in the types: an optional field of a request that may be null has `#[oai(nullable)]`, and a
//! field or parameter with its own format or description is a [`Described`](platform::http::described::Described).
//!
//! Most responses of an operation follow from its security and parameters. Its other problems are the last paragraph of its
//! doc comment: ``Problems: `cart_empty`, `out_of_stock`.`` Each feature explains its codes in its `problems.rs`; the tests
//! check every response against this document. Examples are in `openapi/examples.json`, by schema.

mod examples;
mod forms;
mod operations;
pub mod pages;
pub(crate) mod schemas;

use std::collections::HashSet;

use platform::money::Currency;
use serde_json::{Value, json};

/// Completes the document of a shop with this currency.
pub fn complete(document: &mut Value, currency: Currency) {
    name_media_types(document);
    write_whole_limits(document);
    document["servers"] = json!([{"url": "/", "description": "The shop that serves this document"}]);
    document["info"]["license"]["url"] = "https://spdx.org/licenses/MIT.html".into();
    schemas::complete(document, currency);
    forms::complete(document);
    operations::complete(document);
    examples::add(document);
}

/// Removes the shared responses, examples and schemas that nothing refers to. Call it last.
pub fn prune(document: &mut Value) {
    // In this order: responses refer to examples and schemas.
    for kind in ["responses", "examples", "schemas"] {
        let mut used = HashSet::new();
        gather_references(document, &format!("#/components/{kind}/"), &mut used);
        if let Some(parts) = document["components"][kind].as_object_mut() {
            parts.retain(|name, _| used.contains(name));
        }
    }
}

/// The names of all references that begin with `prefix`.
fn gather_references(value: &Value, prefix: &str, names: &mut HashSet<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| gather_references(value, prefix, names)),
        Value::Array(values) => values.iter().for_each(|value| gather_references(value, prefix, names)),
        Value::String(text) => names.extend(text.strip_prefix(prefix).map(ToOwned::to_owned)),
        _ => {}
    }
}

/// poem-openapi names JSON with a charset, which JSON does not have.
fn name_media_types(document: &mut Value) {
    match document {
        Value::Object(members) => {
            if let Some(json) = members.remove("application/json; charset=utf-8") {
                members.insert("application/json".to_owned(), json);
            }
            members.values_mut().for_each(name_media_types);
        }
        Value::Array(values) => values.iter_mut().for_each(name_media_types),
        _ => {}
    }
}

/// poem-openapi writes limits with a point, `5.0`, also those of integers.
fn write_whole_limits(document: &mut Value) {
    match document {
        Value::Object(members) => {
            for limit in ["minimum", "maximum"] {
                let number = members.get(limit).and_then(Value::as_f64);
                if let Some(whole) = number.and_then(|number| number.to_string().parse::<i64>().ok()) {
                    members.insert(limit.to_owned(), whole.into());
                }
            }
            members.values_mut().for_each(write_whole_limits);
        }
        Value::Array(values) => values.iter_mut().for_each(write_whole_limits),
        _ => {}
    }
}

/// Every operation of the document: its path, its method and its description.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object_mut().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}
