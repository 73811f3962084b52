//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{
    http::{
        problem::Problem,
        problem_types::{OVERLOADED, UNAUTHENTICATED},
    },
    problem_types,
};
use poem::http::header::WWW_AUTHENTICATE;

use super::Error;

problem_types! {
    INVALID_TOKEN = 400 "invalid_token",
        "The token from the e-mail is wrong, has already been used, or has expired.",
        "Request a new e-mail and use its link once.";
    INVALID_CREDENTIALS = 401 "invalid_credentials",
        "There is no active account with this e-mail address or username and this password.",
        "Let the user check both, or reset the password. The response never says which of the two is wrong.";
    REFRESH_REUSED = 401 "refresh_reused",
        "A newer refresh token of this session has already been used. The session was ended because the token may have \
         been stolen.",
        "Sign in again. Store only the newest refresh token, in one place for all tabs and processes.";
    SESSION_REVOKED = 401 "session_revoked",
        "The session of this token has ended.",
        "Sign in again.";
    TOKEN_EXPIRED = 401 "token_expired",
        "The access token has expired.",
        "Exchange the refresh token at `POST /api/auth/token/refresh` and repeat the request.";
    ACCOUNT_CLOSED = 409 "account_closed",
        "The user has closed this account, so it cannot be changed.",
        "Nothing. The user can register again.";
    ALREADY_VERIFIED = 409 "already_verified",
        "The e-mail address is already verified.",
        "Nothing. Hide the button that requests the e-mail.";
    EMAIL_TAKEN = 409 "email_taken",
        "An account with this e-mail address already exists.",
        "Offer to sign in or to reset the password.";
    LAST_ADMIN = 409 "last_admin",
        "The only admin of the shop cannot close the account.",
        "Make another user an admin first.";
    ORDER_OPEN = 409 "order_open",
        "An order of this account is neither delivered nor cancelled, or its payment or refund is in progress.",
        "Cancel the order named in `detail`, or wait until it is completed.";
    OWN_ACCOUNT = 409 "own_account",
        "Admins cannot change their own role or deactivate themselves.",
        "Ask another admin.";
    USERNAME_TAKEN = 409 "username_taken",
        "An account with this username already exists.",
        "Let the user choose another, or leave it out.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::EmailTaken => EMAIL_TAKEN.problem(detail),
            Error::UsernameTaken => USERNAME_TAKEN.problem(detail),
            // The request has no token, so the challenge names no token error.
            Error::InvalidCredentials => INVALID_CREDENTIALS.problem(detail).header(WWW_AUTHENTICATE, "Bearer"),
            Error::TooManySignIns => OVERLOADED.problem(detail),
            Error::InvalidAccessToken | Error::InvalidRefreshToken => UNAUTHENTICATED.problem(detail),
            Error::AccessTokenExpired => TOKEN_EXPIRED.problem(detail),
            Error::RefreshTokenReused => REFRESH_REUSED.problem(detail),
            Error::SessionEnded => SESSION_REVOKED.problem(detail),
            Error::InvalidLink => INVALID_TOKEN.problem(detail),
            Error::AlreadyVerified => ALREADY_VERIFIED.problem(detail),
            Error::NotFound => Self::not_found(),
            Error::NotAdmin => Self::forbidden(),
            Error::OwnAccount => OWN_ACCOUNT.problem(detail),
            Error::AccountClosed => ACCOUNT_CLOSED.problem(detail),
            Error::LastAdmin => LAST_ADMIN.problem(detail),
            Error::OrderOpen { .. } => ORDER_OPEN.problem(detail),
            Error::Database(error) => error.into(),
            Error::Internal(error) => Self::internal(format!("{error:#}")),
        }
    }
}
