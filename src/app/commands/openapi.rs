//! `cartwright openapi`.

use platform::money::Currency;

use crate::app::api;

use super::print_line;

pub fn run(currency: Currency) -> anyhow::Result<()> {
    print_line(serde_json::to_string_pretty(&api::document(currency))?)
}
