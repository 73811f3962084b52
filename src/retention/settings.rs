//! How long things are kept.

use std::time::Duration;

use platform::settings::{Checked, at_least};

#[allow(clippy::doc_markdown)]
/// How long things are kept that nobody needs for ever. The stock worker sweeps them hourly.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "How long things are kept")]
pub struct RetentionArgs {
    /// Anonymous carts that were not changed
    #[arg(long, env = "CART_TTL", default_value = "30d", global = true)]
    cart_ttl: String,
    /// Expired sessions and e-mail links, at least 2d
    #[arg(long, env = "SESSION_RETENTION", default_value = "30d", global = true)]
    session_retention: String,
    /// Idempotency keys and their responses, at least 1d, which the API promises
    #[arg(long, env = "IDEMPOTENCY_KEY_TTL", default_value = "1d", global = true)]
    idempotency_key_ttl: String,
    /// Finished jobs, at least 1d; dead letters are kept until an admin discards them
    #[arg(long, env = "JOB_RETENTION", default_value = "7d", global = true)]
    job_retention: String,
    /// Processed webhooks, at least 7d, because providers repeat them
    #[arg(long, env = "WEBHOOK_RETENTION", default_value = "90d", global = true)]
    webhook_retention: String,
    /// Records of sent e-mails, so that none is sent twice, at least 2d
    // Settings keep their names: this one is older than the word "e-mail" in the code.
    #[arg(long, env = "LETTER_RETENTION", default_value = "90d", global = true)]
    letter_retention: String,
    /// Events of orders; a client that was offline for longer gets the current state instead
    #[arg(long, env = "ORDER_EVENT_RETENTION", default_value = "90d", global = true)]
    order_event_retention: String,
}

/// How long things are kept that nobody needs for ever.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Anonymous ones, since they were last touched.
    pub carts: Duration,
    /// Since their last token expired.
    pub sessions: Duration,
    pub idempotency_keys: Duration,
    /// Since they were done.
    pub jobs: Duration,
    pub webhooks: Duration,
    pub sent_emails: Duration,
    /// Since they happened.
    pub order_events: Duration,
}

impl RetentionArgs {
    /// # Errors
    /// [`platform::settings::SettingError`] for the first setting that cannot be.
    pub fn check(&self) -> Checked<Settings> {
        let (no_least, a_day) = (Duration::ZERO, Duration::from_hours(24));
        Ok(Settings {
            carts: at_least("CART_TTL", &self.cart_ttl, no_least)?,
            // An e-mail about a session, as any e-mail, is retried for a day.
            sessions: at_least("SESSION_RETENTION", &self.session_retention, 2 * a_day)?,
            idempotency_keys: at_least("IDEMPOTENCY_KEY_TTL", &self.idempotency_key_ttl, a_day)?,
            // The row of a scheduled job keeps it from running twice in its period.
            jobs: at_least("JOB_RETENTION", &self.job_retention, a_day)?,
            webhooks: at_least("WEBHOOK_RETENTION", &self.webhook_retention, 7 * a_day)?,
            sent_emails: at_least("LETTER_RETENTION", &self.letter_retention, 2 * a_day)?,
            order_events: at_least("ORDER_EVENT_RETENTION", &self.order_event_retention, no_least)?,
        })
    }
}
