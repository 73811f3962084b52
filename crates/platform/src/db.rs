//! Two engines, one SQL text. The only file that names an engine (full-text search aside, `catalog/search.rs`).
//!
//! A call reads `tx.query("SELECT … WHERE id = $1").bind(id).fetch_optional::<Product>().await?` whatever the engine.
//! [`Db::read`] is a snapshot, [`Db::write`] a writer from its first word: on SQLite all writers of a process queue for one
//! connection and begin with `BEGIN IMMEDIATE`, so that none fails half way with `SQLITE_BUSY`. Nothing slow may
//! happen inside a `write`: no network, no sleep. What anybody may ask of the catalog is read in [`Db::browse`], which has
//! connections of its own and an end: however slow those reads are, carts and orders find a reader.
//!
//! Lock hints are written as comments, `/* FOR UPDATE */` and `/* FOR UPDATE SKIP LOCKED */`: PostgreSQL gets them as
//! words; SQLite, which has one writer, needs none.
//!
//! A COMMIT that the database does not answer leaves open what became of it: [`is_outcome_unknown`] tells such an error from
//! one that came before, after which nothing was done.
//!
//! Two faults of sqlx 0.9.0 are closed here. `commit()` answers `Ok` for a PostgreSQL transaction that the server has
//! already aborted, so [`Tx::commit`] proves that the transaction is alive first. A future dropped inside `begin()` puts
//! its connection back with a transaction open, so a connection is checked before it is handed out again.

use std::{
    borrow::Cow,
    cell::Cell,
    io,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{
    AssertSqlSafe, Column, Connection, Decode, Encode, Executor, FromRow, PgPool, Postgres, Row, SqlSafeStr, Sqlite,
    SqlitePool, Statement, Transaction, Type, TypeInfo,
    encode::IsNull,
    error::{BoxDynError, DatabaseError},
    migrate::{Migrate, Migrator},
    postgres::{PgArguments, PgConnectOptions, PgListener, PgPoolOptions, PgRow, PgTypeInfo},
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
        SqliteTypeInfo,
    },
};
use time::OffsetDateTime;
use tokio::sync::broadcast;

use crate::clock::Timestamp;

pub use sqlx::Error;
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The same tables for both engines.
pub struct Migrations {
    pub sqlite: Migrator,
    pub postgres: Migrator,
}

/// How long a caller waits for a connection, or for SQLite's one writer, before it is told that the shop is overloaded.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one process waits for another that is writing to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than the intervals, 100 ms at most, at which a process looks whether SQLite's writer is free.
const WAY: Duration = Duration::from_millis(120);
const POSTGRES_CONNECTIONS: u32 = 14;
const SQLITE_READERS: u32 = 8;
/// Those that only browse the catalog: few, because each may keep a core busy. A process has 20 on PostgreSQL in all.
const POSTGRES_BROWSERS: u32 = 6;
/// On SQLite the cores are the shop's own, and each sorts what it browses in memory: one for each core, of these.
const SQLITE_BROWSERS: RangeInclusive<u32> = 2..=4;
/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for who browses; on SQLite it is the time of a whole transaction.
const BROWSING: Duration = Duration::from_secs(2);
/// How many steps of its own SQLite goes between two looks at the clock: microseconds.
const STEPS: i32 = 1000;
/// What every snapshot begins with on PostgreSQL.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// KiB of the database that SQLite's writer keeps in memory, and that each of its readers does: what they hold together
/// must not grow with the catalog. Behind them is the system's own cache of files.
const WRITER_CACHE: &str = "-8000";
const READER_CACHE: &str = "-2000";
/// The PostgreSQL channel that carries notices between processes.
const CHANNEL: &str = "cartwright";
/// Stands for notices of other processes that may have been lost while the database was away.
pub const MISSED_NOTICES: &str = "missed";

/// The shop's database. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    migrations: &'static Migrations,
    notices: broadcast::Sender<String>,
}

#[derive(Clone)]
enum Engine {
    Sqlite { writer: SqlitePool, readers: SqlitePool, browsers: SqlitePool },
    Postgres { pool: PgPool, browsers: PgPool },
}

