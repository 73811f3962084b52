//! The payment worker's jobs. Each asks outside of any transaction, then writes down the answer.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{
    Outcome, Payment, Status,
    gateway::{Gateway, Report, Trouble},
    reconciliation,
    refunds::{self, Refund},
    store,
};
use crate::{
    db,
    ids::{PaymentId, RefundId, WebhookId},
    jobs::{Job, JobError, Queue},
    shop::Shop,
};

/// How often payments that hang are looked for.
pub const CHECK_EVERY: Duration = Duration::from_mins(1);
/// How often our books are compared with the providers'.
pub const RECONCILE_EVERY: Duration = Duration::from_mins(10);
/// How long a payment that ended without money is still asked about.
const LATE: Duration = Duration::from_hours(1);
/// How long one run asks, which leaves the rest to the next.
const PATIENCE: Duration = Duration::from_secs(35);

impl From<Trouble> for JobError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(_) => Self::GiveUp(trouble.to_string()),
            Trouble::Unknown(_) | Trouble::Failed(_) => Self::Retry(trouble.to_string()),
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
        let gateway = gateway(shop, &payment)?;
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let wanted = store::mark_first_call(&mut tx, payment.id, now).await? == 1;
        tx.commit().await?;
        if !wanted {
            return Ok(());
        }
        if payment.first_call_at.is_some_and(|first| now.since(first) >= gateway.key_life()) {
            // The provider may have forgotten the key: sending again could charge twice.
            return look_before_sending_again(shop, gateway, &payment).await;
        }
        match gateway.create(&payment).await {
            Ok(report) => heard(shop, gateway, &payment, report).await,
            Err(Trouble::Failed(why)) => look_before_sending_again(shop, gateway, &payment)
                .await
                .map_err(|_| JobError::Retry(Trouble::Failed(why).to_string())),
            Err(Trouble::Refused(why)) => {
                tracing::error!(payment = %payment.id, why, "the provider refuses a payment");
                refuse(shop, payment.id).await
            }
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// A stored failure is repeated under its key, and an old key is forgotten: so the payment is looked for, and only when
/// it is not there does the next try get a new key.
async fn look_before_sending_again(shop: &Shop, gateway: &dyn Gateway, payment: &Payment) -> Result<(), JobError> {
    if let Some(report) = gateway.look_up(payment).await? {
        return heard(shop, gateway, payment, report).await;
    }
    renew_key(shop, payment).await?;
    Err(JobError::Retry("the provider does not know the payment; it is sent again under a new key".to_owned()))
}

async fn renew_key(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::renew_key(&mut tx, payment).await?;
    tx.commit().await
}

/// Writes down what a provider says, and takes the money if the buyer has agreed to it and it is still wanted.
async fn heard(shop: &Shop, gateway: &dyn Gateway, payment: &Payment, report: Report) -> Result<(), JobError> {
    let agreed = report.outcome == Outcome::Approved;
    let now = write_down(shop, payment, report).await?;
    let Some(payment) = now.filter(|payment| agreed && payment.status.is_open()) else { return Ok(()) };
    match gateway.capture(&payment).await {
        Ok(report) => write_down(shop, &payment, report).await.map(drop),
        Err(Trouble::Refused(why)) => {
            tracing::error!(payment = %payment.id, why, "the provider refuses to capture a payment");
            refuse(shop, payment.id).await
        }
        Err(trouble @ Trouble::Failed(_)) => {
            renew_key(shop, &payment).await?; // it may be repeated under its key; a capture happens once under any
            Err(trouble.into())
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// # Errors
/// When the provider speaks of other money than we do: then nothing is believed.
pub(super) async fn write_down(shop: &Shop, payment: &Payment, report: Report) -> Result<Option<Payment>, JobError> {
    if let Some(difference) = reconciliation::other_money(payment, &report) {
        return Err(JobError::Retry(difference));
    }
    let mut tx = shop.db.write().await?;
    let stands = super::record(&mut tx, payment.id, report, shop.now()).await?;
    tx.commit().await?;
    Ok(stands)
}

async fn refuse(shop: &Shop, payment: PaymentId) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    super::refuse(&mut tx, payment, "provider_refused", "The provider refused the payment.", shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Tells the provider that the money is not wanted any more, or hears that it was taken already.
#[derive(Serialize, Deserialize)]
pub struct Cancel {
    pub payment: PaymentId,
}

impl Job for Cancel {
    const NAME: &'static str = "payments.cancel";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let payment = find(shop, self.payment).await?;
        if !matches!(payment.status, Status::Cancelled | Status::Failed) {
            return Ok(());
        }
        match gateway(shop, &payment)?.cancel(&payment).await? {
            Some(report) => write_down(shop, &payment, report).await.map(drop),
            None => Ok(()),
        }
    }
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
        if let Some(payment) = subject(shop, &webhook).await? {
            look_up(shop, &payment).await?;
        }
        let mut tx = shop.db.write().await?;
        store::mark_webhook_processed(&mut tx, self.webhook, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// The payment an event is about, if it is ours. It may have come before the provider's id of the payment was written
/// down; then the event's is as good.
async fn subject(shop: &Shop, webhook: &store::Webhook) -> Result<Option<Payment>, JobError> {
    let gateway = shop.gateways.of(webhook.provider).ok_or_else(|| no_keys(webhook.provider))?;
    let event = serde_json::from_str(&webhook.body).unwrap_or_default();
    let Some(subject) = gateway.subject(&event) else { return Ok(None) };
    let mut tx = shop.db.read().await?;
    let mut id = subject.payment;
    if let (None, Some(transaction)) = (id, &subject.transaction) {
        id = store::find_by_transaction(&mut tx, webhook.provider, transaction).await?;
    }
    if let (None, Some(capture)) = (id, &subject.capture) {
        id = store::find_by_capture(&mut tx, webhook.provider, capture).await?;
    }
    let Some(id) = id else { return Ok(None) };
    let payment = store::find(&mut tx, id).await?.filter(|payment| payment.provider == webhook.provider);
    Ok(payment.map(|payment| Payment { transaction_id: payment.transaction_id.or(subject.transaction), ..payment }))
}

/// Asks how a payment stands, and its refunds that are under way.
async fn look_up(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let gateway = gateway(shop, payment)?;
    if let Some(report) = gateway.look_up(payment).await? {
        heard(shop, gateway, payment, report).await?;
    }
    let payment = find(shop, payment.id).await?;
    let refunds = store::refunds_of(&mut shop.db.read().await?, payment.id).await?;
    for refund in refunds.iter().filter(|refund| refund.is_open() && refund.first_call_at.is_some()) {
        look_up_refund(shop, gateway, &payment, refund).await?;
    }
    Ok(())
}

async fn look_up_refund(
    shop: &Shop,
    gateway: &dyn Gateway,
    payment: &Payment,
    refund: &Refund,
) -> Result<bool, JobError> {
    let Some(report) = gateway.look_up_refund(payment, refund).await? else { return Ok(false) };
    let mut tx = shop.db.write().await?;
    refunds::record(&mut tx, refund.id, report, shop.now()).await?;
    tx.commit().await?;
    Ok(true)
}

/// Asks about payments and refunds that nobody has heard the end of.
#[derive(Default, Serialize, Deserialize)]
pub struct CheckHanging {}

impl Job for CheckHanging {
    const NAME: &'static str = "payments.check_hanging";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let (now, patience) = (shop.now(), shop.settings.payment_check_after);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut tx = shop.db.read().await?;
            let hanging =
                store::to_ask(&mut tx, now - patience, now - LATE, now - patience.min(CHECK_EVERY / 2)).await?;
            let refunds = store::refunds_to_ask(&mut tx, now - patience).await?;
            drop(tx);
            if hanging.is_empty() && refunds.is_empty() {
                break;
            }
            for some in hanging.chunks(8) {
                try_join_all(some.iter().map(|payment| ask_about(shop, payment))).await?;
            }
            for some in refunds.chunks(8) {
                try_join_all(some.iter().map(|refund| ask_about_refund(shop, refund))).await?;
            }
        }
        Ok(())
    }
}

/// One that cannot be asked about must not keep the others waiting.
async fn ask_about(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_asked(&mut tx, payment.id, shop.now()).await?;
    tx.commit().await?;
    if let Err(error) = look_up(shop, payment).await {
        tracing::warn!(payment = %payment.id, %error, "cannot learn how a payment stands");
    }
    Ok(())
}

async fn ask_about_refund(shop: &Shop, refund: &Refund) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_refund_asked(&mut tx, refund.id, shop.now()).await?;
    tx.commit().await?;
    let asked = async {
        let payment = find(shop, refund.payment_id).await?;
        look_up_refund(shop, gateway(shop, &payment)?, &payment, refund).await
    };
    if let Err(error) = asked.await {
        tracing::warn!(refund = %refund.id, %error, "cannot learn how a refund stands");
    }
    Ok(())
}

/// Sends money back.
#[derive(Serialize, Deserialize)]
pub struct SendRefund {
    pub refund: RefundId,
}

impl Job for SendRefund {
    const NAME: &'static str = "payments.refund";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let refund = store::find_refund(&mut shop.db.read().await?, self.refund).await?;
        let refund = refund.ok_or_else(|| JobError::GiveUp(format!("there is no refund {}", self.refund)))?;
        let payment = find(shop, refund.payment_id).await?;
        let gateway = gateway(shop, &payment)?;
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        let wanted = store::mark_first_refund_call(&mut tx, refund.id, now).await? == 1;
        tx.commit().await?;
        if !wanted {
            return Ok(());
        }
        if refund.first_call_at.is_some_and(|first| now.since(first) >= gateway.key_life()) {
            return look_before_refunding_again(shop, gateway, &payment, &refund).await;
        }
        match gateway.refund(&payment, &refund).await {
            Ok(report) => {
                let mut tx = shop.db.write().await?;
                refunds::record(&mut tx, refund.id, report, shop.now()).await?;
                Ok(tx.commit().await?)
            }
            Err(Trouble::Failed(why)) => look_before_refunding_again(shop, gateway, &payment, &refund)
                .await
                .map_err(|_| JobError::Retry(Trouble::Failed(why).to_string())),
            Err(Trouble::Refused(why)) => refund_refused(shop, &payment, &refund, why).await,
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// As [`look_before_sending_again`].
async fn look_before_refunding_again(
    shop: &Shop,
    gateway: &dyn Gateway,
    payment: &Payment,
    refund: &Refund,
) -> Result<(), JobError> {
    if look_up_refund(shop, gateway, payment, refund).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    store::renew_refund_key(&mut tx, refund).await?;
    tx.commit().await?;
    Err(JobError::Retry("the provider does not know the refund; it is sent again under a new key".to_owned()))
}

/// Perhaps it went back at the provider, without us: then that is how the payment stands.
async fn refund_refused(shop: &Shop, payment: &Payment, refund: &Refund, why: String) -> Result<(), JobError> {
    let failed = refunds::failed(format!("The provider refused it ({why})."));
    let mut tx = shop.db.write().await?;
    refunds::record(&mut tx, refund.id, failed, shop.now()).await?;
    tx.commit().await?;
    look_up(shop, payment).await
}

/// Compares our books with the providers'.
#[derive(Default, Serialize, Deserialize)]
pub struct Reconcile {}

impl Job for Reconcile {
    const NAME: &'static str = "payments.reconcile";
    const QUEUE: Queue = Queue::Payment;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        reconciliation::compare(shop, PATIENCE).await
    }
}

async fn find(shop: &Shop, id: PaymentId) -> Result<Payment, JobError> {
    let found: db::Result<Option<Payment>> = store::find(&mut shop.db.read().await?, id).await;
    found?.ok_or_else(|| JobError::GiveUp(format!("there is no payment {id}")))
}

fn gateway<'shop>(shop: &'shop Shop, payment: &Payment) -> Result<&'shop dyn Gateway, JobError> {
    shop.gateways.of(payment.provider).ok_or_else(|| no_keys(payment.provider))
}

fn no_keys(provider: super::Provider) -> JobError {
    JobError::Retry(format!("this worker has no keys of {}", provider.in_words()))
}
