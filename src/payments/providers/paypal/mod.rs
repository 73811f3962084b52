//! PayPal: the buyer agrees at PayPal, then the shop captures. Orders API v2.
//!
//! An order at PayPal moves no money until it is captured, which PayPal does once, whatever the key; so creating one again
//! after an unclear answer is safe.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use platform::{
    clock::Timestamp,
    money::{Amount, Currency, Money},
};
use poem::http::{HeaderMap, StatusCode, Uri};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Mutex;

use super::{
    Outcome, Payment,
    calls::{self, Answered, refusal},
    gateway::{Answer, Disbelief, Event, Gateway, RefundOutcome, RefundReport, Report, Subject, Trouble},
    refunds::Refund,
};
use crate::{
    payments::settings::PaypalSettings,
    shop::ids::{PaymentId, RefundId},
};

const API_BASE: &str = "https://api-m.paypal.com";
/// PayPal forgets the key of an order after 6 hours.
const KEY_LIFE: Duration = Duration::from_hours(5);
/// What PayPal says of an event beside it. It repeats an event for three days, with the time of the first; so no time is
/// too old, and the signature is PayPal's to check.
/// <https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheaders>
const SIGNED_BY: [&str; 5] = [
    "paypal-auth-algo",
    "paypal-cert-url",
    "paypal-transmission-id",
    "paypal-transmission-sig",
    "paypal-transmission-time",
];
/// Sold without decimals at PayPal, though ISO 4217 gives them two.
const WHOLE: [&str; 2] = ["HUF", "TWD"];

pub struct Paypal {
    http: Client,
    base: String,
    client_id: String,
    client_secret: SecretString,
    webhook_id: Option<String>,
    /// Where the buyer comes back to.
    storefront_url: String,
    token: Mutex<Option<Token>>,
}

/// Lets us in, for some hours.
struct Token {
    text: SecretString,
    good_until: Instant,
}

impl Paypal {
    #[must_use]
    pub fn new(settings: &PaypalSettings, storefront_url: &str, http: Client) -> Self {
        Self {
            http,
            base: settings.api_base.clone().unwrap_or_else(|| API_BASE.to_owned()),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            webhook_id: settings.webhook_id.clone(),
            storefront_url: storefront_url.to_owned(),
            token: Mutex::new(None),
        }
    }

    async fn get(&self, path: &str) -> Answer<Answered> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// The key makes it happen once.
    async fn post(&self, path: &str, key: &str, body: &Value) -> Answer<Answered> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.send(request.header("paypal-request-id", key).header("prefer", "return=representation")).await
    }

    async fn send(&self, request: RequestBuilder) -> Answer<Answered> {
        let token = self.token().await?;
        let answered = calls::send(request.bearer_auth(token.expose_secret())).await?;
        if answered.status == StatusCode::UNAUTHORIZED {
            *self.token.lock().await = None;
            return Err(Trouble::Unknown("the token was taken back".to_owned()));
        }
        Ok(answered)
    }

    /// One is asked for at a time; whoever waited takes that one.
    async fn token(&self) -> Answer<SecretString> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Instant::now() < token.good_until) {
            return Ok(token.text.clone());
        }
        let request = self
            .http
            .post(format!("{}/v1/oauth2/token", self.base))
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials")]);
        let answered = calls::send(request).await?;
        if !answered.status.is_success() {
            return Err(refusal(answered.status, "for a token"));
        }
        let told = answered.json()?;
        let (Some(text), Some(seconds)) = (told["access_token"].as_str(), told["expires_in"].as_u64()) else {
            return Err(Trouble::Unknown("an answer without a token".to_owned()));
        };
        let text = SecretString::from(text);
        let life = Duration::from_secs(seconds.saturating_sub(60));
        *kept = Some(Token { text: text.clone(), good_until: Instant::now() + life });
        Ok(text)
    }

    /// The order at PayPal as it is.
    async fn order(&self, payment: &Payment) -> Answer<Option<Value>> {
        // Without its id it cannot be found, and need not be: nobody was sent there to agree.
        let Some(id) = &payment.transaction_id else { return Ok(None) };
        let answered = self.get(&format!("/v2/checkout/orders/{id}")).await?;
        match answered.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => Err(refusal(status, &issue(&answered))),
            _ => answered.json().map(Some),
        }
    }

    async fn verified(&self, signed_by: [&str; 5], event: &RawValue, webhook_id: &str) -> Answer<bool> {
        let [auth_algo, cert_url, transmission_id, transmission_sig, transmission_time] = signed_by;
        let question = Question {
            auth_algo,
            cert_url,
            transmission_id,
            transmission_sig,
            transmission_time,
            webhook_id,
            webhook_event: event,
        };
        let request =
            self.http.post(format!("{}/v1/notifications/verify-webhook-signature", self.base)).json(&question);
        let answered = self.send(request).await?;
        match answered.status {
            status if status.is_success() => Ok(answered.json()?["verification_status"] == "SUCCESS"),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => Ok(false),
            status => Err(refusal(status, &issue(&answered))),
        }
    }
}