/// Which engine answers. Asked only where full-text search differs, and by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Db {
    /// Prepares the pools. Connects when first used, so that a program may start before its database does.
    ///
    /// # Errors
    /// When the URL is not one of `sqlite://…` and `postgres://…`.
    pub fn new(url: &str, migrations: &'static Migrations) -> Result<Self> {
        let engine = if url.starts_with("sqlite:") { sqlite(url)? } else { postgres(url)? };
        let (notices, _) = broadcast::channel(1024);
        let db = Self { engine, migrations, notices };
        db.hear_other_processes();
        Ok(db)
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.engine {
            Engine::Sqlite { .. } => Dialect::Sqlite,
            Engine::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// A snapshot: every statement in it sees the same moment. It never becomes a writer.
    pub async fn read(&self) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Sqlite { readers, .. } => Inner::Sqlite(readers.begin().await?),
            Engine::Postgres { pool, .. } => Inner::Postgres(pool.begin_with(SNAPSHOT).await?),
        };
        Ok(self.transaction(inner, Access::Reads))
    }

    /// A snapshot for what anybody may ask of the catalog, on connections of its own. What takes too long is ended, see
    /// [`is_out_of_time`]; so is what goes on when the snapshot is dropped: on SQLite at once, on PostgreSQL by the same limit.
    pub async fn browse(&self) -> Result<Tx> {
        match &self.engine {
            Engine::Sqlite { browsers, .. } => {
                let (tx, watch) = watched(browsers, BROWSING).await?;
                Ok(Tx { _watch: Some(watch), ..self.transaction(Inner::Sqlite(tx), Access::Reads) })
            }
            Engine::Postgres { browsers, .. } => {
                Ok(self.transaction(Inner::Postgres(browsers.begin_with(SNAPSHOT).await?), Access::Reads))
            }
        }
    }

    /// A writer from its first word. Take the time after this returns: it may have waited.
    pub async fn write(&self) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Sqlite { writer, .. } => Inner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Engine::Postgres { pool, .. } => Inner::Postgres(pool.begin().await?),
        };
        Ok(self.transaction(inner, Access::Writes))
    }

    fn transaction(&self, inner: Inner, access: Access) -> Tx {
        let counted = if access == Access::Writes { Counted::begin() } else { None };
        Tx { inner, access, notices: Vec::new(), hearers: self.notices.clone(), _counted: counted, _watch: None }
    }

    /// A single read, which needs no transaction.
    pub fn query(&self, sql: &'static str) -> Query<'_> {
        let (target, args) = match &self.engine {
            Engine::Sqlite { readers, .. } => (Target::SqlitePool(readers), Args::Sqlite(SqliteArguments::default())),
            Engine::Postgres { pool, .. } => (Target::PgPool(pool), Args::Postgres(PgArguments::default())),
        };
        Query::new(target, sql, args)
    }

    /// Hears every notice committed by this process and, on PostgreSQL, by the others.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<String> {
        self.notices.subscribe()
    }

    fn hear_other_processes(&self) {
        let Engine::Postgres { pool, .. } = &self.engine else { return };
        let (pool, notices) = (pool.clone(), self.notices.clone());
        tokio::spawn(async move {
            while !pool.is_closed() {
                if let Err(error) = forward_notices(&pool, &notices).await {
                    tracing::debug!(%error, "cannot listen to the database, retrying");
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }

    /// Brings the schema up to date; running it twice, or from two processes at once, does no harm.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        match &self.engine {
            Engine::Sqlite { writer, .. } => self.migrations.sqlite.run(writer).await?,
            Engine::Postgres { pool, .. } => self.migrations.postgres.run(pool).await?,
        }
        Ok(())
    }

    /// How many migrations this program knows that the database has not had yet.
    pub async fn pending_migrations(&self) -> anyhow::Result<usize> {
        let (known, applied) = match &self.engine {
            Engine::Sqlite { writer, .. } => (&self.migrations.sqlite, applied(&mut *writer.acquire().await?).await?),
            Engine::Postgres { pool, .. } => (&self.migrations.postgres, applied(&mut *pool.acquire().await?).await?),
        };
        Ok(known.iter().filter(|migration| !applied.contains(&migration.version)).count())
    }

    /// Gives way to other processes, between two of many transactions in a row. SQLite's one writer is theirs, too, and
    /// nothing keeps the order in which they wait for it. PostgreSQL's writers stand in nobody's way.
    pub async fn give_way(&self) {
        if matches!(self.engine, Engine::Sqlite { .. }) {
            tokio::time::sleep(WAY).await;
        }
    }

    /// Asks the database whether it is there.
    pub async fn ping(&self) -> Result<()> {
        self.query("SELECT TRUE").execute().await.map(drop)
    }

    /// Closes every connection after letting them finish.
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

fn sqlite(url: &str) -> Result<Engine> {
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
    let reading = |connections: u32| {
        let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect_lazy_with(options.clone())
    };
    Ok(Engine::Sqlite { writer, readers: reading(SQLITE_READERS), browsers: reading(sqlite_browsers()) })
}

fn sqlite_browsers() -> u32 {
    let cores = std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok());
    cores.unwrap_or(1).clamp(*SQLITE_BROWSERS.start(), *SQLITE_BROWSERS.end())
}

fn postgres(url: &str) -> Result<Engine> {
    let options = PgConnectOptions::from_str(url)?.application_name("cartwright");
    let pool = postgres_pool(POSTGRES_CONNECTIONS).connect_lazy_with(with_patience(&options, PATIENCE));
    let browsers = postgres_pool(POSTGRES_BROWSERS)
        // One whose statement was ended after nobody waited for it any more is closed without a word.
        .after_release(|connection, _| Box::pin(async move { Ok(connection.ping().await.is_ok()) }))
        .connect_lazy_with(with_patience(&options, BROWSING));
    Ok(Engine::Postgres { pool, browsers })
}

/// `patience`: how long a statement may take.
fn with_patience(options: &PgConnectOptions, patience: Duration) -> PgConnectOptions {
    let patience = format!("{}ms", patience.as_millis());
    options.clone().options([
        ("statement_timeout", patience.as_str()),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "15s"),
    ])
}

