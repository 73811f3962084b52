//! Adds the examples of `openapi/examples.json` to every body and every parameter.

use serde_json::{Value, json};

use super::operations_mut;

const EXAMPLES: &str = include_str!("../../../openapi/examples.json");

/// # Panics
/// When the examples are not JSON: an error in this program that the first start shows.
pub fn add(document: &mut Value) {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("openapi/examples.json is JSON");
    for (_, _, operation) in operations_mut(document) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let name = if parameter["schema"]["format"] == "uuid" { "uuid" } else { name };
            if let Some(example) = examples["parameters"].get(name) {
                parameter["example"] = example.clone();
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            add_to_body(body, &examples["schemas"]);
        }
        for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            add_to_body(response, &examples["schemas"]);
        }
    }
}

fn add_to_body(body: &mut Value, examples: &Value) {
    let Some(media) = body.get_mut("content").and_then(|content| content.get_mut("application/json")) else { return };
    if let Some(example) = example_of(&media["schema"], examples) {
        media["example"] = example;
    }
}

/// The example of a reference, or of a list of references.
fn example_of(schema: &Value, examples: &Value) -> Option<Value> {
    if schema["type"] == "array" {
        return Some(json!([example_of(&schema["items"], examples)?]));
    }
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    examples.get(name).cloned()
}
