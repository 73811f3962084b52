//! Stripe: payment intents, in the types of async-stripe, sent by our own calls.
//!
//! Its own client draws a new idempotency key for each retry, opens a connection for each call and reads answers of any
//! size; ours sends each request once, with the key of the payment's row. Errors are never logged whole: they quote the
//! answer, client secrets included.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use platform::{clock::Timestamp, money::Money};
use poem::http::HeaderMap;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stripe::{ApiErrors, ApiErrorsType, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_client_core::{CustomizedStripeRequest, StripeClient, StripeMethod, VERSION};
use stripe_core::{
    payment_intent::{
        CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentOffSession, ListPaymentIntent,
        RetrievePaymentIntent,
    },
    refund::{CreateRefund, ListRefund},
};
use stripe_shared::{PaymentIntent, PaymentIntentStatus};
use stripe_types::{Currency, RangeBoundsTs, RangeQueryTs};
use stripe_webhook::{Webhook, WebhookError};

use super::{
    Outcome, Payment,
    calls::{self, refusal},
    gateway::{Answer, Disbelief, Event, Gateway, RefundOutcome, RefundReport, Report, Subject, Trouble},
    refunds::Refund,
};
use crate::{
    payments::settings::StripeSettings,
    shop::ids::{PaymentId, RefundId},
};

const API_BASE: &str = "https://api.stripe.com";
/// Stripe forgets a key after 24 hours.
const KEY_LIFE: Duration = Duration::from_hours(23);
/// By how many seconds Stripe's clock may be away from ours.
const CLOCKS_DIFFER: i64 = 300;
/// By how many seconds a call may outlive the payment it was for, clocks included.
const LATEST: i64 = 3_600;

pub struct Stripe {
    calls: Calls,
    /// The current one first, then the one before it.
    webhook_secrets: Vec<SecretString>,
}

impl Stripe {
    #[must_use]
    pub fn new(settings: &StripeSettings, http: Client) -> Self {
        let calls = Calls {
            http,
            base: settings.api_base.clone().unwrap_or_else(|| API_BASE.to_owned()),
            secret_key: settings.secret_key.clone(),
        };
        Self { calls, webhook_secrets: settings.webhook_secrets.clone() }
    }

    /// Looks for a payment whose creation had no clear answer, by what we told Stripe when we made it.
    async fn find(&self, payment: &Payment) -> Answer<Option<PaymentIntent>> {
        let since = payment.created_at.unix_seconds() - CLOCKS_DIFFER;
        // Only what is queued is sent, so nothing was made long after the end.
        let until = (!payment.status.is_open()).then(|| payment.updated_at.unix_seconds() + LATEST);
        let created = RangeQueryTs::Bounds(RangeBoundsTs { gte: Some(since), lte: until, ..RangeBoundsTs::default() });
        let mut request = ListPaymentIntent::new().limit(100).created(created);
        loop {
            let page = request.send(&self.calls).await.map_err(trouble)?;
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

    async fn retrieve(&self, id: &str) -> Answer<Option<PaymentIntent>> {
        match RetrievePaymentIntent::new(id).expand(vec!["latest_charge.refunds".into()]).send(&self.calls).await {
            Ok(intent) => Ok(Some(intent)),
            Err(StripeError::Stripe(_, 404)) => Ok(None), // of the other mode, live or test: not ours
            Err(error) => Err(trouble(error)),
        }
    }

    /// The refunds of an intent: they come with its charge, all but the eleventh and those after.
    async fn refunds(&self, intent: &PaymentIntent) -> Answer<Vec<RefundReport>> {
        let charge = intent.latest_charge.as_ref().and_then(|charge| charge.as_object());
        let Some(first) = charge.and_then(|charge| charge.refunds.as_ref()) else { return Ok(vec![]) };
        let mut found: Vec<RefundReport> = first.data.iter().map(refund_report).collect();
        let mut more = first.has_more;
        while let Some(last) = found.last().and_then(|last| last.transaction_id.clone()).filter(|_| more) {
            let next = ListRefund::new().payment_intent(intent.id.as_str()).limit(100).starting_after(last);
            let page = next.send(&self.calls).await.map_err(trouble)?;
            found.extend(page.data.iter().map(refund_report));
            more = page.has_more;
        }
        Ok(found)
    }
}

#[async_trait]
impl Gateway for Stripe {
    fn key_life(&self) -> Duration {
        KEY_LIFE
    }

    async fn create(&self, payment: &Payment) -> Answer<Report> {
        let currency: Currency =
            payment.currency.to_string().to_lowercase().parse().map_err(|_| Trouble::Refused("currency".to_owned()))?;
        let metadata = HashMap::from([
            ("order_id".to_owned(), payment.order_id.to_string()),
            ("payment_id".to_owned(), payment.id.to_string()),
        ]);
        let mut request =
            CreatePaymentIntent::new(theirs(payment.currency, payment.amount)?, currency).metadata(metadata);
        if let Some(method) = &payment.payment_method {
            request = request
                .payment_method(method.clone())
                .confirm(true)
                .off_session(CreatePaymentIntentOffSession::Bool(true));
        }
        let sent = request.customize().request_strategy(strategy(&payment.provider_key)?).send(&self.calls).await;
        match sent {
            Ok(intent) => Ok(report(&intent)),
            Err(StripeError::Stripe(error, 402)) => declined(&error),
            Err(error) => Err(trouble(error)),
        }
    }

    /// Stripe takes the money itself, once the buyer confirms.
    async fn capture(&self, payment: &Payment) -> Answer<Report> {
        let found = self.look_up(payment).await?;
        found.ok_or_else(|| Trouble::Unknown("an intent that is gone".to_owned()))
    }

    async fn look_up(&self, payment: &Payment) -> Answer<Option<Report>> {
        let intent = match &payment.transaction_id {
            None => self.find(payment).await?,
            Some(id) => self.retrieve(id).await?,
        };
        match intent.filter(|intent| is_of(payment, intent)) {
            Some(intent) => Ok(Some(Report { refunds: self.refunds(&intent).await?, ..report(&intent) })),
            None => Ok(None),
        }
    }

    async fn cancel(&self, payment: &Payment) -> Answer<Option<Report>> {
        let Some(stands) = self.look_up(payment).await? else { return Ok(None) };
        let is_over = matches!(stands.outcome, Outcome::Captured(_) | Outcome::Cancelled); // a declined one can still be paid
        let Some(id) = stands.transaction_id.as_deref().filter(|_| !is_over) else {
            return Ok(Some(stands));
        };
        match CancelPaymentIntent::new(id).send(&self.calls).await {
            Ok(intent) => Ok(Some(report(&intent))),
            // Paid or cancelled in this very moment, or on its way to the bank.
            Err(StripeError::Stripe(_, 400)) => self.look_up(payment).await,
            Err(error) => Err(trouble(error)),
        }
    }

    async fn refund(&self, payment: &Payment, refund: &Refund) -> Answer<RefundReport> {
        let metadata = HashMap::from([("refund_id".to_owned(), refund.id.to_string())]);
        let mut request = CreateRefund::new().amount(theirs(payment.currency, refund.amount)?).metadata(metadata);
        if let Some(transaction) = &payment.transaction_id {
            request = request.payment_intent(transaction.clone());
        }
        let sent = request.customize().request_strategy(strategy(&refund.provider_key)?).send(&self.calls).await;
        sent.map(|made| refund_report(&made)).map_err(trouble)
    }

    /// Constant time, 300 seconds of tolerance both ways.
    async fn believe(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Event, Disbelief> {
        if self.webhook_secrets.is_empty() {
            return Err(Disbelief::NotConfigured("STRIPE_WEBHOOK_SECRET"));
        }
        let signature = headers.get("stripe-signature").and_then(|signature| signature.to_str().ok());
        let (Ok(text), Some(signature)) = (std::str::from_utf8(body), signature) else {
            return Err(Disbelief::InvalidSignature);
        };
        let signed_with = |secret: &SecretString| {
            let checked =
                Webhook::construct_event_with_timestamp(text, signature, secret.expose_secret(), now.unix_seconds());
            // Signed, but of a shape this program does not know: its ids are enough, the job reads the object again.
            matches!(checked, Ok(_) | Err(WebhookError::BadParse(_)))
        };
        if !self.webhook_secrets.iter().any(signed_with) {
            return Err(Disbelief::InvalidSignature);
        }
        let mut event: Value = serde_json::from_str(text).map_err(|_| Disbelief::InvalidSignature)?;
        let named = |name: &str| event[name].as_str().map(ToOwned::to_owned).ok_or(Disbelief::InvalidSignature);
        let (id, kind) = (named("id")?, named("type")?);
        Ok(Event { id, kind, body: if conceal_secrets(&mut event) { event.to_string() } else { text.to_owned() } })
    }

    fn subject(&self, event: &Value) -> Option<Subject> {
        let kind = event["type"].as_str()?.split('.').next()?;
        let object = &event["data"]["object"];
        let transaction = match kind {
            "payment_intent" => &object["id"],
            "charge" | "refund" => &object["payment_intent"],
            _ => return None,
        };
        let payment = object["metadata"]["payment_id"].as_str().and_then(|id| id.parse().ok());
        Some(Subject {
            payment: payment.map(PaymentId),
            transaction: Some(transaction.as_str()?.to_owned()),
            capture: None,
        })
    }
}

/// Takes client secrets out of what is kept; whether there were any. The job that acts on an event needs its ids only.
fn conceal_secrets(event: &mut Value) -> bool {
    match event.pointer_mut("/data/object/client_secret") {
        Some(secret) if secret.is_string() => {
            *secret = Value::Null;
            true
        }
        _ => false,
    }
}

/// Whether we made an intent for a payment's order.
fn is_of(payment: &Payment, intent: &PaymentIntent) -> bool {
    intent.metadata.get("order_id") == Some(&payment.order_id.to_string())
}

/// Stripe writes most amounts in the minor unit of ISO 4217, as we do; two currencies without decimals as if they had two,
/// and one with two as if it had none. <https://docs.stripe.com/currencies#special-cases>
const WITH_TWO: [&str; 2] = ["ISK", "UGX"];
const WITHOUT: &str = "MGA";

/// # Errors
/// When Stripe cannot write it.
fn theirs(currency: platform::money::Currency, money: Money) -> Answer<i64> {
    let code = currency.to_string();
    match code.as_str() {
        WITHOUT if money.0 % 100 != 0 => Err(Trouble::Refused(format!("{code} has no decimals at Stripe"))),
        WITHOUT => Ok(money.0 / 100),
        code if WITH_TWO.contains(&code) => Ok(money.0 * 100),
        _ => Ok(money.0),
    }
}

fn ours(code: &str, amount: i64) -> Money {
    match code {
        WITHOUT => Money(amount * 100),
        code if WITH_TWO.contains(&code) => Money(amount / 100),
        _ => Money(amount),
    }
}

fn strategy(key: &str) -> Answer<RequestStrategy> {
    let key = IdempotencyKey::new(key).map_err(|_| Trouble::Refused("idempotency key".to_owned()))?;
    Ok(RequestStrategy::Idempotent(key))
}

fn report(intent: &PaymentIntent) -> Report {
    let currency = intent.currency.to_string().to_uppercase();
    let outcome = match &intent.status {
        PaymentIntentStatus::Succeeded => Outcome::Captured(ours(&currency, intent.amount_received)),
        PaymentIntentStatus::Processing | PaymentIntentStatus::RequiresCapture => Outcome::Processing,
        PaymentIntentStatus::Canceled => Outcome::Cancelled,
        PaymentIntentStatus::RequiresPaymentMethod if intent.last_payment_error.is_some() => {
            failure(intent.last_payment_error.as_deref())
        }
        _ => Outcome::RequiresAction,
    };
    Report {
        transaction_id: Some(intent.id.to_string()),
        client_secret: intent.client_secret.clone(),
        approval_url: None,
        capture_id: None,
        outcome,
        amount: ours(&currency, intent.amount),
        currency,
        refunds: Vec::new(),
    }
}

/// A declined card is an answer, not an error to try again.
fn declined(error: &ApiErrors) -> Answer<Report> {
    if error.type_ != ApiErrorsType::CardError {
        return Err(Trouble::Refused("402".to_owned()));
    }
    let Some(intent) = &error.payment_intent else {
        return Err(Trouble::Unknown("a decline without its payment".to_owned()));
    };
    Ok(Report { outcome: failure(Some(error)), ..report(intent) })
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

fn refund_report(refund: &stripe_shared::Refund) -> RefundReport {
    let outcome = match refund.status.as_deref() {
        Some("succeeded") => RefundOutcome::Succeeded,
        Some("failed" | "canceled") => {
            let why = refund.failure_reason.as_deref().unwrap_or("no reason given");
            RefundOutcome::Failed(format!("Stripe could not give the money back ({why})."))
        }
        _ => RefundOutcome::Processing, // pending, or the buyer has to do something for it
    };
    let metadata = refund.metadata.as_ref();
    let made_for = metadata.and_then(|metadata| metadata.get("refund_id")).and_then(|id| id.parse().ok());
    let currency = refund.currency.to_string().to_uppercase();
    let amount = ours(&currency, refund.amount);
    RefundReport {
        refund: made_for.map(RefundId),
        transaction_id: Some(refund.id.to_string()),
        outcome,
        amount,
        currency,
    }
}

fn trouble(error: StripeError) -> Trouble {
    match error {
        StripeError::Stripe(error, status) => {
            let code = error.code.as_ref().map(ToString::to_string).unwrap_or_default();
            let status = poem::http::StatusCode::from_u16(status).unwrap_or_default();
            refusal(status, &format!("{} {code}", error.type_))
        }
        StripeError::Timeout => Trouble::Unknown("timeout".to_owned()),
        StripeError::ClientError(what) => Trouble::Unknown(what),
        _ => Trouble::Unknown("an answer that cannot be read".to_owned()),
    }
}

/// async-stripe's requests, sent by us.
struct Calls {
    http: Client,
    base: String,
    secret_key: SecretString,
}

impl StripeClient for Calls {
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
        let answered = calls::send(sent).await.map_err(|trouble| match trouble {
            Trouble::Unknown(what) | Trouble::Failed(what) | Trouble::Refused(what) => StripeError::ClientError(what),
        })?;
        if answered.status.is_success() {
            return Ok(answered.body);
        }
        let text = std::str::from_utf8(&answered.body).unwrap_or_default();
        match miniserde::json::from_str::<stripe_shared::Error>(text) {
            Ok(told) => Err(StripeError::Stripe(told.error, answered.status.as_u16())),
            Err(_) => Err(StripeError::ClientError(format!("{} without a reason", answered.status.as_u16()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stripe_writes_three_currencies_otherwise() {
        let written = |code: &str, minor| theirs(code.parse().unwrap(), Money(minor)).ok();
        for (code, minor, written_as) in
            [("USD", 1999, 1999), ("JPY", 500, 500), ("ISK", 500, 50_000), ("UGX", 7, 700), ("MGA", 5000, 50)]
        {
            assert_eq!(written(code, minor), Some(written_as), "{code}");
            assert_eq!(ours(code, written_as), Money(minor), "{code}");
        }
        assert_eq!(written("MGA", 5050), None);
    }

    #[test]
    fn what_is_kept_of_an_event_has_no_client_secret() {
        let mut event = json!({"id": "evt_1", "data": {"object": {"id": "pi_1", "client_secret": "pi_1_secret_2"}}});
        assert!(conceal_secrets(&mut event));
        assert_eq!(event, json!({"id": "evt_1", "data": {"object": {"id": "pi_1", "client_secret": null}}}));
        assert!(!conceal_secrets(&mut event), "it is concealed already");
    }
}
