//! Verifies and reads PayPal's webhooks. The signature is PayPal's to check.

use poem::http::{HeaderMap, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    WEBHOOK_KEY,
    client::{PaypalHttp, error_code},
};
use crate::{
    payments::providers::{ProviderResult, VerificationError, WebhookEvent, WebhookSubject},
    shop::ids::PaymentId,
};

/// The headers of a webhook. PayPal repeats an event for three days with the time of the first; so no time is too old.
/// <https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheaders>
const SIGNATURE_HEADERS: [&str; 5] = [
    "paypal-auth-algo",
    "paypal-cert-url",
    "paypal-transmission-id",
    "paypal-transmission-sig",
    "paypal-transmission-time",
];

/// What PayPal verifies. The event is sent back unchanged, because its signature is of its bytes.
#[derive(Serialize)]
struct Verification<'a> {
    auth_algo: &'a str,
    cert_url: &'a str,
    transmission_id: &'a str,
    transmission_sig: &'a str,
    transmission_time: &'a str,
    webhook_id: &'a str,
    webhook_event: &'a RawValue,
}

pub async fn verify(
    http: &PaypalHttp,
    webhook_id: Option<&SecretString>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<WebhookEvent, VerificationError> {
    let webhook_id = webhook_id.ok_or(VerificationError::NotConfigured(WEBHOOK_KEY.name))?;
    let [auth_algo, cert_url, transmission_id, transmission_sig, transmission_time] =
        signature(headers).ok_or(VerificationError::InvalidSignature)?;
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| VerificationError::InvalidSignature)?;
    let verification = Verification {
        auth_algo,
        cert_url,
        transmission_id,
        transmission_sig,
        transmission_time,
        webhook_id: webhook_id.expose_secret(),
        webhook_event: raw,
    };
    match is_valid(http, &verification).await {
        Ok(true) => {}
        Ok(false) => return Err(VerificationError::InvalidSignature),
        Err(error) => {
            tracing::warn!(%error, "cannot verify a webhook with PayPal");
            return Err(VerificationError::Unavailable);
        }
    }
    let event: Value = serde_json::from_slice(body).map_err(|_| VerificationError::InvalidSignature)?;
    match (event["id"].as_str(), event["event_type"].as_str()) {
        (Some(id), Some(kind)) => Ok(WebhookEvent { id: id.to_owned(), kind: kind.to_owned(), body: event }),
        _ => Err(VerificationError::InvalidSignature),
    }
}

async fn is_valid(http: &PaypalHttp, verification: &Verification<'_>) -> ProviderResult<bool> {
    let response = http.post_without_key("/v1/notifications/verify-webhook-signature", verification).await?;
    match response.status {
        status if status.is_success() => Ok(response.json()?["verification_status"] == "SUCCESS"),
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => Ok(false),
        _ => Err(response.error(error_code)),
    }
}

/// The [`SIGNATURE_HEADERS`]; `None` when one is missing or cannot be PayPal's: then PayPal need not be called.
fn signature(headers: &HeaderMap) -> Option<[&str; 5]> {
    let mut signature = [""; 5];
    for (value, name) in signature.iter_mut().zip(SIGNATURE_HEADERS) {
        *value = headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())?;
    }
    let [_, cert_url, _, _, time] = signature;
    let is_time = OffsetDateTime::parse(time, &Rfc3339).is_ok();
    (is_time && is_certificate_of_paypal(cert_url)).then_some(signature)
}

/// PayPal fetches the certificate, but an event that names another host's is none of PayPal's.
fn is_certificate_of_paypal(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let plain = url.authority().is_some_and(|authority| authority.as_str() == host); // no user, no port
    url.scheme_str() == Some("https") && plain && host.ends_with(".paypal.com")
}

pub fn subject(event: &Value) -> Option<WebhookSubject> {
    let kind = event["event_type"].as_str()?;
    let resource = &event["resource"];
    let (payment, transaction) = if kind.starts_with("CHECKOUT.ORDER.") {
        (&resource["purchase_units"][0]["custom_id"], &resource["id"])
    } else if kind.starts_with("PAYMENT.CAPTURE.") || kind.starts_with("PAYMENT.REFUND.") {
        (&resource["custom_id"], &resource["supplementary_data"]["related_ids"]["order_id"])
    } else {
        return None;
    };
    Some(WebhookSubject {
        payment: payment.as_str().and_then(|id| id.parse().ok()).map(PaymentId),
        transaction: transaction.as_str().map(ToOwned::to_owned),
        capture: refunded_capture(resource),
    })
}

/// The capture that was refunded: all that the event of a refund in PayPal's dashboard says.
fn refunded_capture(refund: &Value) -> Option<String> {
    let up = refund["links"].as_array()?.iter().find(|link| link["rel"] == "up")?;
    let (_, capture) = up["href"].as_str()?.rsplit_once("/captures/")?;
    Some(capture.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refund_made_at_paypal_names_its_capture() {
        let links = json!({"links": [
            {"rel": "self", "href": "https://api-m.paypal.com/v2/payments/refunds/1JU08902781691411"},
            {"rel": "up", "href": "https://api-m.paypal.com/v2/payments/captures/2GG279541U471931P"},
        ]});
        assert_eq!(refunded_capture(&links).as_deref(), Some("2GG279541U471931P"));
        assert_eq!(refunded_capture(&json!({"links": [{"rel": "up", "href": "/v2/checkout/orders/1"}]})), None);
        assert_eq!(refunded_capture(&json!({})), None);
    }
}
