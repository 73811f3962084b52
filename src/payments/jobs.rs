//! The payment worker's jobs. Each asks outside of any transaction, then writes down the answer.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{
    Payment, Provider, Status, store,
    stripe::{Stripe, Trouble},
};
use crate::{
    db,
    ids::{PaymentId, WebhookId},
    jobs::{Job, JobError, Queue},
    shop::Shop,
};

/// How long the provider remembers an idempotency key, with an hour to spare.
const KEY_LIFE: Duration = Duration::from_hours(23);
/// How long a payment may hang before the provider is asked about it.
const HANGING: Duration = Duration::from_mins(5);
/// How often hanging payments are looked for.
pub const CHECK_EVERY: Duration = Duration::from_mins(1);

impl From<Trouble> for JobError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(_) => Self::GiveUp(trouble.to_string()),
            _ => Self::Retry(trouble.to_string()),
        }
    }
}

/// Asks the provider for the money.
#[derive(Serialize, Deserialize)]
pub struct Pay {
    pub payment: PaymentId,
}

impl Job for Pay {
    const NAME: &'static str = "payments.pay";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let payment = find(shop, self.payment).await?;
        if payment.status != Status::Queued {
            return Ok(());
        }
        match payment.provider {
            Provider::CashOnDelivery => {
                let mut tx = shop.db.write().await?;
                super::promise_cash(&mut tx, payment.id, shop.now()).await?;
                Ok(tx.commit().await?)
            }
            Provider::Stripe => charge(shop, payment).await,
            Provider::Paypal | Provider::Razorpay => {
                Err(JobError::GiveUp("this provider is not configured".to_owned()))
            }
        }
    }
}

async fn charge(shop: &Shop, payment: Payment) -> Result<(), JobError> {
    let stripe = stripe(shop)?;
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    store::mark_first_call(&mut tx, payment.id, now).await?;
    tx.commit().await?;

    let first_call = payment.first_call_at.unwrap_or(now);
    if now.since(first_call) > KEY_LIFE {
        // The provider may have forgotten the key: sending again could charge twice.
        return look_before_sending_again(shop, stripe, &payment).await;
    }
    match stripe.create(&payment).await {
        Ok(report) => write_down(shop, payment.id, report).await,
        Err(Trouble::Failed(why)) => look_before_sending_again(shop, stripe, &payment)
            .await
            .map_err(|_| JobError::Retry(Trouble::Failed(why).to_string())),
        Err(Trouble::Refused(why)) => {
            tracing::error!(payment = %payment.id, why, "the provider refuses a payment");
            refuse(shop, payment.id).await
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// A stored failure is repeated under its key, and an old key is forgotten: so the payment is looked for, and only when
/// it is not there does the next try get a new key.
async fn look_before_sending_again(shop: &Shop, stripe: &Stripe, payment: &Payment) -> Result<(), JobError> {
    if let Some(report) = stripe.find(payment, payment.created_at).await? {
        return write_down(shop, payment.id, report).await;
    }
    let mut tx = shop.db.write().await?;
    store::renew_key(&mut tx, payment).await?;
    tx.commit().await?;
    Err(JobError::Retry("the provider does not know the payment; it is sent again under a new key".to_owned()))
}

async fn write_down(shop: &Shop, payment: PaymentId, report: super::Report) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    super::record(&mut tx, payment, report, shop.now()).await?;
    Ok(tx.commit().await?)
}

async fn refuse(shop: &Shop, payment: PaymentId) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    super::refuse(&mut tx, payment, "provider_refused", "The provider refused the payment.", shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Acts on a webhook: reads the object again from the provider, because the webhook is a hint and not the truth.
#[derive(Serialize, Deserialize)]
pub struct HandleWebhook {
    pub webhook: WebhookId,
}

impl Job for HandleWebhook {
    const NAME: &'static str = "payments.handle_webhook";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let webhook = store::find_webhook(&mut shop.db.read().await?, self.webhook).await?;
        let Some(webhook) = webhook.filter(|webhook| webhook.processed_at.is_none()) else { return Ok(()) };
        if webhook.kind.starts_with("payment_intent.")
            && let Some(intent) = object_id(&webhook.body)
        {
            hear_of(shop, &intent).await?;
        }
        let mut tx = shop.db.write().await?;
        store::mark_webhook_processed(&mut tx, self.webhook, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// The id of what the event is about.
fn object_id(body: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(event.pointer("/data/object/id")?.as_str()?.to_owned())
}

async fn hear_of(shop: &Shop, intent: &str) -> Result<(), JobError> {
    let stripe = stripe(shop)?;
    let known = store::find_by_transaction(&mut shop.db.read().await?, Provider::Stripe, intent).await?;
    // The worker may have died before it wrote the provider's id down; the provider remembers ours.
    let id = match known {
        Some(id) => Some(id),
        None => stripe.payment_of(intent).await?.and_then(|id| id.parse().ok().map(PaymentId)),
    };
    let Some(id) = id else { return Ok(()) }; // somebody else's payment in the same account
    let Some(payment) = store::find(&mut shop.db.read().await?, id).await? else { return Ok(()) };
    let report = stripe.look_up(&payment, intent).await?;
    write_down(shop, id, report).await
}

/// Asks about payments nobody has heard of for five minutes.
#[derive(Default, Serialize, Deserialize)]
pub struct CheckHanging {}

impl Job for CheckHanging {
    const NAME: &'static str = "payments.check_hanging";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let hanging = store::hanging(&mut shop.db.read().await?, shop.now() - HANGING).await?;
        for some in hanging.chunks(8) {
            try_join_all(some.iter().map(|payment| ask_about(shop, payment))).await?;
        }
        Ok(())
    }
}

/// Writes down what the provider says of a payment, or that it was asked in vain.
async fn ask_about(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let stripe = stripe(shop)?;
    let answer = match &payment.transaction_id {
        Some(transaction) => stripe.look_up(payment, transaction).await.map(Some),
        None => stripe.find(payment, payment.created_at).await,
    };
    let mut tx = shop.db.write().await?;
    store::mark_asked(&mut tx, payment.id, shop.now()).await?;
    match answer {
        Ok(Some(report)) => super::record(&mut tx, payment.id, report, shop.now()).await?,
        Ok(None) => {}
        Err(trouble) => tracing::warn!(payment = %payment.id, %trouble, "cannot learn how a payment stands"),
    }
    Ok(tx.commit().await?)
}

/// Sends money back that the order could not take, or does not need any more.
#[derive(Serialize, Deserialize)]
pub struct Refund {
    pub payment: PaymentId,
}

impl Job for Refund {
    const NAME: &'static str = "payments.refund";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let payment = find(shop, self.payment).await?;
        if payment.status != Status::Captured {
            return Ok(());
        }
        if let (Provider::Stripe, Some(transaction)) = (payment.provider, &payment.transaction_id) {
            stripe(shop)?.refund(&payment, transaction).await?;
        }
        let mut tx = shop.db.write().await?;
        super::refunded(&mut tx, payment.id, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

async fn find(shop: &Shop, id: PaymentId) -> Result<Payment, JobError> {
    let found: db::Result<Option<Payment>> = store::find(&mut shop.db.read().await?, id).await;
    found?.ok_or_else(|| JobError::GiveUp(format!("there is no payment {id}")))
}

fn stripe(shop: &Shop) -> Result<&Stripe, JobError> {
    shop.stripe.as_ref().ok_or_else(|| JobError::Retry("STRIPE_SECRET_KEY is not set for this worker".to_owned()))
}
