//! One statement: its text, the values bound to it, and how it runs on either engine.

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use sqlx::{
    AssertSqlSafe, Column, Encode, Executor, FromRow, PgPool, Postgres, SqlSafeStr, Sqlite, SqlitePool, Statement,
    Transaction, Type, TypeInfo,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Dialect, Error, Result};

/// A value that both engines can store. Implemented for every type that can be.
pub trait Value: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}
impl<T> Value for T where T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

/// A row that both engines can return: `#[derive(FromRow)]` is enough.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

pub(super) enum Target<'a> {
    SqlitePool(&'a SqlitePool),
    PgPool(&'a PgPool),
    Sqlite(&'a mut Transaction<'static, Sqlite>),
    Postgres(&'a mut PgTransaction),
}

/// A PostgreSQL transaction, and whether one of its statements may have failed: the server has then aborted it.
pub(super) struct PgTransaction {
    pub(super) tx: Transaction<'static, Postgres>,
    pub(super) failed: bool,
}

pub(super) enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl PgTransaction {
    pub(super) fn new(tx: Transaction<'static, Postgres>) -> Self {
        Self { tx, failed: false }
    }
}

/// One statement with its values. It runs when it is executed or fetched.
#[must_use = "a query does nothing until it is executed or fetched"]
pub struct Query<'a> {
    target: Target<'a>,
    sql: Cow<'static, str>,
    args: Args,
    bound: usize,
    /// Why the first value that cannot be encoded cannot; returned when the query runs.
    error: Option<BoxDynError>,
}

/// Runs the same sqlx call on either engine, inside or outside of a transaction.
macro_rules! on_engine {
    ($query:expr, $prepared:ident, $executor:ident => $run:expr) => {{
        let Query { target, sql, args, error, .. } = $query;
        if let Some(error) = error {
            return Err(Error::Encode(error));
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
            (Target::Postgres(pg), Args::Postgres(args)) => {
                // Stays set when the statement fails, and when its caller stops waiting for it.
                let failed_before = std::mem::replace(&mut pg.failed, true);
                let ($executor, $prepared) = (&mut *pg.tx, sqlx::query_with(sql, args));
                let done = $run;
                pg.failed = failed_before;
                done
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
    pub(super) fn new(target: Target<'a>, sql: &'static str, args: Args) -> Self {
        let sql = with_locks(sql, &args);
        Self { target, sql, args, bound: 0, error: None }
    }

    /// What full-text search is to be written in.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.args {
            Args::Sqlite(_) => Dialect::Sqlite,
            Args::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Binds the next `$n`. A value that cannot be encoded makes the query fail when it runs.
    pub fn bind<V: Value>(mut self, value: V) -> Self {
        use sqlx::Arguments;
        let added = match &mut self.args {
            Args::Sqlite(args) => args.add(value),
            Args::Postgres(args) => args.add(value),
        };
        self.bound += 1;
        self.error = self.error.or(added.err());
        self
    }

    /// Appends a piece of SQL with a value, which `$?` stands for: for optional filters.
    pub fn push_bind<V: Value>(mut self, fragment: &'static str, value: V) -> Self {
        let placeholder = format!("${}", self.bound + 1);
        self.sql.to_mut().push_str(&fragment.replace("$?", &placeholder));
        self.bind(value)
    }

    /// Appends ` ($1, $2, …)` for an `IN`, because no syntax for a list as one value works on both engines. The last value
    /// is repeated up to a multiple of 20 values, so that few different statements are prepared. An empty list matches
    /// nothing.
    pub fn push_list<V: Value + Clone>(mut self, values: &[V]) -> Self {
        let Some(last) = values.last() else { return self.push(" (NULL)") };
        let length = values.len().next_multiple_of(20);
        let placeholders: Vec<String> = (1..=length).map(|index| format!("${}", self.bound + index)).collect();
        self.sql.to_mut().push_str(&[" (", &placeholders.join(", "), ")"].concat());
        values.iter().chain(std::iter::repeat(last)).take(length).fold(self, |query, value| query.bind(value.clone()))
    }

    /// Appends ` ($1, $2), ($3, $4), …`, for `VALUES`: as many values for each row as `bind` binds.
    pub fn push_rows<T>(mut self, rows: &[T], bind: impl Fn(Self, &T) -> Self) -> Self {
        for (index, row) in rows.iter().enumerate() {
            let before = self.bound;
            self = bind(self, row);
            let placeholders: Vec<String> = (before + 1..=self.bound).map(|number| format!("${number}")).collect();
            let separator = if index == 0 { " (" } else { ", (" };
            self.sql.to_mut().push_str(&[separator, &placeholders.join(", "), ")"].concat());
        }
        self
    }

    /// Appends a piece of SQL without a value.
    pub fn push(mut self, fragment: &'static str) -> Self {
        let fragment = with_locks(fragment, &self.args);
        self.sql.to_mut().push_str(&fragment);
        self
    }

    /// Runs the statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// What the database refused, see the functions of `error.rs`; [`Error::Encode`] for a value that cannot be bound.
    pub async fn execute(self) -> Result<u64> {
        on_engine!(self, prepared, executor => Ok(Box::pin(prepared.execute(executor)).await?.rows_affected()))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute); [`Error::ColumnDecode`] when the row is no `R`.
    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>> {
        self.row().await?.map(|row| row.read()).transpose()
    }

    /// The first row.
    ///
    /// # Errors
    /// As for [`fetch_optional`](Self::fetch_optional); [`Error::RowNotFound`] when there is none.
    pub async fn fetch_one<R: Record>(self) -> Result<R> {
        self.row().await?.ok_or(Error::RowNotFound)?.read()
    }

    /// All rows, in the statement's order.
    ///
    /// # Errors
    /// As for [`fetch_optional`](Self::fetch_optional).
    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>> {
        self.rows().await?.iter().map(AnyRow::read).collect()
    }

    // These two are not generic over the record, so that the drivers' large futures are compiled once. They are boxed,
    // because otherwise they would make every endpoint's future tens of kilobytes large.

    fn row(self) -> BoxFuture<'a, Result<Option<AnyRow>>> {
        let run = async {
            on_engine!(self, prepared, executor => Ok(prepared.fetch_optional(executor).await?.map(AnyRow::from)))
        };
        Box::pin(run)
    }

    fn rows(self) -> BoxFuture<'a, Result<Vec<AnyRow>>> {
        let run = async {
            on_engine!(self, prepared, executor => {
                Ok(prepared.fetch_all(executor).await?.into_iter().map(AnyRow::from).collect())
            })
        };
        Box::pin(run)
    }

    /// Prepares the statement without running it, for tests. Returns the name and the engine's type of each column.
    ///
    /// # Errors
    /// When the engine cannot prepare it.
    pub async fn prepare(self) -> Result<Vec<(String, String)>> {
        let sql = AssertSqlSafe(self.sql).into_sql_str();
        match self.target {
            Target::SqlitePool(pool) => pool.prepare(sql).await.map(|statement| columns(&statement)),
            Target::PgPool(pool) => pool.prepare(sql).await.map(|statement| columns(&statement)),
            Target::Sqlite(tx) => tx.prepare(sql).await.map(|statement| columns(&statement)),
            Target::Postgres(pg) => pg.tx.prepare(sql).await.map(|statement| columns(&statement)),
        }
    }
}

/// Gives PostgreSQL the locks that SQLite does not need.
fn with_locks(sql: &'static str, args: &Args) -> Cow<'static, str> {
    match args {
        Args::Postgres(_) if sql.contains("/* FOR") => sql.replace("/* FOR", "FOR").replace(" */", "").into(),
        _ => sql.into(),
    }
}

fn columns<S: Statement>(statement: &S) -> Vec<(String, String)> {
    let columns = statement.columns().iter();
    columns.map(|column| (column.name().to_owned(), column.type_info().name().to_owned())).collect()
}

/// A pattern for `LIKE` that matches any text that contains `text`. The statement must say `ESCAPE '\'`, which SQLite has no
/// default for.
#[must_use]
pub fn containing(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
