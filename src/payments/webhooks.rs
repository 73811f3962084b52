//! What providers tell us. An event is believed only with its signature, kept once, answered, and acted on by a job.

use poem::http::StatusCode;
use secrecy::ExposeSecret;
use stripe_webhook::{Webhook, WebhookError};

use super::{Provider, jobs::HandleWebhook, store};
use crate::{
    clock::Timestamp,
    http::problem::{ApiResult, Problem},
    jobs::Job,
    shop::Shop,
};

/// An event whose signature is good.
pub struct Event {
    pub id: String,
    pub kind: String,
    pub body: String,
}

/// Checks Stripe's signature on the raw bytes: constant time, 300 seconds of tolerance both ways.
///
/// # Errors
/// 400 when it is not Stripe's; 422 when this shop has no secret to check it with.
pub fn stripe(shop: &Shop, body: &[u8], signature: Option<&str>, now: Timestamp) -> ApiResult<Event> {
    let secret = shop.settings.stripe.as_ref().and_then(|stripe| stripe.webhook_secret.as_ref());
    let Some(secret) = secret else {
        let detail = "This shop has no STRIPE_WEBHOOK_SECRET to check the signature with.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "provider_not_configured", detail));
    };
    let (Ok(text), Some(signature)) = (std::str::from_utf8(body), signature) else { return Err(invalid_signature()) };
    match Webhook::construct_event_with_timestamp(text, signature, secret.expose_secret(), now.unix_seconds()) {
        // Signed, but of a shape this program does not know: its ids are enough, the job reads the object again.
        Ok(_) | Err(WebhookError::BadParse(_)) => event(text),
        Err(_) => Err(invalid_signature()),
    }
}

fn event(body: &str) -> ApiResult<Event> {
    let parsed: serde_json::Value = serde_json::from_str(body).map_err(|_| invalid_signature())?;
    let text = |name: &str| parsed[name].as_str().map(ToOwned::to_owned);
    let (Some(id), Some(kind)) = (text("id"), text("type")) else { return Err(invalid_signature()) };
    Ok(Event { id, kind, body: body.to_owned() })
}

fn invalid_signature() -> Problem {
    let detail = "The signature does not fit the body, the secret or the time. Nothing was kept.";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_signature", detail)
}

/// Keeps an event and the job that acts on it. One that came before changes nothing.
pub async fn receive(shop: &Shop, provider: Provider, event: &Event) -> ApiResult<()> {
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    if let Some(webhook) = store::insert_webhook(&mut tx, provider, &event.id, &event.kind, &event.body, now).await? {
        HandleWebhook { webhook }.enqueue(&mut tx, now).await?;
    }
    Ok(tx.commit().await?)
}
