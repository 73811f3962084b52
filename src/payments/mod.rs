//! Paying for orders.
//!
//! A payment is a row that only moves forward. Asking for one writes the row and its job; the job asks the provider with
//! an idempotency key that was stored before the first call. What the provider says, in its answer, in a webhook, or when
//! a scheduled job asks, comes to [`record`], which locks the order and the payment: in any order, twice or never, the
//! same row moves forward once.
//!
//! What was received is recorded, whatever was asked for; only all of it pays. Money that an order cannot take, because it was
//! cancelled or is paid already, or because it is less or more than its total, is sent back by a job; it is never kept in
//! silence.

pub mod admin_api;
pub mod api;
mod attempts;
mod calls;
mod cash;
pub mod gateway;
pub mod jobs;
mod paypal;
pub mod problems;
mod processing;
mod razorpay;
pub mod reconciliation;
pub mod refunds;
pub mod settings;
mod standing;
mod store;
mod stripe;
mod unsent;
pub mod view;
pub mod webhooks;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
    jobs::Job,
    money::{Currency, Money},
    text_enum,
};

use self::{
    gateway::{Gateways, Report},
    refunds::Reason,
};
pub use self::{standing::Standing, store::of_order};
use crate::{
    orders::{self, Order, OrderStatus, PaymentStatus, events},
    shop::{
        Provider, Shop,
        ids::{OrderId, PaymentId},
    },
};

text_enum! {
    /// `queued → processing → requires_action → captured`, or `failed`, `cancelled`; after that `partially_refunded`,
    /// `refunded`. It only moves forward.
    #[oai(rename = "PaymentProgress")]
    pub enum Status {
        Queued = "queued", Processing = "processing", RequiresAction = "requires_action", Captured = "captured",
        Failed = "failed", Cancelled = "cancelled", PartiallyRefunded = "partially_refunded", Refunded = "refunded",
    }
}

impl Status {
    /// Whether the provider may still take the money.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Processing | Self::RequiresAction)
    }

    /// Whether the money was taken at some time.
    #[must_use]
    pub fn is_captured(self) -> bool {
        matches!(self, Self::Captured | Self::PartiallyRefunded | Self::Refunded)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Payment {
    pub id: PaymentId,
    pub order_id: OrderId,
    pub provider: Provider,
    pub status: Status,
    pub amount: Money,
    /// How much the provider received, which may not be what was asked for.
    pub captured: Money,
    /// How much of that has gone back.
    pub refunded: Money,
    pub currency: Currency,
    pub payment_method: Option<String>,
    /// The idempotency key of the provider's call; stored before the first one.
    pub provider_key: String,
    /// When the key was first used.
    pub first_call_at: Option<Timestamp>,
    pub transaction_id: Option<String>,
    pub client_secret: Option<String>,
    /// Where the buyer agrees.
    pub approval_url: Option<String>,
    /// What the provider refunds.
    pub capture_id: Option<String>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    /// Since when the provider, which has accepted it, is processing it.
    pub processing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Payment {
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing { status: self.status, captured: self.captured, refunded: self.refunded }
    }

    /// Whether the provider may know of it.
    fn was_called(&self) -> bool {
        self.first_call_at.is_some() || self.transaction_id.is_some() || !self.provider_key.ends_with("-1")
    }

    /// Whether a report names an id or an address that was not known before.
    fn learns_from(&self, report: &Report) -> bool {
        let known = [&self.transaction_id, &self.client_secret, &self.approval_url, &self.capture_id];
        let told = [&report.transaction_id, &report.client_secret, &report.approval_url, &report.capture_id];
        known.iter().zip(told).any(|(known, told)| known.is_none() && told.is_some())
    }
}

/// What a provider says became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of an online provider: it has accepted the payment, and takes its time.
    Processing,
    /// The buyer has to do something in their browser.
    RequiresAction,
    /// The buyer has agreed; the shop is to take the money.
    Approved,
    /// The provider has the money ready and is processing the payment; what it does not capture itself, the shop does.
    Authorized,
    /// So much was received. It may be less than was asked for, or more.
    Captured(Money),
    Failed {
        code: String,
        message: String,
    },
    Cancelled,
}

