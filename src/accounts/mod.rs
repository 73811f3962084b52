//! Who is who: users, their sign-ins and what they may do.
//!
//! A sign-in is a session. Its access token is a short-lived JWT that names the session, and every request asks the
//! database whether that session still lives, so signing out works at once and everywhere. Its refresh tokens are random
//! and kept only as hashes; `sessions.rs` says how they continue it, and how one that was stolen ends it.
//!
//! Signing in never tells whether an account exists: an unknown name costs the same argon2 as a wrong password, and the
//! tries are counted for the name that was typed, whether or not it is somebody's. Nor does asking for a new password:
//! whatever was typed, a job is enqueued, and the job finds out what to do.

pub mod account_api;
pub mod api;
mod closing;
mod email_changes;
mod email_store;
mod error;
mod fields;
pub mod jobs;
mod letters;
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

pub use error::{Error, Result};
pub use letters::letter;
pub use passwords::Passwords;
pub use signed_in::{Admin, SignedIn, Visitor, bad_token, bearer, is_admin, signed_in};
pub use store::{active_admins, find, update_profile};
pub use tokens::{Settings, Tokens};

/// Deletes what a feature keeps of a user alone, in the transaction that closes the account.
pub type Forget = for<'a> fn(&'a mut Tx, UserId) -> BoxFuture<'a, db::Result<()>>;

/// What features above do for accounts, which know none of them; `app/context.rs` brings it.
pub struct Hooks {
    /// Takes along the cart that somebody filled before they signed in.
    pub bring_cart: for<'a> fn(&'a mut Tx, &'a Shop, CartId, UserId) -> BoxFuture<'a, db::Result<()>>,
    /// The number of an order that a user is in the middle of, so that the account cannot be closed.
    pub open_order: for<'a> fn(&'a mut Tx, UserId) -> BoxFuture<'a, db::Result<Option<String>>>,
    /// What each does when a user closes their account, in this order.
    pub forget: &'static [Forget],
}

text_enum! {
    /// What a user may do: a `customer` buys, an `admin` also manages the shop.
    pub enum Role { Customer = "customer", Admin = "admin" }
}

/// A user, as the database keeps one.
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
    /// When its user closed the account. Nothing of a person is in it any more.
    pub closed_at: Option<Timestamp>,
}

/// Who wants an account, checked, with the password hashed.
pub struct NewUser {
    pub email: String,
    /// Without one, the e-mail's local part is used, made unique.
    pub username: Option<String>,
    pub password_hash: String,
    pub role: Role,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    pub address: String,
}

/// Makes an account.
///
/// # Errors
/// When the e-mail or the username is taken.
pub async fn register(tx: &mut Tx, new: NewUser, now: Timestamp) -> Result<User> {
    if store::email_exists(tx, &key(&new.email)).await? {
        return Err(Error::EmailTaken);
    }
    let username = match &new.username {
        Some(name) => name.clone(),
        None => free_username(tx, &new.email).await?,
    };
    match store::insert(tx, &new, &username, now).await.map_err(taken)? {
        Some(user) => Ok(user),
        None if new.username.is_some() => Err(Error::UsernameTaken),
        None => store::insert(tx, &new, &random_name(&username), now).await.map_err(taken)?.ok_or(Error::UsernameTaken),
    }
}

/// Holds the account of a buyer open until the transaction ends: it cannot be closed over what is begun for it.
///
/// # Errors
/// When it was closed, or made inactive, after its user was asked who they are.
pub async fn hold_open(tx: &mut Tx, user: UserId) -> Result<()> {
    if store::hold_active(tx, user).await? { Ok(()) } else { Err(Error::SessionEnded) }
}

/// Names are matched without regard to case, and to how a keyboard puts an accented letter together.
#[must_use]
pub fn key(name: &str) -> String {
    name.to_lowercase().nfc().collect()
}

async fn free_username(tx: &mut Tx, email: &str) -> db::Result<String> {
    let local = email.split('@').next().unwrap_or_default();
    let allowed: String = local.chars().filter(|c| c.is_alphanumeric() || "@.+-_".contains(*c)).take(140).collect();
    let base = if allowed.chars().count() < 3 { format!("user-{allowed}") } else { allowed };
    for number in 1..=5 {
        let name = if number == 1 { base.clone() } else { format!("{base}{number}") };
        if !store::username_exists(tx, &key(&name)).await? {
            return Ok(name);
        }
    }
    Ok(random_name(&base))
}