/// What PayPal is asked about an event. The event goes back byte by byte as it came: its signature is of those bytes.
#[derive(Serialize)]
struct Question<'a> {
    auth_algo: &'a str,
    cert_url: &'a str,
    transmission_id: &'a str,
    transmission_sig: &'a str,
    transmission_time: &'a str,
    webhook_id: &'a str,
    webhook_event: &'a RawValue,
}

#[async_trait]
impl Gateway for Paypal {
    fn key_life(&self) -> Duration {
        KEY_LIFE
    }

    async fn create(&self, payment: &Payment) -> Answer<Report> {
        let back = |outcome: &str| format!("{}/payments/{}?outcome={outcome}", self.storefront_url, payment.id);
        let body = json!({
            "intent": "CAPTURE",
            "purchase_units": [{"custom_id": payment.id, "amount": amount(payment, payment.amount)?}],
            "payment_source": {"paypal": {"experience_context": {
                "user_action": "PAY_NOW",
                "shipping_preference": "NO_SHIPPING",
                "return_url": back("approved"),
                "cancel_url": back("cancelled"),
            }}},
        });
        let answered = self.post("/v2/checkout/orders", &payment.provider_key, &body).await?;
        if !answered.status.is_success() {
            return Err(refusal(answered.status, &issue(&answered)));
        }
        report(payment, &answered.json()?)
    }

    async fn capture(&self, payment: &Payment) -> Answer<Report> {
        let Some(id) = &payment.transaction_id else {
            return Err(Trouble::Refused("an order without an id".to_owned()));
        };
        let key = format!("{}-capture", payment.provider_key);
        let answered = self.post(&format!("/v2/checkout/orders/{id}/capture"), &key, &json!({})).await?;
        if answered.status.is_success() {
            return report(payment, &answered.json()?);
        }
        match issue(&answered).as_str() {
            "ORDER_ALREADY_CAPTURED" | "ORDER_NOT_APPROVED" => {
                let found = self.look_up(payment).await?;
                found.ok_or_else(|| Trouble::Unknown("an order that is gone".to_owned()))
            }
            issue @ ("INSTRUMENT_DECLINED" | "PAYER_CANNOT_PAY" | "TRANSACTION_REFUSED" | "PAYER_ACTION_REQUIRED") => {
                Ok(Report { outcome: failed(issue), ..Report::of(payment) })
            }
            issue => Err(refusal(answered.status, issue)),
        }
    }

    async fn look_up(&self, payment: &Payment) -> Answer<Option<Report>> {
        self.order(payment).await?.map(|order| report(payment, &order)).transpose()
    }

    async fn refund(&self, payment: &Payment, refund: &Refund) -> Answer<RefundReport> {
        let Some(capture) = &payment.capture_id else {
            return Err(Trouble::Refused("a payment without a capture".to_owned()));
        };
        let body = json!({
            "amount": amount(payment, refund.amount)?, "custom_id": payment.id, "invoice_id": refund.id,
        });
        let path = format!("/v2/payments/captures/{capture}/refund");
        let answered = self.post(&path, &refund.provider_key, &body).await?;
        if !answered.status.is_success() {
            return Err(refusal(answered.status, &issue(&answered)));
        }
        refund_report(&answered.json()?)
    }

    fn must_be_asked(&self) -> bool {
        true
    }

