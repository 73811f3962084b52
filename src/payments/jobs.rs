//! The payment worker's jobs. Each asks outside of any transaction, then writes down the answer.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::{Job, JobError},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    Outcome, Payment, Status,
    gateway::{Gateway, Gateways, RefundReport, Report, Subject, Trouble},
    processing, reconciliation,
    refunds::{self, Refund, RefundStatus},
    settings::Settings,
    store, unsent,
};
use crate::{
    orders,
    shop::{
        Provider, Queue, Shop,
        ids::{PaymentId, RefundId, WebhookId},
    },
};

/// How often payments that hang are looked for.
pub const CHECK_EVERY: Duration = Duration::from_mins(1);
/// How often our books are compared with the providers'.
pub const RECONCILE_EVERY: Duration = Duration::from_mins(10);
/// How long a payment that ended without money is still asked about.
const LATE: Duration = Duration::from_hours(1);
/// How long after the first try a failure on the provider's side is final: until then the same key is sent again, because
/// what it asked for may still come to light.
const SETTLED: Duration = Duration::from_mins(2);
/// How long one question may take.
pub(super) const ONE_QUESTION: Duration = Duration::from_secs(15);
/// How long after it was asked for a refund whose job was lost or given up is sent again.
const FORGOTTEN: Duration = Duration::from_hours(1);
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
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

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
        let tried_for = payment.first_call_at.map(|first| now.since(first));
        if tried_for.is_some_and(|tried| tried >= gateway.key_life()) {
            // The provider may have forgotten the key: sending again could charge twice.
            return look_before_sending_again(shop, gateway, &payment).await;
        }
        match gateway.create(&payment).await {
            Ok(report) => heard(shop, gateway, &payment, report).await,
            Err(Trouble::Failed(_)) if tried_for.is_some_and(|tried| tried >= SETTLED) => {
                look_before_sending_again(shop, gateway, &payment).await
            }
            Err(Trouble::Refused(why)) => refused(shop, gateway, &payment, &why).await,
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

/// Ends a payment that the provider does not take, unless an earlier try of it has come through.
async fn refused(shop: &Shop, gateway: &dyn Gateway, payment: &Payment, why: &str) -> Result<(), JobError> {
    if payment.was_called()
        && let Some(report) = gateway.look_up(payment).await?
    {
        return heard(shop, gateway, payment, report).await;
    }
    tracing::error!(payment = %payment.id, why, "the provider refuses a payment");
    refuse(shop, payment.id).await
}

async fn renew_key(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::renew_key(&mut tx, payment).await?;
    tx.commit().await
}

/// Writes down what a provider says, and takes the money if the buyer has agreed to it and it is still wanted.
pub(super) async fn heard(
    shop: &Shop,
    gateway: &dyn Gateway,
    payment: &Payment,
    report: Report,
) -> Result<(), JobError> {
    let (outcome, still_open) = (report.outcome.clone(), report.outcome.is_open());
    let was_open = payment.status.is_open();
    let Some(payment) = write_down(shop, payment, report).await? else { return Ok(()) };
    if !payment.status.is_open() && was_open && still_open {
        return withdraw(shop, payment.id).await; // it ended here while the provider was being asked
    }
    if !is_to_be_captured(&payment, &outcome, shop.now()) {
        return Ok(());
    }
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

/// Whether the shop is to take the money: of what the buyer has agreed to, and of what the provider has ready and would have
/// captured itself by now.
fn is_to_be_captured(payment: &Payment, outcome: &Outcome, now: Timestamp) -> bool {
    let waits_since = payment.processing_since.map(|since| now.since(since));
    match outcome {
        Outcome::Approved => payment.status.is_open(),
        Outcome::Authorized => {
            payment.status.is_open() && waits_since.is_some_and(|waits| waits >= processing::CAPTURED_BY_ITSELF)
        }
        _ => false,
    }
}

async fn withdraw(shop: &Shop, payment: PaymentId) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    Cancel { payment }.enqueue(&mut tx, shop.now()).await?;
    Ok(tx.commit().await?)
}

/// # Errors
/// When the provider speaks of other money than we do: then nothing is believed.
pub(super) async fn write_down(shop: &Shop, payment: &Payment, report: Report) -> Result<Option<Payment>, JobError> {
    if let Some(difference) = reconciliation::disbelief(shop, payment, &report).await? {
        return Err(JobError::Retry(difference));
    }
    let mut tx = shop.db.write().await?;
    let stands = super::record(&mut tx, shop, payment.id, report, shop.now()).await?;
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
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

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
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

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

/// The payment an event is about, if it is ours.
async fn subject(shop: &Shop, webhook: &store::Webhook) -> Result<Option<Payment>, JobError> {
    let gateway = shop.part::<Gateways>().of(webhook.provider).ok_or_else(|| no_keys(webhook.provider))?;
    let event = serde_json::from_str(&webhook.body).unwrap_or_default();
    let Some(subject) = gateway.subject(&event) else { return Ok(None) };
    let mut tx = shop.db.read().await?;
    let Some(payment) = named_by(&mut tx, webhook.provider, &subject).await? else { return Ok(None) };
    drop(tx);
    match (&payment.transaction_id, subject.transaction) {
        // It came before the provider's id of the payment was written down; then the event's is as good.
        (None, transaction) => Ok(Some(Payment { transaction_id: transaction, ..payment })),
        (Some(known), Some(other)) if *known != other => adopt(shop, &payment, &other).await.map(Some),
        _ => Ok(Some(payment)),
    }
}

async fn named_by(tx: &mut Tx, provider: Provider, subject: &Subject) -> db::Result<Option<Payment>> {
    let mut id = None;
    if let Some(transaction) = &subject.transaction {
        id = store::find_by_transaction(tx, provider, transaction).await?;
    }
    if let (None, Some(capture)) = (id, &subject.capture) {
        id = store::find_by_capture(tx, provider, capture).await?;
    }
    let Some(id) = id.or(subject.payment) else { return Ok(None) };
    Ok(store::find(tx, id).await?.filter(|payment| payment.provider == provider))
}

/// What the provider made a second time for one payment becomes a payment of its own, that ended: so money in it goes back,
/// and what is open of it is withdrawn.
async fn adopt(shop: &Shop, payment: &Payment, transaction: &str) -> Result<Payment, JobError> {
    tracing::error!(payment = %payment.id, transaction, "the provider has a second one of a payment; it ends");
    let mut tx = shop.db.write().await?;
    let adopted = super::adopt(&mut tx, payment, transaction, shop.now()).await?;
    tx.commit().await?;
    Ok(adopted)
}

/// Asks how a payment stands, with each of its refunds.
async fn look_up(shop: &Shop, payment: &Payment) -> Result<(), JobError> {
    let gateway = gateway(shop, payment)?;
    match gateway.look_up(payment).await? {
        Some(report) => heard(shop, gateway, payment, report).await,
        None => Ok(()),
    }
}

/// Asks how a payment stands after one of its refunds was answered: others may have been made at the provider.
#[derive(Serialize, Deserialize)]
pub struct LookUp {
    pub payment: PaymentId,
}

impl Job for LookUp {
    const NAME: &'static str = "payments.look_up";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        look_up(shop, &find(shop, self.payment).await?).await
    }
}

/// Asks about payments and refunds that nobody has heard the end of.
#[derive(Default, Serialize, Deserialize)]
pub struct CheckHanging {}

impl Job for CheckHanging {
    const NAME: &'static str = "payments.check_hanging";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let (now, patience) = (shop.now(), shop.part::<Settings>().check_after);
        let began = Instant::now();
        send_forgotten_refunds(shop).await?;
        unsent::end_them(shop, PATIENCE / 3).await?;
        while began.elapsed() < PATIENCE {
            let mut tx = shop.db.read().await?;
            let refunds = store::refunds_to_ask(&mut tx, now - patience).await?;
            let hanging = store::to_ask(&mut tx, to_ask(shop, now)).await?;
            drop(tx);
            if hanging.is_empty() && refunds.is_empty() {
                break;
            }
            try_join_all(refunds.iter().map(|refund| ask_about_refund(shop, refund))).await?;
            try_join_all(hanging.iter().map(|payment| ask_about(shop, payment))).await?;
        }
        Ok(())
    }
}

