//! Letters about a user's account.
//!
//! Links are made here, when the letter is written, and go nowhere else.

use platform::{
    clock::Timestamp,
    jobs::{Job, JobError},
    mail,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    User, email_store,
    letters::letter_to,
    links::{self, Purpose},
    store,
};
use crate::shop::{
    Queue, Shop,
    emails::Template,
    ids::{SessionId, UserId},
};

/// Sends a link by which a user shows that the e-mail is theirs.
#[derive(Serialize, Deserialize)]
pub struct SendVerification {
    user: UserId,
    /// Names this letter: a user may ask for another.
    letter: Uuid,
}

impl SendVerification {
    #[must_use]
    pub fn to(user: UserId) -> Self {
        Self { user, letter: Uuid::new_v4() }
    }
}

impl Job for SendVerification {
    const NAME: &'static str = "accounts.send_verification";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        match find(shop, self.user).await?.filter(|user| !user.email_verified) {
            Some(user) => send_link(shop, &user, Purpose::VerifyEmail, self.letter).await,
            None => Ok(()),
        }
    }
}

/// Sends a link to choose a new password; to nobody, when the e-mail that was typed is no account's. The job is enqueued
/// all the same, so that asking takes as long.
#[derive(Serialize, Deserialize)]
pub struct SendPasswordReset {
    user: Option<UserId>,
    letter: Uuid,
}

impl SendPasswordReset {
    #[must_use]
    pub fn to(user: Option<UserId>) -> Self {
        Self { user, letter: Uuid::new_v4() }
    }
}

impl Job for SendPasswordReset {
    const NAME: &'static str = "accounts.send_password_reset";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let Some(user) = self.user else { return Ok(()) };
        match find(shop, user).await? {
            Some(user) => send_link(shop, &user, Purpose::ResetPassword, self.letter).await,
            None => Ok(()),
        }
    }
}

/// Tells a user that their password was changed, so that one who did not do it hears of it.
#[derive(Serialize, Deserialize)]
pub struct TellPasswordChanged {
    user: UserId,
    letter: Uuid,
    /// Microseconds since 1970.
    happened_at: i64,
}

impl TellPasswordChanged {
    #[must_use]
    pub fn at(user: UserId, moment: Timestamp) -> Self {
        Self { user, letter: Uuid::new_v4(), happened_at: moment.micros() }
    }
}

impl Job for TellPasswordChanged {
    const NAME: &'static str = "accounts.tell_password_changed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let Some(user) = find(shop, self.user).await? else { return Ok(()) };
        let happened_at = Timestamp::from_micros(self.happened_at).in_words();
        let about = format!("password-changed-{}", self.letter);
        send(shop, &user, Template::PasswordChanged, &about, json!({"happened_at": happened_at})).await
    }
}

/// Tells a user that a session was ended because a refresh token came back after its successor was used.
#[derive(Serialize, Deserialize)]
pub struct TellSessionEnded {
    pub session: SessionId,
}

impl Job for TellSessionEnded {
    const NAME: &'static str = "accounts.tell_session_ended";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.read().await?;
        let Some((user, ended_at)) = store::session_user(&mut tx, self.session).await? else { return Ok(()) };
        drop(tx);
        let Some(user) = find(shop, user).await? else { return Ok(()) };
        let happened_at = ended_at.unwrap_or(shop.now()).in_words();
        let about = format!("session-{}.ended", self.session);
        send(shop, &user, Template::SessionEnded, &about, json!({"happened_at": happened_at})).await
    }
}

/// Sends a link to the address that a user wants to have, while the change is pending.
#[derive(Serialize, Deserialize)]
pub struct SendEmailChange {
    pub change: Uuid,
}

