//! The links in letters. Each carries a secret that works once and for a short time; the database keeps its hash, and
//! the job that writes the letter makes it, so that it stands in no other place than the letter.

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
    /// How long a link works.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => Duration::from_hours(24),
            Self::ResetPassword => Duration::from_mins(30),
        }
    }

    pub fn lifetime_in_words(self) -> &'static str {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => "24 hours",
            Self::ResetPassword => "30 minutes",
        }
    }

    /// The page of the storefront that a link leads to. Two that show that an address is somebody's need only one.
    fn page(self) -> &'static str {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => "verify-email",
            Self::ResetPassword => "reset-password",
        }
    }
}

/// Makes a link for a letter. It works from the commit on.
pub async fn make(tx: &mut Tx, base: &str, purpose: Purpose, user: UserId, now: Timestamp) -> db::Result<String> {
    let secret = Secret::random();
    store::insert_link(tx, &secret.hash, user, purpose, now + purpose.lifetime()).await?;
    Ok(format!("{base}/{}?token={}", purpose.page(), secret.text))
}

/// Whether a link is of this purpose. Whether it still works is for [`spend`] to say.
pub async fn is_for(tx: &mut Tx, purpose: Purpose, token: &str) -> db::Result<bool> {
    Ok(email_store::purpose_of_link(tx, &Secret::hash_of(token)).await? == Some(purpose))
}

/// Whose link it is, which works until it is spent.
///
/// # Errors
/// For one that was used, is too old or never was.
pub async fn owner(tx: &mut Tx, purpose: Purpose, token: &str, now: Timestamp) -> Result<User> {
    store::link_owner(tx, &Secret::hash_of(token), purpose, now).await?.ok_or(Error::InvalidLink)
}

/// Uses a link up. Its owner is locked first, as in everything else that ends links.
///
/// # Errors
/// For one that was used, is too old or never was.
pub async fn spend(tx: &mut Tx, purpose: Purpose, token: &str, now: Timestamp) -> Result<User> {
    let user = owner(tx, purpose, token, now).await?;
    let user = store::lock(tx, user.id).await?.ok_or(Error::InvalidLink)?;
    if store::delete_link(tx, &Secret::hash_of(token)).await? { Ok(user) } else { Err(Error::InvalidLink) }
}
