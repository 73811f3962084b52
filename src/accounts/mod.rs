//! Users, their sessions and their roles.
//!
//! A sign-in creates a session. Its access token is a short-lived JWT that names the session, and every request asks the
//! database whether that session is active, so signing out works at once and everywhere. Its refresh tokens are random
//! and stored only as hashes; `sessions.rs` describes how they continue it, and how a stolen one ends it.
//!
//! Signing in never discloses whether an account exists: an unknown name costs the same argon2 hash as a wrong password, and
//! attempts are counted for the name that was sent, whether or not an account has it. Nor does requesting a password reset:
//! a job is enqueued for any address, and only the job sends something or nothing.

pub mod account_api;
pub mod api;
mod closing;
mod email_changes;
mod email_store;
mod emails;
mod error;
mod fields;
pub mod jobs;
mod limits;
mod links;
mod list;
mod passwords;
pub mod passwords_api;
pub mod problems;
mod sessions;
mod signed_in;
mod store;
mod tokens;
pub mod users_api;

use email_address::{EmailAddress, Options};
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
    text_enum,
    validation::{FieldError, ValidationErrors},
};
use unicode_normalization::UnicodeNormalization;

use crate::shop::{
    Shop,
    ids::{CartId, SessionId, UserId},
};
use futures_util::future::BoxFuture;
use links::Purpose;
use store::Credentials;

pub use emails::render_email;
pub use error::{Error, Result};
pub use passwords::Passwords;
pub use signed_in::{Admin, SignedIn, Visitor, bearer, is_admin, signed_in, unauthenticated};
pub use store::{active_admins, find, update_profile};
pub use tokens::{Settings, Tokens};

/// Deletes a feature's data about a user, in the transaction that closes the account.
pub type DeleteUserData = for<'a> fn(&'a mut Tx, UserId) -> BoxFuture<'a, db::Result<()>>;

/// What accounts need of features that depend on them; set in `app/context.rs`.
pub struct Hooks {
    /// Merges an anonymous cart into the user's.
    pub merge_cart: for<'a> fn(&'a mut Tx, &'a Shop, CartId, UserId) -> BoxFuture<'a, db::Result<()>>,
    /// The number of an order of the user that is not finished, so that the account cannot be closed.
    pub find_open_order: for<'a> fn(&'a mut Tx, UserId) -> BoxFuture<'a, db::Result<Option<String>>>,
    /// Called in this order when a user closes their account.
    pub delete_user_data: &'static [DeleteUserData],
}

text_enum! {
    /// What a user may do: a `customer` buys, an `admin` also manages the shop.
    pub enum Role { Customer = "customer", Admin = "admin" }
}

/// A user, as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub email: String,
    pub role: Role,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    pub address: String,
    pub city: String,
    pub country: String,
    pub email_verified: bool,
    /// An inactive user cannot sign in.
    pub is_active: bool,
    pub created_at: Timestamp,
    /// When the user closed the account, which then has no personal data.
    pub closed_at: Option<Timestamp>,
}

/// A new account: validated, with the password hashed.
pub struct NewUser {
    pub email: String,
    /// `None`: the e-mail's local part, made unique.
    pub username: Option<String>,
    pub password_hash: String,
    pub role: Role,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    pub address: String,
}

/// Creates an account.
///
/// # Errors
/// [`Error::EmailTaken`], [`Error::UsernameTaken`].
pub async fn register(tx: &mut Tx, new: NewUser, now: Timestamp) -> Result<User> {
    if store::email_exists(tx, &lookup_key(&new.email)).await? {
        return Err(Error::EmailTaken);
    }
    let username = match &new.username {
        Some(name) => name.clone(),
        None => free_username(tx, &new.email).await?,
    };
    match store::insert(tx, &new, &username, now).await.map_err(email_taken)? {
        Some(user) => Ok(user),
        None if new.username.is_some() => Err(Error::UsernameTaken),
        None => store::insert(tx, &new, &random_name(&username), now)
            .await
            .map_err(email_taken)?
            .ok_or(Error::UsernameTaken),
    }
}