impl Outcome {
    /// Whether the provider may still take the money.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Processing | Self::RequiresAction | Self::Approved | Self::Authorized)
    }

    /// What was received, if anything was.
    #[must_use]
    pub fn received(&self) -> Option<Money> {
        match self {
            Self::Captured(received) => Some(*received),
            _ => None,
        }
    }

    /// Why a payment does not pay, as a code and in words.
    fn failure(&self, payment: &Payment) -> Option<(String, String)> {
        match self {
            Self::Failed { code, message } => Some((code.clone(), message.clone())),
            Self::Captured(received) if *received < payment.amount => {
                let amount = |money| payment.currency.format(money);
                let (came, asked, currency) = (amount(*received), amount(payment.amount), payment.currency);
                let message = format!("{came} of {asked} {currency} were received. The money goes back.");
                Some(("underpaid".to_owned(), message))
            }
            _ => None,
        }
    }
}

/// Asks for an order to be paid.
///
/// # Errors
/// 422 without the provider's keys; 409 when the order is cancelled, paid, or being paid; 429 while it has to wait because
/// too many payments of it were declined.
pub async fn begin(
    tx: &mut Tx,
    shop: &Shop,
    order: &Order,
    provider: Provider,
    method: Option<String>,
    now: Timestamp,
) -> ApiResult<Payment> {
    require_configured(shop, provider)?;
    if order.status == OrderStatus::Cancelled {
        return Err(orders::problems::ORDER_CANCELLED.problem("This order is cancelled. Place a new one."));
    }
    if order.payment_status.is_settled() {
        return Err(problems::ALREADY_PAID.problem("This order is paid."));
    }
    let earlier = store::of_order(tx, order.id).await?;
    if earlier.iter().any(Payment::holds_its_order) {
        return Err(payment_in_progress());
    }
    attempts::require_patience(&earlier, provider, now)?;
    let id = PaymentId::random();
    let payment = store::insert(tx, id, order, provider, method, now)
        .await
        .map_err(|error| if db::is_taken(&error) { payment_in_progress() } else { error.into() })?;
    orders::set_payment_status(tx, order.id, PaymentStatus::Processing, now).await?;
    if provider.is_online() {
        orders::hold(tx, order.id, now + shop.part::<orders::Settings>().reservation_ttl).await?;
    }
    jobs::Pay { payment: id }.enqueue_once(tx, unsent::key(id), now).await?;
    withdraw_failed(tx, order, now).await?;
    tell(tx, payment.clone(), now).await?;
    orders::tell_if_changed::<db::Error>(tx, order.clone(), now).await?;
    Ok(payment)
}

/// A buyer who tries again must not pay by the earlier try, in the tab that is still open, as well.
async fn withdraw_failed(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for failed in store::of_order(tx, order.id).await? {
        if failed.status == Status::Failed && failed.transaction_id.is_some() {
            jobs::Cancel { payment: failed.id }.enqueue(tx, now).await?;
        }
    }
    Ok(())
}

/// # Errors
/// 422 when the shop has no keys of this provider.
pub fn require_configured(shop: &Shop, provider: Provider) -> ApiResult<()> {
    if shop.part::<Gateways>().of(provider).is_some() {
        return Ok(());
    }
    let detail = format!("This shop takes no payments by {}. Choose another provider.", provider.in_words());
    Err(problems::PROVIDER_NOT_CONFIGURED.problem(detail))
}

fn payment_in_progress() -> Problem {
    problems::PAYMENT_IN_PROGRESS.problem("This order is being paid. Look at its payments.")
}

/// Writes down what a provider says, once, whatever came before it. How the payment is then.
pub async fn record(
    tx: &mut Tx,
    shop: &Shop,
    id: PaymentId,
    mut report: Report,
    now: Timestamp,
) -> db::Result<Option<Payment>> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(None) };
    if !payment.status.is_open() {
        (report.client_secret, report.approval_url) = (None, None); // nobody is to pay by them any more
    }
    if payment.learns_from(&report) {
        store::learn(tx, id, &report, now).await?;
    }
    processing::note(tx, shop, &order, &payment, &report.outcome, now).await?;
    let gone = refunds::take_note(tx, &payment, &report.refunds, now).await?;
    let standing = payment.standing().after(payment.amount, &report.outcome).given_back(gone);
    let failure = report.outcome.failure(&payment);
    move_on(tx, order, payment, standing, failure, now).await?;
    store::find(tx, id).await
}

/// Ends a payment that the provider does not even take up.
pub async fn refuse(tx: &mut Tx, id: PaymentId, code: &str, message: &str, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    let failure = Some((code.to_owned(), message.to_owned()));
    let outcome = Outcome::Failed { code: code.to_owned(), message: message.to_owned() };
    let standing = payment.standing().after(payment.amount, &outcome);
    move_on(tx, order, payment, standing, failure, now).await
}

