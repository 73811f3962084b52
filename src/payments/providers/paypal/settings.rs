//! PayPal's settings.

use platform::settings::{Checked, secret};

use super::{KEY_SECRET, PAYPAL, WEBHOOK_KEY};
use crate::payments::providers::settings::{ProviderSettings, api_base, key_pair};

const API_BASE: &str = "https://api-m.paypal.com";

pub fn read(base: Option<&String>) -> Checked<Option<ProviderSettings>> {
    let Some((key_id, secret_key)) = key_pair(PAYPAL.key, KEY_SECRET)? else { return Ok(None) };
    Ok(Some(ProviderSettings {
        key_id,
        secret_key,
        webhook_secrets: secret(WEBHOOK_KEY.name).into_iter().collect(),
        api_base: api_base(PAYPAL.api_base.name, base, API_BASE)?,
    }))
}
