//! The simulator's test keys, which are public, and the check that no live keys are set.

use anyhow::bail;

/// Of the shop's server.
pub const STRIPE_SECRET_KEY: &str = "sk_test_simulator";
/// Of the shop's page in the browser.
pub const STRIPE_PUBLISHABLE_KEY: &str = "pk_test_simulator";
/// Signs webhooks.
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_simulator";
pub const PAYPAL_CLIENT_ID: &str = "paypal_client_simulator";
pub const PAYPAL_CLIENT_SECRET: &str = "paypal_secret_simulator";
/// The id of the shop's webhook endpoint.
pub const PAYPAL_WEBHOOK_ID: &str = "WH-SIMULATOR";
pub const RAZORPAY_KEY_ID: &str = "rzp_test_simulator";
pub const RAZORPAY_KEY_SECRET: &str = "rzp_secret_simulator";
/// Signs webhooks.
pub const RAZORPAY_WEBHOOK_SECRET: &str = "rzp_webhook_simulator";

/// The environment variables of a shop that uses the simulator at this URL, as names and values.
#[must_use]
pub fn settings(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("STRIPE_SECRET_KEY", STRIPE_SECRET_KEY.to_owned()),
        ("STRIPE_WEBHOOK_SECRET", STRIPE_WEBHOOK_SECRET.to_owned()),
        ("STRIPE_API_BASE", format!("{url}/stripe")),
        ("PAYPAL_CLIENT_ID", PAYPAL_CLIENT_ID.to_owned()),
        ("PAYPAL_CLIENT_SECRET", PAYPAL_CLIENT_SECRET.to_owned()),
        ("PAYPAL_WEBHOOK_ID", PAYPAL_WEBHOOK_ID.to_owned()),
        ("PAYPAL_API_BASE", format!("{url}/paypal")),
        ("RAZORPAY_KEY_ID", RAZORPAY_KEY_ID.to_owned()),
        ("RAZORPAY_KEY_SECRET", RAZORPAY_KEY_SECRET.to_owned()),
        ("RAZORPAY_WEBHOOK_SECRET", RAZORPAY_WEBHOOK_SECRET.to_owned()),
        ("RAZORPAY_API_BASE", format!("{url}/razorpay")),
    ]
}

/// Checks the environment and `.env` for live keys. Also the lines of `.env` that the environment overrides: the next
/// program may be started without those variables.
///
/// # Errors
/// If there is a live key. The message is one line and does not contain the key.
pub fn reject_live_keys() -> anyhow::Result<()> {
    let environment = |name: &str| std::env::var(name).ok();
    let file: Vec<(String, String)> = dotenvy::dotenv_iter().into_iter().flatten().flatten().collect();
    let in_file = |name: &str| file.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let found = live_key(environment).or_else(|| live_key(|name| in_file(name).or_else(|| environment(name))));
    match found {
        None => Ok(()),
        Some(what) => bail!("{what}: the payment simulator does not start when live keys are set; remove them first"),
    }
}

/// Describes the first live key that is found.
fn live_key(find: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let set = |name: &str| find(name).filter(|value| !value.is_empty());
    let starts_with = |name: &str, prefixes: &[&str]| {
        set(name).is_some_and(|value| prefixes.iter().any(|prefix| value.trim_start().starts_with(prefix)))
    };
    if starts_with("STRIPE_SECRET_KEY", &["sk_live_", "rk_live_"]) {
        return Some("STRIPE_SECRET_KEY is a live key");
    }
    if starts_with("RAZORPAY_KEY_ID", &["rzp_live_"]) {
        return Some("RAZORPAY_KEY_ID is a live key");
    }
    set("PAYPAL_CLIENT_ID")?;
    match set("PAYPAL_API_BASE").map(|base| base.to_lowercase()) {
        None => Some("PAYPAL_CLIENT_ID is set without PAYPAL_API_BASE, so it is used with live PayPal"),
        Some(base) if base.contains("api-m.paypal.com") || base.contains("api.paypal.com") => {
            Some("PAYPAL_API_BASE is live PayPal")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks_live(settings: &[(&str, &str)]) -> bool {
        let find = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        live_key(find).is_some()
    }

    #[test]
    fn live_keys_are_found() {
        for live in [
            &[("STRIPE_SECRET_KEY", "sk_live_1")][..],
            &[("STRIPE_SECRET_KEY", "rk_live_1"), ("STRIPE_API_BASE", "http://127.0.0.1:12111/stripe")],
            &[("RAZORPAY_KEY_ID", "rzp_live_1")],
            &[("PAYPAL_CLIENT_ID", "AZ")],
            &[("PAYPAL_CLIENT_ID", "AZ"), ("PAYPAL_API_BASE", "")],
            &[("PAYPAL_CLIENT_ID", "AZ"), ("PAYPAL_API_BASE", "https://api-m.paypal.com")],
            &[("PAYPAL_CLIENT_ID", "AZ"), ("PAYPAL_API_BASE", "https://API.PayPal.com/")],
        ] {
            assert!(looks_live(live), "{live:?}");
        }
        for harmless in [
            &[][..],
            &[("STRIPE_SECRET_KEY", ""), ("PAYPAL_CLIENT_ID", "")],
            &[("STRIPE_SECRET_KEY", "sk_test_1"), ("RAZORPAY_KEY_ID", "rzp_test_1")],
            &[("PAYPAL_CLIENT_ID", "AZ"), ("PAYPAL_API_BASE", "https://api-m.sandbox.paypal.com")],
        ] {
            assert!(!looks_live(harmless), "{harmless:?}");
        }
        let own = settings("http://127.0.0.1:12111");
        assert!(
            live_key(|name| own.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())).is_none()
        );
    }
}
