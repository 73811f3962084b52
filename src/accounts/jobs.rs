//! E-mails about a user's account.
//!
//! Links are created here, when the e-mail is rendered, and are in nothing else.

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
    emails::render_email_to,
    links::{self, Purpose},
    store,
};
use crate::shop::{
    Queue, Shop,
    emails::Template,
    ids::{SessionId, UserId},
};

/// Sends a link by which a user verifies their address.
#[derive(Serialize, Deserialize)]
pub struct SendVerificationEmail {
    user: UserId,
    /// Identifies this e-mail: a user may request another.
    #[serde(rename = "letter")] // an earlier name, which stored rows contain
    email: Uuid,
}

impl SendVerificationEmail {
    #[must_use]
    pub fn to(user: UserId) -> Self {
        Self { user, email: Uuid::new_v4() }
    }
}

impl Job for SendVerificationEmail {
    const NAME: &'static str = "accounts.send_verification";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        match find(shop, self.user).await?.filter(|user| !user.email_verified) {
            Some(user) => send_link(shop, &user, Purpose::VerifyEmail, self.email).await,
            None => Ok(()),
        }
    }
}

/// Sends a link to choose a new password. Without a user nothing is sent: the job is enqueued also for an address that no
/// account has, so that both requests take the same time.
#[derive(Serialize, Deserialize)]
pub struct SendPasswordResetEmail {
    user: Option<UserId>,
    #[serde(rename = "letter")] // an earlier name, which stored rows contain
    email: Uuid,
}

impl SendPasswordResetEmail {
    #[must_use]
    pub fn to(user: Option<UserId>) -> Self {
        Self { user, email: Uuid::new_v4() }
    }
}

impl Job for SendPasswordResetEmail {
    const NAME: &'static str = "accounts.send_password_reset";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let Some(user) = self.user else { return Ok(()) };
        match find(shop, user).await? {
            Some(user) => send_link(shop, &user, Purpose::ResetPassword, self.email).await,
            None => Ok(()),
        }
    }
}

/// Notifies a user that their password was changed, in case somebody else changed it.
#[derive(Serialize, Deserialize)]
pub struct SendPasswordChangedEmail {
    user: UserId,
    #[serde(rename = "letter")] // an earlier name, which stored rows contain
    email: Uuid,
    /// Microseconds since 1970.
    happened_at: i64,
}

impl SendPasswordChangedEmail {
    #[must_use]
    pub fn at(user: UserId, moment: Timestamp) -> Self {
        Self { user, email: Uuid::new_v4(), happened_at: moment.micros() }
    }
}

impl Job for SendPasswordChangedEmail {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "accounts.tell_password_changed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let Some(user) = find(shop, self.user).await? else { return Ok(()) };
        let happened_at = Timestamp::from_micros(self.happened_at).in_words();
        let about = format!("password-changed-{}", self.email);
        send(shop, &user, Template::PasswordChanged, &about, json!({"happened_at": happened_at})).await
    }
}

/// Notifies a user that a session was ended because a refresh token was reused.
#[derive(Serialize, Deserialize)]
pub struct SendSessionEndedEmail {
    pub session: SessionId,
}

impl Job for SendSessionEndedEmail {
    // An earlier name of this job, which stored rows contain.
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

/// Sends the link that confirms a pending change of an address, to the new address.
#[derive(Serialize, Deserialize)]
pub struct SendEmailChangeLink {
    pub change: Uuid,
}

impl Job for SendEmailChangeLink {
    const NAME: &'static str = "accounts.send_email_change";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.write().await?;
        let Some(change) = email_store::lock_change(&mut tx, self.change).await? else { return Ok(()) };
        let (base, now) = (&shop.store.storefront_url, shop.now());
        let link = links::create(&mut tx, base, Purpose::ChangeEmail, change.user_id, now).await?;
        email_store::extend_change(&mut tx, change.id, now + Purpose::ChangeEmail.lifetime()).await?;
        tx.commit().await?;
        let context = json!({"link": link, "works_for": Purpose::ChangeEmail.lifetime_text()});
        let about = format!("change-email-{}", change.id);
        // Without a name: the address is not verified.
        let email = render_email_to(shop, (&change.email, ""), Template::ChangeEmail, &about, context)?;
        mail::send_once(shop, &shop.mailer, &email).await
    }
}

/// Notifies the old address that a change was requested, so that a user who did not request it can cancel it.
#[derive(Serialize, Deserialize)]
pub struct SendEmailChangeRequestedEmail {
    change: Uuid,
    /// Microseconds since 1970.
    happened_at: i64,
}

impl SendEmailChangeRequestedEmail {
    #[must_use]
    pub fn at(change: Uuid, moment: Timestamp) -> Self {
        Self { change, happened_at: moment.micros() }
    }
}

impl Job for SendEmailChangeRequestedEmail {
    // An earlier name of this job, which stored rows contain.
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

/// Notifies the old address that it is no longer the account's.
#[derive(Serialize, Deserialize)]
pub struct SendEmailChangedEmail {
    pub former: Uuid,
}

impl Job for SendEmailChangedEmail {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "accounts.tell_email_changed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        send_to_former(shop, self.former, Template::EmailChanged, "email-changed").await
    }
}

/// Notifies a user that their account is closed.
#[derive(Serialize, Deserialize)]
pub struct SendAccountClosedEmail {
    pub former: Uuid,
}

impl Job for SendAccountClosedEmail {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "accounts.tell_account_closed";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        send_to_former(shop, self.former, Template::AccountClosed, "account-closed").await
    }
}

/// Deletes the address after the e-mail was sent.
async fn send_to_former(shop: &Shop, former: Uuid, template: Template, about: &str) -> Result<(), JobError> {
    let found = email_store::former(&mut shop.db.read().await?, former).await?;
    let Some((address, happened_at)) = found else { return Ok(()) };
    let context = json!({"happened_at": happened_at.in_words()});
    let email = render_email_to(shop, (&address, ""), template, &format!("{about}-{former}"), context)?;
    mail::send_once(shop, &shop.mailer, &email).await?;
    let mut tx = shop.db.write().await?;
    email_store::delete_former(&mut tx, former).await?;
    Ok(tx.commit().await?)
}

/// The user, if active: inactive users get no e-mails.
async fn find(shop: &Shop, user: UserId) -> Result<Option<User>, JobError> {
    let found = store::find(&mut shop.db.read().await?, user).await?;
    Ok(found.filter(|user| user.is_active))
}

/// A job that runs again creates another link. The earlier one may have been sent, so it stays valid.
async fn send_link(shop: &Shop, user: &User, purpose: Purpose, email: Uuid) -> Result<(), JobError> {
    let mut tx = shop.db.write().await?;
    let link = links::create(&mut tx, &shop.store.storefront_url, purpose, user.id, shop.now()).await?;
    tx.commit().await?;
    let (template, about) = match purpose {
        Purpose::VerifyEmail => (Template::VerifyEmail, format!("verify-email-{email}")),
        Purpose::ResetPassword => (Template::ResetPassword, format!("reset-password-{email}")),
        Purpose::ChangeEmail => (Template::ChangeEmail, format!("change-email-{email}")),
    };
    send(shop, user, template, &about, json!({"link": link, "works_for": purpose.lifetime_text()})).await
}

async fn send(shop: &Shop, user: &User, template: Template, about: &str, context: Value) -> Result<(), JobError> {
    let email = super::render_email(shop, user, template, about, context)?;
    mail::send_once(shop, &shop.mailer, &email).await
}
