//! The PostgreSQL pools: one for everything, and a small one for browsing. A process has 20 connections in all.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{ACQUIRE_TIMEOUT, BROWSE_TIMEOUT, Engine, Result};

/// How a snapshot begins.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const CONNECTIONS: u32 = 14;
/// Few, because each may keep a core of the server busy.
const BROWSERS: u32 = 6;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

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
        // `before_acquire` below is the liveness test as well: one round trip instead of two.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // Outside of a transaction both times are those of this message. They differ when one is still open.
                let query = sqlx::raw_sql("SELECT now() = statement_timestamp()");
                let is_outside: bool = query.fetch_one(&mut *connection).await?.try_get(0)?;
                Ok(is_outside)
            })
        })
}
