//! Holds every answer of every story against the API document: its status is documented, a problem's code is one that
//! the operation names, and a body is what its schema says.

use std::sync::LazyLock;

use cartwright::{api, http::schema::Schemas};
use serde_json::Value;

use super::answer::Answer;

struct Contract {
    document: Value,
    schemas: Schemas,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let document = api::document("USD".parse().expect("a currency"));
    let schemas = Schemas::of(&document);
    Contract { document, schemas }
});

/// # Panics
/// When the document says something else.
pub fn holds(method: &str, address: &str, answer: &Answer) {
    let Some(operation) = CONTRACT.operation(method, address) else { return };
    let said = &operation["responses"];
    let status = answer.status.to_string();
    let Some(response) = said.get(&status) else {
        let anywhere = CONTRACT.resolve(&said["default"])["description"].as_str().unwrap_or_default();
        let told = format!("{status} `{}`", answer["code"].as_str().unwrap_or_default());
        assert!(anywhere.contains(&told), "the document does not say that this can be the answer:\n{answer}");
        return;
    };
    let response = CONTRACT.resolve(response);
    if answer.status >= 400 {
        let code = answer["code"].as_str().unwrap_or_default();
        let codes = &response["content"]["application/problem+json"]["examples"];
        assert!(
            answer.bytes().is_empty() || codes.get(code).is_some(),
            "the operation does not name {code}:\n{answer}"
        );
    } else if answer.header("content-type") == "application/json" && !answer.has_header("content-encoding") {
        CONTRACT.fits(&response["content"]["application/json"]["schema"], &answer.json(), answer);
    }
}

impl Contract {
    /// The operation of an address; one of words comes before one with ids.
    fn operation(&self, method: &str, address: &str) -> Option<&Value> {
        let path = address.split('?').next().unwrap_or_default().trim_end_matches('/');
        let fits = |pattern: &str| {
            let (wanted, given) = (pattern.split('/'), path.split('/'));
            wanted.clone().count() == given.clone().count()
                && wanted.zip(given).all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
        };
        let paths = self.document["paths"].as_object()?.iter();
        let (_, methods) = paths.filter(|(path, _)| fits(path)).min_by_key(|(path, _)| path.matches('{').count())?;
        methods.get(method.to_lowercase())
    }

    fn resolve<'a>(&'a self, response: &'a Value) -> &'a Value {
        let reference = response["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(response)
    }

    fn fits(&self, schema: &Value, body: &Value, answer: &Answer) {
        if schema["type"] == "array" {
            let list = body.as_array().unwrap_or_else(|| panic!("the document says that this is a list:\n{answer}"));
            for entry in list {
                self.fits(&schema["items"], entry, answer);
            }
        } else if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            let judged = self.schemas.check(name, body);
            assert!(judged.is_ok(), "this is no {name}: {:?}\n{answer}", judged.err().map(|problem| problem.errors));
        }
    }
}
