//! Another e-mail address: it is the account's from when the link that was mailed there is followed.
//!
//! Until then nothing changes but that the change is pending; sign-in, letters and resets of the password go on with the
//! old address. Its reader is told twice: when the change is asked for, because who did not ask can still call it off by
//! changing the password, and when it has taken effect. Sessions stay: nobody else knows the password.
//!
//! One change is pending at a time, and its links are the user's only ones of that purpose: whatever ends the change ends
//! them with it, so that a link mailed to one address never confirms another.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
};
use uuid::Uuid;

use super::{
    Error, Result, email_store,
    email_store::EmailChange,
    jobs, key,
    links::{self, Purpose},
    store,
    store::Credentials,
    taken,
};
use crate::shop::ids::UserId;

/// Begins a change, in the place of the one that may be pending.
///
/// # Errors
/// When the address is an account's, or the password is not `known` any more.
pub async fn ask(tx: &mut Tx, known: &Credentials, email: &str, now: Timestamp) -> Result<()> {
    if !store::still_hold(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    if store::email_exists(tx, &key(email)).await? {
        return Err(Error::EmailTaken);
    }
    call_off(tx, known.id).await?;
    let change = Uuid::new_v4();
    let expires_at = now + Purpose::ChangeEmail.lifetime();
    email_store::insert_change(tx, &EmailChange { id: change, user_id: known.id, email: email.to_owned(), expires_at })
        .await?;
    jobs::SendEmailChange { change }.enqueue(tx, now).await?;
    Ok(jobs::TellEmailChangeAsked::at(change, now).enqueue(tx, now).await?)
}

/// Ends what is pending, with its links. The row goes first: the job that writes the letter holds it while it makes one.
pub async fn call_off(tx: &mut Tx, user: UserId) -> db::Result<()> {
    email_store::delete_change(tx, user).await?;
    store::delete_links(tx, user, Purpose::ChangeEmail).await?;
    Ok(())
}

/// Makes the address the account's, verified. Links that were mailed to the old one stop working.
///
/// # Errors
/// When the link does not work any more, or the address became another account's meanwhile.
pub async fn take_effect(tx: &mut Tx, token: &str, now: Timestamp) -> Result<()> {
    let user = links::spend(tx, Purpose::ChangeEmail, token, now).await?;
    let change = email_store::change_of(tx, user.id).await?.ok_or(Error::InvalidLink)?;
    if store::email_exists(tx, &key(&change.email)).await? {
        return Err(Error::EmailTaken);
    }
    email_store::set_email(tx, user.id, &change.email).await.map_err(taken)?;
    call_off(tx, user.id).await?;
    store::delete_links(tx, user.id, Purpose::VerifyEmail).await?;
    store::delete_links(tx, user.id, Purpose::ResetPassword).await?;
    let former = Uuid::new_v4();
    email_store::insert_former(tx, former, &user.email, now).await?;
    tracing::info!(user = %user.id, "a user changed their e-mail");
    Ok(jobs::TellEmailChanged { former }.enqueue(tx, now).await?)
}