impl Job for SendEmailChange {
    const NAME: &'static str = "accounts.send_email_change";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.write().await?;
        let Some(change) = email_store::lock_change(&mut tx, self.change).await? else { return Ok(()) };
        let (base, now) = (&shop.store.storefront_url, shop.now());
        let link = links::make(&mut tx, base, Purpose::ChangeEmail, change.user_id, now).await?;
        email_store::extend_change(&mut tx, change.id, now + Purpose::ChangeEmail.lifetime()).await?;
        tx.commit().await?;
        let context = json!({"link": link, "works_for": Purpose::ChangeEmail.lifetime_in_words()});
        let about = format!("change-email-{}", change.id);
        // Nobody knows yet who reads it.
        let letter = letter_to(shop, (&change.email, ""), Template::ChangeEmail, &about, context)?;
        mail::send_once(shop, &shop.mailer, &letter).await
    }
}

/// Tells the reader of the old address that another was asked for, so that one who did not do it can call it off.
#[derive(Serialize, Deserialize)]
pub struct TellEmailChangeAsked {
    change: Uuid,
    /// Microseconds since 1970.
    happened_at: i64,
}

impl TellEmailChangeAsked {
    #[must_use]
    pub fn at(change: Uuid, moment: Timestamp) -> Self {
        Self { change, happened_at: moment.micros() }
    }
}

impl Job for TellEmailChangeAsked {
    const NAME: &'static str = "accounts.tell_email_change_asked";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let found = email_store::find_change(&mut shop.db.read().await?, self.change).await?;
        let Some(change) = found else { return Ok(()) };
        let Some(user) = find(shop, change.user_id).await? else { return Ok(()) };
        let happened_at = Timestamp::from_micros(self.happened_at).in_words();
        let about = format!("change-email-{}.asked", change.id);
        send(shop, &user, Template::EmailChangeAsked, &about, json!({"happened_at": happened_at})).await
    }
}

/// Tells the reader of the old address that it is the account's no more.
#[derive(Serialize, Deserialize)]
pub struct TellEmailChanged {
    pub former: Uuid,
}

impl Job for TellEmailChanged {
    const NAME: &'static str = "accounts.tell_email_changed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        send_to_former(shop, self.former, Template::EmailChanged, "email-changed").await
    }
}

/// Tells who closed their account that it is closed.
#[derive(Serialize, Deserialize)]
pub struct TellAccountClosed {
    pub former: Uuid,
}

impl Job for TellAccountClosed {
    const NAME: &'static str = "accounts.tell_account_closed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        send_to_former(shop, self.former, Template::AccountClosed, "account-closed").await
    }
}

/// The address is forgotten once the letter has left.
async fn send_to_former(shop: &Shop, former: Uuid, template: Template, about: &str) -> Result<(), JobError> {
    let found = email_store::former(&mut shop.db.read().await?, former).await?;
    let Some((email, happened_at)) = found else { return Ok(()) };
    let context = json!({"happened_at": happened_at.in_words()});
    let letter = letter_to(shop, (&email, ""), template, &format!("{about}-{former}"), context)?;
    mail::send_once(shop, &shop.mailer, &letter).await?;
    let mut tx = shop.db.write().await?;
    email_store::delete_former(&mut tx, former).await?;
    Ok(tx.commit().await?)
}

/// Who is inactive gets no letters.
async fn find(shop: &Shop, user: UserId) -> Result<Option<User>, JobError> {
    let found = store::find(&mut shop.db.read().await?, user).await?;
    Ok(found.filter(|user| user.is_active))
}

/// A job that runs again makes another link. The one before may have left, so it stays.
async fn send_link(shop: &Shop, user: &User, purpose: Purpose, letter: Uuid) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    let link = links::make(&mut tx, &shop.store.storefront_url, purpose, user.id, shop.now()).await?;
    tx.commit().await?;
    let (template, about) = match purpose {
        Purpose::VerifyEmail => (Template::VerifyEmail, format!("verify-email-{letter}")),
        Purpose::ResetPassword => (Template::ResetPassword, format!("reset-password-{letter}")),
        Purpose::ChangeEmail => (Template::ChangeEmail, format!("change-email-{letter}")),
    };
    send(shop, user, template, &about, json!({"link": link, "works_for": purpose.lifetime_in_words()})).await
}

async fn send(shop: &Shop, user: &User, template: Template, about: &str, context: Value) -> Result<(), JobError> {
    let letter = super::letter(shop, user, template, about, context)?;
    mail::send_once(shop, &shop.mailer, &letter).await
}
