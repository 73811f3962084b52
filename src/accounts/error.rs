//! The errors of accounts.

use platform::db;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request about a user or by one was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is an account with this e-mail already. Sign in instead.")]
    EmailTaken,
    #[error("This username is taken. Choose another.")]
    UsernameTaken,
    #[error("There is no account with this name and password.")]
    InvalidCredentials,
    #[error("Too many people are signing in at this moment; try again.")]
    TooManySignIns,
    #[error("Send the access token of a sign-in as Authorization: Bearer ….")]
    InvalidAccessToken,
    #[error("This access token is too old. Use the refresh token to get a new one.")]
    AccessTokenExpired,
    #[error("This refresh token is not valid. Sign in again.")]
    InvalidRefreshToken,
    #[error("A newer refresh token than this one was used already, so its session was ended. Sign in again.")]
    RefreshTokenReused,
    #[error("This session has ended. Sign in again.")]
    SessionEnded,
    #[error("This link was used before, is too old, or was not copied whole. Ask for another letter.")]
    InvalidLink,
    #[error("This e-mail is verified; there is nothing to do.")]
    AlreadyVerified,
    #[error("There is no such user.")]
    NotFound,
    #[error("You are signed in, but only an admin may do this.")]
    NotAdmin,
    #[error("You cannot change your own role or make yourself inactive. Ask another admin.")]
    OwnAccount,
    #[error("This account was closed by its user; nothing of it can be changed.")]
    AccountClosed,
    #[error("You are the only admin, and the shop needs one. Make somebody else an admin first.")]
    LastAdmin,
    #[error("Order {number} is not finished. Cancel it, or wait until it was delivered and its money has arrived.")]
    OrderOpen { number: String },
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error(transparent)]
    Internal(anyhow::Error),
}
