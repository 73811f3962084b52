//! The OpenAPI document: what poem-openapi reads from the types, completed with what types do not say.
//!
//! What can be said by a type is said there: an optional field of a request that may be null has `#[oai(nullable)]`, and a
//! field or parameter with a format or a description of its own is a [`Described`](platform::http::described::Described).
//!
//! What an operation can answer follows from its shape: who may call it, what it takes. What only its verb knows stands
//! in its doc comment, as a last paragraph: ``Problems: `cart_empty`, `out_of_stock`.`` Each feature explains its
//! codes in its `problems.rs`; the stories check every answer they get against this document. Examples stand in
//! `openapi/examples.json`, by schema.

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
    document["servers"] = json!([{"url": "/", "description": "The shop that serves this document"}]);
    document["info"]["license"]["url"] = "https://spdx.org/licenses/MIT.html".into();
    schemas::complete(document, currency);
    forms::complete(document);
    operations::complete(document);
    examples::add(document);
}

/// Leaves out the shared answers, examples and schemas that nothing refers to. After everything else was said.
pub fn prune(document: &mut Value) {
    // In this order: an answer that goes takes its examples and schemas along.
    for kind in ["responses", "examples", "schemas"] {
        let mut used = HashSet::new();
        gather_references(document, &format!("#/components/{kind}/"), &mut used);
        if let Some(parts) = document["components"][kind].as_object_mut() {
            parts.retain(|name, _| used.contains(name));
        }
    }
}

/// The names behind `prefix` of whatever is referred to.
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

/// Every operation of the document: its path, its method and what is said of it.
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
