//! The schema: the same tables on both engines.

use sqlx::{
    Connection,
    migrate::{Migrate, Migrator},
};

use super::{Db, Engine, Error, Result};

/// The migrations of each engine. They make the same tables.
pub struct Migrations {
    pub sqlite: Migrator,
    pub postgres: Migrator,
}

impl Db {
    /// Brings the schema up to date. Running it twice, or from two processes at once, does no harm.
    ///
    /// # Errors
    /// When a migration fails, or the database has one that this program does not know.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        match &self.engine {
            Engine::Sqlite { writer, .. } => self.migrations.sqlite.run(writer).await?,
            Engine::Postgres { pool, .. } => self.migrations.postgres.run(pool).await?,
        }
        Ok(())
    }

    /// How many migrations of this program have not run on the database yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending_migrations(&self) -> anyhow::Result<usize> {
        let (known, applied) = match &self.engine {
            Engine::Sqlite { writer, .. } => (&self.migrations.sqlite, applied(&mut *writer.acquire().await?).await?),
            Engine::Postgres { pool, .. } => (&self.migrations.postgres, applied(&mut *pool.acquire().await?).await?),
        };
        Ok(known.iter().filter(|migration| !applied.contains(&migration.version)).count())
    }
}

async fn applied<C: Connection + Migrate>(connection: &mut C) -> Result<Vec<i64>> {
    let table = "_sqlx_migrations";
    connection.ensure_migrations_table(table).await.map_err(|error| Error::Migrate(Box::new(error)))?;
    let applied = connection.list_applied_migrations(table).await.map_err(|error| Error::Migrate(Box::new(error)))?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
