//! Completes the schemas: a response always has all its fields, and amounts have the decimals of the store's currency. All in
//! a form that client generators understand.

use std::collections::{BTreeMap, BTreeSet};

use platform::{
    http::schema::references,
    money::{Currency, MAX_MONEY},
};
use serde_json::{Map, Value, json};

use super::{operations, operations_mut};

pub fn complete(document: &mut Value, currency: Currency) {
    describe_references(&mut document["components"]["schemas"]);
    describe_query_amounts(document, currency);
    let in_requests = reachable(document, "requestBody");
    let kinds: BTreeMap<String, Value> =
        schemas(document).map(|(name, schema)| (name, schema["type"].clone())).collect();
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        describe_amounts(schema, currency, in_requests.contains(name));
        describe_ids(schema);
        // The problem's own `errors` is left out where there are none.
        if !in_requests.contains(name) && name != "Problem" {
            require_all_fields(schema);
        }
        set_nullable_types(schema, &kinds);
    }
    let named: BTreeMap<String, Value> = schemas(document).map(|(name, schema)| (name, schema.clone())).collect();
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if !in_requests.contains(name) {
            inline_nullable_references(schema, &named);
        }
    }
}

/// poem-openapi writes a described reference as `allOf` of the reference and what is said of it, which also stands beside.
/// Some generators take the second for another type, which no enum can be combined with.
fn describe_references(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(describe_references),
        Value::Object(members) => {
            members.values_mut().for_each(describe_references);
            if let Some(Value::Array(parts)) = members.get_mut("allOf") {
                parts.retain(|part| part.get("$ref").is_some());
            }
        }
        _ => {}
    }
}

fn schemas(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    document["components"]["schemas"].as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), schema))
}

/// The schemas that one part of the operations refers to, directly or through others.
fn reachable(document: &Value, part: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> =
        operations(document).flat_map(|(_, _, operation)| references(&operation[part])).collect();
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            open.extend(references(&document["components"]["schemas"][&name]));
        }
    }
    found
}

/// A response has all its fields; absent values are null.
fn require_all_fields(schema: &mut Value) {
    for name in optional(schema) {
        let property = &mut schema["properties"][&name];
        // Keywords beside a reference are ignored.
        if property.get("$ref").is_some() {
            *property = json!({"allOf": [property.take()]});
        }
        property["nullable"] = true.into();
    }
    let names: Option<Vec<Value>> =
        schema["properties"].as_object().map(|properties| properties.keys().map(|name| name.clone().into()).collect());
    if let Some(names) = names {
        schema["required"] = names.into();
    }
}

fn optional(schema: &Value) -> Vec<String> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    names.filter(|name| !required.contains(&name.as_str())).cloned().collect()
}

/// Only a schema with a type can be nullable; a nullable reference gets the type of its target.
fn set_nullable_types(schema: &mut Value, kinds: &BTreeMap<String, Value>) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if property.get("nullable").is_some() && property.get("allOf").is_some() {
            let name = references(property).pop().unwrap_or_default();
            property["type"] = kinds.get(&name).cloned().unwrap_or_default();
        }
    }
}

/// Replaces nullable references in responses by their targets: many generators read only the name of a reference, and their
/// clients fail at the first null.
fn inline_nullable_references(schema: &mut Value, named: &BTreeMap<String, Value>) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let may_be_null = property.get("nullable").is_some_and(|nullable| nullable == true);
        if !may_be_null || property.get("allOf").is_none() {
            continue;
        }
        let Some(mut whole) = references(property).pop().and_then(|name| named.get(&name)).cloned() else { continue };
        whole["nullable"] = true.into();
        if let Some(description) = property.get("description") {
            whole["description"] = description.clone();
        }
        if let Some(words) = whole.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        *property = whole;
    }
}

/// An amount has at most the currency's decimals. In a request it may be a number.
fn describe_amounts(schema: &mut Value, currency: Currency, in_request: bool) {
    let Value::Object(members) = schema else {
        if let Value::Array(values) = schema {
            for value in values {
                describe_amounts(value, currency, in_request);
            }
        }
        return;
    };
    if members.get("format").is_none_or(|format| format != "decimal") {
        members.values_mut().for_each(|value| describe_amounts(value, currency, in_request));
        return;
    }
    members.insert("pattern".into(), if in_request { currency.pattern() } else { response_pattern(currency) }.into());
    if in_request {
        let description = members.remove("description").unwrap_or_default();
        let example = members.remove("example").unwrap_or_default();
        let number = json!({"type": "number", "minimum": 0, "maximum": largest_amount(currency)});
        let text = Value::Object(std::mem::take(members));
        *schema = json!({"oneOf": [text, number], "description": description, "example": example});
    }
}

/// Amounts in queries are text only.
fn describe_query_amounts(document: &mut Value, currency: Currency) {
    for (_, _, operation) in operations_mut(document) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["schema"]["format"] == "decimal" {
                parameter["schema"]["pattern"] = currency.pattern().into();
            }
        }
    }
}

/// The largest amount, as a number.
fn largest_amount(currency: Currency) -> Value {
    serde_json::from_str(&currency.format(MAX_MONEY).to_string()).unwrap_or_default()
}

fn response_pattern(currency: Currency) -> String {
    match currency.decimals {
        0 => r"^-?\d+$".to_owned(),
        decimals => format!(r"^-?\d+\.\d{{{decimals}}}$"),
    }
}

/// The title of an id's schema becomes the property's description.
fn describe_ids(schema: &mut Value) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(title) = property.as_object_mut().and_then(|members| members.remove("title"))
            && property.get("description").is_none()
        {
            property["description"] = title;
        }
    }
}