fn to_ask(shop: &Shop, now: Timestamp) -> store::Ask {
    let patience = shop.part::<Settings>().check_after;
    store::Ask {
        before: now - patience,
        lately: now - LATE,
        asked_before: now - patience.min(CHECK_EVERY / 2),
        stale_asked_before: now - processing::ASKED_EVERY,
        fresh: now - processing::FRESH,
        processing_since: now - 2 * shop.part::<Settings>().processing_limit,
    }
}

/// Refunds that nobody sends any more: their job was given up while the provider or its keys were away.
async fn send_forgotten_refunds(shop: &Shop) -> Result<(), JobError> {
    let now = shop.now();
    let mut tx = shop.db.write().await?;
    for refund in store::forgotten_refunds(&mut tx, now - FORGOTTEN).await? {
        let hour = now.unix_seconds() / 3_600;
        SendRefund { refund }.enqueue_once(&mut tx, format!("payments.refund:{refund}:{hour}"), now).await?;
    }
    Ok(tx.commit().await?)
}

/// One that cannot be asked about must not keep the others waiting.
async fn ask_about(shop: &Shop, payment: &Payment) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_asked(&mut tx, payment.id, shop.now()).await?;
    tx.commit().await?;
    match timeout(ONE_QUESTION, look_up(shop, payment)).await {
        Ok(Ok(())) => end_if_abandoned(shop, payment).await?,
        Ok(Err(error)) => tracing::warn!(payment = %payment.id, %error, "cannot learn how a payment stands"),
        Err(_) => tracing::warn!(payment = %payment.id, "cannot learn in time how a payment stands"),
    }
    Ok(())
}

