//! Stripe: payment intents.

mod client;
mod reports;
mod settings;
mod webhook;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use platform::clock::Timestamp;
use poem::http::HeaderMap;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;
use stripe::{IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::{
    payment_intent::{
        CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentOffSession, ListPaymentIntent,
        RetrievePaymentIntent,
    },
    refund::{CreateRefund, ListRefund},
};
use stripe_shared::PaymentIntent;
use stripe_types::{Currency, RangeBoundsTs, RangeQueryTs};

use self::{
    client::StripeHttp,
    reports::{declined, provider_error, refund_report, report, to_stripe},
};
use super::{
    OnlineProvider, PaymentProvider, ProviderError, ProviderResult, ProviderSettings, RefundReport, Report, Variable,
    VerificationError, WebhookDocs, WebhookEvent, WebhookSubject,
};
use crate::{
    payments::{Outcome, Payment, refunds::Refund},
    shop::Provider,
};

const WEBHOOK_KEY: Variable = Variable {
    name: "STRIPE_WEBHOOK_SECRET",
    help: "Verifies Stripe's webhooks; NEW,OLD during a change of the secret",
};

pub const STRIPE: OnlineProvider = OnlineProvider {
    provider: Provider::Stripe,
    name: "Stripe",
    api_base: Variable {
        name: "STRIPE_API_BASE",
        help: "The URL of Stripe's API, for tests and gateways [default: Stripe's]",
    },
    key: "STRIPE_SECRET_KEY",
    key_secret: None,
    webhook_key: Some(WEBHOOK_KEY),
    webhook: WebhookDocs {
        operation_id: "receiveStripeWebhook",
        summary: "Receives webhooks from Stripe. For Stripe, not for frontends.",
        description: "\
Verifies the signature on the raw body. Each event is stored once and processed in the background.

Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`.",
    },
    read: settings::read,
    connect: |settings, http, _| Box::new(Stripe::new(settings, http)),
};

/// Stripe forgets a key after 24 hours.
const IDEMPOTENCY_KEY_LIFETIME: Duration = Duration::from_hours(23);
/// By how many seconds Stripe's clock may differ from ours.
const CLOCK_SKEW: i64 = 300;
/// For how many seconds after a payment ended an intent may still be created for it, clock skew included.
const LATE_CREATION: i64 = 3_600;

struct Stripe {
    http: StripeHttp,
    webhook_secrets: Vec<SecretString>,
}

impl Stripe {
    fn new(settings: &ProviderSettings, http: Client) -> Self {
        let http = StripeHttp::new(settings, http);
        Self { http, webhook_secrets: settings.webhook_secrets.clone() }
    }

    /// Finds the intent of a payment whose creation had no clear response, by the metadata it was created with.
    async fn find(&self, payment: &Payment) -> ProviderResult<Option<PaymentIntent>> {
        let since = payment.created_at.unix_seconds() - CLOCK_SKEW;
        // Only queued payments are sent, so nothing was created long after the end.
        let until = (!payment.status.is_open()).then(|| payment.updated_at.unix_seconds() + LATE_CREATION);
        let created = RangeQueryTs::Bounds(RangeBoundsTs { gte: Some(since), lte: until, ..RangeBoundsTs::default() });
        let mut request = ListPaymentIntent::new().limit(100).created(created);
        loop {
            let page = request.send(&self.http).await.map_err(provider_error)?;
            let (more, last) = (page.has_more, page.data.last().map(|intent| intent.id.to_string()));
            if let Some(intent) =
                page.data.into_iter().find(|intent| intent.metadata.get("payment_id") == Some(&payment.id.to_string()))
            {
                return self.retrieve(intent.id.as_str()).await;
            }
            match last {
                Some(last) if more => request = request.starting_after(last),
                _ => return Ok(None),
            }
        }
    }

    async fn retrieve(&self, id: &str) -> ProviderResult<Option<PaymentIntent>> {
        match RetrievePaymentIntent::new(id).expand(vec!["latest_charge.refunds".into()]).send(&self.http).await {
            Ok(intent) => Ok(Some(intent)),
            Err(StripeError::Stripe(_, 404)) => Ok(None), // of the other mode, live or test: not ours
            Err(error) => Err(provider_error(error)),
        }
    }

    /// The refunds of an intent: its charge comes with the first ten, the others are listed.
    async fn refunds(&self, intent: &PaymentIntent) -> ProviderResult<Vec<RefundReport>> {
        let charge = intent.latest_charge.as_ref().and_then(|charge| charge.as_object());
        let Some(first) = charge.and_then(|charge| charge.refunds.as_ref()) else { return Ok(vec![]) };
        let mut refunds: Vec<RefundReport> = first.data.iter().map(refund_report).collect();
        let mut more = first.has_more;
        while let Some(last) = refunds.last().and_then(|last| last.transaction_id.clone()).filter(|_| more) {
            let next = ListRefund::new().payment_intent(intent.id.as_str()).limit(100).starting_after(last);
            let page = next.send(&self.http).await.map_err(provider_error)?;
            refunds.extend(page.data.iter().map(refund_report));
            more = page.has_more;
        }
        Ok(refunds)
    }
}

#[async_trait]
impl PaymentProvider for Stripe {
    fn idempotency_key_lifetime(&self) -> Duration {
        IDEMPOTENCY_KEY_LIFETIME
    }

    async fn create_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let currency = payment.currency.to_string().to_lowercase();
        let currency: Currency = currency.parse().map_err(|_| ProviderError::Rejected("currency".to_owned()))?;
        let metadata = HashMap::from([
            ("order_id".to_owned(), payment.order_id.to_string()),
            ("payment_id".to_owned(), payment.id.to_string()),
        ]);
        let amount = to_stripe(payment.currency, payment.amount)?;
        let mut request = CreatePaymentIntent::new(amount, currency).metadata(metadata);
        if let Some(method) = &payment.payment_method {
            request = request
                .payment_method(method.clone())
                .confirm(true)
                .off_session(CreatePaymentIntentOffSession::Bool(true));
        }
        let request = request.customize().request_strategy(idempotent(&payment.provider_key)?);
        match request.send(&self.http).await {
            Ok(intent) => Ok(report(&intent)),
            Err(StripeError::Stripe(error, 402)) => declined(&error),
            Err(error) => Err(provider_error(error)),
        }
    }

    /// Stripe captures by itself, once the buyer confirms.
    async fn capture_payment(&self, payment: &Payment) -> ProviderResult<Report> {
        let found = self.retrieve_payment(payment).await?;
        found.ok_or_else(|| ProviderError::Indeterminate("an intent that is gone".to_owned()))
    }

    async fn retrieve_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>> {
        let intent = match &payment.transaction_id {
            None => self.find(payment).await?,
            Some(id) => self.retrieve(id).await?,
        };
        match intent.filter(|intent| is_of(payment, intent)) {
            Some(intent) => Ok(Some(Report { refunds: self.refunds(&intent).await?, ..report(&intent) })),
            None => Ok(None),
        }
    }

    async fn cancel_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>> {
        let Some(current) = self.retrieve_payment(payment).await? else { return Ok(None) };
        let is_over = matches!(current.outcome, Outcome::Captured(_) | Outcome::Cancelled); // a declined one can still be paid
        let Some(id) = current.transaction_id.as_deref().filter(|_| !is_over) else {
            return Ok(Some(current));
        };
        match CancelPaymentIntent::new(id).send(&self.http).await {
            Ok(intent) => Ok(Some(report(&intent))),
            // Paid or cancelled at this very moment, or on its way to the bank.
            Err(StripeError::Stripe(_, 400)) => self.retrieve_payment(payment).await,
            Err(error) => Err(provider_error(error)),
        }
    }

    async fn create_refund(&self, payment: &Payment, refund: &Refund) -> ProviderResult<RefundReport> {
        let metadata = HashMap::from([("refund_id".to_owned(), refund.id.to_string())]);
        let mut request = CreateRefund::new().amount(to_stripe(payment.currency, refund.amount)?).metadata(metadata);
        if let Some(transaction) = &payment.transaction_id {
            request = request.payment_intent(transaction.clone());
        }
        let request = request.customize().request_strategy(idempotent(&refund.provider_key)?);
        request.send(&self.http).await.map(|refund| refund_report(&refund)).map_err(provider_error)
    }

    async fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, VerificationError> {
        webhook::verify(&self.webhook_secrets, headers, body, now)
    }

    fn webhook_subject(&self, event: &Value) -> Option<WebhookSubject> {
        webhook::subject(event)
    }
}

/// Whether the intent was created for the payment's order.
fn is_of(payment: &Payment, intent: &PaymentIntent) -> bool {
    intent.metadata.get("order_id") == Some(&payment.order_id.to_string())
}

fn idempotent(key: &str) -> ProviderResult<RequestStrategy> {
    let key = IdempotencyKey::new(key).map_err(|_| ProviderError::Rejected("idempotency key".to_owned()))?;
    Ok(RequestStrategy::Idempotent(key))
}
