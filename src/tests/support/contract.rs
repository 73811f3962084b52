//! Holds every answer of every story against the API document: its status is documented, a problem's code is one that
//! the operation names, and a body is what its schema says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use cartwright::app::api;
use platform::{http::schema::Schemas, money::Currency};
use serde_json::Value;

use super::answer::Answer;

struct Contract {
    document: Value,
    schemas: Schemas,
}

/// By currency. It takes a while to make one.
static CONTRACTS: Mutex<BTreeMap<String, Arc<Contract>>> = Mutex::new(BTreeMap::new());

/// # Panics
/// When the document of a shop with this currency says something else.
pub fn assert_documented(currency: Currency, method: &str, address: &str, answer: &Answer) {
    let contract = Contract::of(currency);
    let Some(operation) = contract.operation(method, address) else { return };
    let responses = &operation["responses"];
    let status = answer.status.to_string();
    let Some(response) = responses.get(&status) else {
        let anywhere = contract.resolve(&responses["default"])["description"].as_str().unwrap_or_default();
        let documented = format!("{status} `{}`", answer["code"].as_str().unwrap_or_default());
        assert!(anywhere.contains(&documented), "the document does not say that this can be the answer:\n{answer}");
        return;
    };
    let response = contract.resolve(response);
    if answer.status >= 400 {
        let code = answer["code"].as_str().unwrap_or_default();
        let codes = &response["content"]["application/problem+json"]["examples"];
        assert!(
            answer.bytes().is_empty() || codes.get(code).is_some(),
            "the operation does not name {code}:\n{answer}"
        );
    } else if answer.header("content-type") == "application/json" && !answer.has_header("content-encoding") {
        contract.fits(&response["content"]["application/json"]["schema"], &answer.json(), answer);
    }
}

impl Contract {
    fn of(currency: Currency) -> Arc<Self> {
        let mut made = CONTRACTS.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let document = api::document(currency);
            let schemas = Schemas::of(&document);
            Arc::new(Self { document, schemas })
        };
        Arc::clone(made.entry(currency.to_string()).or_insert_with(make))
    }

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
