//! The job of the inbox.

use platform::{
    db::{self, Tx},
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store::{self, Entry};
use crate::{
    payments::{
        self, Payment,
        jobs::{no_keys, refresh},
        providers::{Providers, WebhookSubject},
        store as payment_store,
    },
    shop::{Provider, Queue, Shop, ids::WebhookId},
};

/// Handles an event: retrieves its payment from the provider, because an event is a hint and may be outdated.
#[derive(Serialize, Deserialize)]
pub struct HandleWebhook {
    pub webhook: WebhookId,
}

impl Job for HandleWebhook {
    const NAME: &'static str = "payments.handle_webhook";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let entry = store::find(&mut shop.db.read().await?, self.webhook).await?;
        let Some(entry) = entry.filter(|entry| entry.processed_at.is_none()) else { return Ok(()) };
        if let Some(payment) = payment_of(shop, &entry).await? {
            refresh(shop, &payment).await?;
        }
        let mut tx = shop.db.write().await?;
        store::mark_processed(&mut tx, self.webhook, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// The payment an event is about, if it is ours.
async fn payment_of(shop: &Shop, entry: &Entry) -> Result<Option<Payment>, JobError> {
    let provider = shop.get::<Providers>().get(entry.provider).ok_or_else(|| no_keys(entry.provider))?;
    let Some(subject) = provider.webhook_subject(&read_body(entry)?) else { return Ok(None) };
    let mut tx = shop.db.read().await?;
    let Some(payment) = find(&mut tx, entry.provider, &subject).await? else { return Ok(None) };
    drop(tx);
    match (&payment.transaction_id, subject.transaction) {
        // It came before the provider's id of the payment was stored: the event's id is used.
        (None, transaction) => Ok(Some(Payment { transaction_id: transaction, ..payment })),
        (Some(known), Some(other)) if *known != other => adopt_duplicate(shop, &payment, &other).await.map(Some),
        _ => Ok(Some(payment)),
    }
}

fn read_body(entry: &Entry) -> Result<Value, JobError> {
    serde_json::from_str(&entry.body)
        .map_err(|error| JobError::GiveUp(format!("the body of webhook {} cannot be read: {error}", entry.id)))
}

async fn find(tx: &mut Tx, provider: Provider, subject: &WebhookSubject) -> db::Result<Option<Payment>> {
    let mut id = None;
    if let Some(transaction) = &subject.transaction {
        id = payment_store::find_by_transaction(tx, provider, transaction).await?;
    }
    if let (None, Some(capture)) = (id, &subject.capture) {
        id = payment_store::find_by_capture(tx, provider, capture).await?;
    }
    let Some(id) = id.or(subject.payment) else { return Ok(None) };
    Ok(payment_store::find(tx, id).await?.filter(|payment| payment.provider == provider))
}

/// A second transaction that the provider has of one payment becomes a cancelled payment of its own: so money in it is
/// refunded, and what is open of it is cancelled.
async fn adopt_duplicate(shop: &Shop, payment: &Payment, transaction: &str) -> Result<Payment, JobError> {
    tracing::error!(payment = %payment.id, transaction, "the provider has a duplicate of a payment; ending it");
    let mut tx = shop.db.write().await?;
    let adopted = payments::adopt_duplicate(&mut tx, payment, transaction, shop.now()).await?;
    tx.commit().await?;
    Ok(adopted)
}

#[cfg(test)]
mod tests {
    use platform::clock::Timestamp;
    use serde_json::json;

    use super::*;

    fn stored(body: &str) -> Entry {
        Entry {
            id: WebhookId(7),
            provider: Provider::Stripe,
            event_id: "evt_1".to_owned(),
            kind: "payment_intent.succeeded".to_owned(),
            body: body.to_owned(),
            processed_at: None,
            created_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_is_an_error() {
        assert_eq!(read_body(&stored("{ \"id\": \"evt_1\" }\n")).ok(), Some(json!({"id": "evt_1"})));
        for body in ["", "id=tr_1"] {
            let Err(JobError::GiveUp(error)) = read_body(&stored(body)) else { panic!("{body} was read") };
            assert!(error.starts_with("the body of webhook 7 cannot be read: "), "{error}");
        }
    }
}
