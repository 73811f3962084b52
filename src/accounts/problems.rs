//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{
    http::{
        problem::Problem,
        problem_types::{OVERLOADED, UNAUTHENTICATED},
    },
    problem_types,
};
use poem::http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::Error;

problem_types! {
    INVALID_TOKEN = 400 "invalid_token",
        "The token of a link in an e-mail is wrong, was used already or has expired.",
        "Ask for a new e-mail and use the link in it once.";
    INVALID_CREDENTIALS = 401 "invalid_credentials",
        "There is no active account with this name and password.",
        "Let the person check both, or reset the password. Which of the two is wrong is never told.";
    REFRESH_REUSED = 401 "refresh_reused",
        "A newer refresh token than this one was used already, so its whole session was ended: somebody else may have \
         it.",
        "Sign in again. Keep the newest refresh token, in one place for all tabs and processes.";
    SESSION_REVOKED = 401 "session_revoked",
        "The session of this token was ended.",
        "Sign in again.";
    TOKEN_EXPIRED = 401 "token_expired",
        "The access token has expired.",
        "Exchange the refresh token at `POST /api/auth/token/refresh` and repeat the request.";
    ACCOUNT_CLOSED = 409 "account_closed",
        "The user has closed this account, so nothing of it can be changed.",
        "Leave it as it is; the person may register again.";
    ALREADY_VERIFIED = 409 "already_verified",
        "This e-mail is verified.",
        "Hide the button that asks for the letter; there is nothing to do.";
    EMAIL_TAKEN = 409 "email_taken",
        "There is an account with this e-mail.",
        "Offer to sign in or to reset the password.";
    LAST_ADMIN = 409 "last_admin",
        "The only admin of the shop cannot close their account.",
        "Make somebody else an admin first.";
    ORDER_OPEN = 409 "order_open",
        "An order of this account is neither delivered nor cancelled, or its money is under way.",
        "Cancel the order that `detail` names, or wait until it was delivered.";
    OWN_ACCOUNT = 409 "own_account",
        "Admins do not change their own role, nor make themselves inactive.",
        "Ask another admin.";
    USERNAME_TAKEN = 409 "username_taken",
        "There is an account with this username.",
        "Let the person choose another, or leave it out.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::EmailTaken => EMAIL_TAKEN.problem(detail),
            Error::UsernameTaken => USERNAME_TAKEN.problem(detail),
            // The request has no token, so the challenge names no token error.
            Error::InvalidCredentials => Self {
                headers: vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
                ..INVALID_CREDENTIALS.problem(detail)
            },
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
