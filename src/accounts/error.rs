//! The errors of accounts.

use platform::db;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request about a user or by one was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("An account with this e-mail address already exists. Sign in instead.")]
    EmailTaken,
    #[error("This username is taken. Choose another.")]
    UsernameTaken,
    #[error("The e-mail address, username or password is wrong.")]
    InvalidCredentials,
    #[error("Too many users are signing in at the moment. Try again.")]
    TooManySignIns,
    #[error(
        "The access token is missing or invalid. Sign in and send it in the header Authorization: Bearer <access>."
    )]
    InvalidAccessToken,
    #[error("The access token has expired. Use the refresh token to get a new one.")]
    AccessTokenExpired,
    #[error("The refresh token is not valid. Sign in again.")]
    InvalidRefreshToken,
    #[error("A newer refresh token has already been used, so the session was ended. Sign in again.")]
    RefreshTokenReused,
    #[error("The session has ended. Sign in again.")]
    SessionEnded,
    #[error("The link was used before, has expired, or was not copied completely. Request a new e-mail.")]
    InvalidLink,
    #[error("The e-mail address is already verified.")]
    AlreadyVerified,
    #[error("This user does not exist.")]
    NotFound,
    #[error("Only an admin can do this.")]
    NotAdmin,
    #[error("You cannot change your own role or make yourself inactive. Ask another admin.")]
    OwnAccount,
    #[error("This account was closed by its user and cannot be changed.")]
    AccountClosed,
    #[error("You are the only admin of the shop. Make another user an admin first.")]
    LastAdmin,
    #[error("Order {number} is not completed. Cancel it, or wait until it is delivered and its payments are settled.")]
    OrderOpen { number: String },
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error(transparent)]
    Internal(anyhow::Error),
}
