//! Stripe: payment intents, through async-stripe.
//!
//! Its own retries draw a new idempotency key each time, which can charge twice, so every call is made once, with the key
//! of the payment's row; trying again is the job's business. Its errors are never logged whole: they quote the answer,
//! client secrets included.

use std::{collections::HashMap, time::Duration};

use anyhow::anyhow;
use secrecy::ExposeSecret;
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::{
    payment_intent::{CreatePaymentIntent, CreatePaymentIntentOffSession, ListPaymentIntent, RetrievePaymentIntent},
    refund::CreateRefund,
};
use stripe_shared::{ApiErrors, ApiErrorsType, PaymentIntent, PaymentIntentStatus};
use stripe_types::{Currency, RangeBoundsTs, RangeQueryTs};

use super::{Outcome, Payment, Report};
use crate::{clock::Timestamp, settings::StripeSettings};

const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Stripe {
    client: Client,
}

/// Why Stripe gave no answer about a payment.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing is known: it may have been done or not. Trying again with the same key is safe.
    #[error("Stripe could not be reached or did not answer ({0})")]
    Unknown(String),
    /// It failed on its side, and will repeat this very answer under the same key.
    #[error("Stripe failed on its side ({0})")]
    Failed(String),
    /// It refuses the request as such; trying again changes nothing.
    #[error("Stripe refuses the request ({0})")]
    Refused(String),
    /// It speaks of another amount or currency than we do.
    #[error("Stripe's payment is about {theirs}, ours about {ours}")]
    Differs { ours: String, theirs: String },
}

impl Stripe {
    /// # Errors
    /// When the base address cannot be used.
    pub fn new(settings: &StripeSettings) -> anyhow::Result<Self> {
        let mut builder = ClientBuilder::new(settings.secret_key.expose_secret()).timeout(TIMEOUT);
        if let Some(base) = &settings.api_base {
            // The client puts its paths right behind it.
            builder = builder.url(format!("{}/", base.trim_end_matches('/')));
        }
        let client = builder
            .build()
            .map_err(|_| anyhow!("STRIPE_API_BASE cannot be used: write an http:// or https:// address"))?;
        Ok(Self { client })
    }

    /// Creates the payment at Stripe, or finds what the same key created before.
    pub async fn create(&self, payment: &Payment) -> Result<Report, Trouble> {
        let currency: Currency =
            payment.currency.to_string().to_lowercase().parse().map_err(|_| Trouble::Refused("currency".to_owned()))?;
        let metadata = HashMap::from([
            ("order_id".to_owned(), payment.order_id.to_string()),
            ("payment_id".to_owned(), payment.id.to_string()),
        ]);
        let mut request = CreatePaymentIntent::new(payment.amount.0, currency).metadata(metadata);
        if let Some(method) = &payment.payment_method {
            request = request
                .payment_method(method.clone())
                .confirm(true)
                .off_session(CreatePaymentIntentOffSession::Bool(true));
        }
        let sent = request.customize().request_strategy(strategy(&payment.provider_key)?).send(&self.client).await;
        match sent {
            Ok(intent) => report(payment, &intent),
            Err(StripeError::Stripe(error, 402)) => declined(payment, &error),
            Err(error) => Err(trouble(error)),
        }
    }

    /// Asks how a payment stands.
    pub async fn look_up(&self, payment: &Payment, transaction: &str) -> Result<Report, Trouble> {
        let intent = RetrievePaymentIntent::new(transaction).send(&self.client).await.map_err(trouble)?;
        report(payment, &intent)
    }

    /// Which of our payments an intent is for, as we told Stripe when we made it.
    pub async fn payment_of(&self, transaction: &str) -> Result<Option<String>, Trouble> {
        match RetrievePaymentIntent::new(transaction).send(&self.client).await {
            Ok(intent) => Ok(intent.metadata.get("payment_id").cloned()),
            Err(StripeError::Stripe(_, 404)) => Ok(None), // of the other mode, live or test: not ours
            Err(error) => Err(trouble(error)),
        }
    }

