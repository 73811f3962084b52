//! Paying for orders.
//!
//! A payment is a row that only moves forward. Creating one writes the row and its job; the job calls the provider with an
//! idempotency key that was stored before the first call. What the provider says, in its response, in a webhook, or when a
//! scheduled job asks, comes to [`apply_report`], which locks the order and the payment: reports may come in any order,
//! twice or never, and the same row moves forward once.
//!
//! What was received is recorded, whatever the amount; only the full amount pays. Money that an order cannot accept, because
//! it was cancelled or is paid already, or because it is less or more than its total, is refunded by a job; it is never kept
//! silently.

pub mod api;
pub mod attempts;
pub mod inbox;
pub mod jobs;
mod limits;
mod payment;
pub mod problems;
mod processing;
pub mod providers;
pub mod reconciliation;
pub mod refunds;
pub mod settings;
mod state;
mod store;
mod transitions;
mod unsent;
pub mod view;

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    money::{Amount, Money},
};

pub use self::{
    payment::{Failure, Outcome, Payment, Status},
    state::PaymentState,
    store::{find, of_order},
};
use self::{
    providers::{Providers, Report},
    refunds::Reason,
    transitions::{cancel_open, fail_order_payment, lock, publish, publish_payment_if_changed, transition},
};
use crate::{
    orders::{self, Order, OrderStatus, PaymentStatus},
    shop::{
        Provider, Shop,
        ids::{OrderId, PaymentId},
    },
};

/// Why a payment or a refund was not created, or a webhook not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is not available in this shop. Choose another payment method.", .0.display_name())]
    ProviderNotConfigured(Provider),
    #[error("This order is cancelled. Place a new one.")]
    OrderCancelled,
    #[error("This order is already paid.")]
    AlreadyPaid,
    #[error("Another payment for this order is in progress. See its payments.")]
    InProgress,
    #[error("Too many declined payments for this order. Try again in {} seconds.", .wait.as_millis().div_ceil(1000))]
    TooManyDeclined { wait: Duration },
    #[error("This payment does not exist.")]
    NotFound,
    #[error("This payment is {0}; there is nothing to refund.")]
    NotCaptured(Status),
    #[error("This payment is already fully refunded, or its refunds are in progress.")]
    AlreadyRefunded,
    #[error("At most {left} of this payment can be refunded.")]
    RefundExceedsPayment { left: Amount },
    #[error("This webhook does not exist.")]
    WebhookNotFound,
    #[error("The id or the type of the event contains NUL, which is not allowed.")]
    MalformedWebhook,
    #[error(transparent)]
    Database(#[from] db::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Creates a payment for an order.
///
/// # Errors
/// When the provider's keys are not set; when the order is cancelled, paid, or being paid; while it has to wait because too
/// many payments of it were declined.
pub async fn create(
    tx: &mut Tx,
    shop: &Shop,
    order: &Order,
    provider: Provider,
    method: Option<String>,
    now: Timestamp,
) -> Result<Payment> {
    require_configured(shop, provider)?;
    if order.status == OrderStatus::Cancelled {
        return Err(Error::OrderCancelled);
    }
    if order.payment_status.is_settled() {
        return Err(Error::AlreadyPaid);
    }
    let earlier = store::of_order(tx, order.id).await?;
    if earlier.iter().any(Payment::holds_its_order) {
        return Err(Error::InProgress);
    }
    attempts::require_no_wait(&earlier, provider, now)?;
    let id = PaymentId::random();
    let payment = store::insert(tx, id, order, provider, method, now)
        .await
        .map_err(|error| if db::is_unique_violation(&error) { Error::InProgress } else { error.into() })?;
    orders::set_payment_status(tx, order.id, PaymentStatus::Processing, now).await?;
    if provider.is_online() {
        orders::start_reservation(tx, order.id, now + shop.get::<orders::Settings>().reservation_ttl).await?;
    }
    jobs::Pay { payment: id }.enqueue_once(tx, unsent::key(id), now).await?;
    cancel_failed(tx, order, now).await?;
    publish_new(tx, order.clone(), payment.clone(), now).await?;
    Ok(payment)
}

/// A buyer who tries again must not pay the earlier attempt as well, in a tab that is still open.
async fn cancel_failed(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for failed in store::of_order(tx, order.id).await? {
        if failed.status == Status::Failed && failed.transaction_id.is_some() {
            jobs::Cancel { payment: failed.id }.enqueue(tx, now).await?;
        }
    }
    Ok(())
}

async fn publish_new(tx: &mut Tx, order: Order, payment: Payment, now: Timestamp) -> db::Result<()> {
    publish(tx, payment, now).await?;
    orders::publish_if_changed(tx, order, now).await.map(drop)
}

/// # Errors
/// When the shop has no keys of this provider.
pub fn require_configured(shop: &Shop, provider: Provider) -> Result<()> {
    match shop.get::<Providers>().get(provider) {
        Some(_) => Ok(()),
        None => Err(Error::ProviderNotConfigured(provider)),
    }
}

/// Applies what a provider says, once, whatever came before it. The payment as it is then.
///
/// # Errors
/// When another payment has the reported transaction; otherwise as for [`refunds::apply_reports`].
pub async fn apply_report(
    tx: &mut Tx,
    shop: &Shop,
    id: PaymentId,
    mut report: Report,
    now: Timestamp,
) -> db::Result<Option<Payment>> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(None) };
    if !payment.status.is_open() {
        (report.client_secret, report.approval_url) = (None, None); // it must not be paid any more
    }
    if payment.learns_from(&report) {
        store::set_references(tx, id, &report, now).await?;
    }
    processing::update(tx, shop, &order, &payment, &report.outcome, now).await?;
    let refunded = refunds::apply_reports(tx, &payment, &report.refunds, now).await?;
    let state = payment.state().after(payment.amount, &report.outcome).with_refunded(refunded);
    let failure = report.outcome.failure(&payment);
    transition(tx, order, payment, state, failure, now).await?;
    store::find(tx, id).await
}

