//! What the schemas leave out: that an answer always has all its fields, and how many decimals the store's currency has.
//! And that it is said as the generators of clients understand it.

use std::collections::{BTreeMap, BTreeSet};

use platform::{
    http::schema::references,
    money::{Currency, MAX_MONEY},
};
use serde_json::{Map, Value, json};

use super::{operations, operations_mut};

pub fn complete(document: &mut Value, currency: Currency) {
    describe_references(&mut document["components"]["schemas"]);
    say_amounts_of_queries(document, currency);
    let asked = reachable(document, "requestBody");
    let kinds: BTreeMap<String, Value> =
        schemas(document).map(|(name, schema)| (name, schema["type"].clone())).collect();
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        say_amounts(schema, currency, asked.contains(name));
        say_ids(schema);
        // The problem's own `errors` is left out where there are none.
        if !asked.contains(name) && name != "Problem" {
            always_whole(schema);
        }
        say_types_of_nullable(schema, &kinds);
    }
    let named: BTreeMap<String, Value> = schemas(document).map(|(name, schema)| (name, schema.clone())).collect();
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if !asked.contains(name) {
            put_in_place(schema, &named);
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

/// An answer has all its fields: what is not there is null.
fn always_whole(schema: &mut Value) {
    for name in optional(schema) {
        let property = &mut schema["properties"][&name];
        // What stands beside a reference is not read.
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

/// Only what has a type can be null; a reference that may be is given that of what it refers to.
fn say_types_of_nullable(schema: &mut Value, kinds: &BTreeMap<String, Value>) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if property.get("nullable").is_some() && property.get("allOf").is_some() {
            let name = references(property).pop().unwrap_or_default();
            property["type"] = kinds.get(&name).cloned().unwrap_or_default();
        }
    }
}

/// A reference that may be null gives way, in an answer, to what it refers to: many generators read of a reference no more
/// than its name, and their clients break at the first null.
fn put_in_place(schema: &mut Value, named: &BTreeMap<String, Value>) {
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
fn say_amounts(schema: &mut Value, currency: Currency, asked: bool) {
    let Value::Object(members) = schema else {
        if let Value::Array(values) = schema {
            for value in values {
                say_amounts(value, currency, asked);
            }
        }
        return;
    };
    if members.get("format").is_none_or(|format| format != "decimal") {
        members.values_mut().for_each(|value| say_amounts(value, currency, asked));
        return;
    }
    members.insert("pattern".into(), if asked { currency.pattern() } else { told_pattern(currency) }.into());
    if asked {
        let description = members.remove("description").unwrap_or_default();
        let example = members.remove("example").unwrap_or_default();
        let number = json!({"type": "number", "minimum": 0, "maximum": most(currency)});
        let text = Value::Object(std::mem::take(members));
        *schema = json!({"oneOf": [text, number], "description": description, "example": example});
    }
}

/// The amounts of queries, which are text only.
fn say_amounts_of_queries(document: &mut Value, currency: Currency) {
    for (_, _, operation) in operations_mut(document) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["schema"]["format"] == "decimal" {
                parameter["schema"]["pattern"] = currency.pattern().into();
            }
        }
    }
}

/// The largest amount, as a number.
fn most(currency: Currency) -> Value {
    serde_json::from_str(&currency.format(MAX_MONEY).to_string()).unwrap_or_default()
}

fn told_pattern(currency: Currency) -> String {
    match currency.decimals {
        0 => r"^-?\d+$".to_owned(),
        decimals => format!(r"^-?\d+\.\d{{{decimals}}}$"),
    }
}

/// What an id is of is no title of the property.
fn say_ids(schema: &mut Value) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(title) = property.as_object_mut().and_then(|members| members.remove("title"))
            && property.get("description").is_none()
        {
            property["description"] = title;
        }
    }
}
