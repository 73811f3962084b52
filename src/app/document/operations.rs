//! Completes each operation: who may call it, and every response it can return.

use std::collections::{BTreeMap, BTreeSet};

use platform::http::problem::ProblemType;
use serde_json::{Value, json};

use super::operations_mut;
use crate::app::problems;

/// The problems that any address can respond with.
const ANYWHERE: [&str; 10] = [
    "not_acceptable",
    "request_timeout",
    "malformed_request",
    "too_many_parameters",
    "uri_too_long",
    "headers_too_large",
    "internal_error",
    "overloaded",
    "outcome_unknown",
    "bad_request",
];

/// Responses that many operations share, by their codes.
const SHARED: [(&str, &[&str]); 8] = [
    ("MalformedJson", &["malformed_json"]),
    ("Unauthenticated", &["session_revoked", "token_expired", "unauthenticated"]),
    ("Forbidden", &["forbidden"]),
    ("NotFound", &["not_found"]),
    ("PayloadTooLarge", &["payload_too_large"]),
    ("UnsupportedMediaType", &["unsupported_media_type"]),
    ("ValidationFailed", &["validation_failed"]),
    ("RateLimited", &["rate_limited"]),
];

pub fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for (_, _, operation) in operations_mut(document) {
        if operation["responses"].get("304").is_some() {
            take_etags(operation);
        }
        if let Some(body) = operation.get_mut("requestBody") {
            set_body_required(body, &schemas);
        }
        split_summary(operation);
        let only_admins = set_security(operation);
        let problems = problems_of(operation, only_admins);
        describe_parameters(operation);
        describe_success(operation);
        for (status, codes) in problems {
            operation["responses"][status.to_string()] = response_or_reference(status, &codes);
        }
        operation["responses"]["default"] = json!({"$ref": "#/components/responses/AnyProblem"});
    }
    let components = &mut document["components"];
    if let Some(schemes) = components["securitySchemes"].as_object_mut() {
        schemes.remove("admin");
    }
    for (name, codes) in SHARED {
        let status = codes.first().and_then(|code| problems::find(code)).map_or(400, |problem| problem.status);
        components["responses"][name] = response(status, &codes.iter().copied().collect());
    }
    components["responses"]["AnyProblem"] = any_problem();
    components["headers"] = headers();
    components["examples"] = problems::ALL
        .iter()
        .map(|problem| (problem.code.to_owned(), json!({"summary": problem.title(), "value": problem.example()})))
        .collect::<serde_json::Map<_, _>>()
        .into();
}

/// The summary is the first sentence of the doc comment; what stands beside it begins the description.
fn split_summary(operation: &mut Value) {
    let said = operation["summary"].as_str().unwrap_or_default().to_owned();
    let Some((summary, more)) = said.split_once(". ") else { return };
    let description = operation["description"].as_str().unwrap_or_default();
    operation["description"] = format!("{more} {description}").trim().into();
    operation["summary"] = format!("{summary}.").into();
}

/// Replaces the scheme of admins by the one there is, and describes that admins only may call the operation.
fn set_security(operation: &mut Value) -> bool {
    let security = operation["security"].as_array().cloned().unwrap_or_default();
    let only_admins = security.iter().any(|scheme| scheme.get("admin").is_some());
    let named = security
        .iter()
        .map(|scheme| if scheme.get("admin").is_some() { json!({"bearer": []}) } else { scheme.clone() });
    operation["security"] = named.collect();
    if only_admins {
        let said = operation["description"].as_str().unwrap_or_default();
        operation["description"] = format!("For admins. {said}").trim().into();
        operation["x-role"] = "admin".into();
    }
    only_admins
}

/// The problem codes of an operation, by status.
fn problems_of(operation: &mut Value, only_admins: bool) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let mut codes = take_problem_codes(operation);
    let parameters: Vec<(String, String)> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| {
            (parameter["in"].as_str().unwrap_or_default().into(), parameter["name"].as_str().unwrap_or_default().into())
        })
        .collect();
    let takes = |place: &str| parameters.iter().any(|(found, _)| found == place);
    let named = |name: &str| parameters.iter().any(|(_, found)| found == name);
    if operation["security"]
        .as_array()
        .is_some_and(|schemes| schemes.iter().any(|scheme| scheme.get("bearer").is_some()))
    {
        codes.extend(["unauthenticated", "token_expired", "session_revoked"]);
    }
    if only_admins {
        codes.extend(["forbidden"]);
    }
    if takes("path") {
        codes.extend(["not_found"]);
    }
    if takes("query") {
        codes.extend(["validation_failed"]);
    }
    if named("ordering") {
        codes.extend(["invalid_ordering"]);
    }
    if named("Idempotency-Key") {
        codes.extend(["idempotency_key_invalid", "idempotency_in_progress", "idempotency_key_reused"]);
    }
    if named("If-Match") {
        codes.extend(["precondition_failed"]);
    }
    let body = &operation["requestBody"]["content"];
    if body.get("application/json").is_some() {
        codes.extend(["malformed_json", "unsupported_media_type", "validation_failed"]);
    }
    if body.is_object() {
        codes.extend(["payload_too_large"]);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for code in codes {
        if let Some(problem) = problems::find(code) {
            by_status.entry(problem.status).or_default().insert(problem.code);
        }
    }
    if let Some(own) = by_status.get_mut(&503) {
        own.extend(["overloaded", "outcome_unknown"]); // which any address can answer, but of this status it names its own
    }
    by_status
}

