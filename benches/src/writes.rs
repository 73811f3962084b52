//! The limit of orders: what an order of three lines writes, one statement after the other, with nothing around it.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use platform::db::{Db, Migrations};
use sqlx::migrate::Migrator;
use tokio::task::JoinSet;

static NO_MIGRATIONS: Migrations = Migrations { sqlite: NONE, postgres: NONE };
const NONE: Migrator = Migrator { migrations: Cow::Borrowed(&[]), ..Migrator::DEFAULT };

/// As many writers as the shop has connections for orders; on SQLite they follow one another.
const WRITERS: usize = 14;
const PRODUCTS: i64 = 1_000;

/// Tables like the shop's, with the columns that matter.
const TABLES: [&str; 14] = [
    "DROP TABLE IF EXISTS limit_orders",
    "DROP TABLE IF EXISTS limit_lines",
    "DROP TABLE IF EXISTS limit_movements",
    "DROP TABLE IF EXISTS limit_events",
    "DROP TABLE IF EXISTS limit_jobs",
    "DROP TABLE IF EXISTS limit_keys",
    "DROP TABLE IF EXISTS limit_stock",
    "CREATE TABLE limit_orders (id BIGINT PRIMARY KEY, number TEXT, user_id BIGINT, address TEXT, total BIGINT)",
    "CREATE TABLE limit_lines (order_id BIGINT, product_id BIGINT, name TEXT, price BIGINT, quantity BIGINT)",
    "CREATE TABLE limit_movements (order_id BIGINT, product_id BIGINT, delta BIGINT, reason TEXT)",
    "CREATE TABLE limit_events (order_id BIGINT, data TEXT)",
    "CREATE TABLE limit_jobs (order_id BIGINT, queue TEXT, payload TEXT)",
    "CREATE TABLE limit_keys (key BIGINT PRIMARY KEY, response TEXT)",
    "CREATE TABLE limit_stock (product_id BIGINT PRIMARY KEY, units BIGINT)",
];

/// What an order writes besides the stock; `$1` is its id, `$2` a text of the length of an order in JSON.
const WRITES: [&str; 6] = [
    "INSERT INTO limit_keys VALUES ($1, $2)",
    "INSERT INTO limit_orders VALUES ($1, '20261122-ABCDEFGH', 1, SUBSTR($2, 1, 12), 100)",
    "INSERT INTO limit_lines VALUES ($1, 1, SUBSTR($2, 1, 12), 9, 1), ($1, 2, '', 9, 1), ($1, 3, '', 9, 1)",
    "INSERT INTO limit_movements VALUES ($1, 1, -1, SUBSTR($2, 1, 7)), ($1, 2, -1, ''), ($1, 3, -1, '')",
    "INSERT INTO limit_events VALUES ($1, $2)",
    "INSERT INTO limit_jobs VALUES ($1, 'email', SUBSTR($2, 1, 12)), ($1, 'stock', '')",
];
const TAKE: &str = "UPDATE limit_stock SET units = units - 1 WHERE product_id = $1 AND units >= 1";

/// Orders a second that the database of this URL takes.
pub async fn orders_per_second(url: &str, time: Duration) -> anyhow::Result<f64> {
    let db = Db::new(url, &NO_MIGRATIONS)?;
    let mut tx = db.write().await?;
    for statement in TABLES {
        tx.query(statement).execute().await?;
    }
    for product in 0..PRODUCTS {
        tx.query("INSERT INTO limit_stock VALUES ($1, 1000000000)").bind(product).execute().await?;
    }
    tx.commit().await?;
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_until(db.clone(), started + time, i64::try_from(writer)?));
    }
    let mut orders = 0_u32;
    while let Some(written) = writers.join_next().await {
        orders += written??;
    }
    let per_second = f64::from(orders) / started.elapsed().as_secs_f64();
    db.close().await;
    Ok(per_second)
}

async fn write_until(db: Db, end: Instant, writer: i64) -> anyhow::Result<u32> {
    let json = "x".repeat(900);
    let mut written = 0_u32;
    while Instant::now() < end {
        let id = writer * 1_000_000_000 + i64::from(written);
        let mut products: [i64; 3] = std::array::from_fn(|_| rand::random_range(0..PRODUCTS));
        products.sort_unstable();
        let mut tx = db.write().await?;
        for statement in WRITES {
            tx.query(statement).bind(id).bind(json.clone()).execute().await?;
        }
        for product in products {
            tx.query(TAKE).bind(product).execute().await?;
        }
        tx.commit().await?;
        written += 1;
    }
    Ok(written)
}
