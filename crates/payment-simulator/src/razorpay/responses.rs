//! Responses and errors.

use serde_json::{Value, json};

use crate::response::Response;

pub(super) fn ok(body: &Value) -> Response {
    Response::json(200, body)
}

pub(super) fn collection(items: &[Value]) -> Value {
    json!({"entity": "collection", "count": items.len(), "items": items})
}

pub(super) fn error(status: u16, code: &str, description: &str) -> Response {
    let error = json!({
        "code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA", "metadata": {},
    });
    Response::json(status, &json!({"error": error}))
}

pub(super) fn bad_request(description: &str) -> Response {
    error(400, "BAD_REQUEST_ERROR", description)
}

pub(super) fn not_json() -> Response {
    bad_request("Please provide your request in JSON format.")
}

/// Razorpay answers 400, not 404.
pub(super) fn not_found() -> Response {
    bad_request("The id provided does not exist")
}

pub(super) fn rate_limited() -> Response {
    error(429, "BAD_REQUEST_ERROR", "Request throttled; try again later.")
}
