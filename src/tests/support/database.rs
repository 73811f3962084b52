//! A database of its own for each story.
//!
//! On PostgreSQL it is a copy of a template that has the migrations already. The template is named after them, so it is
//! made once and is never older than the schema it is tested with.

use std::{path::Path, str::FromStr};

use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, migrate::Migrator, postgres::PgConnectOptions,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

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
    /// A new, empty one; `None` when its engine is not here.
    pub async fn create(engine: Engine, folder: &Path) -> Option<Self> {
        match engine {
            Engine::Sqlite => Some(Self { url: format!("sqlite://{}", folder.join("shop.db").display()), name: None }),
            Engine::Postgres => Some(copy_of_template(&postgres_url()?).await),
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

    /// Everything it holds, every row of every table, as it is written.
    pub async fn everything(&self) -> Vec<u8> {
        let Some(name) = &self.name else {
            let file = self.url.trim_start_matches("sqlite://");
            let log = std::fs::read(format!("{file}-wal")).unwrap_or_default(); // what is not yet in the file itself
            return [std::fs::read(file).expect("the database's file"), log].concat();
        };
        let url = postgres_url().expect("it is there");
        let mut connection = connect(&server(&url).database(name)).await;
        let (rows,): (String,) = sqlx::query_as("SELECT CAST(schema_to_xml('public', TRUE, FALSE, '') AS TEXT)")
            .fetch_one(&mut connection)
            .await
            .expect("all rows");
        rows.into_bytes()
    }

    pub async fn drop(&self) {
        let (Some(name), Some(url)) = (&self.name, postgres_url()) else { return };
        command(&mut connect(&server(&url)).await, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

async fn copy_of_template(url: &str) -> Database {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let options = server(url);
    let template = TEMPLATE.get_or_init(|| template(&options)).await;
    let name = format!("story_{}", Uuid::new_v4().simple());
    command(&mut connect(&options).await, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    Database { url: options.database(&name).to_url_lossy().to_string(), name: Some(name) }
}

/// The migrated template, made by whoever comes first.
async fn template(options: &PgConnectOptions) -> String {
    let migrations = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres")).await;
    let migrations = migrations.expect("the migrations can be read");
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

async fn command(postgres: &mut PgConnection, sql: String) {
    postgres.execute(AssertSqlSafe(sql.clone())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
