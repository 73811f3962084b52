//! `cartwright migrate`.

use platform::clock::Clock;

use crate::app::{context, programs, settings::SettingArgs};
use anyhow::Context;

use super::say;

pub async fn run(settings: &SettingArgs) -> anyhow::Result<()> {
    let shop = context::shop(programs::begin(settings)?, Clock::default())?;
    shop.wait_for_database().await?;
    let pending = shop.db.pending_migrations().await?;
    shop.db.migrate().await.context("the database cannot be migrated")?;
    shop.db.close().await;
    match pending {
        0 => say("the database is up to date"),
        1 => say("applied 1 migration"),
        many => say(format!("applied {many} migrations")),
    }
}
