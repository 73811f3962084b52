//! The SQLite pools: one writer, some readers, and readers for browsing whose transactions end in time.

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{ACQUIRE_TIMEOUT, Engine, Result};

/// How long one process waits for another that is writing to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 8;
/// Connections for browsing, one for each core within this range: each query sorts in memory and keeps a core busy.
const BROWSERS: RangeInclusive<u32> = 2..=4;
/// SQLite's virtual machine runs this many instructions, some microseconds, between two calls of the progress handler.
const PROGRESS_INTERVAL: i32 = 1000;
/// The page cache of the writer and of each reader: negative values are KiB. Fixed, so that memory does not grow with the
/// catalog; the operating system caches the file as well.
const WRITER_CACHE: &str = "-8000";
const READER_CACHE: &str = "-2000";

pub(super) fn connect(url: &str) -> Result<Engine> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "memory");
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("cache_size", WRITER_CACHE));
    let options = options.pragma("cache_size", READER_CACHE).pragma("query_only", "on");
    let read_only = |connections: u32| {
        let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect_lazy_with(options.clone())
    };
    Ok(Engine::Sqlite { writer, readers: read_only(READERS), browsers: read_only(browsers()) })
}

fn browsers() -> u32 {
    let cores = std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok());
    cores.unwrap_or(1).clamp(*BROWSERS.start(), *BROWSERS.end())
}

/// Begins a transaction whose statements are interrupted when the [`Interrupt`] is dropped or `timeout` has passed.
pub(super) async fn begin_with_timeout(
    pool: &SqlitePool,
    timeout: Duration,
) -> Result<(Transaction<'static, Sqlite>, Interrupt)> {
    let mut tx = pool.begin().await?;
    let interrupt = Interrupt::default();
    let (interrupted, end) = (Arc::clone(&interrupt.0), Instant::now() + timeout);
    let goes_on = move || !interrupted.load(Ordering::Relaxed) && Instant::now() < end;
    // The handler stays with the connection until the next transaction replaces it.
    tx.lock_handle().await?.set_progress_handler(PROGRESS_INTERVAL, goes_on);
    Ok((tx, interrupt))
}

/// Interrupts the statement under way when it is dropped, because nobody waits for the answer any more.
#[derive(Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The file of an SQLite URL, so that the program can make its folder before the first connection. `None` for other URLs.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path).split('?').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{is_timeout, is_unavailable};

    const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                           SELECT COUNT(*) FROM n a, n b, n c, n d, n e";
    const AN_HOUR: Duration = Duration::from_hours(1);

    async fn one_connection() -> SqlitePool {
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect("sqlite::memory:").await.expect("a database in memory")
    }

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_ends() {
        let pool = one_connection().await;
        let (mut tx, interrupt) = begin_with_timeout(&pool, AN_HOUR).await.expect("a transaction");
        let query = sqlx::query(ENDLESS).fetch_one(&mut *tx);
        assert!(tokio::time::timeout(Duration::from_millis(50), query).await.is_err(), "it has no end of its own");
        drop((tx, interrupt));
        let (mut tx, _interrupt) = begin_with_timeout(&pool, AN_HOUR).await.expect("the connection is free again");
        sqlx::query("SELECT TRUE").execute(&mut *tx).await.expect("an answer");
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_ends() {
        let pool = one_connection().await;
        let (mut tx, _interrupt) = begin_with_timeout(&pool, Duration::from_millis(50)).await.expect("a transaction");
        let ended = sqlx::query(ENDLESS).fetch_one(&mut *tx).await.map(drop).expect_err("it has no end of its own");
        assert!(is_timeout(&ended) && is_unavailable(&ended), "{ended}");
    }
}
