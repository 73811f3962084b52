//! `cartwright openapi`.

use cartwright::{api, money::Currency};

use super::say;

pub fn run(currency: Currency) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(&api::document(currency))?)
}
