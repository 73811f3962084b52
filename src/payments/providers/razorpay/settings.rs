//! Razorpay's settings.

use platform::settings::{Checked, invalid};

use super::{KEY_SECRET, RAZORPAY, WEBHOOK_KEY};
use crate::payments::providers::settings::{ProviderSettings, api_base, key_pair, secrets};

const API_BASE: &str = "https://api.razorpay.com";

pub fn read(base: Option<&String>) -> Checked<Option<ProviderSettings>> {
    let Some((key_id, secret_key)) = key_pair(RAZORPAY.key, KEY_SECRET)? else { return Ok(None) };
    if !key_id.starts_with("rzp_") {
        let accepted = "it starts with rzp_; you find it in Razorpay's dashboard";
        return Err(invalid(RAZORPAY.key, key_id, accepted));
    }
    Ok(Some(ProviderSettings {
        key_id,
        secret_key,
        webhook_secrets: secrets(WEBHOOK_KEY.name),
        api_base: api_base(RAZORPAY.api_base.name, base, API_BASE)?,
    }))
}