/// A buyer who went away from an order that does not expire leaves a payment that would be open for ever, and so may a bank.
async fn end_if_abandoned(shop: &Shop, payment: &Payment) -> db::Result<()> {
    if shop.now().since(payment.created_at) < shop.part::<orders::Settings>().reservation_ttl {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    super::abandon(&mut tx, shop, payment.id, shop.now()).await?;
    tx.commit().await
}

async fn ask_about_refund(shop: &Shop, refund: &Refund) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    store::mark_refund_asked(&mut tx, refund.id, shop.now()).await?;
    tx.commit().await?;
    let asked = async { look_up(shop, &find(shop, refund.payment_id).await?).await };
    match timeout(ONE_QUESTION, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(refund = %refund.id, %error, "cannot learn how a refund stands"),
        Err(_) => tracing::warn!(refund = %refund.id, "cannot learn in time how a refund stands"),
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
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

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
        let tried_for = refund.first_call_at.map(|first| now.since(first));
        if tried_for.is_some_and(|tried| tried >= gateway.key_life()) {
            return look_before_refunding_again(shop, &payment, &refund).await;
        }
        match gateway.refund(&payment, &refund).await {
            Ok(report) => write_down_refund(shop, &payment, &refund, report).await,
            Err(Trouble::Failed(_)) if tried_for.is_some_and(|tried| tried >= SETTLED) => {
                look_before_refunding_again(shop, &payment, &refund).await
            }
            Err(Trouble::Refused(why)) => refund_refused(shop, &payment, &refund, &why).await,
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// As [`look_before_sending_again`].
async fn look_before_refunding_again(shop: &Shop, payment: &Payment, refund: &Refund) -> Result<(), JobError> {
    if was_made(shop, payment, refund).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    store::renew_refund_key(&mut tx, refund).await?;
    tx.commit().await?;
    Err(JobError::Retry("the provider does not know the refund; it is sent again under a new key".to_owned()))
}

/// Ends a refund that the provider does not take, unless an earlier try of it has come through. What went back without us
/// is known by then.
async fn refund_refused(shop: &Shop, payment: &Payment, refund: &Refund, why: &str) -> Result<(), JobError> {
    if was_made(shop, payment, refund).await? {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    refunds::refuse(&mut tx, refund.id, &format!("The provider refused it ({why})."), shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Whether the provider has a refund that was sent without a clear answer. What it says of it is written down.
async fn was_made(shop: &Shop, payment: &Payment, refund: &Refund) -> Result<bool, JobError> {
    look_up(shop, payment).await?;
    let stands = store::find_refund(&mut shop.db.read().await?, refund.id).await?;
    Ok(stands.is_none_or(|stands| stands.status != RefundStatus::Queued))
}

/// # Errors
/// When the provider speaks of other money than we do: then nothing is believed.
async fn write_down_refund(
    shop: &Shop,
    payment: &Payment,
    refund: &Refund,
    report: RefundReport,
) -> Result<(), JobError> {
    if let Some(difference) = reconciliation::other_refund(payment, refund, &report) {
        return Err(JobError::Retry(difference));
    }
    let mut tx = shop.db.write().await?;
    refunds::record(&mut tx, payment.id, report, shop.now()).await?;
    Ok(tx.commit().await?)
}

/// Compares our books with the providers': what has changed or was not compared for long; when an admin asked for it, all
/// that it has not compared since then.
#[derive(Default, Serialize, Deserialize)]
pub struct Reconcile {
    /// In microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<i64>,
}

impl Reconcile {
    #[must_use]
    pub fn asked_for(now: Timestamp) -> Self {
        Self { asked_at: Some(now.micros()) }
    }
}

impl Job for Reconcile {
    const NAME: &'static str = "payments.reconcile";
    const QUEUE: &'static str = Queue::Payment.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let asked_at = self.asked_at.map(Timestamp::from_micros);
        let went_through = reconciliation::compare(shop, PATIENCE, asked_at).await?;
        if asked_at.is_none() || went_through {
            return Ok(());
        }
        let mut tx = shop.db.write().await?;
        self.enqueue(&mut tx, shop.now()).await?; // what is left, behind the jobs that wait
        Ok(tx.commit().await?)
    }
}

async fn find(shop: &Shop, id: PaymentId) -> Result<Payment, JobError> {
    let found: db::Result<Option<Payment>> = store::find(&mut shop.db.read().await?, id).await;
    found?.ok_or_else(|| JobError::GiveUp(format!("there is no payment {id}")))
}

pub(super) fn gateway<'shop>(shop: &'shop Shop, payment: &Payment) -> Result<&'shop dyn Gateway, JobError> {
    shop.part::<Gateways>().of(payment.provider).ok_or_else(|| no_keys(payment.provider))
}

fn no_keys(provider: Provider) -> JobError {
    JobError::Retry(format!("this worker has no keys of {}", provider.in_words()))
}