/// Ends a payment that the provider does not even accept.
///
/// # Errors
/// When the database is unavailable.
pub async fn fail(tx: &mut Tx, id: PaymentId, code: &str, message: &str, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    let outcome = Outcome::Failed { code: code.to_owned(), message: message.to_owned() };
    let state = payment.state().after(payment.amount, &outcome);
    let failure = outcome.failure(&payment);
    transition(tx, order, payment, state, failure, now).await
}

/// Cancels an online payment that takes too long, of an order that does not wait for money and so never expires.
///
/// # Errors
/// When the database is unavailable.
pub async fn abandon(tx: &mut Tx, shop: &Shop, id: PaymentId, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    if order.status == OrderStatus::Pending || !payment.takes_too_long(shop, now) {
        return Ok(());
    }
    cancel_open(tx, payment.clone(), now).await?;
    fail_order_payment(tx, &order, &payment, now).await?;
    orders::publish_if_changed(tx, order, now).await.map(drop)
}

/// Gives a second transaction, which the provider has of `payment`, a cancelled payment of its own.
///
/// # Errors
/// When the database is unavailable.
pub async fn adopt_duplicate(tx: &mut Tx, payment: &Payment, transaction: &str, now: Timestamp) -> db::Result<Payment> {
    let id = PaymentId::random();
    if store::insert_duplicate(tx, id, payment, transaction, now).await? == 1 {
        jobs::Cancel { payment: id }.enqueue(tx, now).await?;
    }
    let known = store::find_by_transaction(tx, payment.provider, transaction).await?.unwrap_or(id);
    let adopted = store::find(tx, known).await?.ok_or(db::Error::RowNotFound)?;
    publish(tx, adopted.clone(), now).await?;
    Ok(adopted)
}

/// The payments of an order, each as its subscribers see it.
///
/// # Errors
/// When the database is unavailable.
pub async fn snapshots(tx: &mut Tx, order: OrderId) -> db::Result<Vec<String>> {
    Ok(store::of_order(tx, order).await?.into_iter().map(view::snapshot).collect())
}

/// The parcel was handed over: cash that was to be paid at the door is captured. The caller publishes the order.
///
/// # Errors
/// When the database is unavailable.
pub async fn order_delivered(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::of_order(tx, order.id).await? {
        if payment.provider == Provider::CashOnDelivery && payment.status.is_open() {
            let state = payment.state().after(payment.amount, &Outcome::Captured(payment.amount));
            store::set_state(tx, payment.id, state, None, now).await?;
            transitions::money_received(tx, order, &payment, state, now).await?;
            publish_payment_if_changed(tx, payment, now).await?;
        }
    }
    Ok(())
}

/// An order was cancelled: its open payments are cancelled, here and at the provider, and captured ones are refunded. The
/// caller publishes the order.
///
/// # Errors
/// When the database is unavailable.
pub async fn order_cancelled(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::lock_of_order(tx, order.id).await? {
        if payment.captured > Money(0) {
            refunds::refund_all_but(tx, &payment, Money(0), Reason::OrderCancelled, now).await?;
        } else if cancel_open(tx, payment, now).await? && !order.payment_status.is_settled() {
            orders::set_payment_status(tx, order.id, PaymentStatus::Unpaid, now).await?;
        }
    }
    Ok(())
}