/// The order first, then the payment, as everybody does, so that nobody waits in a circle.
async fn lock(tx: &mut Tx, id: PaymentId) -> db::Result<Option<(Order, Payment)>> {
    let Some(payment) = store::find(tx, id).await? else { return Ok(None) };
    let Some(order) = orders::lock(tx, payment.order_id).await? else { return Ok(None) };
    Ok(store::lock(tx, id).await?.map(|payment| (order, payment)))
}

/// Moves a payment on, with what that means for its order, and tells who follows it.
async fn move_on(
    tx: &mut Tx,
    order: Order,
    payment: Payment,
    to: Standing,
    failure: Option<(String, String)>,
    now: Timestamp,
) -> db::Result<()> {
    let from = payment.standing();
    if to != from {
        let failure = failure.filter(|_| to.status == Status::Failed);
        if let Some((code, _)) = failure.as_ref().filter(|_| from.status != Status::Failed) {
            attempts::count_failed(payment.provider, code);
        }
        store::set_standing(tx, payment.id, to, failure, now).await?;
        what_follows(tx, &order, &payment, to, now).await?;
    }
    tell_if_changed(tx, order, payment, now).await
}

async fn what_follows(tx: &mut Tx, order: &Order, payment: &Payment, to: Standing, now: Timestamp) -> db::Result<()> {
    if to.captured > payment.captured || (to.status.is_captured() && !payment.status.is_captured()) {
        received(tx, order, payment, to, now).await?;
    }
    match to.status {
        known if known == payment.status => Ok(()),
        Status::Processing if !payment.provider.is_online() => promised(tx, order, now).await,
        Status::Failed | Status::Cancelled => unpaid_after_all(tx, order, payment, now).await,
        Status::Refunded => gone_back(tx, order, payment, now).await,
        _ => Ok(()),
    }
}

/// Cash will be paid at the door, or was, if the parcel has been handed over.
async fn promised(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    match order.status {
        OrderStatus::Delivered => order_delivered(tx, order, now).await,
        _ => orders::confirm(tx, order, now).await,
    }
}

/// What becomes of money that came: an order that waits for its total takes that, and whatever it does not take goes back.
async fn received(tx: &mut Tx, order: &Order, before: &Payment, to: Standing, now: Timestamp) -> db::Result<()> {
    let payment = Payment { captured: to.captured, refunded: to.refunded, status: to.status, ..before.clone() };
    let waits = order.status != OrderStatus::Cancelled && !order.payment_status.is_settled();
    let (keeps, why) = match () {
        () if before.captured > Money(0) => (before.captured, Reason::Overpaid), // still more, of which nobody waits
        () if !to.status.is_captured() => (Money(0), Reason::Underpaid),
        () if waits => (payment.amount, Reason::Overpaid),
        () => (Money(0), Reason::LateMoney),
    };
    if keeps != to.captured {
        tracing::warn!(
            payment = %payment.id, order = %order.id, asked = payment.amount.0, received = to.captured.0, %why,
            "money arrived that the order cannot take; it goes back"
        );
    }
    if waits && keeps == payment.amount {
        pay(tx, order, now).await?;
    }
    refunds::give_back_all_but(tx, &payment, keeps, why, now).await
}

/// The order has its money.
async fn pay(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    orders::set_payment_status(tx, order.id, PaymentStatus::Paid, now).await?;
    orders::confirm(tx, order, now).await?;
    for other in store::lock_of_order(tx, order.id).await? {
        end(tx, other, now).await?; // an earlier try came through: nobody is to pay by this one as well
    }
    Ok(())
}

/// Ends a payment that is open, here and at the provider. Whether it was.
async fn end(tx: &mut Tx, payment: Payment, now: Timestamp) -> db::Result<bool> {
    if !payment.status.is_open() {
        return Ok(false);
    }
    let standing = payment.standing().after(payment.amount, &Outcome::Cancelled);
    store::set_standing(tx, payment.id, standing, None, now).await?;
    if payment.provider.is_online() && payment.was_called() {
        jobs::Cancel { payment: payment.id }.enqueue(tx, now).await?;
    }
    tell_payment_if_changed(tx, payment, now).await?;
    Ok(true)
}

/// Ends an online payment that takes too long, of an order that does not wait for money and so never expires.
pub async fn abandon(tx: &mut Tx, shop: &Shop, id: PaymentId, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    if order.status == OrderStatus::Pending || !payment.takes_too_long(shop, now) {
        return Ok(());
    }
    end(tx, payment.clone(), now).await?;
    unpaid_after_all(tx, &order, &payment, now).await?;
    orders::tell_if_changed(tx, order, now).await
}