    async fn believe(&self, headers: &HeaderMap, body: &[u8], _: Timestamp) -> Result<Event, Disbelief> {
        let Some(webhook_id) = &self.webhook_id else {
            return Err(Disbelief::NotConfigured("PAYPAL_WEBHOOK_ID"));
        };
        let signed_by = signed_by(headers).ok_or(Disbelief::InvalidSignature)?;
        let raw: &RawValue = serde_json::from_slice(body).map_err(|_| Disbelief::InvalidSignature)?;
        match self.verified(signed_by, raw, webhook_id).await {
            Ok(true) => {}
            Ok(false) => return Err(Disbelief::InvalidSignature),
            Err(trouble) => {
                tracing::warn!(%trouble, "cannot ask PayPal whether an event is its own");
                return Err(Disbelief::Unreachable);
            }
        }
        let event: Value = serde_json::from_slice(body).map_err(|_| Disbelief::InvalidSignature)?;
        match (event["id"].as_str(), event["event_type"].as_str()) {
            (Some(id), Some(kind)) => {
                Ok(Event { id: id.to_owned(), kind: kind.to_owned(), body: raw.get().to_owned() })
            }
            _ => Err(Disbelief::InvalidSignature),
        }
    }

    fn subject(&self, event: &Value) -> Option<Subject> {
        let kind = event["event_type"].as_str()?;
        let resource = &event["resource"];
        let (payment, transaction) = if kind.starts_with("CHECKOUT.ORDER.") {
            (&resource["purchase_units"][0]["custom_id"], &resource["id"])
        } else if kind.starts_with("PAYMENT.CAPTURE.") || kind.starts_with("PAYMENT.REFUND.") {
            (&resource["custom_id"], &resource["supplementary_data"]["related_ids"]["order_id"])
        } else {
            return None;
        };
        Some(Subject {
            payment: payment.as_str().and_then(|id| id.parse().ok()).map(PaymentId),
            transaction: transaction.as_str().map(ToOwned::to_owned),
            capture: refunded_capture(resource),
        })
    }
}

/// What a refund is of, which is all that one made in PayPal's dashboard says.
fn refunded_capture(refund: &Value) -> Option<String> {
    let up = refund["links"].as_array()?.iter().find(|link| link["rel"] == "up")?;
    let (_, capture) = up["href"].as_str()?.rsplit_once("/captures/")?;
    Some(capture.to_owned())
}

/// The headers of [`SIGNED_BY`]; `None` when one is missing or cannot be PayPal's, about which it need not be asked.
fn signed_by(headers: &HeaderMap) -> Option<[&str; 5]> {
    let mut signed_by = [""; 5];
    for (value, name) in signed_by.iter_mut().zip(SIGNED_BY) {
        *value = headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())?;
    }
    let [_, cert_url, _, _, time] = signed_by;
    let is_time = OffsetDateTime::parse(time, &Rfc3339).is_ok();
    (is_time && is_paypals_certificate(cert_url)).then_some(signed_by)
}

/// The certificate is PayPal's to fetch, but an event that names another's is none of PayPal's.
fn is_paypals_certificate(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let plain = url.authority().is_some_and(|authority| authority.as_str() == host); // no user, no port
    url.scheme_str() == Some("https") && plain && host.ends_with(".paypal.com")
}

/// An amount as PayPal writes it.
fn amount(payment: &Payment, money: Money) -> Answer<Value> {
    let code = payment.currency.to_string();
    let mut value = payment.currency.format(money).to_string();
    if WHOLE.contains(&code.as_str()) {
        let whole = value.strip_suffix(".00").map(ToOwned::to_owned);
        value = whole.ok_or_else(|| Trouble::Refused(format!("{code} has no decimals at PayPal")))?;
    }
    Ok(json!({"currency_code": code, "value": value}))
}

/// An amount as PayPal writes it, and the code of its currency.
fn read(amount: &Value) -> Answer<(Money, String)> {
    let unreadable = || Trouble::Unknown("an answer without an amount".to_owned());
    let (Some(code), Some(value)) = (amount["currency_code"].as_str(), amount["value"].as_str()) else {
        return Err(unreadable());
    };
    let currency: Currency = code.parse().map_err(|_| unreadable())?;
    let money = currency.parse(&Amount::new(value)).map_err(|_| unreadable())?;
    Ok((money, code.to_owned()))
}

