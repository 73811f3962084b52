//! Other addresses of an endpoint, for frontends that were written against other versions of this API.
//!
//! An alias is resolved before anything else reads the address: idempotency keys, limits and routes only know the
//! canonical path, while problems, logs and the links of a list keep the requested one. So no endpoint is written twice.

use poem::{
    Request,
    http::{StatusCode, Uri, uri::PathAndQuery},
};
use serde_json::{Value, json};

use super::{
    documented::Documented,
    problem::{ApiResult, Problem},
};

/// Methods, alias, canonical address. The canonical address may have a query, which the client cannot override.
pub type Alias = (&'static [&'static str], &'static str, &'static str);

/// The document's tag for aliases, which keeps them apart from the canonical operations.
const TAG: &str = "Aliases";

/// Every alias: its method, its path, and the canonical address, which may have a query.
pub fn table(aliases: &'static [Alias]) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    aliases.iter().flat_map(|(methods, alias, canonical)| methods.iter().map(|method| (*method, *alias, *canonical)))
}

/// Rewrites the address of a request to an alias to the canonical one; leaves others as they are.
///
/// # Errors
/// 405 when the alias does not take this method, even if the canonical path does.
pub fn resolve(request: &mut Request, documented: &Documented) -> ApiResult<()> {
    let path = request.uri().path().trim_end_matches('/');
    if !documented.aliases.iter().any(|(_, alias, _)| fits(alias, path)) {
        return Ok(());
    }
    // A path of its own comes before an id: `/api/cart/summary` is not the alias `/api/cart/{item_id}`.
    let pattern = documented.pattern(path);
    let Some((methods, alias, canonical)) = documented.aliases.iter().find(|(_, alias, _)| pattern == Some(alias))
    else {
        return Ok(());
    };
    if !methods.contains(&request.method().as_str()) {
        return Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let address = joined(&filled(canonical, alias, path), request.uri().query());
    *request.uri_mut() = with_path_and_query(request.uri(), &address)?;
    Ok(())
}

/// Whether a path matches a pattern like `/api/cart/{item_id}`.
#[must_use]
pub fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

/// The canonical address, with the ids of `path` for the placeholders of `alias`.
fn filled(canonical: &str, alias: &str, path: &str) -> String {
    let ids = alias.split('/').zip(path.split('/')).filter(|(name, _)| name.starts_with('{'));
    ids.fold(canonical.to_owned(), |address, (name, id)| address.replace(name, id))
}

/// The address with the client's query, without the parameter that the address has itself.
fn joined(address: &str, query: Option<&str>) -> String {
    let (path, own) = address.split_once('?').unwrap_or((address, ""));
    let is_own = |part: &&str| !own.is_empty() && name_of(part) == name_of(own);
    let clients = query.unwrap_or_default().split('&').filter(|part| !part.is_empty() && !is_own(part));
    let parts: Vec<&str> = Some(own).filter(|own| !own.is_empty()).into_iter().chain(clients).collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}

fn name_of(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default()
}

fn with_path_and_query(uri: &Uri, address: &str) -> ApiResult<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(address.parse::<PathAndQuery>().map_err(Problem::internal)?);
    Uri::from_parts(parts).map_err(Problem::internal)
}

/// Adds every alias to the document, as a deprecated copy of its canonical operation.
pub fn describe(document: &mut Value, aliases: &'static [Alias]) {
    for (method, alias, canonical) in table(aliases) {
        let (path, own) = canonical.split_once('?').unwrap_or((canonical, ""));
        let mut operation = document["paths"][path][method.to_lowercase()].clone();
        let name = operation["operationId"].as_str().unwrap_or_default();
        operation["operationId"] = format!("{name}At{}", camel(alias)).into();
        operation["summary"] = format!("The same as {method} {canonical}.").into();
        operation["deprecated"] = json!(true);
        operation["tags"] = json!([TAG]);
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.retain(|parameter| own.is_empty() || parameter["name"] != name_of(own));
        }
        document["paths"][alias][method.to_lowercase()] = operation;
    }
    if let Some(tags) = document["tags"].as_array_mut() {
        let description = "The same operations at alternative paths, for existing frontends.";
        tags.push(json!({"name": TAG, "description": description}));
    }
}

/// `/api/orders/my-orders` as `ApiOrdersMyOrders`.
fn camel(path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[cfg(test)]
mod tests {
    use super::{filled, joined};

    #[test]
    fn ids_and_queries_are_kept() {
        assert_eq!(filled("/api/cart/items/{item_id}", "/api/cart/{item_id}", "/api/cart/7"), "/api/cart/items/7");
        assert_eq!(joined("/api/orders", Some("page=2&x")), "/api/orders?page=2&x");
        assert_eq!(joined("/api/orders", None), "/api/orders");
        assert_eq!(joined("/api/orders?mine=true", None), "/api/orders?mine=true");
        assert_eq!(joined("/api/orders?mine=true", Some("mine=false&page=2")), "/api/orders?mine=true&page=2");
    }
}
