//! What every endpoint and job is given: the database, the cache, the mailer, the files, the providers and the clock.

use std::{ops::Deref, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use platform::{
    cache::{Cache, Part},
    clock::{Clock, Timestamp},
    db::{self, Db, Migrations, Tx},
    http::limits::Limits,
    jobs::Context,
    mail::Mailer,
    media::Media,
    text_enum,
};
use secrecy::ExposeSecret;

use crate::{
    accounts::{Passwords, Tokens},
    app::settings::Settings,
    orders::events::followers::Followers,
    payments::gateway::Gateways,
    shop::emails::Templates,
};

pub mod emails;
pub mod ids;
pub mod tags;

text_enum! {
    /// Which worker program takes a job.
    pub enum Queue { Email = "email", Payment = "payment", Stock = "stock" }
}

pub const QUEUES: [Queue; 3] = [Queue::Email, Queue::Payment, Queue::Stock];

pub static MIGRATIONS: Migrations =
    Migrations { sqlite: sqlx::migrate!("migrations/sqlite"), postgres: sqlx::migrate!("migrations/postgres") };

/// The shop. Cloning is cheap.
#[derive(Clone)]
pub struct Shop(Arc<Parts>);

pub struct Parts {
    pub settings: Settings,
    pub db: Db,
    pub cache: Cache,
    pub mailer: Mailer,
    pub templates: Templates,
    pub media: Media,
    pub gateways: Gateways,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub limits: Limits,
    pub followers: Arc<Followers>,
    pub clock: Clock,
}

impl Deref for Shop {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Context for Shop {
    fn db(&self) -> &Db {
        &self.db
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Shop {
    /// Puts the parts together. Nothing is asked of the database or Redis yet: they may still be starting.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let db = Db::new(settings.database_url.expose_secret(), &MIGRATIONS).context("DATABASE_URL cannot be used")?;
        let cache = match &settings.redis_url {
            Some(url) => Cache::shared(url.expose_secret()).context("REDIS_URL cannot be used")?,
            None => Cache::local(),
        };
        let mailer = Mailer::new(settings.smtp_url.as_ref(), &settings.mail_from, settings.data_dir.join("outbox"))?;
        let templates = templates(settings.templates_dir.as_deref())?;
        let media = Media::new(settings.media.clone(), &settings.public_url)
            .with_context(|| format!("MEDIA_URL: {} cannot be used", settings.media))?;
        let gateways = Gateways::new(&settings)?;
        let tokens = Tokens::new(&settings);
        let passwords = Passwords::new();
        let limits = Limits::new(settings.rate_limits, settings.jwt_secret.clone(), cache.clone(), clock.clone());
        let followers = Followers::of(&db);
        let parts = Parts {
            settings,
            db,
            cache,
            mailer,
            templates,
            media,
            gateways,
            tokens,
            passwords,
            limits,
            followers,
            clock,
        };
        Ok(Self(Arc::new(parts)))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Commits, and has every process forget what it shows of what was changed; also when nobody knows whether it was.
    pub async fn commit_and_forget(&self, tx: Tx, changed: &[impl Part]) -> db::Result<()> {
        let committed = tx.commit().await;
        self.cache.forget(changed).await;
        committed
    }

    /// The Message-ID of an e-mail about something: the same for every copy.
    #[must_use]
    pub fn message_id(&self, about: &str) -> String {
        let host = self.settings.public_url.split("://").last().and_then(|rest| rest.split([':', '/']).next());
        format!("<{about}@{}>", host.unwrap_or("localhost"))
    }

    /// Waits until the database answers, saying so, however long that takes.
    pub async fn wait_for_database(&self) -> anyhow::Result<()> {
        let mut told = false;
        loop {
            match self.db.ping().await {
                Ok(()) => return Ok(()),
                Err(error) if db::is_unavailable(&error) => {
                    if !told {
                        tracing::warn!(%error, "waiting for the database");
                    }
                    told = true;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => bail!("DATABASE_URL: the database refuses us: {error}"),
            }
        }
    }

    /// Refuses to go on with a schema that is older than the program.
    ///
    /// # Errors
    /// When migrations are missing, with what to do.
    pub async fn require_current_schema(&self) -> anyhow::Result<()> {
        match self.db.pending_migrations().await? {
            0 => Ok(()),
            missing => bail!(
                "the database lacks {missing} migration(s): run `cartwright migrate`, or `cartwright serve --migrate`"
            ),
        }
    }
}

fn templates(folder: Option<&Path>) -> anyhow::Result<Templates> {
    Templates::of(folder).map_err(|fault| {
        let folder = folder.unwrap_or(Path::new("")).display();
        anyhow!("TEMPLATES_DIR={folder}: {fault}; correct it, `cartwright emails render` shows every fault at once")
    })
}