/// How an order at PayPal stands.
fn report(payment: &Payment, order: &Value) -> Answer<Report> {
    let unit = &order["purchase_units"][0];
    let capture = unit["payments"]["captures"].as_array().and_then(|captures| captures.last());
    let (amount, currency) = match capture {
        // The answer to a capture may leave out what was asked for.
        Some(capture) if unit["amount"].is_null() => (payment.amount, read(&capture["amount"])?.1),
        _ => read(&unit["amount"])?,
    };
    let outcome = match capture {
        Some(capture) => outcome_of_capture(capture, &currency)?,
        None => match order["status"].as_str() {
            Some("APPROVED") => Outcome::Approved,
            Some("VOIDED") => Outcome::Cancelled,
            _ => Outcome::RequiresAction,
        },
    };
    let refunds = unit["payments"]["refunds"].as_array().into_iter().flatten();
    Ok(Report {
        transaction_id: order["id"].as_str().map(ToOwned::to_owned),
        approval_url: approval_url(order),
        capture_id: capture.and_then(|capture| capture["id"].as_str()).map(ToOwned::to_owned),
        outcome,
        amount,
        currency,
        refunds: refunds.map(refund_report).collect::<Answer<_>>()?,
        ..Report::of(payment)
    })
}

/// A capture has an amount of its own, which may not be that of its order.
fn outcome_of_capture(capture: &Value, ordered_in: &str) -> Answer<Outcome> {
    Ok(match capture["status"].as_str().unwrap_or_default() {
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => match read(&capture["amount"])? {
            (received, currency) if currency == ordered_in => Outcome::Captured(received),
            _ => return Err(Trouble::Unknown("a capture in another currency than its order".to_owned())),
        },
        "DECLINED" | "FAILED" => failed(capture["status_details"]["reason"].as_str().unwrap_or("DECLINED")),
        _ => Outcome::Processing,
    })
}

fn failed(issue: &str) -> Outcome {
    Outcome::Failed { code: issue.to_lowercase(), message: "PayPal could not take the money.".to_owned() }
}

fn refund_report(refund: &Value) -> Answer<RefundReport> {
    let outcome = match refund["status"].as_str().unwrap_or_default() {
        "COMPLETED" => RefundOutcome::Succeeded,
        "FAILED" | "CANCELLED" => {
            let why = refund["status_details"]["reason"].as_str().unwrap_or("no reason given").to_lowercase();
            RefundOutcome::Failed(format!("PayPal could not give the money back ({why})."))
        }
        _ => RefundOutcome::Processing,
    };
    let (amount, currency) = read(&refund["amount"])?;
    Ok(RefundReport {
        refund: refund["invoice_id"].as_str().and_then(|id| id.parse().ok()).map(RefundId),
        transaction_id: refund["id"].as_str().map(ToOwned::to_owned),
        outcome,
        amount,
        currency,
    })
}

fn approval_url(order: &Value) -> Option<String> {
    let links = order["links"].as_array()?;
    let link = links.iter().find(|link| link["rel"] == "payer-action" || link["rel"] == "approve")?;
    link["href"].as_str().map(ToOwned::to_owned)
}

