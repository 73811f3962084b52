//! Sends the requests of async-stripe with our own HTTP client.
//!
//! async-stripe's client draws a new idempotency key for each retry, opens a connection for each call and reads responses
//! of any size; ours sends each request once, with the key of the payment's row. Errors are never logged whole: they quote
//! the response, client secrets included.

use bytes::Bytes;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use stripe::{RequestStrategy, StripeError};
use stripe_client_core::{CustomizedStripeRequest, StripeClient, StripeMethod, VERSION};

use crate::payments::providers::{ProviderError, ProviderSettings, http};

pub struct StripeHttp {
    http: Client,
    base: String,
    secret_key: SecretString,
}

impl StripeHttp {
    pub fn new(settings: &ProviderSettings, http: Client) -> Self {
        Self { http, base: settings.api_base.clone(), secret_key: settings.secret_key.clone() }
    }
}

impl StripeClient for StripeHttp {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, config) = request.into_pieces();
        let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}/v1{}{query}", self.base, request.path);
        let mut sent = match request.method {
            StripeMethod::Get => self.http.get(url),
            StripeMethod::Post => self.http.post(url),
            StripeMethod::Delete => self.http.delete(url),
        };
        sent = sent.bearer_auth(self.secret_key.expose_secret()).header("stripe-version", VERSION.to_string());
        if let Some(RequestStrategy::Idempotent(key)) = config.request_strategy {
            sent = sent.header("idempotency-key", key.as_str());
        }
        if let Some(body) = request.body {
            sent = sent.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let response = http::send(sent).await.map_err(|error| match error {
            ProviderError::Indeterminate(what) | ProviderError::Server(what) | ProviderError::Rejected(what) => {
                StripeError::ClientError(what)
            }
        })?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        let text = std::str::from_utf8(&response.body).unwrap_or_default();
        match miniserde::json::from_str::<stripe_shared::Error>(text) {
            Ok(body) => Err(StripeError::Stripe(body.error, response.status.as_u16())),
            Err(_) => Err(StripeError::ClientError(format!("{} without a reason", response.status.as_u16()))),
        }
    }
}
