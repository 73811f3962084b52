//! Paying with the simulator, which no setting says: only `serve --simulate-payments` and tests.

use crate::{
    app::settings::Settings,
    payments::settings::{PaypalSettings, RazorpaySettings, StripeSettings},
};

impl Settings {
    /// Pays with the simulator at this address, and with nobody else.
    pub fn pay_with_simulator(&mut self, url: &str) {
        self.simulator = Some(url.to_owned());
        self.payments.stripe = Some(StripeSettings {
            secret_key: payment_simulator::STRIPE_SECRET_KEY.into(),
            webhook_secrets: vec![payment_simulator::STRIPE_WEBHOOK_SECRET.into()],
            api_base: Some(format!("{url}/stripe")),
        });
        self.payments.paypal = Some(PaypalSettings {
            client_id: payment_simulator::PAYPAL_CLIENT_ID.into(),
            client_secret: payment_simulator::PAYPAL_CLIENT_SECRET.into(),
            webhook_id: Some(payment_simulator::PAYPAL_WEBHOOK_ID.into()),
            api_base: Some(format!("{url}/paypal")),
        });
        self.payments.razorpay = Some(RazorpaySettings {
            key_id: payment_simulator::RAZORPAY_KEY_ID.into(),
            key_secret: payment_simulator::RAZORPAY_KEY_SECRET.into(),
            webhook_secrets: vec![payment_simulator::RAZORPAY_WEBHOOK_SECRET.into()],
            api_base: Some(format!("{url}/razorpay")),
        });
    }
}
