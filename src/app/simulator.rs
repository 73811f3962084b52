//! The payment simulator as the shop's providers: for `serve --simulate-payments` and tests. No environment variable
//! enables it.

use std::collections::HashMap;

use crate::{app::settings::Settings, payments::providers::ProviderSettings, shop::Provider};

impl Settings {
    /// Replaces all payment providers with the simulator at this URL.
    pub fn pay_with_simulator(&mut self, url: &str) {
        self.simulator = Some(url.to_owned());
        self.payments.providers = HashMap::from([
            (
                Provider::Stripe,
                ProviderSettings {
                    key_id: String::new(),
                    secret_key: payment_simulator::STRIPE_SECRET_KEY.into(),
                    webhook_secrets: vec![payment_simulator::STRIPE_WEBHOOK_SECRET.into()],
                    api_base: format!("{url}/stripe"),
                },
            ),
            (
                Provider::Paypal,
                ProviderSettings {
                    key_id: payment_simulator::PAYPAL_CLIENT_ID.into(),
                    secret_key: payment_simulator::PAYPAL_CLIENT_SECRET.into(),
                    webhook_secrets: vec![payment_simulator::PAYPAL_WEBHOOK_ID.into()],
                    api_base: format!("{url}/paypal"),
                },
            ),
            (
                Provider::Razorpay,
                ProviderSettings {
                    key_id: payment_simulator::RAZORPAY_KEY_ID.into(),
                    secret_key: payment_simulator::RAZORPAY_KEY_SECRET.into(),
                    webhook_secrets: vec![payment_simulator::RAZORPAY_WEBHOOK_SECRET.into()],
                    api_base: format!("{url}/razorpay"),
                },
            ),
        ]);
    }
}
