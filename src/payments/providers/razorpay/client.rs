//! Sends requests to Razorpay.

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::payments::providers::{
    ProviderError, ProviderResult, ProviderSettings,
    http::{self, Response, error_of_status},
};

pub struct RazorpayHttp {
    http: Client,
    base: String,
    pub key_id: String,
    key_secret: SecretString,
}

impl RazorpayHttp {
    pub fn new(settings: &ProviderSettings, http: Client) -> Self {
        Self {
            http,
            base: settings.api_base.clone(),
            key_id: settings.key_id.clone(),
            key_secret: settings.secret_key.clone(),
        }
    }

    /// What is at a path; `None` when nothing is, which Razorpay calls a bad request.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> ProviderResult<Option<Value>> {
        let request = self.http.get(format!("{}/v1{path}", self.base)).query(query);
        match self.send(request).await {
            Ok(found) => Ok(Some(found)),
            Err(ProviderError::Rejected(what)) if what.starts_with("400") || what.starts_with("404") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> ProviderResult<Value> {
        self.send(self.http.post(format!("{}/v1{path}", self.base)).json(body)).await
    }

    /// Once for each idempotency key, which only refunds have.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> ProviderResult<Value> {
        let request = self.http.post(format!("{}/v1{path}", self.base)).json(body);
        self.send(request.header("x-refund-idempotency", key)).await
    }

    async fn send(&self, request: RequestBuilder) -> ProviderResult<Value> {
        let request = request.basic_auth(&self.key_id, Some(self.key_secret.expose_secret()));
        let response = http::send(request).await?;
        if response.status.is_success() {
            return response.json();
        }
        Err(error_of_status(response.status, &code(&response)))
    }
}

/// Razorpay's code of an error.
fn code(response: &Response) -> String {
    let body = response.json().unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or("without a reason").to_owned()
}