fn postgres_pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // This also is the liveness test that sqlx would make by itself: one round trip instead of two.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // In one simple message both times are that message's, unless a transaction began before it.
                let asked = sqlx::raw_sql("SELECT now() = statement_timestamp()");
                let outside: bool = asked.fetch_one(&mut *connection).await?.try_get(0)?;
                Ok(outside)
            })
        })
}

/// Begins a transaction on SQLite whose statements end when it is dropped, and when it has taken this long.
async fn watched(pool: &SqlitePool, most: Duration) -> Result<(Transaction<'static, Sqlite>, Watch)> {
    let mut tx = pool.begin().await?;
    let watch = Watch::default();
    let (left, end) = (Arc::clone(&watch.0), Instant::now() + most);
    let goes_on = move || !left.load(Ordering::Relaxed) && Instant::now() < end;
    // It stays with the connection, where the next transaction puts its own in its place.
    tx.lock_handle().await?.set_progress_handler(STEPS, goes_on);
    Ok((tx, watch))
}

/// Ends the statement under way when it is dropped: nobody waits for the answer any more.
#[derive(Default)]
struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn forward_notices(pool: &PgPool, notices: &broadcast::Sender<String>) -> Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let _ = notices.send(MISSED_NOTICES.to_owned()); // nobody listening is fine
    loop {
        // It connects again by itself, and says so by giving nothing.
        let notice = listener.try_recv().await?;
        let notice = notice.map_or(MISSED_NOTICES.to_owned(), |notice| notice.payload().to_owned());
        let _ = notices.send(notice);
    }
}

async fn applied<C: Connection + Migrate>(connection: &mut C) -> Result<Vec<i64>> {
    let table = "_sqlx_migrations";
    connection.ensure_migrations_table(table).await.map_err(|error| Error::Migrate(Box::new(error)))?;
    let applied = connection.list_applied_migrations(table).await.map_err(|error| Error::Migrate(Box::new(error)))?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

/// The folder and file of an SQLite URL, so that the program can make the folder before the first connection.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path).split('?').next()?))
}

