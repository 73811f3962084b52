//! The simulated providers.

use serde::{Deserialize, Serialize};

/// A simulated payment provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Stripe,
    Paypal,
    Razorpay,
}

impl Provider {
    /// In the order in which pages list them.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Paypal, Self::Razorpay];

    /// As in URLs and JSON: `stripe`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Razorpay => "razorpay",
        }
    }

    /// For people: `Stripe`.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stripe => "Stripe",
            Self::Paypal => "PayPal",
            Self::Razorpay => "Razorpay",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}
