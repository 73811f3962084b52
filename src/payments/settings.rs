//! The payment providers: one without its keys cannot be chosen.

use std::time::Duration;

use platform::settings::{Checked, at_least, duration, given, secret, web_address, wrong};
use secrecy::{ExposeSecret, SecretString};

#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// Where the payment providers are. Their keys are variables only.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Payments")]
pub struct PaymentArgs {
    /// Where Stripe is, for tests and self-hosted gateways [default: Stripe's]
    #[arg(long, env = "STRIPE_API_BASE", global = true)]
    stripe_api_base: Option<String>,
    /// Where PayPal is, e.g. https://api-m.sandbox.paypal.com [default: PayPal's]
    #[arg(long, env = "PAYPAL_API_BASE", global = true)]
    paypal_api_base: Option<String>,
    /// Where Razorpay is, for tests and self-hosted gateways [default: Razorpay's]
    #[arg(long, env = "RAZORPAY_API_BASE", global = true)]
    razorpay_api_base: Option<String>,
    /// How long a payment may be open before the provider is asked about it, every minute from then on
    #[arg(long, env = "PAYMENT_CHECK_AFTER", default_value = "4m", global = true)]
    payment_check_after: String,
    /// How long an order waits for a payment that the provider has accepted and a bank is processing, at least 1d
    #[arg(long, env = "PAYMENT_PROCESSING_LIMIT", default_value = "21d", global = true)]
    payment_processing_limit: String,
}

/// The payments' settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of one user; of one address three times as many. Off with the rate limits.
    pub payments_per_hour: usize,
    /// How long a payment may be open before the provider is asked about it.
    pub check_after: Duration,
    /// How long an order waits for a payment that a bank is processing.
    pub processing_limit: Duration,
    pub stripe: Option<StripeSettings>,
    pub paypal: Option<PaypalSettings>,
    pub razorpay: Option<RazorpaySettings>,
}

#[derive(Clone, Debug)]
pub struct StripeSettings {
    pub secret_key: SecretString,
    /// Without one no webhook is believed; payments are then confirmed by the answers and the scheduled look-up.
    pub webhook_secrets: Vec<SecretString>,
    pub api_base: Option<String>,
}

#[derive(Clone, Debug)]
pub struct PaypalSettings {
    /// Public, though of no use to anybody.
    pub client_id: String,
    pub client_secret: SecretString,
    /// As for Stripe's secrets.
    pub webhook_id: Option<String>,
    pub api_base: Option<String>,
}

#[derive(Clone, Debug)]
pub struct RazorpaySettings {
    /// Public: Checkout.js needs it.
    pub key_id: String,
    pub key_secret: SecretString,
    /// As for Stripe's secrets.
    pub webhook_secrets: Vec<SecretString>,
    pub api_base: Option<String>,
}

impl PaymentArgs {
    /// # Errors
    /// [`platform::settings::SettingError`] for the first setting that cannot be.
    pub fn check(&self, payments_per_hour: usize) -> Checked<Settings> {
        Ok(Settings {
            payments_per_hour,
            check_after: duration("PAYMENT_CHECK_AFTER", &self.payment_check_after)?,
            processing_limit: at_least(
                "PAYMENT_PROCESSING_LIMIT",
                &self.payment_processing_limit,
                Duration::from_hours(24),
            )?,
            stripe: self.stripe()?,
            paypal: self.paypal()?,
            razorpay: self.razorpay()?,
        })
    }

    fn stripe(&self) -> Checked<Option<StripeSettings>> {
        let Some(secret_key) = secret("STRIPE_SECRET_KEY") else { return Ok(None) };
        if !secret_key.expose_secret().starts_with("sk_") && !secret_key.expose_secret().starts_with("rk_") {
            return Err(wrong(
                "STRIPE_SECRET_KEY",
                "…",
                "it starts with sk_ or rk_; you find it in Stripe's dashboard",
            ));
        }
        Ok(Some(StripeSettings {
            secret_key,
            webhook_secrets: secrets("STRIPE_WEBHOOK_SECRET"),
            api_base: base("STRIPE_API_BASE", self.stripe_api_base.as_ref())?,
        }))
    }

    fn paypal(&self) -> Checked<Option<PaypalSettings>> {
        let keys = pair("PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET")?;
        let Some((client_id, client_secret)) = keys else { return Ok(None) };
        Ok(Some(PaypalSettings {
            client_id,
            client_secret,
            webhook_id: secret("PAYPAL_WEBHOOK_ID").map(|id| id.expose_secret().to_owned()),
            api_base: base("PAYPAL_API_BASE", self.paypal_api_base.as_ref())?,
        }))
    }

    fn razorpay(&self) -> Checked<Option<RazorpaySettings>> {
        let keys = pair("RAZORPAY_KEY_ID", "RAZORPAY_KEY_SECRET")?;
        let Some((key_id, key_secret)) = keys else { return Ok(None) };
        if !key_id.starts_with("rzp_") {
            return Err(wrong("RAZORPAY_KEY_ID", key_id, "it starts with rzp_; you find it in Razorpay's dashboard"));
        }
        Ok(Some(RazorpaySettings {
            key_id,
            key_secret,
            webhook_secrets: secrets("RAZORPAY_WEBHOOK_SECRET"),
            api_base: base("RAZORPAY_API_BASE", self.razorpay_api_base.as_ref())?,
        }))
    }
}

/// An id and its secret, which are of use only together.
fn pair(id: &'static str, with: &'static str) -> Checked<Option<(String, SecretString)>> {
    match (secret(id), secret(with)) {
        (Some(id), Some(secret)) => Ok(Some((id.expose_secret().to_owned(), secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(with, "(unset)", format!("set it too, or unset {id}"))),
        (None, Some(_)) => Err(wrong(id, "(unset)", format!("set it too, or unset {with}"))),
    }
}

/// The current secret and, while it is being changed, the one before.
fn secrets(variable: &str) -> Vec<SecretString> {
    let given = secret(variable);
    let texts = given.as_ref().map_or("", |given| given.expose_secret()).split(',').map(str::trim);
    texts.filter(|text| !text.is_empty()).map(SecretString::from).collect()
}

fn base(setting: &'static str, text: Option<&String>) -> Checked<Option<String>> {
    given(text).map(|text| web_address(setting, text)).transpose()
}
