//! Razorpay: an order is created here, Checkout.js pays it in the buyer's browser, Razorpay captures it by itself. What a
//! bank authorizes too late for that the shop captures, if the order still waits for it; if not, Razorpay gives it back in
//! five days. <https://razorpay.com/docs/payments/payments/capture-settings/api/>
//!
//! Orders have no idempotency key. One whose response was lost is found by its receipt, our payment's id; a second one
//! would do no harm, because no buyer is ever sent to it.

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
    client::RazorpayHttp,
    reports::{adds_up, captured, refund_report, report},
};
use super::{
    OnlineProvider, PaymentProvider, ProviderError, ProviderResult, ProviderSettings, RefundReport, Report, Variable,
    VerificationError, WebhookDocs, WebhookEvent, WebhookSubject,
};
use crate::{
    payments::{Payment, refunds::Refund},
    shop::Provider,
};

const KEY_SECRET: &str = "RAZORPAY_KEY_SECRET";
const WEBHOOK_KEY: Variable = Variable {
    name: "RAZORPAY_WEBHOOK_SECRET",
    help: "Verifies Razorpay's webhooks; NEW,OLD during a change of the secret",
};

pub const RAZORPAY: OnlineProvider = OnlineProvider {
    provider: Provider::Razorpay,
    name: "Razorpay",
    api_base: Variable {
        name: "RAZORPAY_API_BASE",
        help: "The URL of Razorpay's API, for tests and gateways [default: Razorpay's]",
    },
    key: "RAZORPAY_KEY_ID",
    key_secret: Some(KEY_SECRET),
    webhook_key: Some(WEBHOOK_KEY),
    webhook: WebhookDocs {
        operation_id: "receiveRazorpayWebhook",
        summary: "Receives webhooks from Razorpay. For Razorpay, not for frontends.",
        description: "\
Verifies the signature on the raw body. Each event is stored once and processed in the background.

Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`.",
    },
    read: settings::read,
    connect: |settings, http, _| Box::new(Razorpay::new(settings, http)),
};

/// For how many minutes Razorpay captures by itself; the shortest it allows: later the order may be gone, and then the
/// money is not to be captured at all.
const AUTOMATIC_CAPTURE_MINUTES: u32 = 12;
/// When the shop captures what Razorpay has not captured: some minutes after that.
const AUTOMATIC_CAPTURE_PERIOD: Duration = Duration::from_mins(15);
/// For how many minutes the shop may capture; the longest Razorpay allows.
const MANUAL_CAPTURE_MINUTES: u32 = 7_200;

struct Razorpay {
    http: RazorpayHttp,
    webhook_secrets: Vec<SecretString>,
}

impl Razorpay {
    fn new(settings: &ProviderSettings, http: Client) -> Self {
        let http = RazorpayHttp::new(settings, http);
        Self { http, webhook_secrets: settings.webhook_secrets.clone() }
    }

    async fn order(&self, payment: &Payment) -> ProviderResult<Option<Value>> {
        if let Some(id) = &payment.transaction_id {
            return self.http.get(&format!("/orders/{id}"), &[]).await;
        }
        let receipt = payment.id.to_string();
        let found = self.http.get("/orders", &[("receipt", &receipt), ("count", "1")]).await?;
        Ok(found.and_then(|found| found["items"].get(0).cloned()))
    }

    /// The buyer's attempts to pay an order.
    async fn attempts(&self, order: &Value) -> ProviderResult<Vec<Value>> {
        let Some(id) = order["id"].as_str().filter(|_| order["status"] != "created") else { return Ok(vec![]) };
        let attempts = self.http.get(&format!("/orders/{id}/payments"), &[]).await?;
        Ok(attempts.and_then(|attempts| attempts["items"].as_array().cloned()).unwrap_or_default())
    }

    /// The refunds of an attempt, page by page.
    async fn refunds(&self, captured: &Value) -> ProviderResult<Vec<RefundReport>> {
        let Some(id) = captured["id"].as_str() else { return Ok(vec![]) };
        let mut refunds = Vec::new();
        loop {
            let skip = refunds.len().to_string();
            let page = self.http.get(&format!("/payments/{id}/refunds"), &[("count", "100"), ("skip", &skip)]).await?;
            let page = page.and_then(|page| page["items"].as_array().cloned()).unwrap_or_default();
            refunds.extend(page.iter().map(refund_report).collect::<ProviderResult<Vec<_>>>()?);
            if page.len() < 100 {
                return Ok(refunds);
            }
        }
    }
}

#[async_trait]
impl PaymentProvider for Razorpay {
    fn idempotency_key_lifetime(&self) -> Duration {
        Duration::ZERO
    }

    fn automatic_capture_period(&self) -> Duration {
        AUTOMATIC_CAPTURE_PERIOD
    }

    async fn create_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let body = json!({
            "amount": payment.amount.0,
            "currency": payment.currency.to_string(),
            "receipt": payment.id,
            "notes": {"order_id": payment.order_id.to_string(), "payment_id": payment.id},
            "payment": {"capture": "automatic", "capture_options": {
                "automatic_expiry_period": AUTOMATIC_CAPTURE_MINUTES,
                "manual_expiry_period": MANUAL_CAPTURE_MINUTES,
                "refund_speed": "normal",
            }},
        });
        report(&self.http.post("/orders", &body).await?, &[])
    }

    /// Razorpay captures by itself, once the buyer has paid; this captures what it has only authorized. A rejection decides
    /// nothing, because Razorpay may have captured at this very moment: the payment is retrieved.
    async fn capture_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let gone = || ProviderError::Indeterminate("an order that is gone".to_owned());
        let order = self.order(payment).await?.ok_or_else(gone)?;
        let attempts = self.attempts(&order).await?;
        if let Some(authorized) = attempts.iter().find(|attempt| attempt["status"] == "authorized") {
            let body = json!({"amount": payment.amount.0, "currency": payment.currency.to_string()});
            let path = format!("/payments/{}/capture", authorized["id"].as_str().unwrap_or_default());
            match self.http.post(&path, &body).await {
                Err(ProviderError::Rejected(reason)) => {
                    tracing::warn!(
                        payment = %payment.id, reason, "Razorpay does not capture an authorized payment"
                    );
                }
                captured => drop(captured?),
            }
        }
        self.retrieve_payment(payment).await?.ok_or_else(gone)
    }

    async fn retrieve_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>> {
        let Some(order) = self.order(payment).await? else { return Ok(None) };
        let attempts = self.attempts(&order).await?;
        let report = report(&order, &attempts)?;
        let Some(captured) = captured(&attempts) else { return Ok(Some(report)) };
        let refunds = self.refunds(captured).await?;
        if !adds_up(captured, &refunds) {
            return Err(ProviderError::Indeterminate("refunds that are not those of their payment".to_owned()));
        }
        Ok(Some(Report { refunds, ..report }))
    }

    async fn create_refund(&self, payment: &Payment, refund: &Refund) -> ProviderResult<RefundReport> {
        let Some(capture) = &payment.capture_id else {
            return Err(ProviderError::Rejected("a payment without a capture".to_owned()));
        };
        let body = json!({
            "amount": refund.amount.0,
            "receipt": refund.id,
            "notes": {"payment_id": payment.id, "refund_id": refund.id},
        });
        // The refund's id and not the row's key, which may change: the refund is created once.
        let key = refund.id.to_string();
        refund_report(&self.http.post_once(&format!("/payments/{capture}/refund"), &key, &body).await?)
    }

    fn publishable_key(&self) -> Option<&str> {
        Some(&self.http.key_id)
    }

    async fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        _: Timestamp,
    ) -> Result<WebhookEvent, VerificationError> {
        webhook::verify(&self.webhook_secrets, headers, body)
    }

    fn webhook_subject(&self, event: &Value) -> Option<WebhookSubject> {
        webhook::subject(event)
    }
}
