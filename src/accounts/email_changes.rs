//! Changes of an account's e-mail address. A change takes effect when its user opens the link that was sent to the new
//! address.
//!
//! Until then it is pending: sign-in, e-mails and password resets use the old address. The old address is notified twice:
//! when the change is requested, because a user who did not request it can still cancel it by changing the password, and
//! when it has taken effect. Sessions stay: nobody else knows the password.
//!
//! A user has at most one pending change, and its links are the user's only ones of that purpose: they are deleted with the
//! change, so that a link sent to one address never confirms another.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
};
use uuid::Uuid;

use super::{
    Error, Result, email_store,
    email_store::EmailChange,
    email_taken, jobs,
    links::{self, Purpose},
    lookup_key, store,
    store::Credentials,
};
use crate::shop::ids::UserId;

/// Requests a change, which replaces a pending one.
///
/// # Errors
/// [`Error::EmailTaken`]; [`Error::SessionEnded`] when the password is not `known` any more.
pub async fn request(tx: &mut Tx, known: &Credentials, email: &str, now: Timestamp) -> Result<()> {
    if !store::are_current(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    if store::email_exists(tx, &lookup_key(email)).await? {
        return Err(Error::EmailTaken);
    }
    cancel(tx, known.id).await?;
    let change = Uuid::new_v4();
    let expires_at = now + Purpose::ChangeEmail.lifetime();
    email_store::insert_change(tx, &EmailChange { id: change, user_id: known.id, email: email.to_owned(), expires_at })
        .await?;
    jobs::SendEmailChangeLink { change }.enqueue(tx, now).await?;
    Ok(jobs::SendEmailChangeRequestedEmail::at(change, now).enqueue(tx, now).await?)
}

/// Deletes a pending change and its links. The row goes first: the job that sends the e-mail locks it while it creates a
/// link.
pub async fn cancel(tx: &mut Tx, user: UserId) -> db::Result<()> {
    email_store::delete_change(tx, user).await?;
    store::delete_links(tx, user, Purpose::ChangeEmail).await?;
    Ok(())
}

/// Makes the new address the account's, verified. Links that were sent to the old one stop working.
///
/// # Errors
/// [`Error::InvalidLink`]; [`Error::EmailTaken`] when the address became another account's meanwhile.
pub async fn confirm(tx: &mut Tx, token: &str, now: Timestamp) -> Result<()> {
    let user = links::consume(tx, Purpose::ChangeEmail, token, now).await?;
    let change = email_store::find_change_of_user(tx, user.id).await?.ok_or(Error::InvalidLink)?;
    if store::email_exists(tx, &lookup_key(&change.email)).await? {
        return Err(Error::EmailTaken);
    }
    email_store::set_email(tx, user.id, &change.email).await.map_err(email_taken)?;
    cancel(tx, user.id).await?;
    store::delete_links(tx, user.id, Purpose::VerifyEmail).await?;
    store::delete_links(tx, user.id, Purpose::ResetPassword).await?;
    let former = Uuid::new_v4();
    email_store::insert_former(tx, former, &user.email, now).await?;
    tracing::info!(user = %user.id, "a user changed their e-mail");
    Ok(jobs::SendEmailChangedEmail { former }.enqueue(tx, now).await?)
}
