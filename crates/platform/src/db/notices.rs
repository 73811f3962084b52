//! Notices: short texts that a transaction sends to all processes when it commits, e.g. the name of a queue.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::broadcast;

use super::{Db, Engine, Result};

/// The PostgreSQL channel that carries notices between processes.
pub(super) const CHANNEL: &str = "cartwright";

/// Sent when notices of other processes may have been lost, because the database was unreachable.
pub const MISSED_NOTICES: &str = "missed";

const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

impl Db {
    /// Receives every notice committed by this process and, on PostgreSQL, by the others.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<String> {
        self.notices.subscribe()
    }

    pub(super) fn forward_notices_of_other_processes(&self) {
        let Engine::Postgres { pool, .. } = &self.engine else { return };
        let (pool, notices) = (pool.clone(), self.notices.clone());
        tokio::spawn(async move {
            while !pool.is_closed() {
                if let Err(error) = forward(&pool, &notices).await {
                    tracing::debug!(%error, "cannot listen to the database, retrying");
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        });
    }
}

async fn forward(pool: &PgPool, notices: &broadcast::Sender<String>) -> Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let _ = notices.send(MISSED_NOTICES.to_owned()); // having no receivers is fine
    loop {
        // The listener reconnects by itself, and returns `None` when it did.
        let notice = listener.try_recv().await?;
        let notice = notice.map_or(MISSED_NOTICES.to_owned(), |notice| notice.payload().to_owned());
        let _ = notices.send(notice);
    }
}
