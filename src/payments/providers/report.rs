//! What a provider says of a payment and of its refunds, whichever provider it is.

use platform::money::Money;

use crate::{
    payments::{Outcome, Payment, refunds::Refund},
    shop::ids::RefundId,
};

/// A snapshot of a payment at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The provider's id of it.
    pub transaction_id: Option<String>,
    pub client_secret: Option<String>,
    /// Where the buyer approves it.
    pub approval_url: Option<String>,
    /// What the provider refunds.
    pub capture_id: Option<String>,
    pub outcome: Outcome,
    /// Which amount, and which ISO 4217 currency, the payment is for; compared with ours. What was received is in the
    /// outcome.
    pub amount: Money,
    pub currency: String,
    /// Each of its refunds, whoever made them. Empty when the response does not list refunds.
    pub refunds: Vec<RefundReport>,
}

impl Report {
    /// One that only says that the payment is processing.
    #[must_use]
    pub fn processing(payment: &Payment) -> Self {
        Self {
            transaction_id: payment.transaction_id.clone(),
            client_secret: None,
            approval_url: None,
            capture_id: None,
            outcome: Outcome::Processing,
            amount: payment.amount,
            currency: payment.currency.to_string(),
            refunds: Vec::new(),
        }
    }

    /// The sum of the refunds that succeeded.
    #[must_use]
    pub fn refunded(&self) -> Money {
        let succeeded = self.refunds.iter().filter(|refund| refund.outcome == RefundOutcome::Succeeded);
        Money(succeeded.map(|refund| refund.amount.0).sum())
    }
}

/// A snapshot of a refund at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReport {
    /// Our id of it, if the shop made it.
    pub refund: Option<RefundId>,
    /// The provider's id of it.
    pub transaction_id: Option<String>,
    pub outcome: RefundOutcome,
    /// Compared with ours, as a payment's.
    pub amount: Money,
    pub currency: String,
}

impl RefundReport {
    /// Whether it is of this refund, by our id or by the provider's.
    #[must_use]
    pub fn is_of(&self, refund: &Refund) -> bool {
        let same_transaction = self.transaction_id.is_some() && self.transaction_id == refund.transaction_id;
        self.refund == Some(refund.id) || same_transaction
    }

    /// Whether it moves one of these refunds forward, or is of a refund that is not among them.
    #[must_use]
    pub fn is_new_to(&self, known: &[Refund]) -> bool {
        known.iter().find(|refund| self.is_of(refund)).map_or(self.transaction_id.is_some(), |refund| {
            refund.status.after(refund.transaction_id.is_some(), &self.outcome) != refund.status
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// It was accepted, and may still fail.
    Processing,
    Succeeded,
    /// The reason, in words.
    Failed(String),
}

impl RefundOutcome {
    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}