/// A transaction. Dropped without [`Tx::commit`], it changed nothing.
pub struct Tx {
    inner: Inner,
    access: Access,
    notices: Vec<String>,
    hearers: broadcast::Sender<String>,
    _counted: Option<Counted>,
    _watch: Option<Watch>,
}

tokio::task_local! {
    /// How many transactions that write a request has open.
    static WRITERS: Cell<u32>;
}

/// Counts the transactions that write while this runs, see [`is_writing`].
pub async fn counting_writers<T>(work: impl Future<Output = T>) -> T {
    WRITERS.scope(Cell::new(0), work).await
}

/// Whether this request has a transaction open that writes. Everybody else's changes wait for it on SQLite, so nothing that
/// a stranger sent is read or judged meanwhile.
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Reads,
    Writes,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let (target, args) = match &mut self.inner {
            Inner::Sqlite(tx) => (Target::Sqlite(tx), Args::Sqlite(SqliteArguments::default())),
            Inner::Postgres(tx) => (Target::Postgres(tx), Args::Postgres(PgArguments::default())),
        };
        Query::new(target, sql, args)
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Says something to whoever listens, if and when this commits.
    pub fn notify(&mut self, notice: impl Into<String>) {
        let notice = notice.into();
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Makes it all true.
    ///
    /// # Errors
    /// Also when an earlier statement failed and the server has given the transaction up: then nothing was kept. Whether it
    /// was is open when the database went away instead of answering: [`is_outcome_unknown`].
    pub async fn commit(self) -> Result<()> {
        let committed = match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(mut tx) => {
                let alive = "SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice";
                sqlx::query(alive).bind(CHANNEL).bind(&self.notices).execute(&mut *tx).await?;
                tx.commit().await
            }
        };
        committed.map_err(|error| error_of_commit(error, self.access))?;
        for notice in self.notices {
            let _ = self.hearers.send(notice); // nobody listening is fine
        }
        Ok(())
    }
}

/// Why nobody knows what became of a COMMIT.
#[derive(Debug, thiserror::Error)]
#[error("no answer to COMMIT: {0}")]
struct UnknownOutcome(Error);

/// What an error of COMMIT itself means. One that the database answers with says that it has rolled back, unless it says
/// that the database goes away; of a transaction that only read nothing is left open.
fn error_of_commit(error: Error, access: Access) -> Error {
    let rolled_back =
        error.as_database_error().is_some_and(|error| !error.code().is_some_and(|code| is_going_away(&code)));
    match access {
        Access::Writes if !rolled_back => Error::Io(io::Error::other(UnknownOutcome(error))),
        _ => error,
    }
}

/// PostgreSQL: connection lost, shutting down. SQLite: the file cannot be written or read (`SQLITE_IOERR`, whatever it was
/// doing: the upper bits say).
fn is_going_away(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => sqlite & 0xff == 10,
        _ => code.starts_with("08") || code.starts_with("57"),
    }
}

/// Whether a COMMIT was not answered, so that what the transaction wrote may be kept or not.
#[must_use]
pub fn is_outcome_unknown(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<UnknownOutcome>))
}

/// A value both engines can store. Blanket-implemented, so nobody writes an impl.
pub trait Value: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}
impl<T> Value for T where T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

/// A row both engines can return: `#[derive(FromRow)]` is enough, its impl is generic over the row.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

enum Target<'a> {
    SqlitePool(&'a SqlitePool),
    PgPool(&'a PgPool),
    Sqlite(&'a mut Transaction<'static, Sqlite>),
    Postgres(&'a mut Transaction<'static, Postgres>),
}

enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// One statement on its way to the engine.
#[must_use = "a query does nothing until it is executed or fetched"]
pub struct Query<'a> {
    target: Target<'a>,
    sql: Cow<'static, str>,
    args: Args,
    bound: usize,
    /// The first value that could not be encoded; told when the query runs.
    fault: Option<BoxDynError>,
}