    /// Looks for a payment whose creation had no clear answer.
    pub async fn find(&self, payment: &Payment, since: Timestamp) -> Result<Option<Report>, Trouble> {
        // Their clock may be behind ours.
        let created =
            RangeQueryTs::Bounds(RangeBoundsTs { gte: Some(since.unix_seconds() - 300), ..RangeBoundsTs::default() });
        let mut request = ListPaymentIntent::new().limit(100).created(created);
        loop {
            let page = request.send(&self.client).await.map_err(trouble)?;
            if let Some(intent) =
                page.data.iter().find(|intent| intent.metadata.get("payment_id") == Some(&payment.id.to_string()))
            {
                return report(payment, intent).map(Some);
            }
            match page.data.last() {
                Some(last) if page.has_more => request = request.starting_after(last.id.to_string()),
                _ => return Ok(None),
            }
        }
    }

    /// Gives all the money back.
    pub async fn refund(&self, payment: &Payment, transaction: &str) -> Result<(), Trouble> {
        let key = format!("{}-refund", payment.provider_key);
        let request = CreateRefund::new().payment_intent(transaction).amount(payment.amount.0);
        request.customize().request_strategy(strategy(&key)?).send(&self.client).await.map_err(trouble)?;
        Ok(())
    }
}

fn strategy(key: &str) -> Result<RequestStrategy, Trouble> {
    let key = IdempotencyKey::new(key).map_err(|_| Trouble::Refused("idempotency key".to_owned()))?;
    Ok(RequestStrategy::Idempotent(key))
}

fn report(payment: &Payment, intent: &PaymentIntent) -> Result<Report, Trouble> {
    let (ours, theirs) = (
        format!("{} {}", payment.amount.0, payment.currency),
        format!("{} {}", intent.amount, intent.currency.to_string().to_uppercase()),
    );
    if ours != theirs {
        return Err(Trouble::Differs { ours, theirs });
    }
    let outcome = match &intent.status {
        PaymentIntentStatus::Succeeded => Outcome::Captured,
        PaymentIntentStatus::Processing | PaymentIntentStatus::RequiresCapture => Outcome::Processing,
        PaymentIntentStatus::Canceled => Outcome::Cancelled,
        PaymentIntentStatus::RequiresPaymentMethod if intent.last_payment_error.is_some() => {
            failure(intent.last_payment_error.as_deref())
        }
        _ => Outcome::RequiresAction,
    };
    Ok(Report { transaction_id: intent.id.to_string(), client_secret: intent.client_secret.clone(), outcome })
}

/// A declined card is an answer, not an error to try again.
fn declined(payment: &Payment, error: &ApiErrors) -> Result<Report, Trouble> {
    if error.type_ != ApiErrorsType::CardError {
        return Err(Trouble::Refused("402".to_owned()));
    }
    let Some(intent) = &error.payment_intent else {
        return Err(Trouble::Unknown("a decline without its payment".to_owned()));
    };
    Ok(Report { outcome: failure(Some(error)), ..report(payment, intent)? })
}

fn failure(error: Option<&ApiErrors>) -> Outcome {
    let code =
        error.and_then(|error| error.decline_code.clone().or_else(|| error.code.as_ref().map(ToString::to_string)));
    let message = error.and_then(|error| error.message.clone());
    Outcome::Failed {
        code: code.unwrap_or_else(|| "declined".to_owned()),
        message: message.unwrap_or_else(|| "The payment was declined.".to_owned()),
    }
}

fn trouble(error: StripeError) -> Trouble {
    match error {
        StripeError::Stripe(error, status) => {
            let what = format!(
                "{status} {} {}",
                error.type_,
                error.code.as_ref().map(ToString::to_string).unwrap_or_default()
            );
            match status {
                409 | 429 => Trouble::Unknown(what),
                500.. => Trouble::Failed(what),
                _ => Trouble::Refused(what),
            }
        }
        StripeError::Timeout => Trouble::Unknown("timeout".to_owned()),
        StripeError::ClientError(what) => Trouble::Unknown(what),
        _ => Trouble::Unknown("an answer that cannot be read".to_owned()),
    }
}
