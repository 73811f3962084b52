//! The links in e-mails. Each has a secret that works once and for a short time. The database stores its hash, and the job
//! that sends the e-mail creates it, so that the secret is nowhere but in the e-mail.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    text_enum,
};

use super::{Error, Result, User, email_store, store, tokens::Secret};
use crate::shop::ids::UserId;

text_enum! {
    /// What a link is for.
    pub enum Purpose {
        VerifyEmail = "verify_email", ResetPassword = "reset_password", ChangeEmail = "change_email",
    }
}

impl Purpose {
    /// How long a link is valid.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => Duration::from_hours(24),
            Self::ResetPassword => Duration::from_mins(30),
        }
    }

    pub fn lifetime_text(self) -> &'static str {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => "24 hours",
            Self::ResetPassword => "30 minutes",
        }
    }

    /// The page of the storefront that a link opens. Both purposes that verify an address share one.
    fn page(self) -> &'static str {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => "verify-email",
            Self::ResetPassword => "reset-password",
        }
    }
}

/// Creates a link for an e-mail. It works from the commit on.
pub async fn create(tx: &mut Tx, base: &str, purpose: Purpose, user: UserId, now: Timestamp) -> db::Result<String> {
    let secret = Secret::random();
    store::insert_link(tx, &secret.hash, user, purpose, now + purpose.lifetime()).await?;
    Ok(format!("{base}/{}?token={}", purpose.page(), secret.text))
}

/// Whether a link has this purpose. Whether it is still valid is checked by [`consume`].
pub async fn has_purpose(tx: &mut Tx, purpose: Purpose, token: &str) -> db::Result<bool> {
    Ok(email_store::purpose_of_link(tx, &Secret::hash_of(token)).await? == Some(purpose))
}

/// The user of a link, which stays valid.
///
/// # Errors
/// [`Error::InvalidLink`] when it was used, has expired or does not exist.
pub async fn find_owner(tx: &mut Tx, purpose: Purpose, token: &str, now: Timestamp) -> Result<User> {
    store::link_owner(tx, &Secret::hash_of(token), purpose, now).await?.ok_or(Error::InvalidLink)
}

/// Invalidates a link and returns its user, who is locked first, as in every change that deletes links.
///
/// # Errors
/// [`Error::InvalidLink`] when it was used, has expired or does not exist.
pub async fn consume(tx: &mut Tx, purpose: Purpose, token: &str, now: Timestamp) -> Result<User> {
    let user = find_owner(tx, purpose, token, now).await?;
    let user = store::lock(tx, user.id).await?.ok_or(Error::InvalidLink)?;
    if store::delete_link(tx, &Secret::hash_of(token)).await? { Ok(user) } else { Err(Error::InvalidLink) }
}
