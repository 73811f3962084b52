//! Puts the shop together, of what the platform provides and what the features bring.

use std::path::Path;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use platform::{cache::Cache, clock::Clock, db::Db, http::limits::Limits, mail::Mailer, media::Media};
use secrecy::ExposeSecret;

use crate::{
    accounts::{self, Passwords, Tokens},
    app::settings::Settings,
    carts, checkout,
    orders::{self, events::followers::Followers},
    payments::{self, providers::Providers},
    shop::{Features, MIGRATIONS, Parts, Shop, emails::Templates},
    wishlists,
};

/// The shop of these settings. Nothing is asked of the database or Redis yet: they may still be starting.
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
        features: features(settings, &db)?,
        db,
        cache,
        media,
        limits,
        clock,
    }))
}

fn features(settings: Settings, db: &Db) -> anyhow::Result<Features> {
    let providers = Providers::new(&settings.payments, &settings.store.storefront_url)?;
    Ok(Features::default()
        .with(Tokens::new(&settings.accounts))
        .with(Passwords::new(settings.accounts.password_cost.clone()))
        .with(Followers::of(db))
        .with(accounts::Hooks {
            bring_cart: |tx, shop, cart, user| carts::merge(tx, shop, cart, user).boxed(),
            open_order: |tx, user| orders::unfinished(tx, user).boxed(),
            forget: &[|tx, user| carts::forget(tx, user).boxed(), |tx, user| wishlists::forget(tx, user).boxed()],
        })
        .with(orders::Hooks {
            payments: |tx, order| payments::snapshots(tx, order).boxed(),
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
    Templates::of(folder).map_err(|fault| {
        let folder = folder.unwrap_or(Path::new("")).display();
        anyhow!("TEMPLATES_DIR={folder}: {fault}; correct it, `cartwright emails render` shows every fault at once")
    })
}
