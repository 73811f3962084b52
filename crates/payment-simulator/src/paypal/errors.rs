//! Error responses.

use serde_json::json;

use crate::{context::new_id, response::Response};

pub(super) fn invalid_request(issue: &str, description: &str) -> Response {
    error(400, "INVALID_REQUEST", issue, description)
}

pub(super) fn malformed_json() -> Response {
    invalid_request("MALFORMED_REQUEST_JSON", "The request JSON is not well formed.")
}

pub(super) fn not_found() -> Response {
    let description = "Specified resource ID does not exist. Please check the resource ID and try again.";
    error(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", description)
}

pub(super) fn invalid_uri() -> Response {
    error(404, "RESOURCE_NOT_FOUND", "INVALID_URI", "The URI requested is invalid.")
}

pub(super) fn key_in_use() -> Response {
    let description = "A previous request on this resource is currently in progress.";
    error(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS", description)
}

pub(super) fn unsupported_media_type() -> Response {
    let description = "The server does not support the request payload's media type.";
    error(415, "UNSUPPORTED_MEDIA_TYPE", "INVALID_CONTENT_TYPE", description)
}

pub(super) fn unprocessable(issue: &str, description: &str) -> Response {
    error(422, "UNPROCESSABLE_ENTITY", issue, description)
}

pub(super) fn rate_limited() -> Response {
    error_without_details(429, "RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting.")
}

pub(super) fn server_error() -> Response {
    error_without_details(500, "INTERNAL_SERVER_ERROR", "An internal server error has occurred.")
}

pub(super) fn oauth_error(status: u16, error: &str, description: &str) -> Response {
    Response::json(status, &json!({"error": error, "error_description": description}))
}

fn error(status: u16, name: &str, issue: &str, description: &str) -> Response {
    let body = json!({
        "name": name, "message": description, "debug_id": new_id("", 13),
        "details": [{"issue": issue, "description": description}], "links": [],
    });
    Response::json(status, &body)
}

fn error_without_details(status: u16, name: &str, message: &str) -> Response {
    let body = json!({"name": name, "message": message, "debug_id": new_id("", 13), "links": []});
    Response::json(status, &body)
}
