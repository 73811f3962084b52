//! Responses and errors.

use serde_json::{Value, json};

use super::PaymentIntent;
use crate::{context::new_id, response::Response};

pub(super) fn ok(body: &Value) -> Response {
    Response::json(200, body).with_header("request-id", new_id("req_", 14))
}

pub(super) fn error(status: u16, error: &Value) -> Response {
    Response::json(status, &json!({"error": error})).with_header("request-id", new_id("req_", 14))
}

pub(super) fn invalid_request(status: u16, code: &str, message: &str) -> Response {
    error(status, &json!({"type": "invalid_request_error", "code": code, "message": message}))
}

pub(super) fn invalid_api_key() -> Response {
    error(401, &json!({"type": "invalid_request_error", "message": "Invalid API Key provided."}))
}

pub(super) fn not_found(object: &str, id: &str) -> Response {
    invalid_request(404, "resource_missing", &format!("No such {object}: '{id}'"))
}

pub(super) fn unexpected_state(intent: &PaymentIntent) -> Response {
    let message = format!("This PaymentIntent's status is {}.", intent.status);
    let body = json!({
        "type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": message,
        "payment_intent": intent.to_json(false),
    });
    error(400, &body)
}

pub(super) fn idempotency_error(status: u16, message: &str) -> Response {
    error(status, &json!({"type": "idempotency_error", "message": message}))
}

pub(super) fn server_error() -> Response {
    error(500, &json!({"type": "api_error", "message": "Something went wrong on Stripe's end."}))
}
