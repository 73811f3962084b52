//! The payment providers: one without its keys cannot be chosen.

use secrecy::{ExposeSecret, SecretString};

use super::values::{Checked, given, secret, web_address, wrong};

#[allow(clippy::doc_markdown)]
/// Where the payment providers are. Their keys are variables only.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Payments")]
pub struct PaymentArgs {
    /// Where Stripe is, for tests and self-hosted gateways [default: Stripe's]
    #[arg(long, env = "STRIPE_API_BASE", global = true)]
    stripe_api_base: Option<String>,
}

#[derive(Clone, Debug)]
pub struct StripeSettings {
    pub secret_key: SecretString,
    /// Without it no webhook is believed; payments are then confirmed by the answers and the scheduled look-up.
    pub webhook_secret: Option<SecretString>,
    pub api_base: Option<String>,
}

impl PaymentArgs {
    pub(super) fn stripe(&self) -> Checked<Option<StripeSettings>> {
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
            webhook_secret: secret("STRIPE_WEBHOOK_SECRET"),
            api_base: given(self.stripe_api_base.as_ref())
                .map(|text| web_address("STRIPE_API_BASE", text))
                .transpose()?,
        }))
    }
}
