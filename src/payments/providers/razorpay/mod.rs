//! Razorpay: an order is made here, Checkout.js pays it in the buyer's browser, Razorpay captures it itself. What a bank
//! authorizes too late for that is captured by us, if the order still waits for it; if not, Razorpay gives it back in five
//! days. <https://razorpay.com/docs/payments/payments/capture-settings/api/>
//!
//! Orders know no idempotency key. One whose answer was lost is found again by its receipt, our payment's id; a second
//! one would do no harm, because no buyer is ever sent to it.

use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use platform::{clock::Timestamp, money::Money};
use poem::http::HeaderMap;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Outcome, Payment,
    calls::{self, Answered, refusal},
    gateway::{Answer, Disbelief, Event, Gateway, RefundOutcome, RefundReport, Report, Subject, Trouble},
    refunds::Refund,
};
use crate::{
    payments::settings::RazorpaySettings,
    shop::ids::{PaymentId, RefundId},
};

const API_BASE: &str = "https://api.razorpay.com";
/// For how many minutes Razorpay captures by itself; as short as it may be: later the order may be gone, and then the money
/// is not to be taken at all.
const CAPTURES_FOR: u32 = 12;
/// For how many minutes we may capture: as long as Razorpay allows.
const MAY_BE_CAPTURED_FOR: u32 = 7_200;

pub struct Razorpay {
    http: Client,
    base: String,
    key_id: String,
    key_secret: SecretString,
    /// The current one first, then the one before it.
    webhook_secrets: Vec<SecretString>,
}

