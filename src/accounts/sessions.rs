//! Sessions, and the refresh tokens that continue them.
//!
//! A refresh token can be used several times, and each use returns a new successor, until one of its successors was used. So
//! a client that keeps the token of its sign-in and reads only `access` stays signed in for as long as that token is valid,
//! and one whose response was lost sends the request again. A use after that means that the token was stolen: two clients
//! have it. The whole session ends, because nobody can tell which of them is the thief, and its user is notified.
//!
//! Of the successors of one token, the first that is used continues the session; using another counts as reuse, too. A
//! client that exchanges a token twice at the same moment may continue with either response; a thief with a successor of
//! their own is detected as soon as both clients have used theirs, whoever is first. If both could continue side by side, a
//! thief could not be distinguished from a second browser tab.
//!
//! So a token needs only a generation: 1 for that of a sign-in, for a successor one more than the token it was issued for. The
//! session stores the newest generation that was used. Everything here happens under the session's lock.
//!
//! A client that uses the same token every second gets a successor each time that is never used. Only [`MAX_UNUSED`] of them
//! are kept: the newest, one of which the client may continue with, and the first [`KEPT_FIRST`], so that a thief who uses a
//! stolen token again and again does not push out its owner's successor, whose use detects the theft.

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

/// How many unused successors of a token are kept.
const MAX_UNUSED: i64 = 100;
/// How many of them are the first that were issued.
const KEPT_FIRST: i64 = 10;

/// A session, and the refresh token that continues it.
pub struct SignIn {
    pub session: SessionId,
    pub refresh: String,
}

/// Creates a session for a user who sent the right password.
///
/// # Errors
/// [`Error::InvalidCredentials`] when the password was changed, or the user made inactive, after it was verified: the change
/// was to end all sessions.
pub async fn start(tx: &mut Tx, tokens: &Tokens, known: &Credentials, now: Timestamp) -> Result<SignIn> {
    if !store::are_current(tx, known).await? {
        return Err(Error::InvalidCredentials);
    }
    let session = SessionId::random();
    store::insert_session(tx, session, known.id, now).await?;
    let refresh = issue_refresh_token(tx, tokens, session, 1, now).await?;
    Ok(SignIn { session, refresh })
}

/// The outcome of using a refresh token. A refusal may change the session, so the transaction is committed in any case.
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
        return end_reused(tx, session.id, session.user_id, now).await;
    }
    if session.ended_at.is_some() || !session.is_active {
        return Ok(Refreshed::Refused(Error::SessionEnded));
    }
    if is_new {
        store::mark_refresh_token_used(tx, &hash, now).await?;
        store::set_generation(tx, session.id, token.generation).await?;
    }
    let refresh = issue_refresh_token(tx, tokens, session.id, token.generation + 1, now).await?;
    Ok(Refreshed::Continued { user: session.user_id, sign_in: SignIn { session: session.id, refresh } })
}

async fn issue_refresh_token(
    tx: &mut Tx,
    tokens: &Tokens,
    session: SessionId,
    generation: i64,
    now: Timestamp,
) -> db::Result<String> {
    store::delete_surplus_refresh_token(tx, session, generation, (KEPT_FIRST, MAX_UNUSED)).await?;
    let secret = Secret::random();
    store::insert_refresh_token(tx, &secret.hash, (session, generation), now + tokens.refresh_ttl).await?;
    Ok(secret.text)
}

async fn end_reused(tx: &mut Tx, session: SessionId, user: UserId, now: Timestamp) -> db::Result<Refreshed> {
    if end(tx, session, now).await? {
        tracing::warn!(%user, %session, "a refresh token was used after its successor; the session was ended");
        jobs::SendSessionEndedEmail { session }.enqueue(tx, now).await?;
    }
    Ok(Refreshed::Refused(Error::RefreshTokenReused))
}

/// Ends a session: its tokens stop working. Returns whether it was active.
pub async fn end(tx: &mut Tx, session: SessionId, now: Timestamp) -> db::Result<bool> {
    store::end_session(tx, session, now).await
}