/// A payment of its own for what the provider made a second time for `payment`: one that ended.
pub async fn adopt(tx: &mut Tx, payment: &Payment, transaction: &str, now: Timestamp) -> db::Result<Payment> {
    let id = PaymentId::random();
    if store::insert_stray(tx, id, payment, transaction, now).await? == 1 {
        jobs::Cancel { payment: id }.enqueue(tx, now).await?;
    }
    let known = store::find_by_transaction(tx, payment.provider, transaction).await?.unwrap_or(id);
    let adopted = store::find(tx, known).await?.ok_or(db::Error::RowNotFound)?;
    tell(tx, adopted.clone(), now).await?;
    Ok(adopted)
}

/// A payment ended without money. The order has failed to be paid, unless another payment of it goes on.
async fn unpaid_after_all(tx: &mut Tx, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    let goes_on = |other: &Payment| other.id != payment.id && (other.status.is_open() || other.holds_its_order());
    if order.payment_status != PaymentStatus::Processing || store::of_order(tx, order.id).await?.iter().any(goes_on) {
        return Ok(());
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Failed, now).await.map(drop)
}

/// All the money of a payment is back with the buyer. What was not sent yet is not sent any more.
async fn gone_back(tx: &mut Tx, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    let others = store::of_order(tx, order.id)
        .await?
        .into_iter()
        .any(|other| other.id != payment.id && matches!(other.status, Status::Captured | Status::PartiallyRefunded));
    if others {
        return Ok(()); // it stays paid, by another payment
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Refunded, now).await?;
    orders::jobs::CancelRefunded { order: order.id }.enqueue(tx, now).await
}

/// Tells who follows the order what became of it and of the payment since they were locked.
async fn tell_if_changed(tx: &mut Tx, order: Order, payment: Payment, now: Timestamp) -> db::Result<()> {
    tell_payment_if_changed(tx, payment, now).await?;
    orders::tell_if_changed(tx, order, now).await.map(drop)
}

/// Tells who follows the order of a payment how that stands now. The order is locked.
async fn tell(tx: &mut Tx, payment: Payment, now: Timestamp) -> db::Result<()> {
    events::payment_changed(tx, payment.order_id, view::event(payment), now).await
}

/// The payments of an order, each as its followers see it.
pub async fn told(tx: &mut Tx, order: OrderId) -> db::Result<Vec<String>> {
    Ok(store::of_order(tx, order).await?.into_iter().map(view::event).collect())
}

async fn tell_payment_if_changed(tx: &mut Tx, before: Payment, now: Timestamp) -> db::Result<()> {
    match store::find(tx, before.id).await?.filter(|payment| *payment != before) {
        Some(payment) => tell(tx, payment, now).await,
        None => Ok(()),
    }
}

/// The parcel was handed over: cash that was to be paid at the door has been. The order's events are the caller's.
pub async fn order_delivered(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::of_order(tx, order.id).await? {
        if payment.provider == Provider::CashOnDelivery && payment.status.is_open() {
            let standing = payment.standing().after(payment.amount, &Outcome::Captured(payment.amount));
            store::set_standing(tx, payment.id, standing, None, now).await?;
            received(tx, order, &payment, standing, now).await?;
            tell_payment_if_changed(tx, payment, now).await?;
        }
    }
    Ok(())
}

/// What becomes of the payments of an order that was just cancelled: open ones end, here and at the provider, and captured
/// ones go back. The order's events are the caller's.
pub async fn order_cancelled(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::lock_of_order(tx, order.id).await? {
        if payment.captured > Money(0) {
            refunds::give_back_all_but(tx, &payment, Money(0), Reason::OrderCancelled, now).await?;
        } else if end(tx, payment, now).await? && !order.payment_status.is_settled() {
            orders::set_payment_status(tx, order.id, PaymentStatus::Unpaid, now).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
impl Payment {
    /// One of 12.00 USD that has just been asked for.
    fn example(provider: Provider) -> Self {
        let id = PaymentId::random();
        Self {
            id,
            order_id: OrderId(7),
            provider,
            status: Status::Queued,
            amount: Money(12_00),
            captured: Money(0),
            refunded: Money(0),
            currency: "USD".parse().expect("a currency"),
            payment_method: None,
            provider_key: format!("{id}-1"),
            first_call_at: None,
            transaction_id: None,
            client_secret: None,
            approval_url: None,
            capture_id: None,
            failure_code: None,
            failure_message: None,
            processing_since: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }
}
