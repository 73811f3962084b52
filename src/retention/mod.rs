//! Deletes expired data, by a scheduled job, in batches.
//!
//! Everything that is deleted after some time is listed here and nowhere else. Users, orders, payments, stock movements and
//! reviews stay. So do dead letters, until an admin retries or discards them, and webhooks that were not processed.
//!
//! A batch is one short transaction, because on SQLite every other writer waits for it. A row that is locked at that moment
//! is left for the next run.

pub mod jobs;
pub mod settings;
mod store;

use platform::{clock::Timestamp, db::Result, metrics::Metric};

use crate::{accounts, shop::Shop};
use settings::Settings;

pub const SWEPT: Metric = Metric::counter("cartwright_swept_total", "Expired rows that this process deleted, by kind");

/// How many rows one transaction deletes.
const BATCH: i64 = 1_000;
/// How many batches of one kind a run deletes before other jobs get their turn.
const BATCHES: usize = 10;

/// What is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Anonymous carts that were not changed.
    Carts,
    /// Expired refresh tokens, and with its last token a session. Those of a session that ended, too, when they expire.
    RefreshTokens,
    /// Expired links of e-mails.
    EmailTokens,
    /// Changes of an e-mail address that were not confirmed.
    EmailChanges,
    /// Former addresses that could not be notified.
    FormerEmails,
    IdempotencyKeys,
    /// Completed jobs.
    Jobs,
    /// Processed webhooks.
    Webhooks,
    /// The Message-IDs of e-mails that were sent.
    SentEmails,
    /// The events of orders, also of open ones: a client that was disconnected for longer begins with the current state.
    OrderEvents,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Carts,
        Self::RefreshTokens,
        Self::EmailTokens,
        Self::EmailChanges,
        Self::FormerEmails,
        Self::IdempotencyKeys,
        Self::Jobs,
        Self::Webhooks,
        Self::SentEmails,
        Self::OrderEvents,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Carts => "carts",
            Self::RefreshTokens => "refresh_tokens",
            Self::EmailTokens => "email_tokens",
            Self::EmailChanges => "email_changes",
            Self::FormerEmails => "former_emails",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Jobs => "jobs",
            Self::Webhooks => "webhooks",
            Self::SentEmails => "sent_letters", // the table's name
            Self::OrderEvents => "order_events",
        }
    }

    /// Everything before this time is deleted.
    fn before(self, shop: &Shop, now: Timestamp) -> Timestamp {
        let settings: &Settings = shop.get();
        now - match self {
            Self::Carts => settings.carts,
            // An access token may be valid for longer than its refresh token, and needs the session.
            Self::RefreshTokens => settings.sessions.max(shop.get::<accounts::Settings>().access_token_ttl),
            Self::EmailTokens | Self::EmailChanges | Self::FormerEmails => settings.sessions,
            Self::IdempotencyKeys => settings.idempotency_keys,
            Self::Jobs => settings.jobs,
            Self::Webhooks => settings.webhooks,
            Self::SentEmails => settings.sent_emails,
            Self::OrderEvents => settings.order_events,
        }
    }
}

/// Sweeps every kind. Returns whether more may be left.
///
/// # Errors
/// When the database is unavailable.
pub async fn sweep(shop: &Shop) -> Result<bool> {
    let mut more = false;
    for kind in Kind::ALL {
        more |= sweep_kind(shop, kind).await?;
    }
    Ok(more)
}

async fn sweep_kind(shop: &Shop, kind: Kind) -> Result<bool> {
    for _ in 0..BATCHES {
        let mut tx = shop.db.write().await?;
        let swept = store::sweep(&mut tx, kind, kind.before(shop, shop.now()), BATCH).await?;
        tx.commit().await?;
        metrics::counter!(SWEPT.name, "what" => kind.name()).increment(swept);
        if swept < BATCH.unsigned_abs() {
            return Ok(false);
        }
    }
    Ok(true)
}
