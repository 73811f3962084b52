//! The paths and methods of the API document.

use std::{borrow::Cow, collections::HashMap};

use serde_json::Value;

use super::aliases::{self, Alias};

/// The methods of each path, as the document lists them, with the aliases and the secret parameters of paths.
#[derive(Default)]
pub struct Documented {
    methods: HashMap<String, Vec<String>>,
    pub(super) aliases: &'static [Alias],
    /// Path parameters that work like passwords and are never logged, e.g. `{cart_id}`.
    secrets: &'static [&'static str],
}

impl Documented {
    /// Reads the paths of a document.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let methods = |operations: &Value| {
            operations
                .as_object()
                .into_iter()
                .flat_map(|methods| methods.keys())
                .map(|name| name.to_uppercase())
                .collect()
        };
        let methods = paths.map(|(path, operations)| (path.clone(), methods(operations))).collect();
        Self { methods, ..Self::default() }
    }

    /// Adds aliases.
    #[must_use]
    pub fn with_aliases(self, aliases: &'static [Alias]) -> Self {
        Self { aliases, ..self }
    }

    /// Names the path parameters that are never logged, e.g. `{cart_id}`.
    #[must_use]
    pub fn with_secrets(self, secrets: &'static [&'static str]) -> Self {
        Self { secrets, ..self }
    }

    /// The path for the log: the pattern where it has a secret. In a path that matches no pattern, whatever may be an id is
    /// left out, because it may be a secret in another spelling.
    #[must_use]
    pub fn loggable<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        self.loggable_at(path, self.pattern(path))
    }

    /// The same, of a path whose pattern is known already.
    pub(super) fn loggable_at<'a>(&self, path: &'a str, pattern: Option<&'a str>) -> Cow<'a, str> {
        match pattern {
            Some(pattern) if self.secrets.iter().any(|secret| pattern.contains(secret)) => pattern.into(),
            Some(_) => path.into(),
            None => path
                .split('/')
                .map(|part| if may_be_id(part) { "…" } else { part })
                .collect::<Vec<_>>()
                .join("/")
                .into(),
        }
    }

    /// The `Allow` of a 405. Addresses that are not in the document (pages, metrics) only take GET.
    pub(super) fn methods_at(&self, path: &str) -> String {
        self.at(path).map_or_else(|| "GET".to_owned(), |(_, methods)| methods.join(", "))
    }

    /// The pattern in the document that a path matches, e.g. `/api/orders/{id}`.
    #[must_use]
    pub fn pattern(&self, path: &str) -> Option<&str> {
        self.at(path).map(|(pattern, _)| pattern.as_str())
    }

    /// A pattern with fewer parameters comes first: `/api/cart/summary` before `/api/cart/{item_id}`.
    fn at(&self, path: &str) -> Option<(&String, &Vec<String>)> {
        let path = path.trim_end_matches('/');
        let fitting = self.methods.iter().filter(|(pattern, _)| aliases::fits(pattern, path));
        fitting.min_by_key(|(pattern, _)| pattern.matches('{').count())
    }
}

/// Whether a segment has as many hexadecimal digits as a UUID. Percent-encoded it has more.
fn may_be_id(part: &str) -> bool {
    part.bytes().filter(u8::is_ascii_hexdigit).count() >= 32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Documented;

    #[test]
    fn an_id_that_is_as_good_as_a_password_is_never_logged() {
        let document = json!({"paths": {
            "/api/carts/{cart_id}": {"get": {}},
            "/api/carts/{cart_id}/items/{id}": {"get": {}},
            "/api/payments/{id}/refunds": {"get": {}},
        }});
        let documented = Documented::of(&document).with_secrets(&["{cart_id}"]);
        let id = "6b0f2c9d-1e8a-4f7c-b3d5-a1906e2f4c88";
        for spelled in [
            "/api/carts/{}",
            "/api//carts/{}",
            "//api/carts/{}/",
            "/api/carts/{}/items/7",
            "/API/carts/{}",
            "/x/{}.json",
        ] {
            for id in [id, &id.to_uppercase(), &id.replace('-', ""), &id.replace('-', "%2D"), &id.replace('6', "%36")] {
                let logged = documented.loggable(&spelled.replace("{}", id)).into_owned();
                assert!(!logged.to_lowercase().contains("4f7c") && !logged.contains("1906"), "{logged}");
            }
        }
        let payment = format!("/api/payments/{id}/refunds");
        assert_eq!(documented.loggable(&payment), payment);
        assert_eq!(documented.loggable("/api/nothing"), "/api/nothing");
    }
}
