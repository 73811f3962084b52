//! Bodies that may also be sent as a form: its schema is that of the JSON, with the file beside the fields.

use platform::http::form::KIND;
use serde_json::{Value, json};

use super::operations_mut;

const PREFIX: &str = "#/components/schemas/";

pub fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let mut forms = Vec::new();
    for (_, _, operation) in operations_mut(document) {
        let Some(content) = operation.pointer_mut("/requestBody/content") else { continue };
        let fields = content["application/json"]["schema"]["$ref"].as_str().and_then(|name| name.strip_prefix(PREFIX));
        let (Some(fields), true) = (fields.map(ToOwned::to_owned), content.get(KIND).is_some()) else { continue };
        let name = format!("{fields}Form");
        let file = content[KIND]["schema"].take();
        content[KIND]["schema"] = json!({"$ref": format!("{PREFIX}{name}")});
        forms.push((name.clone(), form(&schemas[&fields], &file, &name)));
    }
    for (name, schema) in forms {
        document["components"]["schemas"][name] = schema;
    }
}

fn form(fields: &Value, file: &Value, name: &str) -> Value {
    let mut form = fields.clone();
    form["title"] = name.into();
    let said = fields["description"].as_str().unwrap_or_default();
    form["description"] =
        format!("{said} In a form, every field is text; an empty optional field means `null`.").into();
    for (_, property) in form["properties"].as_object_mut().into_iter().flatten() {
        make_text(property);
    }
    for (part, schema) in file["properties"].as_object().into_iter().flatten() {
        form["properties"][part] = schema.clone();
    }
    form
}

/// In a form an amount is always text.
fn make_text(property: &mut Value) {
    let Some(mut text) = property.get("oneOf").map(|ways| ways[0].clone()) else { return };
    for said in ["description", "example"] {
        if let Some(words) = property.get(said) {
            text[said] = words.clone();
        }
    }
    *property = text;
}
