//! Verifies and reads Razorpay's webhooks.

use hmac::{Hmac, KeyInit, Mac};
use poem::http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::WEBHOOK_KEY;
use crate::{
    payments::providers::{VerificationError, WebhookEvent, WebhookSubject},
    shop::ids::PaymentId,
};

pub fn verify(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<WebhookEvent, VerificationError> {
    if secrets.is_empty() {
        return Err(VerificationError::NotConfigured(WEBHOOK_KEY.name));
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("x-razorpay-signature")
        .and_then(|signature| hex::decode(signature).ok())
        .ok_or(VerificationError::InvalidSignature)?;
    if !secrets.iter().any(|secret| is_signed_with(secret, body, &signature)) {
        return Err(VerificationError::InvalidSignature);
    }
    let event: Value = serde_json::from_slice(body).map_err(|_| VerificationError::InvalidSignature)?;
    let kind = event["event"].as_str().ok_or(VerificationError::InvalidSignature)?.to_owned();
    // The id is not signed, so it may be missing: then the hash of the body is the id.
    let id = header("x-razorpay-event-id").map_or_else(|| hex::encode(Sha256::digest(body)), ToOwned::to_owned);
    Ok(WebhookEvent { id, kind, body: event })
}

fn is_signed_with(secret: &SecretString, body: &[u8], signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
}

pub fn subject(event: &Value) -> Option<WebhookSubject> {
    let (order, attempt) = (&event["payload"]["order"]["entity"], &event["payload"]["payment"]["entity"]);
    let transaction = order["id"].as_str().or_else(|| attempt["order_id"].as_str())?;
    let payment = order["receipt"].as_str().or_else(|| attempt["notes"]["payment_id"].as_str());
    Some(WebhookSubject {
        payment: payment.and_then(|id| id.parse().ok()).map(PaymentId),
        transaction: Some(transaction.to_owned()),
        capture: None,
    })
}
