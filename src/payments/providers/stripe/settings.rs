//! Stripe's settings.

use platform::settings::{Checked, invalid, secret};
use secrecy::ExposeSecret;

use super::{STRIPE, WEBHOOK_KEY};
use crate::payments::providers::settings::{ProviderSettings, api_base, secrets};

const API_BASE: &str = "https://api.stripe.com";

pub fn read(base: Option<&String>) -> Checked<Option<ProviderSettings>> {
    let Some(secret_key) = secret(STRIPE.key) else { return Ok(None) };
    if !["sk_", "rk_"].iter().any(|prefix| secret_key.expose_secret().starts_with(prefix)) {
        let accepted = "it starts with sk_ or rk_; you find it in Stripe's dashboard";
        return Err(invalid(STRIPE.key, "…", accepted));
    }
    Ok(Some(ProviderSettings {
        key_id: String::new(),
        secret_key,
        webhook_secrets: secrets(WEBHOOK_KEY.name),
        api_base: api_base(STRIPE.api_base.name, base, API_BASE)?,
    }))
}