/// Runs the same sqlx call on whichever engine, inside or outside a transaction.
macro_rules! on_engine {
    ($query:expr, $prepared:ident, $executor:ident => $run:expr) => {{
        let Query { target, sql, args, fault, .. } = $query;
        if let Some(fault) = fault {
            return Err(Error::Encode(fault));
        }
        let sql = AssertSqlSafe(sql);
        match (target, args) {
            (Target::SqlitePool($executor), Args::Sqlite(args)) => {
                let $prepared = sqlx::query_with(sql, args);
                $run
            }
            (Target::PgPool($executor), Args::Postgres(args)) => {
                let $prepared = sqlx::query_with(sql, args);
                $run
            }
            (Target::Sqlite(tx), Args::Sqlite(args)) => {
                let ($executor, $prepared) = (&mut **tx, sqlx::query_with(sql, args));
                $run
            }
            (Target::Postgres(tx), Args::Postgres(args)) => {
                let ($executor, $prepared) = (&mut **tx, sqlx::query_with(sql, args));
                $run
            }
            _ => unreachable!("arguments are made for the target they go to"),
        }
    }};
}

/// A row as its engine gave it.
enum AnyRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl AnyRow {
    fn read<R: Record>(&self) -> Result<R> {
        match self {
            Self::Sqlite(row) => R::from_row(row),
            Self::Postgres(row) => R::from_row(row),
        }
    }
}

impl From<SqliteRow> for AnyRow {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for AnyRow {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl<'a> Query<'a> {
    fn new(target: Target<'a>, sql: &'static str, args: Args) -> Self {
        let sql = match args {
            Args::Postgres(_) if sql.contains("/* FOR") => sql.replace("/* FOR", "FOR").replace(" */", "").into(),
            _ => sql.into(),
        };
        Self { target, sql, args, bound: 0, fault: None }
    }

    /// Gives the next `$n` its value.
    pub fn bind<V: Value>(mut self, value: V) -> Self {
        use sqlx::Arguments;
        let added = match &mut self.args {
            Args::Sqlite(args) => args.add(value),
            Args::Postgres(args) => args.add(value),
        };
        self.bound += 1;
        self.fault = self.fault.or(added.err());
        self
    }

    /// Adds a piece of the statement, as a list with optional filters needs. `$?` in it stands for `value`.
    pub fn push_bind<V: Value>(mut self, fragment: &'static str, value: V) -> Self {
        let place = format!("${}", self.bound + 1);
        self.sql.to_mut().push_str(&fragment.replace("$?", &place));
        self.bind(value)
    }

    /// Adds `($1, $2, …)` for an `IN`: neither engine takes a list as one value in the same words. Filled up with the last
    /// value to a multiple of twenty, so that few different statements arise.
    pub fn push_list<V: Value + Clone>(mut self, values: &[V]) -> Self {
        let Some(last) = values.last() else { return self.push(" (NULL)") };
        let length = values.len().next_multiple_of(20);
        let places: Vec<String> = (1..=length).map(|place| format!("${}", self.bound + place)).collect();
        self.sql.to_mut().push_str(&[" (", &places.join(", "), ")"].concat());
        values.iter().chain(std::iter::repeat(last)).take(length).fold(self, |query, value| query.bind(value.clone()))
    }

    /// Adds a piece of the statement that carries no value.
    pub fn push(mut self, fragment: &'static str) -> Self {
        self.sql.to_mut().push_str(fragment);
        self
    }

    /// Runs it and says how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        on_engine!(self, prepared, executor => Ok(Box::pin(prepared.execute(executor)).await?.rows_affected()))
    }

    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>> {
        self.row().await?.map(|row| row.read()).transpose()
    }

    pub async fn fetch_one<R: Record>(self) -> Result<R> {
        self.row().await?.ok_or(Error::RowNotFound)?.read()
    }

    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>> {
        self.rows().await?.iter().map(AnyRow::read).collect()
    }

    // These two know no record, so that the drivers' large futures are compiled once instead of for every record, and are
    // boxed, because side by side they would make every endpoint's future tens of kilobytes large.

