//! Creates the shop's context from the platform and the features.

use std::path::Path;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use platform::{cache::Cache, clock::Clock, db::Db, http::limits::Limits, mail::Mailer, media::Media};
use secrecy::ExposeSecret;

use crate::{
    accounts::{self, Passwords, Tokens},
    app::settings::Settings,
    carts, checkout,
    orders::{self, events::subscribers::Subscribers},
    payments::{self, providers::Providers},
    shop::{Extensions, MIGRATIONS, Parts, Shop, emails::Templates},
    wishlists,
};

/// The shop of these settings. It does not connect to the database or Redis yet: they may still be starting.
///
/// # Errors
/// When a setting cannot be used.
pub fn shop(settings: Settings, clock: Clock) -> anyhow::Result<Shop> {
    let db = Db::new(settings.database_url.expose_secret(), &MIGRATIONS).context("DATABASE_URL cannot be used")?;
    let cache = match &settings.redis_url {
        Some(url) => Cache::shared(url.expose_secret()).context("REDIS_URL cannot be used")?,
        None => Cache::local(),
    };
    let limits = Limits::new(settings.rate_limits, settings.accounts.jwt_secret.clone(), cache.clone(), clock.clone());
    let media = Media::new(settings.media.clone(), &settings.store.public_url)
        .with_context(|| format!("MEDIA_URL: {} cannot be used", settings.media))?;
    Ok(Shop::of(Parts {
        store: settings.store.clone(),
        mailer: Mailer::new(settings.smtp_url.as_ref(), &settings.mail_from, settings.data_dir.join("outbox"))?,
        templates: templates(settings.templates_dir.as_deref())?,
        extensions: extensions(settings, &db)?,
        db,
        cache,
        media,
        limits,
        clock,
    }))
}

fn extensions(settings: Settings, db: &Db) -> anyhow::Result<Extensions> {
    let providers = Providers::new(&settings.payments, &settings.store)?;
    Ok(Extensions::default()
        .with(Tokens::new(&settings.accounts))
        .with(Passwords::new(settings.accounts.password_cost.clone()))
        .with(Subscribers::of(db))
        .with(accounts::Hooks {
            merge_cart: |tx, shop, cart, user| carts::merge(tx, shop, cart, user).boxed(),
            find_open_order: |tx, user| orders::find_unfinished(tx, user).boxed(),
            delete_user_data: &[
                |tx, user| carts::delete_of_user(tx, user).boxed(),
                |tx, user| wishlists::delete_of_user(tx, user).boxed(),
            ],
        })
        .with(orders::Hooks {
            payment_snapshots: |tx, order| payments::snapshots(tx, order).boxed(),
            cancel_refunded: |shop, order| async move { Ok(checkout::cancel_refunded(shop, order).await?) }.boxed(),
        })
        .with(providers)
        .with(settings.accounts.clone())
        .with(settings.inventory.clone())
        .with(settings.carts.clone())
        .with(settings.orders.clone())
        .with(settings.payments.clone())
        .with(settings.retention.clone())
        .with(settings))
}

fn templates(folder: Option<&Path>) -> anyhow::Result<Templates> {
    Templates::of(folder).map_err(|error| {
        let folder = folder.unwrap_or(Path::new("")).display();
        anyhow!("TEMPLATES_DIR={folder}: {error}; correct it, `cartwright emails render` shows all errors")
    })
}
