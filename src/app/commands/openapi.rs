//! `cartwright openapi`.

use platform::money::Currency;

use crate::app::api;

use super::say;

pub fn run(currency: Currency) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(&api::document(currency))?)
}
