//! The rate limits of accounts. Each is per network address, per account, or per both; see [`platform::http::limits`].
//!
//! Attempts at a password are counted for the name that was sent, whether or not an account has it. Counting them for the
//! account would disclose that an e-mail and a username belong together, and so that the account exists. Whoever knows
//! both names of an account gets twice as many attempts: still too few to guess a password.

use std::time::Duration;

use platform::http::{client_address::ClientAddress, limits::Limit, problem::ApiResult};

use super::{Passwords, User, lookup_key, store::Credentials};
use crate::shop::Shop;

/// Per network address, including those that succeed: each costs an argon2 hash.
pub const SIGN_INS: Limit =
    Limit::new("sign_ins", 30, Duration::from_mins(1), "Too many sign-in attempts from this IP address.");

/// Per name and network address, only those that fail.
const WRONG_PASSWORDS: Limit =
    Limit::new("wrong_passwords", 5, Duration::from_mins(15), "Too many wrong passwords for this account.");

/// Per network address. Those that fail because a name is taken count: each discloses that an account exists.
pub const REGISTRATIONS: Limit =
    Limit::new("registrations", 3, Duration::from_hours(1), "Too many registrations from this IP address.");

/// Per e-mail address, whether or not it is an account's. Its stored name is older.
pub const RESET_EMAILS: Limit =
    Limit::new("reset_letters", 5, Duration::from_hours(24), "Too many e-mails were requested.");

/// Requests for password resets, per network address.
pub const RESET_REQUESTS: Limit =
    Limit::new("reset_requests", 20, Duration::from_hours(1), "Too many e-mails were requested from this IP address.");

/// Per user. Its stored name is older.
pub const VERIFICATION_EMAILS: Limit =
    Limit::new("verification_letters", 5, Duration::from_hours(24), "Too many e-mails were requested.");

/// Per user. Those that fail because the address is taken also count as [`REGISTRATIONS`] of their network address.
pub const EMAIL_CHANGES: Limit =
    Limit::new("email_changes", 5, Duration::from_hours(24), "Too many changes of the e-mail address were requested.");

/// Whether a password is that of `known`; a wrong one is counted. Without `known` it is wrong, after the same time.
///
/// # Errors
/// 429 after too many wrong passwords, whether or not this one is right.
pub async fn password_matches(
    shop: &Shop,
    (name, from): (&str, ClientAddress),
    password: String,
    known: Option<&Credentials>,
) -> ApiResult<bool> {
    let attempt = shop.limits.take(&WRONG_PASSWORDS, &wrong_passwords_key(name, from)).await?;
    let hash = known.map(|known| known.password_hash.clone());
    let outcome = shop.get::<Passwords>().verify(password, hash).await;
    // A password that is right, or was not verified, does not count.
    if !matches!(outcome, Ok(false)) {
        shop.limits.release(attempt).await;
    }
    Ok(outcome?)
}

/// Lets a user sign in again after a password reset, however many wrong passwords were counted.
pub async fn reset_wrong_passwords(shop: &Shop, user: &User, from: ClientAddress) {
    for name in [&user.email, &user.username] {
        shop.limits.reset(&WRONG_PASSWORDS, &wrong_passwords_key(name, from)).await;
    }
}

fn wrong_passwords_key(name: &str, from: ClientAddress) -> String {
    format!("{} {}", lookup_key(name), from.network())
}
