//! Sessions, and the refresh tokens that continue them.
//!
//! A refresh token answers each time it is used, with a fresh successor each time, until one of its successors was used.
//! So a client that keeps the token of its sign-in and reads only `access` stays signed in for as long as that token
//! lives, and one whose answer was lost asks again. From then on the token is stolen: two have it, the one who went on and
//! the one who came back. The whole session ends, because nobody can tell which of them is the thief, and its user is told.
//!
//! A session is one line. Of the successors of one token, the first that is used continues the session, and the others are
//! as stolen as the token they were handed out for. A client that exchanges a token twice at the same moment may go on
//! with either answer; a thief who got an answer of their own is found as soon as both have used theirs, whoever is first.
//! Had both lines gone on side by side, as the two of two browser tabs might, nothing would tell a thief from a tab.
//!
//! So a token needs to know its generation only: that of a sign-in has 1, a successor one more than the token it was
//! handed out for, and the session remembers the newest that was used. Everything here happens under the session's lock.
//!
//! A client that uses the same token every second leaves a successor each time that nobody ever uses. Only [`UNUSED`] of
//! them are kept: the newest, one of which a client goes on with, and the [`FIRST`], so that a thief who uses a stolen
//! token again and again does not push out the successor its owner holds, by which the thief is found.

use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::Job,
};

use super::{
    Error, Result, jobs, store,
    store::Credentials,
    tokens::{Secret, Tokens},
};
use crate::shop::ids::{SessionId, UserId};

/// How many successors of a token are kept that were never used.
const UNUSED: i64 = 100;
/// How many of them are the first that were handed out.
const FIRST: i64 = 10;

/// A fresh pair of tokens' worth: the session and the refresh token that continues it.
pub struct SignIn {
    pub session: SessionId,
    pub refresh: String,
}

/// Begins a session for who gave the right password.
///
/// # Errors
/// When the password was changed, or the user made inactive, after it was looked at: else a session would begin that the
/// change was to end.
pub async fn begin(tx: &mut Tx, tokens: &Tokens, known: &Credentials, now: Timestamp) -> Result<SignIn> {
    if !store::still_hold(tx, known).await? {
        return Err(Error::InvalidCredentials);
    }
    let session = SessionId::random();
    store::insert_session(tx, session, known.id, now).await?;
    let refresh = hand_out(tx, tokens, session, 1, now).await?;
    Ok(SignIn { session, refresh })
}

/// How the use of a refresh token ended. Also what is refused changes something, so it is committed too.
pub enum Refreshed {
    Continued { user: UserId, sign_in: SignIn },
    Refused(Error),
}

/// Uses a refresh token, for the first time or again.
pub async fn refresh(tx: &mut Tx, tokens: &Tokens, token: &str, now: Timestamp) -> db::Result<Refreshed> {
    let hash = Secret::hash_of(token);
    let unknown = Ok(Refreshed::Refused(Error::InvalidRefreshToken));
    let Some(session) = store::lock_session_of(tx, &hash).await? else { return unknown };
    let found = store::find_refresh_token(tx, &hash).await?;
    let Some(token) = found.filter(|token| token.expires_at > now) else { return unknown };
    let is_new = token.generation > session.generation;
    let is_newest = token.generation == session.generation && token.spent_at.is_some();
    if !is_new && !is_newest {
        return stolen(tx, session.id, session.user_id, now).await;
    }
    if session.ended_at.is_some() || !session.is_active {
        return Ok(Refreshed::Refused(Error::SessionEnded));
    }
    if is_new {
        store::spend_refresh_token(tx, &hash, now).await?;
        store::set_generation(tx, session.id, token.generation).await?;
    }
    let refresh = hand_out(tx, tokens, session.id, token.generation + 1, now).await?;
    Ok(Refreshed::Continued { user: session.user_id, sign_in: SignIn { session: session.id, refresh } })
}

async fn hand_out(
    tx: &mut Tx,
    tokens: &Tokens,
    session: SessionId,
    generation: i64,
    now: Timestamp,
) -> db::Result<String> {
    store::make_room_for_refresh_token(tx, session, generation, (FIRST, UNUSED)).await?;
    let secret = Secret::random();
    store::insert_refresh_token(tx, &secret.hash, (session, generation), now + tokens.refresh_ttl).await?;
    Ok(secret.text)
}

async fn stolen(tx: &mut Tx, session: SessionId, user: UserId, now: Timestamp) -> db::Result<Refreshed> {
    if end(tx, session, now).await? {
        tracing::warn!(%user, %session, "a refresh token was used after its successor; the session was ended");
        jobs::TellSessionEnded { session }.enqueue(tx, now).await?;
    }
    Ok(Refreshed::Refused(Error::RefreshTokenReused))
}

/// Ends a session: its tokens stop working. Whether it was alive.
pub async fn end(tx: &mut Tx, session: SessionId, now: Timestamp) -> db::Result<bool> {
    store::end_session(tx, session, now).await
}
