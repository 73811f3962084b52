//! The endpoints of the inbox, for admins.

use platform::{
    clock::Timestamp,
    http::{
        paging::{Page, PageNumber, PageSize},
        problem::ApiResult,
        query::OptionalQuery,
        reply::{Accepted, List},
    },
    text_enum,
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path, types::Any};
use serde_json::Value;

use super::store::{self, Entry};
use crate::{
    accounts::Admin,
    shop::{Provider, Shop, ids::WebhookId, tags::Tag},
};

text_enum! {
    /// The state of a webhook: `pending` waits for the payment worker, `processed` has been handled.
    pub enum WebhookStatus { Pending = "pending", Processed = "processed" }
}

/// An event received from a payment provider, with a valid signature.
#[derive(Object)]
#[oai(rename = "Webhook")]
struct WebhookView {
    /// The id of the webhook.
    id: WebhookId,
    /// The provider that sent the event.
    provider: Provider,
    /// The provider's id of the event. Each event is stored once.
    event_id: String,
    /// The type of the event, as the provider names it, e.g. `payment_intent.succeeded`.
    kind: String,
    /// Whether the event has been processed.
    status: WebhookStatus,
    /// The body as received, without client secrets.
    body: Any<Value>,
    /// When the event was received.
    created_at: Timestamp,
    /// When the event was last processed; `null` if it has not been.
    processed_at: Option<Timestamp>,
}

impl From<Entry> for WebhookView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            provider: entry.provider,
            event_id: entry.event_id,
            kind: entry.kind,
            status: if entry.processed_at.is_some() { WebhookStatus::Processed } else { WebhookStatus::Pending },
            body: Any(serde_json::from_str(&entry.body).unwrap_or(Value::String(entry.body))),
            created_at: entry.created_at,
            processed_at: entry.processed_at,
        }
    }
}

pub struct InboxApi;

#[OpenApi(prefix_path = "/api/admin", tag = "Tag::Admin")]
impl InboxApi {
    /// Lists the events received from payment providers, newest first.
    ///
    /// Only events with a valid signature are stored, each once.
    #[oai(path = "/webhooks", method = "get", operation_id = "listWebhooks")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only events of this provider.
        provider: OptionalQuery<Provider>,
        /// Only events with this status.
        status: OptionalQuery<WebhookStatus>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<WebhookView>> {
        let mut errors = ValidationErrors::default();
        let provider = errors.note(provider.get("provider"));
        let status = errors.note(status.get("status"));
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let processed = status.map(|status| status == WebhookStatus::Processed);
        let mut tx = shop.db.read().await?;
        let (entries, total) = store::list(&mut tx, provider, processed, page.size, page.offset()).await?;
        let shown = entries.into_iter().map(WebhookView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Processes a webhook again.
    ///
    /// The payment worker retrieves the payment from the provider and records its current state. If nothing has
    /// changed, nothing happens.
    #[oai(path = "/webhooks/:id/replay", method = "post", operation_id = "replayWebhook")]
    async fn replay(&self, shop: Data<&Shop>, _by: Admin, id: Path<WebhookId>) -> ApiResult<Accepted<WebhookView>> {
        Ok(Accepted::json(&WebhookView::from(super::replay(&shop, id.0).await?)))
    }
}
