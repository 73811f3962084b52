//! Webhook events, signed as each provider signs them.
//!
//! PayPal signs with RSA and a certificate of its own. Here an HMAC takes its place, which only the simulator's
//! `verify-webhook-signature` can check. A shop that has PayPal verify its webhooks sees no difference.

use hmac::{Hmac, KeyInit, Mac};
use platform::clock::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use uuid::Uuid;

use crate::{Provider, credentials};

const PAYPAL_SIGNING_KEY: &str = "paypal_signing_key_simulator";
const PAYPAL_CERTIFICATE: &str = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-SIMULATOR";
const PAYPAL_ALGORITHM: &str = "SHA256withRSA";

/// An event that is not signed yet.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub provider: Provider,
    pub id: String,
    /// The provider's type of event, like `payment_intent.succeeded`.
    pub kind: String,
    /// JSON.
    pub body: String,
}

/// A signed request to a shop's webhook endpoint.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub provider: Provider,
    /// The event's id, by which a shop recognizes duplicates.
    pub id: String,
    /// The provider's type of event, like `payment_intent.succeeded`.
    pub kind: String,
    /// Those of the signature.
    pub headers: Vec<(&'static str, String)>,
    pub media_type: &'static str,
    pub body: String,
}

impl Event {
    pub fn signed(&self, now: Timestamp) -> Webhook {
        self.signed_with(webhook_secret(self.provider), now)
    }

    pub fn badly_signed(&self, now: Timestamp) -> Webhook {
        self.signed_with("not the secret", now)
    }

    pub fn signed_with(&self, secret: &str, now: Timestamp) -> Webhook {
        let headers = match self.provider {
            Provider::Stripe => {
                vec![("stripe-signature", stripe_signature(&self.body, now.unix_seconds(), secret))]
            }
            Provider::Paypal => paypal_headers(&self.body, secret, now),
            Provider::Razorpay => {
                vec![("x-razorpay-signature", hmac_hex(secret, &self.body)), ("x-razorpay-event-id", self.id.clone())]
            }
        };
        let (id, kind) = (self.id.clone(), self.kind.clone());
        Webhook { provider: self.provider, id, kind, headers, media_type: "application/json", body: self.body.clone() }
    }
}

/// The secret that a provider signs its webhooks with.
fn webhook_secret(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => credentials::STRIPE_WEBHOOK_SECRET,
        Provider::Paypal => PAYPAL_SIGNING_KEY,
        Provider::Razorpay => credentials::RAZORPAY_WEBHOOK_SECRET,
    }
}

/// The `Stripe-Signature` header for any body.
#[must_use]
pub fn stripe_signature(body: &str, unix_time: i64, secret: &str) -> String {
    format!("t={unix_time},v1={}", hmac_hex(secret, &format!("{unix_time}.{body}")))
}

fn paypal_headers(body: &str, secret: &str, now: Timestamp) -> Vec<(&'static str, String)> {
    let (id, time) = (Uuid::new_v4().to_string(), now.to_string());
    let signature = paypal_signature(&id, &time, credentials::PAYPAL_WEBHOOK_ID, body, secret);
    vec![
        ("paypal-transmission-id", id),
        ("paypal-transmission-time", time),
        ("paypal-transmission-sig", signature),
        ("paypal-cert-url", PAYPAL_CERTIFICATE.to_owned()),
        ("paypal-auth-algo", PAYPAL_ALGORITHM.to_owned()),
    ]
}

/// Over the event's bytes: JSON that was parsed and written again has another signature.
fn paypal_signature(id: &str, time: &str, webhook_id: &str, event: &str, secret: &str) -> String {
    hmac_hex(secret, &format!("{id}|{time}|{webhook_id}|{event}"))
}

/// The body of a request to `verify-webhook-signature`.
#[derive(Deserialize)]
struct VerificationRequest {
    transmission_id: String,
    transmission_time: String,
    transmission_sig: String,
    cert_url: String,
    auth_algo: String,
    webhook_id: String,
    webhook_event: Box<RawValue>,
}

/// Whether the body of a request to `verify-webhook-signature` has an event that PayPal signed.
pub(super) fn verify_paypal_signature(body: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<VerificationRequest>(body) else { return false };
    let (id, time, webhook_id) = (&request.transmission_id, &request.transmission_time, &request.webhook_id);
    let expected = paypal_signature(id, time, webhook_id, request.webhook_event.get(), PAYPAL_SIGNING_KEY);
    webhook_id == credentials::PAYPAL_WEBHOOK_ID
        && request.transmission_sig == expected
        && request.cert_url == PAYPAL_CERTIFICATE
        && request.auth_algo == PAYPAL_ALGORITHM
}

pub(super) fn hmac_hex(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
