//! A database of its own for each story.
//!
//! On PostgreSQL it is a copy of a template that has the migrations already. The template is named after them, so it is
//! made once and is never older than the schema it is tested with.

use std::{path::Path, str::FromStr, sync::LazyLock};

use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, SqliteConnection, migrate::Migrator,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};
use tokio::{runtime::Runtime, sync::OnceCell};
use uuid::Uuid;

use super::sources::root;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// One story's database.
pub struct Database {
    pub url: String,
    /// On PostgreSQL, to be dropped by name.
    name: Option<String>,
}

/// Where the PostgreSQL of the tests is, if there is one.
pub fn postgres_url() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

impl Database {
    /// A new one with the newest schema; `None` when its engine is not here.
    pub async fn create(engine: Engine, folder: &Path) -> Option<Self> {
        match engine {
            Engine::Sqlite => Some(copy_of_sqlite_template(folder).await),
            Engine::Postgres => Some(copy_of_template(&postgres_url()?).await),
        }
    }

    /// One as an earlier version left it, whose newest migration was `version`, with these rows; `None` when its engine is
    /// not here. Both engines take the same text: in it `moment(1736922698809214)` is a time in microseconds since 1970,
    /// and `uuid('…')` and `bytes('…')` are written in hexadecimal digits.
    pub async fn of_version(engine: Engine, folder: &Path, version: i64, rows: &str) -> Option<Self> {
        match engine {
            Engine::Sqlite => {
                let database = Self::in_file(&folder.join("shop.db"));
                let mut file = open_file(&database).await;
                migrations("sqlite").await.run_to(version, &mut file).await.expect("the earlier migrations run");
                let rows = rows.replace("moment(", "(").replace("uuid('", "(x'").replace("bytes('", "(x'");
                sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut file).await.expect("the rows are of that version");
                file.close().await.expect("the file is written");
                Some(database)
            }
            Engine::Postgres => {
                let options = server(&postgres_url()?);
                let name = format!("story_{}", Uuid::new_v4().simple());
                command_server(format!("CREATE DATABASE {name}")).await;
                let options = options.database(&name);
                let mut inside = connect(&options).await;
                migrations("postgres").await.run_to(version, &mut inside).await.expect("the earlier migrations run");
                let rows = [POSTGRES_WORDS, rows, POSTGRES_IDS].concat();
                sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut inside).await.expect("the rows are of that version");
                Some(Self { url: options.to_url_lossy().to_string(), name: Some(name) })
            }
        }
    }

    /// One on the PostgreSQL that a test may restart; it goes with its server. `None` when there is none.
    pub async fn create_restartable() -> Option<Self> {
        let url = std::env::var("TEST_RESTARTABLE_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
        let options = server(&url);
        let name = format!("crash_{}", Uuid::new_v4().simple());
        command(&mut connect(&options).await, format!("CREATE DATABASE {name}")).await;
        Some(Self { url: options.database(&name).to_url_lossy().to_string(), name: None })
    }

    fn in_file(path: &Path) -> Self {
        Self { url: format!("sqlite://{}", path.display()), name: None }
    }

    /// A copy of its file and of what is not yet in the file itself, while nobody writes. Its address.
    pub fn copy_file(&self, folder: &Path) -> String {
        let file = path_of(&self.url);
        let copy = Self::in_file(&folder.join(format!("{}.db", Uuid::new_v4().simple())));
        std::fs::copy(file, path_of(&copy.url)).expect("the database's file");
        if Path::new(&log_of(file)).exists() {
            std::fs::copy(log_of(file), log_of(path_of(&copy.url))).expect("its log");
        }
        copy.url
    }

    pub async fn drop(&self) {
        let Some(name) = &self.name else { return };
        command_server(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

/// Everything that the database at this address holds, every row of every table, as it is written.
pub async fn everything(url: &str) -> Vec<u8> {
    if url.starts_with("sqlite:") {
        let log = std::fs::read(log_of(path_of(url))).unwrap_or_default(); // what is not yet in the file itself
        return [std::fs::read(path_of(url)).expect("the database's file"), log].concat();
    }
    let (rows,): (String,) = sqlx::query_as("SELECT CAST(schema_to_xml('public', TRUE, FALSE, '') AS TEXT)")
        .fetch_one(&mut connect(&server(url)).await)
        .await
        .expect("all rows");
    rows.into_bytes()
}

fn path_of(sqlite_url: &str) -> &str {
    sqlite_url.trim_start_matches("sqlite://")
}

/// What SQLite has committed and not yet written to the file.
fn log_of(file: &str) -> String {
    format!("{file}-wal")
}

async fn open_file(database: &Database) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(&database.url).expect("its own address");
    let file = SqliteConnection::connect_with(&options.create_if_missing(true)).await;
    file.expect("a file in the story's folder")
}

/// Migrating anew takes longer than most stories.
async fn copy_of_sqlite_template(folder: &Path) -> Database {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(sqlite_template).await;
    let path = folder.join("shop.db");
    std::fs::write(&path, template).expect("a file in the story's folder");
    Database::in_file(&path)
}

async fn sqlite_template() -> Vec<u8> {
    let folder = super::folder::folder();
    let path = folder.path().join("template.db");
    let mut file = open_file(&Database::in_file(&path)).await;
    migrations("sqlite").await.run(&mut file).await.expect("the migrations run");
    file.close().await.expect("the file is written");
    std::fs::read(path).expect("the template")
}

/// What the rows of an earlier version are written with.
const POSTGRES_WORDS: &str = "
    CREATE FUNCTION moment(micros BIGINT) RETURNS TIMESTAMPTZ LANGUAGE sql RETURN
        TIMESTAMPTZ 'epoch' + micros / 1000000 * INTERVAL '1 second' + micros % 1000000 * INTERVAL '1 microsecond';
    CREATE FUNCTION bytes(hex TEXT) RETURNS BYTEA LANGUAGE sql RETURN decode(hex, 'hex');";

/// Ids go on behind those of the rows.
const POSTGRES_IDS: &str = "
    DROP FUNCTION moment;
    DROP FUNCTION bytes;
    DO $$ DECLARE counted TEXT; BEGIN
        FOR counted IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND is_identity = 'YES' LOOP
            EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), COALESCE(MAX(id), 0) + 1, FALSE) FROM %I', counted, counted);
        END LOOP;
    END $$;";

