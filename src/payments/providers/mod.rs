//! The payment providers. Each has a folder here, with its client, its settings and its webhooks, and implements
//! [`PaymentProvider`].
//!
//! A provider only sends requests and reads responses. It is called by jobs, outside of any transaction; what a response
//! means for a payment and its order is decided in one place, [`super::apply_report`], for all of them.

mod cash;
mod error;
mod http;
mod paypal;
mod razorpay;
mod report;
mod settings;
mod stripe;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use platform::{clock::Timestamp, settings::Checked};
use poem::http::HeaderMap;
use reqwest::Client;
use serde_json::Value;

use self::cash::Cash;
pub use self::{
    error::{ProviderError, ProviderResult, VerificationError},
    report::{RefundOutcome, RefundReport, Report},
    settings::{ProviderArgs, ProviderSettings, Variable},
};
use super::{Payment, refunds::Refund, settings::Settings};
use crate::shop::{Provider, Store, ids::PaymentId};

/// Every online provider. A new one is a folder beside this file and a line here.
pub const ONLINE: &[OnlineProvider] = &[stripe::STRIPE, paypal::PAYPAL, razorpay::RAZORPAY];

/// A provider as the rest of the shop knows it: its settings, its webhooks, and how to connect to it.
pub struct OnlineProvider {
    pub provider: Provider,
    /// Its name, for people.
    pub name: &'static str,
    /// Where its API is; also a flag.
    pub api_base: Variable,
    /// The variable that turns it on.
    pub key: &'static str,
    /// The variable of the secret that belongs to `key`, at providers whose keys have two parts.
    pub key_secret: Option<&'static str>,
    /// What verifies its webhooks; `None` at a provider that does not sign them.
    pub webhook_key: Option<Variable>,
    pub webhook: WebhookDocs,
    /// Reads its settings, given the value of `api_base`; `None` without its key.
    pub read: fn(api_base: Option<&String>) -> Checked<Option<ProviderSettings>>,
    pub connect: fn(&ProviderSettings, http: Client, &Store) -> Box<dyn PaymentProvider>,
}

/// What the API document says of the endpoint that receives its webhooks.
pub struct WebhookDocs {
    pub operation_id: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
}

/// What every provider can do.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// How long the provider remembers an idempotency key, with a margin. After that the thing is retrieved before it is
    /// requested again.
    fn idempotency_key_lifetime(&self) -> Duration;

    /// Creates the payment, or returns the one that was created with the same key before.
    async fn create_payment(&self, payment: &Payment) -> ProviderResult<Report>;

    /// How long the provider may take to capture by itself what it has authorized, with a margin. What it has not captured
    /// then, the shop captures; by default at once.
    fn automatic_capture_period(&self) -> Duration {
        Duration::ZERO
    }

    /// Captures a payment that the buyer has approved, at providers that leave this to the shop.
    async fn capture_payment(&self, payment: &Payment) -> ProviderResult<Report>;

    /// The payment with its refunds; `None` when the provider does not know it, or cannot find it without its id.
    async fn retrieve_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>>;

    /// Cancels a payment, where the provider allows that. The payment as it is then.
    async fn cancel_payment(&self, payment: &Payment) -> ProviderResult<Option<Report>> {
        self.retrieve_payment(payment).await
    }

    /// Creates the refund, or returns the one that was created with the same key before.
    async fn create_refund(&self, payment: &Payment, refund: &Refund) -> ProviderResult<RefundReport>;

    /// The public key that the buyer's browser needs, where the provider has one for each shop.
    fn publishable_key(&self) -> Option<&str> {
        None
    }

    /// Whether verifying a webhook calls the provider: then forged webhooks cause calls.
    fn verifies_webhooks_remotely(&self) -> bool {
        false
    }

    /// Verifies a webhook, on its raw body: its signature, or at providers that sign nothing, by retrieving what it names.
    async fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, VerificationError>;

    /// Which payment an event is about, from its [`WebhookEvent::body`]; `None` when it is about something else.
    fn webhook_subject(&self, event: &Value) -> Option<WebhookSubject>;
}

/// A verified event.
#[derive(Debug)]
pub struct WebhookEvent {
    /// Unique for each event of the provider: an event with an id that was received before is a repetition, and ignored.
    /// It is the provider's id of the event (in the body, like Stripe's `evt_…`, or in a header). A provider whose webhooks
    /// have none, or name only the payment and so repeat one id for each of its changes, makes it from the content: a hash
    /// of the body, or of the state of the payment that was retrieved.
    pub id: String,
    /// The provider's type of it, e.g. `payment_intent.succeeded`.
    pub kind: String,
    /// What is stored, shown to admins, and given to [`PaymentProvider::webhook_subject`] by the job: the body without
    /// secrets, or what was made of one that is not JSON.
    pub body: Value,
}

/// What an event is about, as far as its body says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WebhookSubject {
    pub payment: Option<PaymentId>,
    /// The provider's id of the payment.
    pub transaction: Option<String>,
    /// The id of what the provider refunds.
    pub capture: Option<String>,
}

/// The providers this shop can use: cash on delivery, and those whose keys are set.
pub struct Providers(HashMap<Provider, Box<dyn PaymentProvider>>);

impl Providers {
    /// # Errors
    /// When there is no HTTP client.
    pub fn new(settings: &Settings, store: &Store) -> anyhow::Result<Self> {
        let http = http::client()?;
        let mut providers: HashMap<Provider, Box<dyn PaymentProvider>> = HashMap::new();
        providers.insert(Provider::CashOnDelivery, Box::new(Cash));
        for online in ONLINE {
            if let Some(settings) = settings.providers.get(&online.provider) {
                providers.insert(online.provider, (online.connect)(settings, http.clone(), store));
            }
        }
        Ok(Self(providers))
    }

    #[must_use]
    pub fn get(&self, provider: Provider) -> Option<&dyn PaymentProvider> {
        self.0.get(&provider).map(AsRef::as_ref)
    }
}
