//! The inbox: webhook events received from providers. An event is stored once, if it is verified, and handled by a job.

pub mod api;
pub mod jobs;
mod store;
pub mod webhooks_api;

use platform::jobs::Job;
use poem::http::HeaderMap;

use self::{jobs::HandleWebhook, store::Entry};
use super::{
    Error, Result,
    providers::{Providers, VerificationError, WebhookEvent},
};
use crate::shop::{Provider, Shop, ids::WebhookId};

/// Verifies a webhook.
///
/// # Errors
/// When it is not the provider's, the shop has no key to verify it with, or the provider has to verify it and cannot be
/// reached.
async fn verify(
    shop: &Shop,
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<WebhookEvent, VerificationError> {
    let provider = shop.get::<Providers>().get(provider);
    let provider = provider.ok_or(VerificationError::NotConfigured("keys of this provider"))?;
    provider.verify_webhook(headers, body, shop.now()).await
}

/// Stores an event and the job that handles it. One that was received before changes nothing.
///
/// # Errors
/// When its id or type contains NUL.
async fn store_event(shop: &Shop, provider: Provider, event: &WebhookEvent) -> Result<()> {
    if [&event.id, &event.kind].into_iter().any(|text| text.contains('\0')) {
        return Err(Error::MalformedWebhook);
    }
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    if let Some(webhook) = store::insert(&mut tx, provider, event, now).await? {
        HandleWebhook { webhook }.enqueue(&mut tx, now).await?;
    }
    Ok(tx.commit().await?)
}

/// Handles an event again.
///
/// # Errors
/// When it does not exist.
async fn replay(shop: &Shop, id: WebhookId) -> Result<Entry> {
    let mut tx = shop.db.write().await?;
    let entry = store::reopen(&mut tx, id).await?.ok_or(Error::WebhookNotFound)?;
    HandleWebhook { webhook: id }.enqueue(&mut tx, shop.now()).await?;
    tx.commit().await?;
    Ok(entry)
}