/// For the hundredth `info@`, and for when somebody else took the name in this very moment.
fn random_name(base: &str) -> String {
    format!("{base}-{:08x}", rand::random::<u32>())
}

/// Of two who want an address at the same moment, the unique index lets one through.
fn taken(error: db::Error) -> Error {
    if db::is_unique_violation(&error) { Error::EmailTaken } else { error.into() }
}

/// An address alone: no display name around it, no IP number for a domain.
fn is_address(email: &str) -> bool {
    let plain = Options::default().without_display_text().without_domain_literal();
    email.len() <= 254 && EmailAddress::parse_with_options(email, plain).is_ok()
}

/// What is wrong with an e-mail address, a username and a password, all at once.
///
/// # Errors
/// When any of them cannot be what it is.
pub fn check_credentials(email: &str, username: Option<&str>, password: &str) -> Result<(), ValidationErrors> {
    let mut errors = Vec::new();
    if !is_address(email) {
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

/// Whether there is an active account with this e-mail and password. It is asked as often as one likes: for our own
/// questions, not for strangers'.
///
/// # Errors
/// When too many passwords are being hashed.
pub async fn has_password(shop: &Shop, email: &str, password: &str) -> Result<bool> {
    let known = store::credentials_by_email(&shop.db, email).await?;
    shop.part::<Passwords>().verify(password.to_owned(), known.map(|known| known.password_hash)).await
}

/// Gives the user of a session another password. Their other sessions end, and so do links to reset the old one.
///
/// # Errors
/// When the password is not `known` any more: who changed it meanwhile has ended this session.
async fn change_password(tx: &mut Tx, by: SignedIn, known: &Credentials, hash: &str, now: Timestamp) -> Result<()> {
    if !store::still_hold(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    replace_password(tx, by.id, hash, Some(by.session), now).await
}

/// Gives the owner of a link another password. All their sessions end. The link came by e-mail, so that is verified too.
///
/// # Errors
/// When the link does not work any more.
async fn reset_password(tx: &mut Tx, token: &str, hash: &str, now: Timestamp) -> Result<User> {
    let user = links::spend(tx, Purpose::ResetPassword, token, now).await?;
    email_is_theirs(tx, user.id).await?;
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
    email_changes::call_off(tx, user).await?; // whoever asked for it knew the old password
    Ok(jobs::TellPasswordChanged::at(user, now).enqueue(tx, now).await?)
}

/// The owner of a link has got the letter it came in: the address is theirs, or becomes it.
///
/// # Errors
/// When the link does not work any more, or the address is another account's by now.
async fn verify_email(tx: &mut Tx, token: &str, now: Timestamp) -> Result<()> {
    if links::is_for(tx, Purpose::ChangeEmail, token).await? {
        return email_changes::take_effect(tx, token, now).await;
    }
    let user = links::spend(tx, Purpose::VerifyEmail, token, now).await?;
    Ok(email_is_theirs(tx, user.id).await?)
}

async fn email_is_theirs(tx: &mut Tx, user: UserId) -> db::Result<()> {
    store::mark_email_verified(tx, user).await?;
    store::delete_links(tx, user, Purpose::VerifyEmail).await?;
    Ok(())
}

/// What an admin wants to be different about a user.
struct StandingChange {
    role: Option<Role>,
    is_active: Option<bool>,
}

/// Changes what a user may do. The sessions of one who is made inactive end, and so do the links in their letters.
///
/// # Errors
/// [`Error::NotFound`], [`Error::OwnAccount`], [`Error::AccountClosed`]; [`Error::NotAdmin`] when `by` is none any more:
/// so of two admins who demote each other at once, one stays.
async fn change_standing(tx: &mut Tx, by: UserId, id: UserId, wanted: StandingChange, now: Timestamp) -> Result<User> {
    // In the order of their ids, so that two who change each other do not wait for each other.
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
    user.role = wanted.role.unwrap_or(user.role);
    user.is_active = wanted.is_active.unwrap_or(user.is_active);
    store::set_standing(tx, id, user.role, user.is_active).await?;
    if !user.is_active {
        store::end_sessions(tx, id, None, now).await?;
        store::delete_links(tx, id, Purpose::ResetPassword).await?;
        store::delete_links(tx, id, Purpose::VerifyEmail).await?;
        email_changes::call_off(tx, id).await?;
    }
    tracing::info!(%by, user = %id, role = %user.role, is_active = user.is_active, "an admin changed a user");
    Ok(user)
}