impl Razorpay {
    #[must_use]
    pub fn new(settings: &RazorpaySettings, http: Client) -> Self {
        Self {
            http,
            base: settings.api_base.clone().unwrap_or_else(|| API_BASE.to_owned()),
            key_id: settings.key_id.clone(),
            key_secret: settings.key_secret.clone(),
            webhook_secrets: settings.webhook_secrets.clone(),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Answer<Value> {
        let request = request.basic_auth(&self.key_id, Some(self.key_secret.expose_secret()));
        let answered = calls::send(request).await?;
        if answered.status.is_success() {
            return answered.json();
        }
        Err(refusal(answered.status, &code(&answered)))
    }

    /// What is at a path; `None` when nothing is, which Razorpay calls a bad request.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer<Option<Value>> {
        let request = self.http.get(format!("{}/v1{path}", self.base)).query(query);
        match self.send(request).await {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Refused(what)) if what.starts_with("400") || what.starts_with("404") => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    async fn order(&self, payment: &Payment) -> Answer<Option<Value>> {
        if let Some(id) = &payment.transaction_id {
            return self.get(&format!("/orders/{id}"), &[]).await;
        }
        let receipt = payment.id.to_string();
        let found = self.get("/orders", &[("receipt", &receipt), ("count", "1")]).await?;
        Ok(found.and_then(|found| found["items"].get(0).cloned()))
    }

    /// What the buyer tried to pay an order with.
    async fn tries(&self, order: &Value) -> Answer<Vec<Value>> {
        let Some(id) = order["id"].as_str().filter(|_| order["status"] != "created") else { return Ok(vec![]) };
        let tries = self.get(&format!("/orders/{id}/payments"), &[]).await?;
        Ok(tries.and_then(|tries| tries["items"].as_array().cloned()).unwrap_or_default())
    }

    /// The refunds of a payment, page by page.
    async fn refunds(&self, captured: &Value) -> Answer<Vec<RefundReport>> {
        let Some(id) = captured["id"].as_str() else { return Ok(vec![]) };
        let mut found = Vec::new();
        loop {
            let skip = found.len().to_string();
            let page = self.get(&format!("/payments/{id}/refunds"), &[("count", "100"), ("skip", &skip)]).await?;
            let page = page.and_then(|page| page["items"].as_array().cloned()).unwrap_or_default();
            found.extend(page.iter().map(refund_report).collect::<Answer<Vec<_>>>()?);
            if page.len() < 100 {
                return Ok(found);
            }
        }
    }
}

#[async_trait]
impl Gateway for Razorpay {
    fn key_life(&self) -> Duration {
        Duration::ZERO
    }

    async fn create(&self, payment: &Payment) -> Answer<Report> {
        let body = json!({
            "amount": payment.amount.0,
            "currency": payment.currency.to_string(),
            "receipt": payment.id,
            "notes": {"order_id": payment.order_id.to_string(), "payment_id": payment.id},
            "payment": {"capture": "automatic", "capture_options": {
                "automatic_expiry_period": CAPTURES_FOR,
                "manual_expiry_period": MAY_BE_CAPTURED_FOR,
                "refund_speed": "normal",
            }},
        });
        let order = self.send(self.http.post(format!("{}/v1/orders", self.base)).json(&body)).await?;
        report(&order, &[])
    }

    /// Razorpay takes the money itself, once the buyer has paid; this takes what it has only authorized. A refusal is no
    /// end: it may have captured in this very moment. How the payment stands then decides.
    async fn capture(&self, payment: &Payment) -> Answer<Report> {
        let gone = || Trouble::Unknown("an order that is gone".to_owned());
        let order = self.order(payment).await?.ok_or_else(gone)?;
        let tries = self.tries(&order).await?;
        if let Some(authorized) = tries.iter().find(|tried| tried["status"] == "authorized") {
            let body = json!({"amount": payment.amount.0, "currency": payment.currency.to_string()});
            let path = format!("{}/v1/payments/{}/capture", self.base, authorized["id"].as_str().unwrap_or_default());
            match self.send(self.http.post(path).json(&body)).await {
                Err(Trouble::Refused(why)) => {
                    tracing::warn!(payment = %payment.id, why, "Razorpay does not capture what it has authorized");
                }
                answered => drop(answered?),
            }
        }
        self.look_up(payment).await?.ok_or_else(gone)
    }

    async fn look_up(&self, payment: &Payment) -> Answer<Option<Report>> {
        let Some(order) = self.order(payment).await? else { return Ok(None) };
        let tries = self.tries(&order).await?;
        let stands = report(&order, &tries)?;
        let Some(captured) = captured(&tries) else { return Ok(Some(stands)) };
        let refunds = self.refunds(captured).await?;
        if !adds_up(captured, &refunds) {
            return Err(Trouble::Unknown("refunds that are not those of their payment".to_owned()));
        }
        Ok(Some(Report { refunds, ..stands }))
    }

    async fn refund(&self, payment: &Payment, refund: &Refund) -> Answer<RefundReport> {
        let Some(capture) = &payment.capture_id else {
            return Err(Trouble::Refused("a payment without a capture".to_owned()));
        };
        let body = json!({
            "amount": refund.amount.0,
            "receipt": refund.id,
            "notes": {"payment_id": payment.id, "refund_id": refund.id},
        });
        let request = self.http.post(format!("{}/v1/payments/{capture}/refund", self.base)).json(&body);
        // The same for ever, whatever the row's key: this refund is made once.
        let made = self.send(request.header("x-refund-idempotency", refund.id.to_string())).await?;
        refund_report(&made)
    }

    async fn believe(&self, headers: &HeaderMap, body: &[u8], _: Timestamp) -> Result<Event, Disbelief> {
        if self.webhook_secrets.is_empty() {
            return Err(Disbelief::NotConfigured("RAZORPAY_WEBHOOK_SECRET"));
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = header("x-razorpay-signature")
            .and_then(|sign| hex::decode(sign).ok())
            .ok_or(Disbelief::InvalidSignature)?;
        if !self.webhook_secrets.iter().any(|secret| is_signed(secret, body, &signature)) {
            return Err(Disbelief::InvalidSignature);
        }
        let text = std::str::from_utf8(body).map_err(|_| Disbelief::InvalidSignature)?;
        let event: Value = serde_json::from_str(text).map_err(|_| Disbelief::InvalidSignature)?;
        let kind = event["event"].as_str().ok_or(Disbelief::InvalidSignature)?;
        // The id is not signed, so it may be missing: the body then stands for itself.
        let id = header("x-razorpay-event-id").map_or_else(|| hex::encode(Sha256::digest(body)), ToOwned::to_owned);
        Ok(Event { id, kind: kind.to_owned(), body: text.to_owned() })
    }

    fn subject(&self, event: &Value) -> Option<Subject> {
        let (order, tried) = (&event["payload"]["order"]["entity"], &event["payload"]["payment"]["entity"]);
        let transaction = order["id"].as_str().or_else(|| tried["order_id"].as_str())?;
        let payment = order["receipt"].as_str().or_else(|| tried["notes"]["payment_id"].as_str());
        Some(Subject {
            payment: payment.and_then(|id| id.parse().ok()).map(PaymentId),
            transaction: Some(transaction.to_owned()),
            capture: None,
        })
    }
}

fn is_signed(secret: &SecretString, body: &[u8], signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
}

/// How an order at Razorpay stands, with what the buyer tried to pay it with.
fn report(order: &Value, tries: &[Value]) -> Answer<Report> {
    let unreadable = || Trouble::Unknown("an answer without an amount".to_owned());
    let amount = |of: &Value| of["amount"].as_i64().ok_or_else(unreadable);
    let captured = captured(tries);
    let outcome = match captured {
        Some(captured) if is_paid_by(order, amount(captured)?) => Outcome::Captured(Money(amount(captured)?)),
        Some(_) => return Err(Trouble::Unknown("a payment that is not what its order has".to_owned())),
        None => outcome_of(order, tries),
    };
    Ok(Report {
        transaction_id: order["id"].as_str().map(ToOwned::to_owned),
        client_secret: None,
        approval_url: None,
        capture_id: captured.and_then(|captured| captured["id"].as_str()).map(ToOwned::to_owned),
        outcome,
        amount: Money(amount(order)?),
        currency: order["currency"].as_str().ok_or_else(unreadable)?.to_owned(),
        refunds: Vec::new(),
    })
}

/// What took the money, of all that the buyer tried.
fn captured(tries: &[Value]) -> Option<&Value> {
    tries.iter().find(|tried| matches!(tried["status"].as_str(), Some("captured" | "refunded")))
}

/// Order and payment come in two answers. An amount that is not the order's is believed when the order has it, too.
fn is_paid_by(order: &Value, received: i64) -> bool {
    [&order["amount"], &order["amount_paid"]].iter().any(|amount| amount.as_i64() == Some(received))
}

/// The refunds come in an answer of their own, and are believed when they are those that the payment speaks of: what has
/// arrived, with or without what is on its way.
fn adds_up(captured: &Value, refunds: &[RefundReport]) -> bool {
    let sum = |counts: fn(&RefundOutcome) -> bool| -> i64 {
        refunds.iter().filter(|refund| counts(&refund.outcome)).map(|refund| refund.amount.0).sum()
    };
    let arrived = sum(|outcome| *outcome == RefundOutcome::Succeeded);
    let on_its_way = sum(|outcome| *outcome == RefundOutcome::Processing);
    let told = captured["amount_refunded"].as_i64().unwrap_or(0);
    (arrived..=arrived + on_its_way).contains(&told)
}

/// Of an order that is not captured.
fn outcome_of(order: &Value, tries: &[Value]) -> Outcome {
    let is = |tried: &Value, status: &str| tried["status"] == status;
    if tries.iter().any(|tried| is(tried, "authorized")) {
        return Outcome::Authorized;
    }
    if order["status"] == "paid" {
        return Outcome::Processing;
    }
    match tries.first() {
        Some(last) if tries.iter().all(|tried| is(tried, "failed")) => Outcome::Failed {
            code: last["error_reason"]
                .as_str()
                .or_else(|| last["error_code"].as_str())
                .unwrap_or("failed")
                .to_lowercase(),
            message: last["error_description"].as_str().unwrap_or("The payment was declined.").to_owned(),
        },
        _ => Outcome::RequiresAction,
    }
}

fn refund_report(refund: &Value) -> Answer<RefundReport> {
    let outcome = match refund["status"].as_str().unwrap_or_default() {
        "processed" => RefundOutcome::Succeeded,
        "failed" => RefundOutcome::Failed("Razorpay could not give the money back.".to_owned()),
        _ => RefundOutcome::Processing,
    };
    let (Some(amount), Some(currency)) = (refund["amount"].as_i64(), refund["currency"].as_str()) else {
        return Err(Trouble::Unknown("an answer without an amount".to_owned()));
    };
    Ok(RefundReport {
        refund: refund["receipt"].as_str().and_then(|id| id.parse().ok()).map(RefundId),
        transaction_id: refund["id"].as_str().map(ToOwned::to_owned),
        outcome,
        amount: Money(amount),
        currency: currency.to_owned(),
    })
}

/// What Razorpay calls the trouble with a request.
fn code(answered: &Answered) -> String {
    let told = answered.json().unwrap_or_default();
    told["error"]["code"].as_str().unwrap_or("without a reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: &str) -> Value {
        json!({"id": "order_1", "status": status, "amount": 12_00, "currency": "INR"})
    }

    fn tried(status: &str) -> Value {
        json!({"id": "pay_1", "status": status, "amount": 11_99,
               "error_reason": "PAYMENT_CANCELLED", "error_description": "You went away."})
    }

    #[test]
    fn an_order_at_razorpay_stands_as_the_tries_to_pay_it_say() {
        let failed = Outcome::Failed { code: "payment_cancelled".into(), message: "You went away.".into() };
        for (status, tries, outcome) in [
            ("created", vec![], Outcome::RequiresAction),
            ("attempted", vec!["created"], Outcome::RequiresAction),
            ("attempted", vec!["failed"], failed),
            ("attempted", vec!["created", "failed"], Outcome::RequiresAction),
            ("attempted", vec!["authorized", "failed"], Outcome::Authorized),
            ("paid", vec![], Outcome::Processing),
        ] {
            let tries: Vec<Value> = tries.into_iter().map(tried).collect();
            let stands = report(&order(status), &tries).unwrap();
            assert_eq!(stands.outcome, outcome, "{status} {tries:?}");
            assert_eq!((stands.amount, stands.refunds, stands.capture_id), (Money(12_00), vec![], None));
            assert_eq!((stands.currency.as_str(), stands.transaction_id.as_deref()), ("INR", Some("order_1")));
        }
    }

    #[test]
    fn the_try_that_was_captured_says_how_much_if_the_order_says_so_too() {
        let less =
            json!({"id": "order_1", "status": "attempted", "amount": 12_00, "amount_paid": 11_99, "currency": "INR"});
        for status in ["captured", "refunded"] {
            let tries = [tried("failed"), tried(status)];
            let stands = report(&less, &tries).unwrap();
            assert_eq!((stands.outcome, stands.amount), (Outcome::Captured(Money(11_99)), Money(12_00)));
            assert_eq!(stands.capture_id.as_deref(), Some("pay_1"));
            assert!(matches!(report(&order("paid"), &tries), Err(Trouble::Unknown(_))));
        }
        assert!(matches!(report(&json!({"id": "order_1"}), &[]), Err(Trouble::Unknown(_))));
    }

    #[test]
    fn refunds_are_those_that_their_payment_speaks_of() {
        let refund = |status: &str, amount| {
            let refund = json!({"id": "rfnd_1", "status": status, "amount": amount, "currency": "INR"});
            refund_report(&refund).unwrap()
        };
        let refunds = [refund("processed", 2_00), refund("pending", 3_00), refund("failed", 4_00)];
        for (told, believed) in [(1_99, false), (2_00, true), (5_00, true), (5_01, false), (9_00, false)] {
            assert_eq!(adds_up(&json!({"amount_refunded": told}), &refunds), believed, "{told}");
        }
        assert!(adds_up(&json!({}), &[]));
    }

    #[test]
    fn a_refund_at_razorpay_is_read_as_it_stands() {
        let said = |status: &str| {
            refund_report(&json!({"id": "rfnd_1", "status": status, "amount": 2_50, "currency": "INR"})).unwrap()
        };
        assert_eq!(said("processed").outcome, RefundOutcome::Succeeded);
        assert_eq!(said("pending").outcome, RefundOutcome::Processing);
        assert!(matches!(said("failed").outcome, RefundOutcome::Failed(_)));
        assert_eq!((said("pending").amount, said("pending").transaction_id.as_deref()), (Money(2_50), Some("rfnd_1")));
        assert!(matches!(refund_report(&json!({"status": "processed"})), Err(Trouble::Unknown(_))));
    }
}
