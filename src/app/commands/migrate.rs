//! `cartwright migrate`.

use platform::clock::Clock;

use crate::app::{context, programs, settings::SettingArgs};
use anyhow::Context;

use super::print_line;

pub async fn run(settings: &SettingArgs) -> anyhow::Result<()> {
    let shop = context::shop(programs::init(settings)?, Clock::default())?;
    shop.wait_for_database().await?;
    let pending = shop.db.pending_migrations().await?;
    shop.db.migrate().await.context("the database cannot be migrated")?;
    shop.db.close().await;
    match pending {
        0 => print_line("the database is up to date"),
        1 => print_line("applied 1 migration"),
        many => print_line(format!("applied {many} migrations")),
    }
}
