//! The context of every endpoint and job, and the names that all features share. It depends on no feature; what a feature
//! adds to it is in [`Extensions`].

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use anyhow::bail;
use platform::{
    cache::{Cache, Part},
    clock::{Clock, Timestamp},
    db::{self, Db, Migrations, Tx},
    http::limits::Limits,
    jobs::Context,
    mail::Mailer,
    media::Media,
    money::Currency,
    text_enum,
};

use emails::Templates;
pub use provider::Provider;

pub mod emails;
pub mod ids;
mod provider;
pub mod tags;

text_enum! {
    /// A queue of background jobs. Each has its own worker program.
    pub enum Queue { Email = "email", Payment = "payment", Stock = "stock" }
}

pub const QUEUES: [Queue; 3] = [Queue::Email, Queue::Payment, Queue::Stock];

pub static MIGRATIONS: Migrations =
    Migrations { sqlite: sqlx::migrate!("migrations/sqlite"), postgres: sqlx::migrate!("migrations/postgres") };

/// The shop. Cloning is cheap.
#[derive(Clone)]
pub struct Shop(Arc<Parts>);

/// The parts of a [`Shop`], created in `app/context.rs`.
pub struct Parts {
    pub store: Store,
    pub db: Db,
    pub cache: Cache,
    pub mailer: Mailer,
    pub templates: Templates,
    pub media: Media,
    pub limits: Limits,
    pub clock: Clock,
    pub extensions: Extensions,
}

/// The store's name, currency and addresses.
#[derive(Clone, Debug)]
pub struct Store {
    pub name: String,
    pub currency: Currency,
    /// The address by which customers and providers reach the shop, without a slash at its end.
    pub public_url: String,
    /// The address of the storefront, which links in e-mails open, without a slash at its end.
    pub storefront_url: String,
}

/// What features add to the context, for example their settings: one value of each type.
#[derive(Default)]
pub struct Extensions(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Extensions {
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
        self
    }
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
    #[must_use]
    pub fn of(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The value of this type in its [`Extensions`].
    ///
    /// # Panics
    /// When there is none: an error in `app/context.rs` that the first request shows.
    #[must_use]
    pub fn get<T: Any>(&self) -> &T {
        let value = self.extensions.0.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref());
        value.unwrap_or_else(|| panic!("the shop was created without {}", std::any::type_name::<T>()))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Commits, and invalidates what was changed in the cache of every process, also when the outcome of the commit is unknown.
    ///
    /// # Errors
    /// Those of [`Tx::commit`].
    pub async fn commit_and_invalidate(&self, tx: Tx, changed: &[impl Part]) -> db::Result<()> {
        let committed = tx.commit().await;
        self.cache.invalidate(changed).await;
        committed
    }

    /// The Message-ID of the e-mail that `about` identifies: the same for every copy.
    #[must_use]
    pub fn message_id(&self, about: &str) -> String {
        let host = self.store.public_url.split("://").last().and_then(|rest| rest.split([':', '/']).next());
        format!("<{about}@{}>", host.unwrap_or("localhost"))
    }

    /// Waits until the database answers, however long that takes, and logs that it waits.
    ///
    /// # Errors
    /// When the database refuses the connection.
    pub async fn wait_for_database(&self) -> anyhow::Result<()> {
        let mut warned = false;
        loop {
            match self.db.ping().await {
                Ok(()) => return Ok(()),
                Err(error) if db::is_unavailable(&error) => {
                    if !warned {
                        tracing::warn!(%error, "waiting for the database");
                    }
                    warned = true;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => bail!("DATABASE_URL: the database refuses us: {error}"),
            }
        }
    }

    /// Requires that no migration is pending.
    ///
    /// # Errors
    /// When one is, with what to do.
    pub async fn require_current_schema(&self) -> anyhow::Result<()> {
        match self.db.pending_migrations().await? {
            0 => Ok(()),
            missing => bail!(
                "the database lacks {missing} migration(s): run `cartwright migrate`, or `cartwright serve --migrate`"
            ),
        }
    }
}