/// Requires a user to be active, and keeps the account from being closed until the transaction ends. Returns the address of
/// the profile, in one or more lines; empty when it has none.
///
/// # Errors
/// [`Error::SessionEnded`] when it was closed or made inactive after the request was authenticated.
pub async fn require_active(tx: &mut Tx, user: UserId) -> Result<String> {
    let (address, city, country) = store::lock_active(tx, user).await?.ok_or(Error::SessionEnded)?;
    let lines = [address, city, country].into_iter().filter(|line| !line.trim().is_empty());
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The form in which e-mails and usernames are compared and stored for look-ups: lower case, Unicode NFC.
#[must_use]
pub fn lookup_key(name: &str) -> String {
    name.to_lowercase().nfc().collect()
}

async fn free_username(tx: &mut Tx, email: &str) -> db::Result<String> {
    let local = email.split('@').next().unwrap_or_default();
    let allowed: String = local.chars().filter(|c| c.is_alphanumeric() || "@.+-_".contains(*c)).take(140).collect();
    let base = if allowed.chars().count() < 3 { format!("user-{allowed}") } else { allowed };
    for number in 1..=5 {
        let name = if number == 1 { base.clone() } else { format!("{base}{number}") };
        if !store::username_exists(tx, &lookup_key(&name)).await? {
            return Ok(name);
        }
    }
    Ok(random_name(&base))
}

/// For when the first few numbered names are taken, or another request takes the name at the same moment.
fn random_name(base: &str) -> String {
    format!("{base}-{:08x}", rand::random::<u32>())
}

/// Of two requests for an address at the same moment, the unique index refuses one.
fn email_taken(error: db::Error) -> Error {
    if db::is_unique_violation(&error) { Error::EmailTaken } else { error.into() }
}

/// An address alone: no display name around it, no IP number for a domain.
fn is_email_address(email: &str) -> bool {
    let plain = Options::default().without_display_text().without_domain_literal();
    email.len() <= 254 && EmailAddress::parse_with_options(email, plain).is_ok()
}

/// Validates an e-mail address, a username and a password.
///
/// # Errors
/// All that is wrong with them.
pub fn check_credentials(email: &str, username: Option<&str>, password: &str) -> Result<(), ValidationErrors> {
    let mut errors = Vec::new();
    if !is_email_address(email) {
        errors.push(FieldError::new("email", "email", "must be a valid e-mail address"));
    }
    if let Some(name) = username
        && !(3..=150).contains(&name.chars().count())
    {
        errors.push(FieldError::new("username", "length", "must have 3 to 150 characters"));
    } else if username.is_some_and(|name| !name.chars().all(|c| c.is_alphanumeric() || "@.+-_".contains(c))) {
        errors.push(FieldError::new("username", "pattern", "must contain only letters, digits and @ . + - _"));
    }
    let weakness = passwords::weakness(password, email);
    errors.extend(weakness.map(|why| FieldError::new("password", "weak_password", why)));
    ValidationErrors(errors).into_result()
}

/// Whether there is an active account with this e-mail and password. It is not rate-limited: not for input of clients.
///
/// # Errors
/// [`Error::TooManySignIns`] when too many passwords are being hashed.
pub async fn has_password(shop: &Shop, email: &str, password: &str) -> Result<bool> {
    let known = store::credentials_by_email(&shop.db, email).await?;
    shop.get::<Passwords>().verify(password.to_owned(), known.map(|known| known.password_hash)).await
}

/// Changes the password of a session's user. Their other sessions end, and links to reset the old password stop working.
///
/// # Errors
/// [`Error::SessionEnded`] when the password is not `known` any more: whoever changed it meanwhile has ended this session.
async fn change_password(tx: &mut Tx, by: SignedIn, known: &Credentials, hash: &str, now: Timestamp) -> Result<()> {
    if !store::are_current(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    replace_password(tx, by.id, hash, Some(by.session), now).await
}

/// Changes the password of a link's user. All their sessions end. The link came by e-mail, so the address is verified, too.
///
/// # Errors
/// [`Error::InvalidLink`].
async fn reset_password(tx: &mut Tx, token: &str, hash: &str, now: Timestamp) -> Result<User> {
    let user = links::consume(tx, Purpose::ResetPassword, token, now).await?;
    confirm_email(tx, user.id).await?;
    replace_password(tx, user.id, hash, None, now).await?;
    Ok(user)
}

async fn replace_password(
    tx: &mut Tx,
    user: UserId,
    hash: &str,
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    store::set_password(tx, user, hash).await?;
    store::end_sessions(tx, user, except, now).await?;
    store::delete_links(tx, user, Purpose::ResetPassword).await?;
    email_changes::cancel(tx, user).await?; // whoever requested it knew the old password
    Ok(jobs::SendPasswordChangedEmail::at(user, now).enqueue(tx, now).await?)
}

/// Verifies the address that a link was sent to, or makes it the account's.
///
/// # Errors
/// [`Error::InvalidLink`]; [`Error::EmailTaken`] when the address became another account's meanwhile.
async fn verify_email(tx: &mut Tx, token: &str, now: Timestamp) -> Result<()> {
    if links::has_purpose(tx, Purpose::ChangeEmail, token).await? {
        return email_changes::confirm(tx, token, now).await;
    }
    let user = links::consume(tx, Purpose::VerifyEmail, token, now).await?;
    Ok(confirm_email(tx, user.id).await?)
}

async fn confirm_email(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::mark_email_verified(tx, user).await?;
    store::delete_links(tx, user, Purpose::VerifyEmail).await?;
    Ok(())
}

/// What an admin changes about a user; `None` stays as it is.
struct AccessChange {
    role: Option<Role>,
    is_active: Option<bool>,
}

/// Changes a user's role, or whether they are active. One who is made inactive loses all sessions and links.
///
/// # Errors
/// [`Error::NotFound`], [`Error::OwnAccount`], [`Error::AccountClosed`]; [`Error::NotAdmin`] when `by` is no admin any
/// more, so that of two admins who demote each other at the same time, one stays.
async fn change_access(tx: &mut Tx, by: UserId, id: UserId, change: AccessChange, now: Timestamp) -> Result<User> {
    // In the order of their ids, so that two admins who change each other do not deadlock.
    let first = store::lock(tx, by.min(id)).await?;
    let second = store::lock(tx, by.max(id)).await?;
    let (admin, user) = if by < id { (first, second) } else { (second, first) };
    let mut user = user.ok_or(Error::NotFound)?;
    if by == id {
        return Err(Error::OwnAccount);
    }
    admin.filter(|admin| admin.is_active && admin.role == Role::Admin).ok_or(Error::NotAdmin)?;
    if user.closed_at.is_some() {
        return Err(Error::AccountClosed);
    }
    user.role = change.role.unwrap_or(user.role);
    user.is_active = change.is_active.unwrap_or(user.is_active);
    store::set_access(tx, id, user.role, user.is_active).await?;
    if !user.is_active {
        store::end_sessions(tx, id, None, now).await?;
        store::delete_links(tx, id, Purpose::ResetPassword).await?;
        store::delete_links(tx, id, Purpose::VerifyEmail).await?;
        email_changes::cancel(tx, id).await?;
    }
    tracing::info!(%by, user = %id, role = %user.role, is_active = user.is_active, "an admin changed a user");
    Ok(user)
}
