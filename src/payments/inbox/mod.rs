//! The inbox: what providers tell us. An event is believed only with its signature, kept once, answered, and acted on by
//! a job.

use std::time::Duration;

use platform::{
    http::{
        client_address::ClientAddress,
        limits::Limit,
        problem::{ApiResult, Problem},
        problem_types,
    },
    jobs::Job,
};
use poem::http::HeaderMap;

use super::{
    gateway::{Disbelief, Event, Gateways},
    jobs::HandleWebhook,
    store,
};
use crate::{
    payments::problems,
    shop::{Provider, Shop, ids::WebhookId},
};

/// Events of one sender that the provider was asked about and that were not its own. What is its own takes a place only
/// while it is asked about, so the provider never meets this limit, whoever forges events from elsewhere. Behind a proxy
/// that is not trusted all have one address: there a forger can have the provider's own refused, too, which then sends them
/// again.
const FORGED: Limit = Limit::new(
    "forged_webhooks",
    100,
    Duration::from_mins(10),
    "Too many events of this address were not the provider's.",
);

/// Checks and keeps what a provider tells.
///
/// # Errors
/// 400 when it is not the provider's; 422 when this shop has nothing to check it with; 429 when the provider would have to be
/// asked about another forged one of this sender; 503 when it must be asked and is away.
pub async fn receive(
    shop: &Shop,
    provider: Provider,
    sender: ClientAddress,
    headers: &HeaderMap,
    body: &[u8],
) -> ApiResult<()> {
    let gateway = shop.part::<Gateways>().of(provider).ok_or_else(|| not_configured("keys of this provider"))?;
    let place = if gateway.must_be_asked() { Some(shop.limits.take(&FORGED, &sender.network()).await?) } else { None };
    let believed = gateway.believe(headers, body, shop.now()).await;
    if let Some(place) = place
        && !matches!(believed, Err(Disbelief::InvalidSignature))
    {
        shop.limits.give_back(place).await;
    }
    let event = believed.map_err(|disbelief| refusal(&disbelief))?;
    if [&event.id, &event.kind].into_iter().any(|text| text.contains('\0')) {
        let detail = "The id or the type of the event has a NUL, which no text has.";
        return Err(problem_types::MALFORMED_JSON.problem(detail));
    }
    keep(shop, provider, &event).await
}

fn refusal(disbelief: &Disbelief) -> Problem {
    match disbelief {
        Disbelief::InvalidSignature => invalid_signature(),
        Disbelief::NotConfigured(setting) => not_configured(setting),
        Disbelief::Unreachable => problems::PROVIDER_UNAVAILABLE
            .problem("The provider could not be asked about the signature. Send it again."),
    }
}

/// Keeps an event and the job that acts on it. One that came before changes nothing.
async fn keep(shop: &Shop, provider: Provider, event: &Event) -> ApiResult<()> {
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    if let Some(webhook) = store::insert_webhook(&mut tx, provider, &event.id, &event.kind, &event.body, now).await? {
        HandleWebhook { webhook }.enqueue(&mut tx, now).await?;
    }
    Ok(tx.commit().await?)
}

/// Acts on an event again.
///
/// # Errors
/// 404 when there is none.
pub async fn replay(shop: &Shop, id: WebhookId) -> ApiResult<store::InboxEntry> {
    let mut tx = shop.db.write().await?;
    let entry = store::reopen_webhook(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    HandleWebhook { webhook: id }.enqueue(&mut tx, shop.now()).await?;
    tx.commit().await?;
    Ok(entry)
}

fn invalid_signature() -> Problem {
    let detail = "The signature does not fit the body, the secret or the time. Nothing was kept.";
    problems::INVALID_SIGNATURE.problem(detail)
}

fn not_configured(what: &str) -> Problem {
    let detail = format!("This shop has no {what}, so it believes no event.");
    problems::PROVIDER_NOT_CONFIGURED.problem(detail)
}
