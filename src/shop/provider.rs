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
    /// Whether the money comes before the parcel leaves. Such an order holds its stock for a limited time.
    #[must_use]
    pub fn is_online(self) -> bool {
        self != Self::CashOnDelivery
    }

    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CashOnDelivery => "Cash on delivery",
            Self::Stripe => "Card (Stripe)",
            Self::Paypal => "PayPal",
            Self::Razorpay => "Razorpay",
        }
    }
}
