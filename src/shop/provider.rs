//! The payment providers. An order names one when it is placed, long before there is a payment.

use platform::text_enum;

text_enum! {
    /// A payment provider, or `cash_on_delivery`.
    #[oai(rename = "PaymentProvider")]
    pub enum Provider {
        /// Paid at the door.
        CashOnDelivery = "cash_on_delivery",
        Stripe = "stripe", Paypal = "paypal", Razorpay = "razorpay",
    }
}

impl Provider {
    /// Whether orders are paid before they ship. The stock of an unpaid one is reserved for a limited time.
    #[must_use]
    pub fn is_online(self) -> bool {
        self != Self::CashOnDelivery
    }

    /// The name that customers read.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::CashOnDelivery => "Cash on delivery",
            Self::Stripe => "Card (Stripe)",
            Self::Paypal => "PayPal",
            Self::Razorpay => "Razorpay",
        }
    }
}
