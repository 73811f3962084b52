//! How a provider is talked to: the one seam of this shop that has four implementations.
//!
//! A gateway only asks and reads answers. It is called outside of any transaction, by jobs; what an answer means for a
//! payment and its order is decided in one place, [`super::record`], whoever said it.

use async_trait::async_trait;
use platform::{clock::Timestamp, money::Money};
use poem::http::HeaderMap;
use serde_json::Value;

use std::time::Duration;

use super::{
    Outcome, Payment, calls, cash::Cash, paypal::Paypal, razorpay::Razorpay, refunds::Refund, settings::Settings,
    stripe::Stripe,
};
use crate::shop::{
    Provider,
    ids::{PaymentId, RefundId},
};

/// What a provider says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The provider's id of it.
    pub transaction_id: Option<String>,
    pub client_secret: Option<String>,
    /// Where the buyer agrees.
    pub approval_url: Option<String>,
    /// What the provider refunds.
    pub capture_id: Option<String>,
    pub outcome: Outcome,
    /// What it is about, amount and ISO 4217 code, to be compared with ours. What was received is in the outcome.
    pub amount: Money,
    pub currency: String,
    /// Each of its refunds, whoever made them. An answer that does not speak of refunds has none.
    pub refunds: Vec<RefundReport>,
}

impl Report {
    /// One that says nothing but whose it is, and that it is under way.
    #[must_use]
    pub fn of(payment: &Payment) -> Self {
        Self {
            transaction_id: payment.transaction_id.clone(),
            client_secret: None,
            approval_url: None,
            capture_id: None,
            outcome: Outcome::Processing,
            amount: payment.amount,
            currency: payment.currency.to_string(),
            refunds: Vec::new(),
        }
    }

    /// How much has gone back to the buyer, of all refunds together.
    #[must_use]
    pub fn refunded(&self) -> Money {
        let arrived = self.refunds.iter().filter(|refund| refund.outcome == RefundOutcome::Succeeded);
        Money(arrived.map(|refund| refund.amount.0).sum())
    }
}

/// What a provider says of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReport {
    /// Ours, if we made it.
    pub refund: Option<RefundId>,
    /// The provider's id of it.
    pub transaction_id: Option<String>,
    pub outcome: RefundOutcome,
    /// To be compared with ours, as a payment's.
    pub amount: Money,
    pub currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// It is on its way, and may still fail.
    Processing,
    Succeeded,
    /// Why, in words.
    Failed(String),
}

/// Why a provider gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing is known: it may have been done or not. Trying again with the same key is safe.
    #[error("the provider could not be reached or did not answer ({0})")]
    Unknown(String),
    /// It failed on its side, and may repeat this very answer under the same key.
    #[error("the provider failed on its side ({0})")]
    Failed(String),
    /// It refuses the request as such; trying again changes nothing.
    #[error("the provider refuses the request ({0})")]
    Refused(String),
}

pub type Answer<T> = Result<T, Trouble>;

/// An event whose signature is good.
#[derive(Debug)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub body: String,
}

/// Why an event is not believed.
#[derive(Debug)]
pub enum Disbelief {
    InvalidSignature,
    /// This shop lacks the named setting to check it with.
    NotConfigured(&'static str),
    /// The provider, which must be asked, is away: it is to send the event again.
    Unreachable,
}

/// What an event is about, as far as its body says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub payment: Option<PaymentId>,
    /// The provider's id of the payment.
    pub transaction: Option<String>,
    /// What the provider refunds of it.
    pub capture: Option<String>,
}

#[async_trait]
pub trait Gateway: Send + Sync {
    /// How long the provider remembers an idempotency key, with time to spare. After that a thing is looked for before it
    /// is asked for again.
    fn key_life(&self) -> Duration;

    /// Asks for the money, or finds what the same key asked for before.
    async fn create(&self, payment: &Payment) -> Answer<Report>;

    /// Takes the money of a payment that the buyer has agreed to. For providers that leave this to the shop.
    async fn capture(&self, payment: &Payment) -> Answer<Report>;

    /// How a payment stands, with each of its refunds; `None` when the provider has never heard of it, or cannot find it without its id.
    async fn look_up(&self, payment: &Payment) -> Answer<Option<Report>>;

    /// Tells that the money is not wanted any more, where that can be told. How the payment stands then.
    async fn cancel(&self, payment: &Payment) -> Answer<Option<Report>> {
        self.look_up(payment).await
    }

    /// Gives money back, or finds what the same key gave back before.
    async fn refund(&self, payment: &Payment, refund: &Refund) -> Answer<RefundReport>;

    /// Whether the provider itself must be asked if an event is its own: then forged ones make calls.
    fn must_be_asked(&self) -> bool {
        false
    }

    /// Checks the signature of an event on its raw bytes.
    async fn believe(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Event, Disbelief>;

    /// Which payment an event is about; `None` when it is about something else.
    fn subject(&self, event: &Value) -> Option<Subject>;
}

/// The providers this shop has keys of.
pub struct Gateways {
    stripe: Option<Stripe>,
    paypal: Option<Paypal>,
    razorpay: Option<Razorpay>,
}

impl Gateways {
    /// # Errors
    /// When a provider's address cannot be used.
    pub fn new(settings: &Settings, storefront: &str) -> anyhow::Result<Self> {
        let http = calls::client()?;
        let (stripe, paypal, razorpay) = (&settings.stripe, &settings.paypal, &settings.razorpay);
        Ok(Self {
            stripe: stripe.as_ref().map(|stripe| Stripe::new(stripe, http.clone())),
            paypal: paypal.as_ref().map(|paypal| Paypal::new(paypal, storefront, http.clone())),
            razorpay: razorpay.as_ref().map(|razorpay| Razorpay::new(razorpay, http.clone())),
        })
    }

    #[must_use]
    pub fn of(&self, provider: Provider) -> Option<&dyn Gateway> {
        match provider {
            Provider::CashOnDelivery => Some(&Cash),
            Provider::Stripe => self.stripe.as_ref().map(|stripe| stripe as _),
            Provider::Paypal => self.paypal.as_ref().map(|paypal| paypal as _),
            Provider::Razorpay => self.razorpay.as_ref().map(|razorpay| razorpay as _),
        }
    }
}
