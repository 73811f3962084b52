//! How often people may try. Each limit is per address, or per account, or per both; see [`platform::http::limits`].
//!
//! Tries of a password are counted for the name that was typed, in any case. Counting them for the account behind the
//! name would tell that an e-mail and a username are one person's, and so that there is one. An account has two names,
//! which gives whoever knows both twice as many tries: still too few to guess anything.

use std::time::Duration;

use platform::http::{client_address::ClientAddress, limits::Limit, problem::ApiResult};

use super::{Passwords, User, key, store::Credentials};
use crate::shop::Shop;

/// Per address, also those that succeed: each costs an argon2.
pub const SIGN_INS: Limit =
    Limit::new("sign_ins", 30, Duration::from_mins(1), "Too many sign-in attempts from this IP address.");

/// Per name and address, only those that fail.
const WRONG_PASSWORDS: Limit =
    Limit::new("wrong_passwords", 5, Duration::from_mins(15), "Too many wrong passwords for this account.");

/// Per address. Those that fail because a name is taken count: each says that somebody has an account.
pub const REGISTRATIONS: Limit =
    Limit::new("registrations", 3, Duration::from_hours(1), "Too many registrations from this IP address.");

/// Per e-mail address, whether or not it is an account's.
pub const RESET_LETTERS: Limit =
    Limit::new("reset_letters", 5, Duration::from_hours(24), "Too many e-mails were requested.");

/// Per address of who asks for letters.
pub const RESET_REQUESTS: Limit =
    Limit::new("reset_requests", 20, Duration::from_hours(1), "Too many e-mails were requested from this IP address.");

/// Per user.
pub const VERIFICATION_LETTERS: Limit =
    Limit::new("verification_letters", 5, Duration::from_hours(24), "Too many e-mails were requested.");

/// Per user. Those that fail because the address is taken count among the [`REGISTRATIONS`] of where they come from, too.
pub const EMAIL_CHANGES: Limit =
    Limit::new("email_changes", 5, Duration::from_hours(24), "Too many changes of the e-mail address were requested.");

/// Whether a password is the one of `known`; a wrong one is counted. With nobody known it is wrong, after the same time.
///
/// # Errors
/// 429 when too many were wrong, whatever this one is.
pub async fn password_matches(
    shop: &Shop,
    (name, from): (&str, ClientAddress),
    password: String,
    known: Option<&Credentials>,
) -> ApiResult<bool> {
    let attempt = shop.limits.take(&WRONG_PASSWORDS, &tried(name, from)).await?;
    let hash = known.map(|known| known.password_hash.clone());
    let outcome = shop.part::<Passwords>().verify(password, hash).await;
    // What was right, or not looked at, was not wrong.
    if !matches!(outcome, Ok(false)) {
        shop.limits.release(attempt).await;
    }
    Ok(outcome?)
}

/// Who has just proved to be the user may sign in, however often they forgot their password before.
pub async fn forgive(shop: &Shop, user: &User, from: ClientAddress) {
    for name in [&user.email, &user.username] {
        shop.limits.reset(&WRONG_PASSWORDS, &tried(name, from)).await;
    }
}

fn tried(name: &str, from: ClientAddress) -> String {
    format!("{} {}", key(name), from.network())
}