/// Takes the paragraph ``Problems: `code`, `code`.`` out of the description.
///
/// # Panics
/// When it names a problem that no feature declares: an error in this program that the first start shows.
fn take_problem_codes(operation: &mut Value) -> BTreeSet<&'static str> {
    let description = operation["description"].as_str().unwrap_or_default().to_owned();
    let Some((kept, named)) = description.split_once("Problems: ") else { return BTreeSet::new() };
    let codes = named.split('`').skip(1).step_by(2);
    let explained =
        |code: &str| problems::find(code).unwrap_or_else(|| panic!("no feature declares the problem {code}")).code;
    let codes = codes.map(explained).collect();
    operation["description"] = kept.trim().into();
    codes
}

fn response_or_reference(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let shared = SHARED.iter().find(|(_, shared)| shared.iter().copied().collect::<BTreeSet<_>>() == *codes);
    match shared {
        Some((name, _)) => json!({"$ref": format!("#/components/responses/{name}")}),
        None => response(status, codes),
    }
}

/// A response that is one of these problems.
fn response(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let problems: Vec<_> = codes.iter().filter_map(|code| problems::find(code)).collect();
    let said: Vec<String> =
        problems.iter().map(|problem| format!("`{}`: {}", problem.code, problem.description)).collect();
    let example = |problem: &&ProblemType| {
        (problem.code.to_owned(), json!({"$ref": format!("#/components/examples/{}", problem.code)}))
    };
    let examples: serde_json::Map<String, Value> = problems.iter().map(example).collect();
    let mut response = json!({
        "description": said.join("\n\n"),
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    });
    let header = match status {
        401 => "WWW-Authenticate",
        429 => "Retry-After",
        _ => return response,
    };
    response["headers"][header] = json!({"$ref": format!("#/components/headers/{header}")});
    response
}

fn any_problem() -> Value {
    let listed: Vec<String> = ANYWHERE
        .iter()
        .filter_map(|code| problems::find(code))
        .map(|problem| format!("{} `{}`: {}", problem.status, problem.code, problem.description))
        .collect();
    let mut response = response(500, &["internal_error"].into());
    response["description"] = format!("Any endpoint can return these errors:\n\n{}", listed.join("\n\n")).into();
    response
}

/// Asks whether the client has these very bytes already.
fn take_etags(operation: &mut Value) {
    let asked = json!({
        "name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "The `ETag` of the response that the client has. If it is still current, the response is 304 without a body.",
    });
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(asked),
        None => operation["parameters"] = json!([asked]),
    }
}

/// A body of which every field is optional may be left out.
fn set_body_required(body: &mut Value, schemas: &Value) {
    let schema = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
    let Some(name) = schema.rsplit('/').next().filter(|name| !name.is_empty()) else { return };
    body["required"] = schemas[name].get("required").is_some().into();
}

fn describe_parameters(operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(members) = parameter.as_object_mut() {
            members.remove("deprecated");
            members.remove("explode");
            // `?category=` asks for nothing, as an empty form field does.
            if members.get("in").is_some_and(|place| place == "query") {
                members.insert("allowEmptyValue".to_owned(), true.into());
            }
        }
        if parameter.get("description").is_none() {
            take_description_of_type(parameter);
        }
    }
}

/// A type that describes the parameter itself does so in its schema.
fn take_description_of_type(parameter: &mut Value) {
    let schema = &mut parameter["schema"];
    let Some(description) = schema.as_object_mut().and_then(|members| members.remove("description")) else { return };
    parameter["description"] = description;
}

/// The headers of successful responses.
fn describe_success(operation: &mut Value) {
    let named = |name: &str| {
        operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == name)
    };
    let (paged, tagged, once) = (named("per_page"), named("If-None-Match"), named("Idempotency-Key"));
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if !(status.starts_with('2') || status.starts_with("30")) {
            continue;
        }
        let mut names = vec!["X-Request-Id"];
        if paged && status == "200" {
            names.extend(["X-Total-Count", "Link"]);
        }
        if tagged && status != "301" {
            names.extend(["ETag", "Cache-Control"]);
        }
        if once {
            names.push("Idempotent-Replayed");
        }
        if status == "201" || status == "301" || (once && status == "202") {
            names.push("Location");
        }
        for name in names {
            response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
        }
    }
}

fn headers() -> Value {
    let header = |description: &str, example: Value| {
        let kind = if example.is_u64() { "integer" } else { "string" };
        json!({"description": description, "schema": {"type": kind}, "example": example})
    };
    json!({
        "X-Request-Id": header("Identifies the request in the shop's logs: the client's own `X-Request-Id`, or a new one.", "01936f1e-8c5b-7a41-9d1e-2f4c5b6a7d8e".into()),
        "X-Total-Count": header("The total number of entries on all pages.", 60.into()),
        "Link": header("The URLs of the pages `first`, `prev`, `next` and `last` (RFC 8288).", "</api/products?page=2>; rel=\"next\"".into()),
        "ETag": header("Identifies this version of the response. Send it as `If-None-Match` to get 304 while nothing has changed, or as `If-Match` with an update.", "\"5b1f2c-1\"".into()),
        "Cache-Control": header("How long the response may be cached.", "public, max-age=0, must-revalidate".into()),
        "Location": header("The URL of the created or found resource.", "/api/orders/1".into()),
        "Idempotent-Replayed": header("`true` if this is the stored response to an earlier request with the same `Idempotency-Key`.", "true".into()),
        "Retry-After": header("The number of seconds to wait before the next attempt.", 60.into()),
        "WWW-Authenticate": header("Says that a bearer token is required.", "Bearer error=\"invalid_token\"".into()),
    })
}