async fn migrations(engine: &str) -> Migrator {
    let folder = root().join("migrations").join(engine);
    Migrator::new(folder).await.expect("the migrations can be read")
}

async fn copy_of_template(url: &str) -> Database {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let options = server(url);
    let template = TEMPLATE.get_or_init(|| template(&options)).await;
    let name = format!("story_{}", Uuid::new_v4().simple());
    // Copying the files is cheaper than logging their pages, and brings the cache of the catalog along.
    command_server(format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await;
    Database { url: options.database(&name).to_url_lossy().to_string(), name: Some(name) }
}

/// The migrated template, made by whoever comes first.
async fn template(options: &PgConnectOptions) -> String {
    let migrations = migrations("postgres").await;
    let name = format!("stories_{}", fingerprint(&migrations));
    let mut postgres = connect(options).await;
    command(&mut postgres, "SELECT pg_advisory_lock(4242)".to_owned()).await; // another run may be making it
    let known: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&mut postgres)
        .await
        .unwrap();
    if known.is_none() {
        let draft = format!("{name}_draft");
        command(&mut postgres, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        command(&mut postgres, format!("CREATE DATABASE {draft}")).await;
        let mut inside = connect(&options.clone().database(&draft)).await;
        migrations.run(&mut inside).await.expect("the migrations run");
        inside.close().await.expect("the template is left alone");
        command(&mut postgres, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    name
}

fn fingerprint(migrations: &Migrator) -> String {
    let all = migrations.iter().fold(Sha256::new(), |all, migration| all.chain_update(&migration.checksum));
    all.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn server(url: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(url).expect("TEST_DATABASE_URL names a PostgreSQL database")
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(options).await.expect("the PostgreSQL of TEST_DATABASE_URL answers")
}

/// Runs a command on the server of the stories. They share its connections, which outlive a story's runtime on one of their
/// own.
async fn command_server(sql: String) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    });
    static CONNECTIONS: LazyLock<PgPool> = LazyLock::new(|| {
        let url = postgres_url().expect("a story that has a database has its server");
        PgPool::connect_lazy_with(server(&url))
    });
    let run = RUNTIME.spawn(async move {
        CONNECTIONS.execute(AssertSqlSafe(sql.clone())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    });
    run.await.expect("the server takes the command");
}

async fn command(postgres: &mut PgConnection, sql: String) {
    postgres.execute(AssertSqlSafe(sql.clone())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
