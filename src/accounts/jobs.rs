//! E-mails about a user's sign-ins.

use serde::{Deserialize, Serialize};

use super::store;
use crate::{
    ids::SessionId,
    jobs::{Job, JobError, Queue},
    mail::{Letter, Template},
    shop::Shop,
};

/// Tells a user that a session was ended because its refresh token was used twice.
#[derive(Serialize, Deserialize)]
pub struct TellSessionEnded {
    pub session: SessionId,
}

impl Job for TellSessionEnded {
    const NAME: &'static str = "accounts.tell_session_ended";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.read().await?;
        let Some((user, ended_at)) = store::session_user(&mut tx, self.session).await? else { return Ok(()) };
        let Some(user) = store::find(&mut tx, user).await? else { return Ok(()) };
        drop(tx);
        let context = serde_json::json!({
            "store_name": shop.settings.store_name,
            "customer_name": user.full_name(),
            "happened_at": ended_at.unwrap_or(shop.now()).to_string(),
        });
        let name = user.full_name();
        let message_id = shop.message_id(&format!("session-{}.ended", self.session));
        let letter = Letter::write(Template::SessionEnded, &context, (&user.email, &name), message_id)?;
        Ok(shop.mailer.send(&letter).await?)
    }
}
