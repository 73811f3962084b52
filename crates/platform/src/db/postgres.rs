//! The PostgreSQL pools: one for everything, and a small one for browsing. A process has 20 connections in all.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{ACQUIRE_TIMEOUT, BROWSE_TIMEOUT, Engine, Error, Result, error::is_connection_lost};

/// How a transaction that writes begins.
pub(super) const WRITE: &str = "BEGIN";
/// How a snapshot begins.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const CONNECTIONS: u32 = 14;
/// Few, because each may keep a core of the server busy.
const BROWSERS: u32 = 6;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tested before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long connections that turn out to be lost are replaced by others.
const REPLACE_LOST_FOR: Duration = Duration::from_secs(1);

pub(super) fn connect(url: &str) -> Result<Engine> {
    let options = PgConnectOptions::from_str(url)?.application_name("cartwright");
    let pool = pool_options(CONNECTIONS).connect_lazy_with(with_timeouts(&options, STATEMENT_TIMEOUT));
    let browsers = pool_options(BROWSERS)
        // Closes a connection whose statement was cancelled after its caller had gone.
        .after_release(|connection, _| Box::pin(async move { Ok(connection.ping().await.is_ok()) }))
        .connect_lazy_with(with_timeouts(&options, BROWSE_TIMEOUT));
    Ok(Engine::Postgres { pool, browsers })
}

fn with_timeouts(options: &PgConnectOptions, statement: Duration) -> PgConnectOptions {
    let statement = format!("{}ms", statement.as_millis());
    options.clone().options([
        ("statement_timeout", statement.as_str()),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "15s"),
    ])
}

fn pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Testing each connection each time would cost a round trip per transaction.
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move { Ok(used.idle_for < TRUSTED_FOR || connection.ping().await.is_ok()) })
        })
}

/// Begins a transaction. After a restart of the server every idle connection is lost, so a lost one is replaced.
///
/// Runs in a task of its own: a future that is dropped inside sqlx's `begin` returns its connection to the pool with a
/// transaction open.
pub(super) async fn begin(pool: &PgPool, sql: &'static str) -> Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let begin = tokio::spawn(async move {
        let started = Instant::now();
        for _ in 0..CONNECTIONS {
            match pool.begin_with(sql).await {
                Err(error) if is_connection_lost(&error) && started.elapsed() < REPLACE_LOST_FOR => {}
                begun => return begun,
            }
        }
        pool.begin_with(sql).await
    });
    begin.await.unwrap_or(Err(Error::WorkerCrashed))
}
