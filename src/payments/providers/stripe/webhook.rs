//! Verifies and reads Stripe's webhooks.

use platform::clock::Timestamp;
use poem::http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stripe_webhook::{Webhook, WebhookError};

use super::WEBHOOK_KEY;
use crate::{
    payments::providers::{VerificationError, WebhookEvent, WebhookSubject},
    shop::ids::PaymentId,
};

/// In constant time, with a tolerance of 300 seconds both ways.
pub fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<WebhookEvent, VerificationError> {
    if secrets.is_empty() {
        return Err(VerificationError::NotConfigured(WEBHOOK_KEY.name));
    }
    let signature = headers.get("stripe-signature").and_then(|signature| signature.to_str().ok());
    let (Ok(text), Some(signature)) = (std::str::from_utf8(body), signature) else {
        return Err(VerificationError::InvalidSignature);
    };
    let signed_with = |secret: &SecretString| {
        let checked =
            Webhook::construct_event_with_timestamp(text, signature, secret.expose_secret(), now.unix_seconds());
        // Signed, but of a shape this program does not know: its ids are enough, the job retrieves the payment.
        matches!(checked, Ok(_) | Err(WebhookError::BadParse(_)))
    };
    if !secrets.iter().any(signed_with) {
        return Err(VerificationError::InvalidSignature);
    }
    let mut event: Value = serde_json::from_str(text).map_err(|_| VerificationError::InvalidSignature)?;
    let field = |name: &str| event[name].as_str().map(ToOwned::to_owned).ok_or(VerificationError::InvalidSignature);
    let (id, kind) = (field("id")?, field("type")?);
    redact_client_secret(&mut event);
    Ok(WebhookEvent { id, kind, body: event })
}

/// The job that handles the event needs its ids only.
fn redact_client_secret(event: &mut Value) {
    if let Some(secret) = event.pointer_mut("/data/object/client_secret") {
        *secret = Value::Null;
    }
}

pub fn subject(event: &Value) -> Option<WebhookSubject> {
    let kind = event["type"].as_str()?.split('.').next()?;
    let object = &event["data"]["object"];
    let transaction = match kind {
        "payment_intent" => &object["id"],
        "charge" | "refund" => &object["payment_intent"],
        _ => return None,
    };
    let payment = object["metadata"]["payment_id"].as_str().and_then(|id| id.parse().ok());
    Some(WebhookSubject {
        payment: payment.map(PaymentId),
        transaction: Some(transaction.as_str()?.to_owned()),
        capture: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_stored_of_an_event_has_no_client_secret() {
        let mut event = json!({"id": "evt_1", "data": {"object": {"id": "pi_1", "client_secret": "pi_1_secret_2"}}});
        redact_client_secret(&mut event);
        assert_eq!(event, json!({"id": "evt_1", "data": {"object": {"id": "pi_1", "client_secret": null}}}));
    }
}
