//! The endpoints by which admins watch over payments: the inbox of webhooks, and the comparison with the providers' books.

use platform::{
    clock::Timestamp,
    http::{
        paging::Page,
        problem::ApiResult,
        query::Ask,
        reply::{Accepted, List, Reply},
    },
    text_enum,
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path, types::Any};
use serde_json::Value;

use super::{
    reconciliation::{self, Difference},
    store::{self, InboxEntry},
    webhooks,
};
use crate::{
    accounts::Admin,
    shop::{Provider, Shop, ids::WebhookId, tags::Tag},
};

text_enum! {
    /// `pending` waits for the payment worker, `processed` was acted on.
    pub enum WebhookStatus { Pending = "pending", Processed = "processed" }
}

/// What a provider told. Its signature was good.
#[derive(Object)]
#[oai(rename = "Webhook")]
struct WebhookView {
    id: WebhookId,
    provider: Provider,
    /// The provider's id of it; the same one is kept once.
    event_id: String,
    /// What happened, as the provider calls it, e.g. `payment_intent.succeeded`.
    kind: String,
    status: WebhookStatus,
    /// As it came, without the client secrets in it.
    body: Any<Value>,
    created_at: Timestamp,
    /// When it was last acted on.
    processed_at: Option<Timestamp>,
}

impl From<InboxEntry> for WebhookView {
    fn from(entry: InboxEntry) -> Self {
        Self {
            id: entry.id,
            provider: entry.provider,
            event_id: entry.event_id,
            kind: entry.kind,
            status: if entry.processed_at.is_some() { WebhookStatus::Processed } else { WebhookStatus::Pending },
            body: Any(serde_json::from_str(&entry.body).unwrap_or_default()),
            created_at: entry.created_at,
            processed_at: entry.processed_at,
        }
    }
}

/// What the last comparison with the providers' books found.
#[derive(Object)]
struct PaymentReconciliation {
    /// When it was made; null before the first.
    checked_at: Option<Timestamp>,
    /// How many payments it compared: those that ended or changed since the comparison before.
    payments: i64,
    /// Every difference that stands, oldest first, also of earlier comparisons. None is repaired by itself.
    differences: Vec<Difference>,
}

async fn last(shop: &Shop) -> ApiResult<PaymentReconciliation> {
    let (run, differences) = reconciliation::last(shop).await?;
    let (checked_at, payments) = run.map_or((None, 0), |(checked_at, payments)| (Some(checked_at), payments));
    Ok(PaymentReconciliation { checked_at, payments, differences })
}

pub struct PaymentsAdminApi;

#[OpenApi(prefix_path = "/api/admin", tag = "Tag::Admin")]
impl PaymentsAdminApi {
    /// Lists what payment providers told, newest first.
    ///
    /// Only events whose signature was good are kept, each once.
    #[oai(path = "/webhooks", method = "get", operation_id = "listWebhooks")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn inbox(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only those of this provider: `stripe`, `paypal` or `razorpay`.
        provider: Ask<Provider>,
        /// Only those with this status.
        status: Ask<WebhookStatus>,
        page: Ask<i64>,
        per_page: Ask<i64>,
    ) -> ApiResult<List<WebhookView>> {
        let mut faults = ValidationErrors::default();
        let provider = faults.note(provider.get("provider"));
        let status = faults.note(status.get("status"));
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let processed = status.map(|status| status == WebhookStatus::Processed);
        let mut tx = shop.db.read().await?;
        let (entries, total) = store::inbox(&mut tx, provider, processed, page.size, page.offset()).await?;
        let shown = entries.into_iter().map(WebhookView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Acts on a webhook again.
    ///
    /// The payment worker asks the provider how the payment stands now. What is known already changes nothing.
    #[oai(path = "/webhooks/:id/replay", method = "post", operation_id = "replayWebhook")]
    async fn replay(&self, shop: Data<&Shop>, _by: Admin, id: Path<WebhookId>) -> ApiResult<Accepted<WebhookView>> {
        Ok(Accepted::json(&WebhookView::from(webhooks::replay(&shop, id.0).await?)))
    }

    /// Shows where our books and the providers' differ.
    ///
    /// The payment worker compares every ten minutes what the providers captured and gave back with what was recorded. A
    /// difference stands until a comparison finds it gone; nothing is repaired in silence.
    #[oai(path = "/payments/reconciliation", method = "get", operation_id = "getPaymentReconciliation")]
    async fn reconciliation(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<PaymentReconciliation>> {
        Ok(Reply::json(&last(&shop).await?))
    }

    /// Has the books compared now.
    ///
    /// Answers at once, with what the last comparison found; the payment worker makes the new one in the background. It
    /// compares every payment that ended or changed within the last week, also what was compared lately. Ask for the
    /// result until `checked_at` has changed. Asked again before that, it is the same comparison.
    #[oai(path = "/payments/reconciliation", method = "post", operation_id = "startPaymentReconciliation")]
    async fn reconcile(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Accepted<PaymentReconciliation>> {
        reconciliation::ask(&shop).await?;
        Ok(Accepted::json(&last(&shop).await?))
    }
}