/// What PayPal calls the trouble with a request.
fn issue(answered: &Answered) -> String {
    let told = answered.json().unwrap_or_default();
    let issue = told["details"][0]["issue"].as_str().or_else(|| told["name"].as_str());
    issue.unwrap_or("without a reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Provider;

    #[test]
    fn a_refund_made_at_paypal_says_what_it_is_of() {
        let links = json!({"links": [
            {"rel": "self", "href": "https://api-m.paypal.com/v2/payments/refunds/1JU08902781691411"},
            {"rel": "up", "href": "https://api-m.paypal.com/v2/payments/captures/2GG279541U471931P"},
        ]});
        assert_eq!(refunded_capture(&links).as_deref(), Some("2GG279541U471931P"));
        assert_eq!(refunded_capture(&json!({"links": [{"rel": "up", "href": "/v2/checkout/orders/1"}]})), None);
        assert_eq!(refunded_capture(&json!({})), None);
    }

    fn dollars(value: &str) -> Value {
        json!({"currency_code": "USD", "value": value})
    }

    fn stands(order: &Value) -> Report {
        report(&Payment::example(Provider::Paypal), order).unwrap()
    }

    #[test]
    fn an_order_at_paypal_is_read_as_it_stands() {
        let order = |status: &str| {
            json!({
                "id": "5O1", "status": status, "purchase_units": [{"amount": dollars("11.99")}],
                "links": [{"rel": "self", "href": "https://x"}, {"rel": "payer-action", "href": "https://y"}],
            })
        };
        for (status, outcome) in [
            ("CREATED", Outcome::RequiresAction),
            ("PAYER_ACTION_REQUIRED", Outcome::RequiresAction),
            ("APPROVED", Outcome::Approved),
            ("VOIDED", Outcome::Cancelled),
        ] {
            let stands = stands(&order(status));
            assert_eq!((stands.outcome, stands.amount, stands.currency.as_str()), (outcome, Money(11_99), "USD"));
            assert_eq!(stands.transaction_id.as_deref(), Some("5O1"));
            assert_eq!((stands.approval_url.as_deref(), stands.capture_id), (Some("https://y"), None));
        }
    }

    #[test]
    fn a_capture_at_paypal_outweighs_its_order_and_only_money_that_went_back_counts() {
        let order = |capture: &str| {
            json!({"id": "5O1", "status": "COMPLETED", "purchase_units": [{
                "amount": dollars("12.00"),
                "payments": {
                    "captures": [{"id": "2GG", "status": capture, "amount": dollars("11.99")}],
                    "refunds": [
                        {"status": "COMPLETED", "amount": dollars("2.00")}, {"status": "PENDING", "amount": dollars("4.00")},
                        {"status": "COMPLETED", "amount": dollars("1.00")}, {"status": "FAILED", "amount": dollars("3.00")},
                    ],
                },
            }]})
        };
        let declined = Outcome::Failed { code: "declined".into(), message: "PayPal could not take the money.".into() };
        for (status, outcome) in [
            ("COMPLETED", Outcome::Captured(Money(11_99))),
            ("PARTIALLY_REFUNDED", Outcome::Captured(Money(11_99))),
            ("REFUNDED", Outcome::Captured(Money(11_99))),
            ("DECLINED", declined.clone()),
            ("FAILED", declined),
            ("PENDING", Outcome::Processing),
        ] {
            let stands = stands(&order(status));
            assert_eq!(stands.refunded(), Money(3_00), "{status}");
            assert_eq!(stands.outcome, outcome, "what was captured");
            assert_eq!((stands.amount, stands.currency.as_str()), (Money(12_00), "USD"), "what was asked for");
            assert_eq!(stands.refunds.len(), 4);
            assert_eq!(stands.capture_id.as_deref(), Some("2GG"));
        }
    }

    #[test]
    fn some_currencies_have_no_decimals_at_paypal() {
        let written = |code: &str, minor| {
            let payment = Payment { currency: code.parse().unwrap(), ..Payment::example(Provider::Paypal) };
            amount(&payment, Money(minor))
        };
        for (code, minor, value) in [("USD", 19_90, "19.90"), ("JPY", 500, "500"), ("HUF", 50_000, "500")] {
            let expected = json!({"currency_code": code, "value": value});
            assert_eq!(written(code, minor).unwrap(), expected);
            assert_eq!(read(&expected).unwrap(), (Money(minor), code.to_owned()));
        }
        assert!(matches!(written("HUF", 50_050), Err(Trouble::Refused(_))));
        for unreadable in [json!({}), json!({"currency_code": "USD"}), json!({"currency_code": "?", "value": "1"})] {
            assert!(matches!(read(&unreadable), Err(Trouble::Unknown(_))), "{unreadable}");
        }
    }

    #[test]
    fn a_refund_at_paypal_is_read_as_it_stands() {
        for (status, outcome) in [
            ("COMPLETED", RefundOutcome::Succeeded),
            ("PENDING", RefundOutcome::Processing),
            ("FAILED", RefundOutcome::Failed("?".into())),
            ("CANCELLED", RefundOutcome::Failed("?".into())),
        ] {
            let stands = refund_report(&json!({"id": "1JU", "status": status, "amount": dollars("2.50")})).unwrap();
            assert_eq!(std::mem::discriminant(&stands.outcome), std::mem::discriminant(&outcome), "{status}");
            assert_eq!((stands.amount, stands.currency.as_str()), (Money(2_50), "USD"));
            assert_eq!(stands.transaction_id.as_deref(), Some("1JU"));
        }
    }
}
