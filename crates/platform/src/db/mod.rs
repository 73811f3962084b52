//! The database: SQLite or PostgreSQL behind one SQL text. Together with `catalog/search.rs` (full-text search), this is
//! the only code that names an engine.
//!
//! A call reads `tx.query("SELECT … WHERE id = $1").bind(id).fetch_optional::<Product>().await?` whatever the engine.
//!
//! - [`Db::read`] opens a read-only snapshot.
//! - [`Db::write`] opens a write transaction. On SQLite all writers of a process queue for one connection and start with
//!   `BEGIN IMMEDIATE`, so that none fails half way with `SQLITE_BUSY`. No network call and no sleep inside one.
//! - [`Db::browse`] opens a snapshot for public catalog reads, on connections of its own and with a time limit, so that
//!   slow lists never take the connections that carts and orders need.
//!
//! Lock hints are written as comments, `/* FOR UPDATE */` and `/* FOR UPDATE SKIP LOCKED */`. PostgreSQL gets them as
//! keywords; SQLite has one writer and needs none.
//!
//! When the database does not answer a COMMIT, nobody knows whether it took effect. [`is_outcome_unknown`] tells such an
//! error from one that came before the COMMIT, after which nothing was written.
//!
//! Two bugs of sqlx 0.9.0 are worked around here:
//! - `commit()` returns `Ok` for a PostgreSQL transaction that the server has already aborted. After an error of one of
//!   its statements, [`Tx::commit`] runs another one first, which fails in an aborted transaction.
//! - A future dropped inside `begin()` returns its connection to the pool with a transaction open. `begin` runs in a task
//!   of its own (`postgres.rs`).

mod error;
mod migrations;
mod notices;
mod postgres;
mod query;
mod sqlite;
mod timestamp;
mod transaction;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, SqlitePool, postgres::PgArguments, sqlite::SqliteArguments};

use self::{
    notices::Notices,
    query::{Args, PgTransaction, Target},
    transaction::{Access, Inner},
};

pub use self::{
    error::{is_outcome_unknown, is_timeout, is_unavailable, is_unique_violation},
    migrations::Migrations,
    notices::MISSED_NOTICES,
    query::{Query, Record, Value, containing},
    sqlite::sqlite_file,
    transaction::{Tx, counting_writers, is_writing},
};
pub use sqlx::Error;

/// What the functions of this module return. [`Error`] is sqlx's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How long a caller waits for a connection, or for SQLite's one writer, before it gets [`Error::PoolTimedOut`].
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transaction of [`Db::browse`] (SQLite) or each of its statements (PostgreSQL) may take.
const BROWSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the interval, at most 100 ms, at which a process checks whether SQLite's writer is free.
const YIELD_PAUSE: Duration = Duration::from_millis(120);

/// The shop's database: connection pools and notices. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    migrations: &'static Migrations,
    notices: Notices,
    statements: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Engine {
    Sqlite { writer: SqlitePool, readers: SqlitePool, browsers: SqlitePool },
    Postgres { pool: PgPool, browsers: PgPool },
}

/// The SQL that a [`Query`] is written in. Only full-text search uses it; whatever else depends on the engine has a
/// method of [`Db`] that says what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Db {
    /// Prepares the pools for `sqlite://FILE` or `postgres://…`. Connects on first use, so that a program may start before
    /// its database. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// When the URL cannot be parsed.
    pub fn new(url: &str, migrations: &'static Migrations) -> Result<Self> {
        let engine = if url.starts_with("sqlite:") { sqlite::connect(url)? } else { postgres::connect(url)? };
        let notices = Notices::of(&engine);
        Ok(Self { engine, migrations, notices, statements: Arc::default() })
    }

    /// Whether the programs that open it migrate it at their start. If not, an operator does.
    #[must_use]
    pub fn migrates_on_start(&self) -> bool {
        matches!(self.engine, Engine::Sqlite { .. })
    }

    /// Whether [`Db::notices`] receives the notices of other processes, too. If not, poll for what they changed.
    #[must_use]
    pub fn notifies_other_processes(&self) -> bool {
        matches!(self.engine, Engine::Postgres { .. })
    }

    /// Opens a read-only snapshot: every statement in it sees the same state.
    ///
    /// # Errors
    /// When no connection is free in time or the database is unreachable, see [`is_unavailable`].
    pub async fn read(&self) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Sqlite { readers, .. } => Inner::Sqlite(readers.begin().await?),
            Engine::Postgres { pool, .. } => {
                Inner::Postgres(PgTransaction::new(postgres::begin(pool, postgres::SNAPSHOT).await?))
            }
        };
        Ok(self.transaction(inner, Access::Reads))
    }

    /// Opens a read-only snapshot for public catalog reads, on connections of its own. What takes longer than two seconds
    /// is ended with an error that [`is_timeout`]. A statement under way also ends when the snapshot is dropped: on SQLite
    /// at once, on PostgreSQL after the same limit.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn browse(&self) -> Result<Tx> {
        match &self.engine {
            Engine::Sqlite { browsers, .. } => {
                let (tx, interrupt) = sqlite::begin_with_timeout(browsers, BROWSE_TIMEOUT).await?;
                Ok(self.transaction(Inner::Sqlite(tx), Access::Reads).interrupted_by(interrupt))
            }
            Engine::Postgres { browsers, .. } => {
                let tx = postgres::begin(browsers, postgres::SNAPSHOT).await?;
                Ok(self.transaction(Inner::Postgres(PgTransaction::new(tx)), Access::Reads))
            }
        }
    }

    /// Opens a write transaction. Read the clock after this returns, because it may have waited for other writers.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn write(&self) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Sqlite { writer, .. } => Inner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Engine::Postgres { pool, .. } => {
                Inner::Postgres(PgTransaction::new(postgres::begin(pool, postgres::WRITE).await?))
            }
        };
        Ok(self.transaction(inner, Access::Writes))
    }

    fn transaction(&self, inner: Inner, access: Access) -> Tx {
        Tx::new(inner, access, self.notices.clone(), Arc::clone(&self.statements))
    }

    /// A single read outside of a transaction.
    pub fn query(&self, sql: &'static str) -> Query<'_> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (target, args) = match &self.engine {
            Engine::Sqlite { readers, .. } => (Target::SqlitePool(readers), Args::Sqlite(SqliteArguments::default())),
            Engine::Postgres { pool, .. } => (Target::PgPool(pool), Args::Postgres(PgArguments::default())),
        };
        Query::new(target, sql, args)
    }

    /// How many statements this process has made, without those that begin and end transactions.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Lets the writers of other processes go first, between two of many transactions in a row. On SQLite they share one
    /// writer, and nothing keeps the order in which they wait for it. On PostgreSQL this does nothing.
    pub async fn yield_to_writers(&self) {
        if matches!(self.engine, Engine::Sqlite { .. }) {
            tokio::time::sleep(YIELD_PAUSE).await;
        }
    }

    /// A number that changes when another process writes to the SQLite file, and only then. `None` on PostgreSQL.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn version_by_others(&self) -> Result<Option<i64>> {
        match &self.engine {
            // All writes of this process go through the one connection, and do not change its own number.
            Engine::Sqlite { writer, .. } => {
                sqlx::query_scalar("PRAGMA data_version").fetch_one(writer).await.map(Some)
            }
            Engine::Postgres { .. } => Ok(None),
        }
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        self.query("SELECT TRUE").execute().await.map(drop)
    }

    /// Waits for the connections in use, then closes all of them.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, browsers } => {
                browsers.close().await;
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool, browsers } => {
                browsers.close().await;
                pool.close().await;
            }
        }
    }
}
