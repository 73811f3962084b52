//! Sends requests to Razorpay.

use poem::http::StatusCode;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::payments::providers::{
    ProviderResult, ProviderSettings,
    http::{self, Response},
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

    /// What is at a path, if anything is. Razorpay calls an id that it does not know a bad request.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> ProviderResult<Option<Value>> {
        let response = self.send(self.http.get(format!("{}/v1{path}", self.base)).query(query)).await?;
        response.found(&[StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND], error_code)
    }

    pub async fn post(&self, path: &str, body: &Value) -> ProviderResult<Value> {
        self.send(self.http.post(format!("{}/v1{path}", self.base)).json(body)).await?.success(error_code)
    }

    /// Once for each idempotency key, which only refunds have.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> ProviderResult<Value> {
        let request = self.http.post(format!("{}/v1{path}", self.base)).json(body);
        self.send(request.header("x-refund-idempotency", key)).await?.success(error_code)
    }

    async fn send(&self, request: RequestBuilder) -> ProviderResult<Response> {
        http::send(request.basic_auth(&self.key_id, Some(self.key_secret.expose_secret()))).await
    }
}

/// Razorpay's code of an error, from the body of the response.
fn error_code(body: &Value) -> Option<&str> {
    body["error"]["code"].as_str()
}
