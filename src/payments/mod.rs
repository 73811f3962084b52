//! Paying for orders.
//!
//! A payment is a row that only moves forward. Asking for one writes the row and its job; the job asks the provider with
//! an idempotency key that was stored before the first call. What the provider says, in its answer, in a webhook, or when
//! a scheduled job asks, comes to [`record`], which locks the order and the payment: in any order, twice or never, the
//! same row moves forward once.
//!
//! Money that arrives for an order that cannot take it, because it was cancelled or is paid already, is recorded and sent
//! back by a job; it is never kept in silence.

pub mod api;
pub mod jobs;
pub mod store;
pub mod stripe;
pub mod view;
pub mod webhooks;

use poem::http::StatusCode;

use crate::{
    clock::Timestamp,
    db::{self, Tx},
    http::problem::{ApiResult, Problem},
    ids::{OrderId, PaymentId},
    jobs::Job,
    money::{Currency, Money},
    orders::{self, Order, OrderStatus, PaymentStatus, events},
    shop::Shop,
    text_enum,
};

text_enum! {
    /// Who takes the money.
    #[oai(rename = "PaymentProvider")]
    pub enum Provider {
        /// Paid at the door.
        CashOnDelivery = "cash_on_delivery",
        Stripe = "stripe", Paypal = "paypal", Razorpay = "razorpay",
    }
}

impl Provider {
    /// Whether the money comes before the parcel leaves. Such an order holds its stock for a limited time.
    #[must_use]
    pub fn is_online(self) -> bool {
        self != Self::CashOnDelivery
    }

    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CashOnDelivery => "Cash on delivery",
            Self::Stripe => "Card, by Stripe",
            Self::Paypal => "PayPal",
            Self::Razorpay => "Razorpay",
        }
    }

    fn is_configured(self, shop: &Shop) -> bool {
        match self {
            Self::CashOnDelivery => true,
            Self::Stripe => shop.stripe.is_some(),
            Self::Paypal | Self::Razorpay => false,
        }
    }
}

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
    pub currency: Currency,
    pub payment_method: Option<String>,
    /// The idempotency key of the provider's call; stored before the first one.
    pub provider_key: String,
    /// When the key was first used.
    pub first_call_at: Option<Timestamp>,
    pub transaction_id: Option<String>,
    pub client_secret: Option<String>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a provider says of a payment.
#[derive(Clone, Debug)]
pub struct Report {
    /// The provider's id of it.
    pub transaction_id: String,
    pub client_secret: Option<String>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Processing,
    /// The buyer has to do something in their browser.
    RequiresAction,
    Captured,
    Failed {
        code: String,
        message: String,
    },
    Cancelled,
}

/// Asks for an order to be paid.
///
/// # Errors
/// 422 without the provider's keys; 409 when the order is cancelled, paid, or being paid.
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
        return Err(Problem::conflict("order_cancelled", "This order is cancelled. Place a new one."));
    }
    if matches!(order.payment_status, PaymentStatus::Paid | PaymentStatus::Refunded) {
        return Err(Problem::conflict("already_paid", "This order is paid."));
    }
    let id = PaymentId::random();
    let currency = shop.settings.currency;
    let payment = store::insert(tx, id, order, provider, currency, method, now)
        .await
        .map_err(|error| if db::is_taken(&error) { payment_in_progress() } else { error.into() })?;
    orders::set_payment_status(tx, order.id, PaymentStatus::Processing, now).await?;
    jobs::Pay { payment: id }.enqueue(tx, now).await?;
    events::payment_changed(tx, payment.clone(), now).await?;
    orders::tell_if_changed::<db::Error>(tx, order.clone(), now).await?;
    Ok(payment)
}

/// # Errors
/// 422 when the shop has no keys of this provider.
pub fn require_configured(shop: &Shop, provider: Provider) -> ApiResult<()> {
    if provider.is_configured(shop) {
        return Ok(());
    }
    let detail = format!("This shop takes no payments by {}. Choose another provider.", provider.in_words());
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "provider_not_configured", detail))
}

fn payment_in_progress() -> Problem {
    Problem::conflict("payment_in_progress", "This order is being paid. Look at its payments.")
}

/// Writes down what a provider says, once, whatever came before it.
pub async fn record(tx: &mut Tx, id: PaymentId, report: Report, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    store::set_transaction(tx, id, &report.transaction_id, report.client_secret.as_deref(), now).await?;
    match report.outcome {
        Outcome::Captured if !payment.status.is_captured() => captured(tx, &order, &payment, now).await?,
        Outcome::Processing if payment.status == Status::Queued => {
            store::set_status(tx, id, Status::Processing, now).await?;
        }
        Outcome::RequiresAction if payment.status.is_open() && payment.status != Status::RequiresAction => {
            store::set_status(tx, id, Status::RequiresAction, now).await?;
        }
        Outcome::Failed { code, message } if payment.status.is_open() => {
            store::fail(tx, id, &code, &message, now).await?;
            unpaid_after_all(tx, &order, now).await?;
        }
        Outcome::Cancelled if payment.status.is_open() => {
            store::set_status(tx, id, Status::Cancelled, now).await?;
            unpaid_after_all(tx, &order, now).await?;
        }
        _ => {} // late or repeated: it is known already
    }
    tell_if_changed(tx, order, payment, now).await
}

