//! Nothing grows for ever: what has served its time is swept, by a scheduled job, a batch at a time.
//!
//! What may be lost is listed here and nowhere else. The shop's books stay: users, orders, payments, stock movements,
//! reviews. So do dead letters, until an admin retries or discards them, and webhooks nobody acted on yet.
//!
//! One batch is one short transaction, because on SQLite every other writer waits for it. A row that somebody holds at
//! that moment is left for the next time.

pub mod jobs;
pub mod settings;
mod store;

use platform::{clock::Timestamp, db::Result};

use crate::{accounts, shop::Shop};
use settings::Settings;

/// How many rows one transaction deletes.
const BATCH: i64 = 1_000;
/// How many batches of one kind a run deletes before other jobs get their turn.
const BATCHES: usize = 10;

/// What is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Anonymous carts that nobody touched.
    Carts,
    /// Refresh tokens that have expired, and with its last token a session. One that ended goes when it would have expired.
    RefreshTokens,
    /// Links of e-mails that have expired.
    EmailTokens,
    /// Changes of an e-mail that nobody confirmed.
    EmailChanges,
    /// Addresses that are an account's no more, whose reader could not be told.
    FormerEmails,
    IdempotencyKeys,
    /// Jobs that are done.
    Jobs,
    /// Webhooks that were acted on.
    Webhooks,
    /// The memory of which letters left.
    SentLetters,
    /// The events of orders, also of open ones: a reader who was away for longer begins with how things stand.
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
        Self::SentLetters,
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
            Self::SentLetters => "sent_letters",
            Self::OrderEvents => "order_events",
        }
    }

    /// What is older than this goes.
    fn before(self, shop: &Shop, now: Timestamp) -> Timestamp {
        let kept: &Settings = shop.part();
        now - match self {
            Self::Carts => kept.carts,
            // An access token may outlive the refresh token that came with it, and needs the session.
            Self::RefreshTokens => kept.sessions.max(shop.part::<accounts::Settings>().access_token_ttl),
            Self::EmailTokens | Self::EmailChanges | Self::FormerEmails => kept.sessions,
            Self::IdempotencyKeys => kept.idempotency_keys,
            Self::Jobs => kept.jobs,
            Self::Webhooks => kept.webhooks,
            Self::SentLetters => kept.letters,
            Self::OrderEvents => kept.order_events,
        }
    }
}

/// Sweeps every kind. Whether more may be left than one run takes.
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
        metrics::counter!("cartwright_swept_total", "what" => kind.name()).increment(swept);
        if swept < BATCH.unsigned_abs() {
            return Ok(false);
        }
    }
    Ok(true)
}
