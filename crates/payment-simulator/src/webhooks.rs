//! What the providers tell a shop, signed as each signs.
//!
//! PayPal's real signature is RSA by a certificate of PayPal's. Nobody but PayPal can make that, so here it is an HMAC that
//! only the simulator's own `verify-webhook-signature` knows; a shop that asks PayPal about it notices no difference.

use hmac::{Hmac, KeyInit, Mac};
use platform::clock::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use uuid::Uuid;

use super::{Provider, credentials};

const PAYPAL_SIGNING_KEY: &str = "paypal_signing_key_simulator";
const PAYPAL_CERTIFICATE: &str = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-SIMULATOR";
const PAYPAL_ALGORITHM: &str = "SHA256withRSA";

/// Something that happened, not yet signed.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub provider: Provider,
    pub id: String,
    pub kind: String,
    pub body: String,
}

/// A request to a shop's webhook endpoint.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub provider: Provider,
    /// The event's id, which a shop knows a repetition by.
    pub id: String,
    pub kind: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Event {
    pub fn signed(&self, now: Timestamp) -> Webhook {
        self.signed_with(secret_of(self.provider), now)
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
        Webhook { provider: self.provider, id, kind, headers, body: self.body.clone() }
    }
}

/// What a provider's webhooks are signed with.
fn secret_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => credentials::STRIPE_WEBHOOK_SECRET,
        Provider::Paypal => PAYPAL_SIGNING_KEY,
        Provider::Razorpay => credentials::RAZORPAY_WEBHOOK_SECRET,
    }
}

/// The `Stripe-Signature` of a body, also of one that a story wrote itself.
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

/// Of the event's bytes: one that was read as JSON and written again is another.
fn paypal_signature(id: &str, time: &str, webhook: &str, event: &str, secret: &str) -> String {
    hmac_hex(secret, &format!("{id}|{time}|{webhook}|{event}"))
}

/// What a shop asks PayPal about an event.
#[derive(Deserialize)]
struct Question {
    transmission_id: String,
    transmission_time: String,
    transmission_sig: String,
    cert_url: String,
    auth_algo: String,
    webhook_id: String,
    webhook_event: Box<RawValue>,
}

/// Whether what a shop asks PayPal about is an event that PayPal signed.
pub(super) fn paypal_verifies(asked: &[u8]) -> bool {
    let Ok(asked) = serde_json::from_slice::<Question>(asked) else { return false };
    let (id, time, webhook) = (&asked.transmission_id, &asked.transmission_time, &asked.webhook_id);
    let expected = paypal_signature(id, time, webhook, asked.webhook_event.get(), PAYPAL_SIGNING_KEY);
    webhook == credentials::PAYPAL_WEBHOOK_ID
        && asked.transmission_sig == expected
        && asked.cert_url == PAYPAL_CERTIFICATE
        && asked.auth_algo == PAYPAL_ALGORITHM
}

pub(super) fn hmac_hex(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
