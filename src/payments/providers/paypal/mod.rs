//! PayPal: the buyer approves at PayPal, then the shop captures. Orders API v2.
//!
//! An order at PayPal moves no money until it is captured, which PayPal does once, whatever the key; so creating one again
//! after an unclear response is safe.

mod client;
mod reports;
mod settings;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use platform::clock::Timestamp;
use poem::http::HeaderMap;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};

use self::{
    client::{PaypalHttp, error_code},
    reports::{failed, refund_report, report, to_paypal},
};
use super::{
    OnlineProvider, PaymentProvider, ProviderError, ProviderResult, ProviderSettings, RefundReport, Report, Variable,
    VerificationError, WebhookDocs, WebhookEvent, WebhookSubject,
};
use crate::{
    payments::{Payment, refunds::Refund},
    shop::{Provider, Store},
};

const KEY_SECRET: &str = "PAYPAL_CLIENT_SECRET";
const WEBHOOK_KEY: Variable = Variable { name: "PAYPAL_WEBHOOK_ID", help: "Verifies PayPal's webhooks" };

pub const PAYPAL: OnlineProvider = OnlineProvider {
    provider: Provider::Paypal,
    name: "PayPal",
    api_base: Variable {
        name: "PAYPAL_API_BASE",
        help: "The URL of PayPal's API, e.g. https://api-m.sandbox.paypal.com [default: PayPal's]",
    },
    key: "PAYPAL_CLIENT_ID",
    key_secret: Some(KEY_SECRET),
    webhook_key: Some(WEBHOOK_KEY),
    webhook: WebhookDocs {
        operation_id: "receivePaypalWebhook",
        summary: "Receives webhooks from PayPal. For PayPal, not for frontends.",
        description: "\
Each signature is verified by a request to PayPal. Events that lack one of PayPal's five headers are rejected without that
request, and so are further events from an IP address that sent a hundred forged ones within ten minutes. Each event is
stored once and processed in the background.

Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`, `provider_unavailable`, `rate_limited`.",
    },
    read: settings::read,
    connect: |settings, http, store| Box::new(Paypal::new(settings, http, store)),
};

/// PayPal forgets the key of an order after 6 hours.
const IDEMPOTENCY_KEY_LIFETIME: Duration = Duration::from_hours(5);

struct Paypal {
    http: PaypalHttp,
    webhook_id: Option<SecretString>,
    /// Where the buyer comes back to.
    storefront_url: String,
}

impl Paypal {
    fn new(settings: &ProviderSettings, http: Client, store: &Store) -> Self {
        Self {
            http: PaypalHttp::new(settings, http),
            webhook_id: settings.webhook_secrets.first().cloned(),
            storefront_url: store.storefront_url.clone(),
        }
    }

    async fn order(&self, payment: &Payment) -> ProviderResult<Option<Value>> {
        // Without its id it cannot be found, and need not be: no buyer was sent there to approve it.
        let Some(id) = &payment.transaction_id else { return Ok(None) };
        self.http.get(&format!("/v2/checkout/orders/{id}")).await
    }
}

#[async_trait]
impl PaymentProvider for Paypal {
    fn idempotency_key_lifetime(&self) -> Duration {
        IDEMPOTENCY_KEY_LIFETIME
    }

    async fn create_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let return_url = |outcome: &str| format!("{}/payments/{}?outcome={outcome}", self.storefront_url, payment.id);
        let body = json!({
            "intent": "CAPTURE",
            "purchase_units": [{"custom_id": payment.id, "amount": to_paypal(payment.currency, payment.amount)?}],
            "payment_source": {"paypal": {"experience_context": {
                "user_action": "PAY_NOW",
                "shipping_preference": "NO_SHIPPING",
                "return_url": return_url("approved"),
                "cancel_url": return_url("cancelled"),
            }}},
        });
        let response = self.http.post("/v2/checkout/orders", &payment.provider_key, &body).await?;
        report(payment, &response.success(error_code)?)
    }

    async fn capture_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let Some(id) = &payment.transaction_id else {
            return Err(ProviderError::Rejected("an order without an id".to_owned()));
        };
        let key = format!("{}-capture", payment.provider_key);
        let response = self.http.post(&format!("/v2/checkout/orders/{id}/capture"), &key, &json!({})).await?;
        if response.status.is_success() {
            return report(payment, &response.json()?);
        }
        match error_code(&response.json().unwrap_or_default()) {
            Some("ORDER_ALREADY_CAPTURED" | "ORDER_NOT_APPROVED") => {
                let found = self.retrieve_payment(payment).await?;
                found.ok_or_else(|| ProviderError::Indeterminate("an order that is gone".to_owned()))
            }
            Some(
                code @ ("INSTRUMENT_DECLINED" | "PAYER_CANNOT_PAY" | "TRANSACTION_REFUSED" | "PAYER_ACTION_REQUIRED"),
            ) => Ok(Report { outcome: failed(code), ..Report::processing(payment) }),
            _ => Err(response.error(error_code)),
        }
    }

    async fn retrieve_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>> {
        self.order(payment).await?.map(|order| report(payment, &order)).transpose()
    }

    async fn create_refund(&self, payment: &Payment, refund: &Refund) -> ProviderResult<RefundReport> {
        let Some(capture) = &payment.capture_id else {
            return Err(ProviderError::Rejected("a payment without a capture".to_owned()));
        };
        let body = json!({
            "amount": to_paypal(payment.currency, refund.amount)?, "custom_id": payment.id, "invoice_id": refund.id,
        });
        let path = format!("/v2/payments/captures/{capture}/refund");
        let response = self.http.post(&path, &refund.provider_key, &body).await?;
        refund_report(&response.success(error_code)?)
    }

    fn verifies_webhooks_remotely(&self) -> bool {
        true
    }

    async fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        _: Timestamp,
    ) -> Result<WebhookEvent, VerificationError> {
        webhook::verify(&self.http, self.webhook_id.as_ref(), headers, body).await
    }

    fn webhook_subject(&self, event: &Value) -> Option<WebhookSubject> {
        webhook::subject(event)
    }
}