    fn row(self) -> BoxFuture<'a, Result<Option<AnyRow>>> {
        let ask = async {
            on_engine!(self, prepared, executor => Ok(prepared.fetch_optional(executor).await?.map(AnyRow::from)))
        };
        Box::pin(ask)
    }

    fn rows(self) -> BoxFuture<'a, Result<Vec<AnyRow>>> {
        let ask = async {
            on_engine!(self, prepared, executor => {
                Ok(prepared.fetch_all(executor).await?.into_iter().map(AnyRow::from).collect())
            })
        };
        Box::pin(ask)
    }

    /// Asks the engine whether it understands the statement, without running it: what its columns are called, and of which
    /// type they are in the engine's words. For tests.
    pub async fn prepare(self) -> Result<Vec<(String, String)>> {
        let sql = AssertSqlSafe(self.sql).into_sql_str();
        match self.target {
            Target::SqlitePool(pool) => pool.prepare(sql).await.map(|statement| columns(&statement)),
            Target::PgPool(pool) => pool.prepare(sql).await.map(|statement| columns(&statement)),
            Target::Sqlite(tx) => tx.prepare(sql).await.map(|statement| columns(&statement)),
            Target::Postgres(tx) => tx.prepare(sql).await.map(|statement| columns(&statement)),
        }
    }
}

fn columns<S: Statement>(statement: &S) -> Vec<(String, String)> {
    let columns = statement.columns().iter();
    columns.map(|column| (column.name().to_owned(), column.type_info().name().to_owned())).collect()
}

/// Whether the database is away, restarting or too busy: trying again makes sense, and nothing was done unless the outcome
/// [is unknown](is_outcome_unknown).
#[must_use]
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Io(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::BeginFailed
        | Error::WorkerCrashed => true,
        // PostgreSQL: connection lost, shutting down or timed out, out of resources, locks and deadlocks. SQLite: busy, locked,
        // interrupted.
        Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "57", "53", "55P03", "40"].iter().any(|class| code.starts_with(class))
                || ["5", "6", "9"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Whether a statement was ended because it took too long, or because nobody waited for its answer any more.
#[must_use]
pub fn is_out_of_time(error: &Error) -> bool {
    // SQLite: interrupted. PostgreSQL: canceled.
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "9" || code == "57014")
}

/// Whether a unique index refused the row.
#[must_use]
pub fn is_taken(error: &Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// A pattern for `LIKE` that finds this very text anywhere. SQLite has to be told `ESCAPE '\'`.
#[must_use]
pub fn containing(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

// A moment is microseconds since 1970 in an SQLite INTEGER, which sorts and compares, and a TIMESTAMPTZ on PostgreSQL.

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buf: &mut <Sqlite as sqlx::Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Sqlite>>::encode_by_ref(&self.micros(), buf)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: <Sqlite as sqlx::Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Sqlite>>::decode(value).map(Timestamp::from_micros)
    }
}

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buf: &mut <Postgres as sqlx::Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <OffsetDateTime as Encode<Postgres>>::encode_by_ref(&self.date_time(), buf)
    }
}

impl<'r> Decode<'r, Postgres> for Timestamp {
    fn decode(value: <Postgres as sqlx::Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <OffsetDateTime as Decode<Postgres>>::decode(value).map(Timestamp::from_date_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (mut tx, watch) = watched(&pool, AN_HOUR).await.expect("a transaction");
        let asked = sqlx::query(ENDLESS).fetch_one(&mut *tx);
        assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err(), "it has no end of its own");
        drop((tx, watch));
        let (mut tx, _watch) = watched(&pool, AN_HOUR).await.expect("the connection is free again");
        sqlx::query("SELECT TRUE").execute(&mut *tx).await.expect("an answer");
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_ends() {
        let pool = one_connection().await;
        let (mut tx, _watch) = watched(&pool, Duration::from_millis(50)).await.expect("a transaction");
        let ended = sqlx::query(ENDLESS).fetch_one(&mut *tx).await.map(drop).expect_err("it has no end of its own");
        assert!(is_out_of_time(&ended) && is_unavailable(&ended), "{ended}");
    }
}