/// Tells who follows the order what became of it and of the payment since they were locked.
async fn tell_if_changed(tx: &mut Tx, order: Order, payment: Payment, now: Timestamp) -> db::Result<()> {
    let changed = store::find(tx, payment.id).await?.filter(|now| *now != payment);
    if let Some(payment) = changed {
        events::payment_changed(tx, payment, now).await?;
    }
    orders::tell_if_changed(tx, order, now).await.map(drop)
}

/// Ends a payment that the provider does not even take up.
pub async fn refuse(tx: &mut Tx, id: PaymentId, code: &str, message: &str, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    if !payment.status.is_open() {
        return Ok(());
    }
    store::fail(tx, id, code, message, now).await?;
    unpaid_after_all(tx, &order, now).await?;
    tell_if_changed(tx, order, payment, now).await
}

/// The order first, then the payment, as everybody does, so that nobody waits in a circle.
async fn lock(tx: &mut Tx, id: PaymentId) -> db::Result<Option<(Order, Payment)>> {
    let Some(payment) = store::find(tx, id).await? else { return Ok(None) };
    let Some(order) = orders::lock(tx, payment.order_id).await? else { return Ok(None) };
    Ok(store::lock(tx, id).await?.map(|payment| (order, payment)))
}

async fn captured(tx: &mut Tx, order: &Order, payment: &Payment, now: Timestamp) -> db::Result<()> {
    store::set_status(tx, payment.id, Status::Captured, now).await?;
    let takes_it = order.status != OrderStatus::Cancelled && order.payment_status != PaymentStatus::Paid;
    if !takes_it {
        tracing::warn!(payment = %payment.id, order = %order.id, "money arrived for an order that cannot take it; it goes back");
        return jobs::Refund { payment: payment.id }.enqueue(tx, now).await;
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Paid, now).await?;
    orders::confirm(tx, order, now).await
}

async fn unpaid_after_all(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    if order.payment_status != PaymentStatus::Processing {
        return Ok(());
    }
    orders::set_payment_status(tx, order.id, PaymentStatus::Failed, now).await.map(drop)
}

/// Cash will be paid at the door: the order is confirmed.
pub async fn promise_cash(tx: &mut Tx, id: PaymentId, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    if payment.status != Status::Queued {
        return Ok(());
    }
    store::set_status(tx, id, Status::Processing, now).await?;
    orders::confirm(tx, &order, now).await?;
    tell_if_changed(tx, order, payment, now).await
}

/// The parcel was handed over: cash that was to be paid at the door has been. The order's events are the caller's.
pub async fn order_delivered(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::of_order(tx, order.id).await? {
        if payment.provider == Provider::CashOnDelivery && payment.status.is_open() {
            captured(tx, order, &payment, now).await?;
            tell_again(tx, payment.id, now).await?;
        }
    }
    Ok(())
}

/// What becomes of the payments of an order that was just cancelled: open ones end, captured ones go back. The order's
/// events are the caller's.
pub async fn order_cancelled(tx: &mut Tx, order: &Order, now: Timestamp) -> db::Result<()> {
    for payment in store::of_order(tx, order.id).await? {
        if payment.status.is_open() {
            store::set_status(tx, payment.id, Status::Cancelled, now).await?;
            tell_again(tx, payment.id, now).await?;
            orders::set_payment_status(tx, order.id, PaymentStatus::Unpaid, now).await?;
        } else if payment.status == Status::Captured {
            jobs::Refund { payment: payment.id }.enqueue(tx, now).await?;
        }
    }
    Ok(())
}

/// Tells who follows the order how a payment that just changed stands.
async fn tell_again(tx: &mut Tx, id: PaymentId, now: Timestamp) -> db::Result<()> {
    match store::find(tx, id).await? {
        Some(payment) => events::payment_changed(tx, payment, now).await,
        None => Ok(()),
    }
}

/// Writes down that the money went back.
pub async fn refunded(tx: &mut Tx, id: PaymentId, now: Timestamp) -> db::Result<()> {
    let Some((order, payment)) = lock(tx, id).await? else { return Ok(()) };
    if payment.status != Status::Captured {
        return Ok(());
    }
    store::refund_all(tx, id, now).await?;
    let others = store::of_order(tx, order.id)
        .await?
        .into_iter()
        .any(|other| other.id != id && other.status == Status::Captured);
    let still_paid = order.payment_status == PaymentStatus::Paid && others; // by another payment
    if !still_paid {
        orders::set_payment_status(tx, order.id, PaymentStatus::Refunded, now).await?;
    }
    tell_if_changed(tx, order, payment, now).await
}
