//! A payment, and what its provider says became of it.

use platform::{
    clock::Timestamp,
    money::{Currency, Money},
    text_enum,
};

use super::{PaymentState, providers::Report};
use crate::shop::{
    Provider,
    ids::{OrderId, PaymentId},
};

text_enum! {
    /// The status of a payment: `queued → processing → requires_action → captured`, or `failed` or `cancelled`. A captured
    /// payment can become `partially_refunded` and `refunded`. It only moves forward.
    #[oai(rename = "PaymentProgress")]
    pub enum Status {
        Queued = "queued", Processing = "processing", RequiresAction = "requires_action", Captured = "captured",
        Failed = "failed", Cancelled = "cancelled", PartiallyRefunded = "partially_refunded", Refunded = "refunded",
    }
}

impl Status {
    /// Whether the provider may still capture the money.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Processing | Self::RequiresAction)
    }

    /// Whether the money was captured at some time.
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
    /// How much the provider received, which may differ from the amount.
    pub captured: Money,
    /// How much of that was refunded.
    pub refunded: Money,
    pub currency: Currency,
    pub payment_method: Option<String>,
    /// The idempotency key of the request to the provider; stored before the first one.
    pub provider_key: String,
    /// When the key was first used.
    pub first_call_at: Option<Timestamp>,
    pub transaction_id: Option<String>,
    pub client_secret: Option<String>,
    /// Where the buyer approves it.
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
    pub fn state(&self) -> PaymentState {
        PaymentState { status: self.status, captured: self.captured, refunded: self.refunded }
    }

    /// Whether the provider may know it.
    pub(super) fn was_sent(&self) -> bool {
        self.first_call_at.is_some() || self.transaction_id.is_some() || !self.provider_key.ends_with("-1")
    }

    /// Whether a report has an id or a URL that was not known before.
    pub(super) fn learns_from(&self, report: &Report) -> bool {
        let known = [&self.transaction_id, &self.client_secret, &self.approval_url, &self.capture_id];
        let reported = [&report.transaction_id, &report.client_secret, &report.approval_url, &report.capture_id];
        known.iter().zip(reported).any(|(known, reported)| known.is_none() && reported.is_some())
    }
}

/// What a provider says became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An online provider has accepted the payment and is processing it.
    Processing,
    /// The buyer has to do something in their browser.
    RequiresAction,
    /// The buyer has approved it; the shop is to capture.
    Approved,
    /// The provider holds the money and is processing the payment; what it does not capture by itself, the shop does.
    Authorized,
    /// So much was received. It may be less than the amount, or more.
    Captured(Money),
    Failed {
        code: String,
        message: String,
    },
    Cancelled,
}

impl Outcome {
    /// Whether the provider may still capture the money.
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

    /// Why a payment does not pay its order.
    pub(super) fn failure(&self, payment: &Payment) -> Option<Failure> {
        match self {
            Self::Failed { code, message } => Some(Failure { code: code.clone(), message: message.clone() }),
            Self::Captured(received) if *received < payment.amount => {
                let amount = |money| payment.currency.format(money);
                let (received, expected, currency) = (amount(*received), amount(payment.amount), payment.currency);
                let message = format!("Only {received} of {expected} {currency} were received. They are refunded.");
                Some(Failure { code: "underpaid".to_owned(), message })
            }
            _ => None,
        }
    }
}

/// Why a payment failed, as a code and in words.
pub struct Failure {
    pub code: String,
    pub message: String,
}

#[cfg(test)]
impl Payment {
    /// A new one of 12.00 USD.
    pub(super) fn example(provider: Provider) -> Self {
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
