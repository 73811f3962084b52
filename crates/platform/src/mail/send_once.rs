//! Records each e-mail that was sent, so that a job that runs again does not send it again.

use super::{Email, Mailer};
use crate::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::{Context, JobError},
};

/// Sends an e-mail, unless its Message-ID was sent before.
///
/// A second copy, with the same Message-ID, is sent in two cases: the worker dies between the mail server's reply and the
/// commit, or two jobs with the same Message-ID run at the same time and neither sees the other's record yet.
///
/// # Errors
/// [`JobError::GiveUp`] when the e-mail is refused, [`JobError::Retry`] for everything else.
pub async fn send_once(context: &impl Context, mailer: &Mailer, email: &Email) -> Result<(), JobError> {
    let mut tx = context.db().read().await?;
    if was_sent(&mut tx, &email.message_id).await? {
        return Ok(());
    }
    drop(tx);
    mailer.send(email).await?;
    let mut tx = context.db().write().await?;
    mark_sent(&mut tx, &email.message_id, context.clock().now()).await?;
    Ok(tx.commit().await?)
}

// `sent_letters` is an earlier name of the table of sent e-mails.

async fn was_sent(tx: &mut Tx, message_id: &str) -> db::Result<bool> {
    let found: Option<(String,)> = tx
        .query("SELECT message_id FROM sent_letters WHERE message_id = $1")
        .bind(message_id.to_owned())
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

async fn mark_sent(tx: &mut Tx, message_id: &str, now: Timestamp) -> db::Result<u64> {
    tx.query("INSERT INTO sent_letters (message_id, sent_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(message_id.to_owned())
        .bind(now)
        .execute()
        .await
}
