//! Transactions, and whether a request has one open that writes.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{Sqlite, Transaction, postgres::PgArguments, sqlite::SqliteArguments};

use super::{
    Query, Result,
    error::error_of_commit,
    notices::Notices,
    query::{Args, PgTransaction, Target},
    sqlite::Interrupt,
};

/// A transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx {
    inner: Inner,
    access: Access,
    notices: Vec<String>,
    sender: Notices,
    statements: Arc<AtomicU64>,
    _counted: Option<Counted>,
    _interrupt: Option<Interrupt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Reads,
    Writes,
}

pub(super) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(PgTransaction),
}

impl Tx {
    pub(super) fn new(inner: Inner, access: Access, sender: Notices, statements: Arc<AtomicU64>) -> Self {
        let counted = if access == Access::Writes { Counted::begin() } else { None };
        Self { inner, access, notices: Vec::new(), sender, statements, _counted: counted, _interrupt: None }
    }

    /// Interrupts a statement under way when the transaction is dropped.
    pub(super) fn interrupted_by(self, interrupt: Interrupt) -> Self {
        Self { _interrupt: Some(interrupt), ..self }
    }

    /// A statement of this transaction, with `$1`, `$2`, … for its values.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (target, args) = match &mut self.inner {
            Inner::Sqlite(tx) => (Target::Sqlite(tx), Args::Sqlite(SqliteArguments::default())),
            Inner::Postgres(tx) => (Target::Postgres(tx), Args::Postgres(PgArguments::default())),
        };
        Query::new(target, sql, args)
    }

    /// Sends a notice to all subscribers of [`Db::notices`](super::Db::notices) when this commits.
    pub fn notify(&mut self, notice: impl Into<String>) {
        let notice = notice.into();
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Commits, then sends the notices.
    ///
    /// # Errors
    /// When the server has aborted the transaction because an earlier statement failed: nothing was written. When the
    /// database did not answer, it may have been written or not, see [`is_outcome_unknown`](super::is_outcome_unknown).
    pub async fn commit(self) -> Result<()> {
        let committed = match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(mut pg) => {
                if pg.failed {
                    // Fails in an aborted transaction, whose COMMIT sqlx would report as done.
                    sqlx::query("SELECT TRUE").execute(&mut *pg.tx).await?;
                }
                pg.tx.commit().await
            }
        };
        committed.map_err(|error| error_of_commit(error, self.access))?;
        self.notices.into_iter().for_each(|notice| self.sender.send(notice));
        Ok(())
    }
}

tokio::task_local! {
    /// How many write transactions a request has open.
    static WRITERS: Cell<u32>;
}

/// Counts the write transactions that are open while `work` runs, for [`is_writing`].
pub async fn counting_writers<T>(work: impl Future<Output = T>) -> T {
    WRITERS.scope(Cell::new(0), work).await
}

/// Whether this request has a write transaction open. On SQLite all other writers wait for it, so nothing that a client
/// sent is read or parsed meanwhile. Always `false` outside of [`counting_writers`].
#[must_use]
pub fn is_writing() -> bool {
    WRITERS.try_with(|open| open.get() > 0).unwrap_or(false)
}

/// One of the [`WRITERS`].
struct Counted;

impl Counted {
    fn begin() -> Option<Self> {
        WRITERS.try_with(|open| open.set(open.get() + 1)).ok().map(|()| Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = WRITERS.try_with(|open| open.set(open.get().saturating_sub(1)));
    }
}
