//! Notices: short texts that a transaction sends to all processes after it has committed, e.g. the name of a queue.
//!
//! On PostgreSQL they go to the other processes by NOTIFY, but not within the transaction: such commits wait for each other,
//! because the server keeps all notices in the order of the commits. A process that is killed just after a commit loses its
//! notice, so whoever waits for one also polls, rarely.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::{
    broadcast,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{Db, Engine, Result};

/// The PostgreSQL channel that carries notices between processes. The payload is the sender's id, a space and the notice.
const CHANNEL: &str = "cartwright";

const NOTIFY: &str = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";

/// Sent when notices of other processes may have been lost, because the database was unreachable.
pub const MISSED_NOTICES: &str = "missed";

const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Sends notices to the subscribers of this process and to the others. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Notices {
    subscribers: broadcast::Sender<String>,
    others: Option<UnboundedSender<String>>,
}

impl Notices {
    /// Must be called inside the tokio runtime.
    pub(super) fn of(engine: &Engine) -> Self {
        let (subscribers, _) = broadcast::channel(1024);
        let Engine::Postgres { pool, .. } = engine else { return Self { subscribers, others: None } };
        let (others, sent) = unbounded_channel();
        let process = format!("{:x}", rand::random::<u64>());
        tokio::spawn(listen(pool.clone(), process.clone(), subscribers.clone()));
        tokio::spawn(notify(pool.clone(), process, sent));
        Self { subscribers, others: Some(others) }
    }

    pub(super) fn send(&self, notice: String) {
        if let Some(others) = &self.others {
            let _ = others.send(notice.clone()); // fails only while the process stops
        }
        let _ = self.subscribers.send(notice); // having no subscribers is fine
    }
}

impl Db {
    /// Receives every notice committed by this process and, on PostgreSQL, by the others.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<String> {
        self.notices.subscribers.subscribe()
    }
}

/// Sends notices to the other processes: those that come while one statement runs go with the next one.
async fn notify(pool: PgPool, process: String, mut sent: UnboundedReceiver<String>) {
    let mut notices = Vec::new();
    while sent.recv_many(&mut notices, 1_000).await > 0 {
        notices.sort_unstable();
        notices.dedup();
        let payloads: Vec<String> = notices.drain(..).map(|notice| format!("{process} {notice}")).collect();
        if let Err(error) = sqlx::query(NOTIFY).bind(CHANNEL).bind(payloads).execute(&pool).await {
            tracing::debug!(%error, "cannot notify the other processes, which will poll");
        }
    }
}

async fn listen(pool: PgPool, process: String, subscribers: broadcast::Sender<String>) {
    while !pool.is_closed() {
        if let Err(error) = forward(&pool, &process, &subscribers).await {
            tracing::debug!(%error, "cannot listen to the database, retrying");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn forward(pool: &PgPool, process: &str, subscribers: &broadcast::Sender<String>) -> Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let _ = subscribers.send(MISSED_NOTICES.to_owned()); // having no subscribers is fine
    loop {
        // The listener reconnects by itself, and returns `None` when it did.
        let received = listener.try_recv().await?;
        let notice = match received.as_ref().map(|received| received.payload().split_once(' ')) {
            None => MISSED_NOTICES,
            Some(Some((sender, notice))) if sender != process => notice,
            Some(_) => continue,
        };
        let _ = subscribers.send(notice.to_owned());
    }
}
