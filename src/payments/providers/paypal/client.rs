//! Sends requests to PayPal.

use std::time::{Duration, Instant};

use poem::http::StatusCode;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::payments::providers::{
    ProviderError, ProviderResult, ProviderSettings,
    http::{self, Response, error_of_status},
};

pub struct PaypalHttp {
    http: Client,
    base: String,
    client_id: String,
    client_secret: SecretString,
    token: Mutex<Option<AccessToken>>,
}

struct AccessToken {
    text: SecretString,
    expires_at: Instant,
}

impl PaypalHttp {
    pub fn new(settings: &ProviderSettings, http: Client) -> Self {
        Self {
            http,
            base: settings.api_base.clone(),
            client_id: settings.key_id.clone(),
            client_secret: settings.secret_key.clone(),
            token: Mutex::new(None),
        }
    }

    /// What is at a path, if anything is.
    pub async fn get(&self, path: &str) -> ProviderResult<Option<Value>> {
        let response = self.send(self.http.get(format!("{}{path}", self.base))).await?;
        response.found(&[StatusCode::NOT_FOUND], error_code)
    }

    /// Once for each idempotency key.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> ProviderResult<Response> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.send(request.header("paypal-request-id", key).header("prefer", "return=representation")).await
    }

    /// For what changes nothing.
    pub async fn post_without_key(&self, path: &str, body: &impl Serialize) -> ProviderResult<Response> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> ProviderResult<Response> {
        let token = self.access_token().await?;
        let response = http::send(request.bearer_auth(token.expose_secret())).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            *self.token.lock().await = None;
            return Err(ProviderError::Indeterminate("the token was taken back".to_owned()));
        }
        Ok(response)
    }

    /// Only one is requested at a time; the requests that wait for it use it, too.
    async fn access_token(&self) -> ProviderResult<SecretString> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Instant::now() < token.expires_at) {
            return Ok(token.text.clone());
        }
        let request = self
            .http
            .post(format!("{}/v1/oauth2/token", self.base))
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials")]);
        let response = http::send(request).await?;
        if !response.status.is_success() {
            return Err(error_of_status(response.status, "for a token"));
        }
        let body = response.json()?;
        let (Some(text), Some(seconds)) = (body["access_token"].as_str(), body["expires_in"].as_u64()) else {
            return Err(ProviderError::Indeterminate("an answer without a token".to_owned()));
        };
        let text = SecretString::from(text);
        let lifetime = Duration::from_secs(seconds.saturating_sub(60));
        *kept = Some(AccessToken { text: text.clone(), expires_at: Instant::now() + lifetime });
        Ok(text)
    }
}

/// PayPal's code of an error, from the body of the response.
pub fn error_code(body: &Value) -> Option<&str> {
    body["details"][0]["issue"].as_str().or_else(|| body["name"].as_str())
}
