//! Validates request bodies against the schemas of the API document, so that what the document says is enforced, and all
//! errors of a body are returned at once.

use std::collections::{HashMap, HashSet};

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::problem::Problem;
use crate::{
    thread_pool::ThreadPool,
    validation::{FieldError, MOST_ERRORS, ValidationErrors},
};

/// The prefix of a `$ref` to a schema of the document.
pub const PREFIX: &str = "#/components/schemas/";

/// How many large bodies wait to be parsed before more are refused.
const QUEUE: usize = 64;

/// The schemas of the API document and their validators, by name.
pub struct Schemas {
    validators: HashMap<String, Validator>,
    documented: Value,
    /// One thread on which large bodies are parsed, so that they keep at most one core busy.
    pub threads: ThreadPool<()>,
}

impl Schemas {
    /// Builds the validators of a document.
    ///
    /// # Panics
    /// When the document has an invalid schema, which shows at the first start.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let documented = document["components"]["schemas"].clone();
        let mut components = documented.clone();
        loosen(&mut components);
        let names = components.as_object().into_iter().flat_map(|schemas| schemas.keys()).cloned();
        let validator = |name: &str| {
            // A validator copies its schema. With the whole document in each, they would take 50 MB.
            let mut needed = Map::new();
            gather(name, &components, &mut needed);
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": {"schemas": needed},
                "$ref": format!("{PREFIX}{name}"),
            });
            let options = jsonschema::options().with_format("uuid", |text: &str| text.parse::<Uuid>().is_ok());
            let validator = options.should_validate_formats(true).build(&root);
            validator.expect("the document's schemas are schemas")
        };
        let validators = names.map(|name| (name.clone(), validator(&name))).collect();
        Self { validators, documented, threads: ThreadPool::start("bodies", 1, QUEUE) }
    }

    /// The schema of a field, as the document has it.
    #[must_use]
    pub fn property(&self, schema: &str, field: &str) -> Option<&Value> {
        self.documented[schema]["properties"].get(field)
    }

    /// Validates a body against the schema of this name.
    ///
    /// # Errors
    /// 422 with the errors of the body. If a list is too long, that is the only error: its entries are not validated.
    pub fn check(&self, name: &str, body: &Value) -> Result<(), Problem> {
        let Some(validator) = self.validators.get(name) else {
            return Err(Problem::internal(format!("no schema {name} in the document")));
        };
        if let Some(error) = self.overlong(&self.documented[name], body, "") {
            return Err(Problem::invalid(vec![error]));
        }
        // One error for each field is enough: what is no text is also none of the allowed values.
        let mut named = HashSet::new();
        let errors = validator.iter_errors(body).flat_map(|error| field_errors(&error));
        let errors = errors.filter(|error| named.insert(error.field.clone()));
        Ok(ValidationErrors(errors.take(MOST_ERRORS + 1).collect()).into_result()?)
    }

    /// The first list that is longer than its `maxItems`.
    fn overlong(&self, schema: &Value, value: &Value, path: &str) -> Option<FieldError> {
        let schema = referred(schema).map_or(schema, |name| &self.documented[name]);
        let inner = ["allOf", "anyOf", "oneOf"].iter().filter_map(|keyword| schema[keyword].as_array()).flatten();
        let of_inner = inner.into_iter().find_map(|schema| self.overlong(schema, value, path));
        of_inner.or_else(|| match value {
            Value::Array(values) => {
                let most = schema["maxItems"].as_u64().and_then(|most| usize::try_from(most).ok());
                if let Some(most) = most.filter(|most| values.len() > *most) {
                    return Some(FieldError::new(path, "maxItems", format!("must have at most {most} entries")));
                }
                let mut entries = values.iter().enumerate();
                entries.find_map(|(index, value)| self.overlong(&schema["items"], value, &format!("{path}[{index}]")))
            }
            Value::Object(members) => members.iter().find_map(|(name, value)| {
                let property = schema["properties"].get(name)?;
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                self.overlong(property, value, &path)
            }),
            _ => None,
        })
    }
}

