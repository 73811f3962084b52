//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::problem_types;

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
    OWN_ACCOUNT = 409 "own_account",
        "Admins do not change their own role, nor make themselves inactive.",
        "Ask another admin.";
    USERNAME_TAKEN = 409 "username_taken",
        "There is an account with this username.",
        "Let the person choose another, or leave it out.";
}
