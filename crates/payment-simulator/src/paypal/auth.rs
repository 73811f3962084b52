//! Access tokens. A token contains its expiry and a signature, so none has to be stored.

use std::time::Duration;

use platform::clock::Timestamp;
use poem::web::headers::{Authorization, HeaderMapExt, authorization::Basic};
use serde_json::json;

use super::errors;
use crate::{credentials, request::Request, response::Response, webhooks::hmac_hex};

const TOKEN_LIFETIME: Duration = Duration::from_hours(9);

/// Requests for a token have the client's id and secret, all others a token.
pub(super) fn authenticate(request: &Request, now: Timestamp) -> Result<(), Response> {
    if request.path == "/v1/oauth2/token" {
        let basic = request.headers.typed_get::<Authorization<Basic>>();
        let is_known = basic.is_some_and(|basic| {
            basic.username() == credentials::PAYPAL_CLIENT_ID && basic.password() == credentials::PAYPAL_CLIENT_SECRET
        });
        return is_known
            .then_some(())
            .ok_or_else(|| errors::oauth_error(401, "invalid_client", "Client Authentication failed"));
    }
    let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let is_valid = token.is_some_and(|token| is_valid(token, now));
    is_valid
        .then_some(())
        .ok_or_else(|| errors::oauth_error(401, "invalid_token", "Token signature verification failed"))
}

pub(super) fn create_token(request: &Request, now: Timestamp) -> Response {
    if request.param("grant_type") != Some("client_credentials") {
        return errors::oauth_error(400, "unsupported_grant_type", "unsupported grant_type");
    }
    let expires_at = (now + TOKEN_LIFETIME).unix_seconds();
    let body = json!({
        "scope": "https://uri.paypal.com/services/payments/payment", "token_type": "Bearer", "app_id": "APP-SIMULATOR",
        "access_token": token(expires_at), "expires_in": TOKEN_LIFETIME.as_secs(), "nonce": now.to_string(),
    });
    Response::json(200, &body)
}

fn token(expires_at: i64) -> String {
    format!("A21AA{expires_at}-{}", hmac_hex(credentials::PAYPAL_CLIENT_SECRET, &expires_at.to_string()))
}

fn is_valid(given: &str, now: Timestamp) -> bool {
    let expires_at = given.strip_prefix("A21AA").and_then(|rest| rest.split_once('-')?.0.parse::<i64>().ok());
    expires_at.is_some_and(|expires_at| expires_at > now.unix_seconds() && token(expires_at) == given)
}