/// The names of the schemas that this one refers to.
#[must_use]
pub fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(PREFIX));
            let inner = members.values().flat_map(references);
            own.map(ToOwned::to_owned).into_iter().chain(inner).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => vec![],
    }
}

/// The name in a schema that is only a `$ref`.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(PREFIX)
}

/// Collects a schema and all that it refers to.
fn gather(name: &str, components: &Value, gathered: &mut Map<String, Value>) {
    if gathered.contains_key(name) {
        return;
    }
    gathered.insert(name.to_owned(), components[name].clone());
    for reference in references(&components[name]) {
        gather(&reference, components, gathered);
    }
}

/// Turns an OpenAPI 3.0 schema into a JSON schema (`nullable`, 64-bit integers), and removes the rules that a parser of
/// ours checks with a better message: amounts, names, passwords and enums in any case. What the schema accepts and the
/// parser refuses becomes an error of the whole body, so the two must agree.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(loosen),
        Value::Object(members) => {
            members.values_mut().for_each(loosen);
            let mut may_be_null = members.remove("nullable").is_some();
            if let Some(ways) = members.get("oneOf").filter(|ways| ways.to_string().contains("\"decimal\"")) {
                may_be_null |= ways[0].get("anyOf").is_some();
                *members = amount();
            }
            match members.get("format").and_then(Value::as_str) {
                Some("password" | "username") => members.retain(|name, _| name != "minLength" && name != "maxLength"),
                Some("any-case") => members.retain(|name, _| name != "enum"),
                Some("email") => members.retain(|name, _| name != "format"),
                _ => {}
            }
            if members.get("type").is_some_and(|kind| kind == "integer") {
                // A number just beyond i64::MIN is rounded to it.
                members.entry("minimum").or_insert_with(|| (i64::MIN + 1).into());
                members.entry("maximum").or_insert_with(|| i64::MAX.into());
            }
            if may_be_null {
                *schema = json!({"anyOf": [{"type": "null"}, schema.take()]});
            }
        }
        _ => {}
    }
}

/// An amount in any currency; the parser of amounts knows the shop's.
fn amount() -> Map<String, Value> {
    let amount = json!({"type": ["string", "number"], "pattern": "^\\d{1,12}(\\.\\d+)?$", "minimum": 0});
    amount.as_object().cloned().unwrap_or_default()
}

fn field_errors(error: &ValidationError<'_>) -> Vec<FieldError> {
    // An optional field is `anyOf: [null, …]`; the errors of the second are the useful ones.
    if let ValidationErrorKind::AnyOf { context } = error.kind()
        && let Some(inner) = context.last()
    {
        return inner.iter().flat_map(field_errors).collect();
    }
    let path = field_path(error.instance_path().as_str());
    let field = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        }
        _ if path.is_empty() => "body".to_owned(),
        _ => path,
    };
    vec![FieldError::new(field, error.kind().keyword(), message(error))]
}

/// `/items/0/quantity` is `items[0].quantity`.
fn field_path(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| match part.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => part.to_owned(),
        Err(_) => format!("{path}.{part}"),
    })
}

fn message(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { .. } => "is required".to_owned(),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} entries"),
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => format!("must be {}", kind(*wanted)),
        ValidationErrorKind::Type { .. } => "must be a string or a number".to_owned(),
        ValidationErrorKind::Format { format } if format == "uuid" => {
            "must be an id like 6b0f2c9d-1e8a-4f7c-b3d5-a1906e2f4c88".to_owned()
        }
        ValidationErrorKind::Pattern { .. } => "does not have the required format; see the API document".to_owned(),
        _ => "is not valid; see the API document".to_owned(),
    }
}

fn kind(wanted: JsonType) -> &'static str {
    match wanted {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "text",
    }
}
