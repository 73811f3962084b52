//! The settings of payments. Those of each provider are its own.

use std::{collections::HashMap, time::Duration};

use platform::settings::{Checked, at_least, duration};

use super::providers::{ProviderArgs, ProviderSettings};
use crate::shop::Provider;

/// Where the payment providers are. Their keys are variables only.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Payments")]
pub struct PaymentArgs {
    #[command(flatten)]
    providers: ProviderArgs,
    /// How long a payment may be open before it is checked at the provider, from then on every minute
    #[arg(long, env = "PAYMENT_CHECK_AFTER", default_value = "4m", global = true)]
    payment_check_after: String,
    /// How long an order waits for an accepted payment that a bank is processing, at least 1d
    #[arg(long, env = "PAYMENT_PROCESSING_LIMIT", default_value = "21d", global = true)]
    payment_processing_limit: String,
}

/// The settings of payments, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of one user; of one address three times as many. Off with the rate limits.
    pub payments_per_hour: usize,
    /// How long a payment may be open before it is checked.
    pub check_after: Duration,
    /// How long an order waits for a payment that a bank is processing.
    pub processing_limit: Duration,
    /// Of those whose key is set.
    pub providers: HashMap<Provider, ProviderSettings>,
}

impl PaymentArgs {
    /// # Errors
    /// [`platform::settings::SettingError`] for the first setting that cannot be.
    pub fn check(&self, payments_per_hour: usize) -> Checked<Settings> {
        const LEAST_PROCESSING_LIMIT: Duration = Duration::from_hours(24);
        let limit = &self.payment_processing_limit;
        Ok(Settings {
            payments_per_hour,
            check_after: duration("PAYMENT_CHECK_AFTER", &self.payment_check_after)?,
            processing_limit: at_least("PAYMENT_PROCESSING_LIMIT", limit, LEAST_PROCESSING_LIMIT)?,
            providers: self.providers.check()?,
        })
    }
}
