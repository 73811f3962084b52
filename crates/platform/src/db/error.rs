//! What an error of the database means, whatever the engine.

use std::io;

use sqlx::error::DatabaseError;

use super::{Error, transaction::Access};

/// Why nobody knows whether a COMMIT took effect.
#[derive(Debug, thiserror::Error)]
#[error("no answer to COMMIT: {0}")]
struct UnknownOutcome(Error);

/// What an error of COMMIT itself means. If the database answered with an error, it has rolled back, unless the error says
/// that the database is shutting down. After a transaction that only read, nothing is unknown.
pub(super) fn error_of_commit(error: Error, access: Access) -> Error {
    let rolled_back =
        error.as_database_error().is_some_and(|error| !error.code().is_some_and(|code| is_going_away(&code)));
    match access {
        Access::Writes if !rolled_back => Error::Io(io::Error::other(UnknownOutcome(error))),
        _ => error,
    }
}

/// PostgreSQL: connection lost, shutting down. SQLite: `SQLITE_IOERR`, whose extended codes differ in the upper bits.
fn is_going_away(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => sqlite & 0xff == 10,
        _ => code.starts_with("08") || code.starts_with("57"),
    }
}

/// Whether a COMMIT was not answered: what the transaction wrote may be kept or not.
#[must_use]
pub fn is_outcome_unknown(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<UnknownOutcome>))
}

/// Whether the connection of a statement is gone: it broke, or PostgreSQL ended it while shutting down.
pub(super) fn is_connection_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) => true,
        Error::Database(error) => error.code().is_some_and(|code| is_going_away(&code)),
        _ => false,
    }
}

/// Whether the database is unreachable, restarting or too busy. Trying again makes sense, and nothing was written unless
/// [the outcome is unknown](is_outcome_unknown).
#[must_use]
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Io(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::BeginFailed
        | Error::WorkerCrashed => true,
        // PostgreSQL: connection lost, shutting down or timed out, out of resources, locks and deadlocks. SQLite: busy, locked,
        // interrupted.
        Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "57", "53", "55P03", "40"].iter().any(|class| code.starts_with(class))
                || ["5", "6", "9"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Whether a statement was ended because it took too long, or because its caller had gone.
#[must_use]
pub fn is_timeout(error: &Error) -> bool {
    // SQLite: interrupted. PostgreSQL: canceled.
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "9" || code == "57014")
}

/// Whether a unique index refused the row.
#[must_use]
pub fn is_unique_violation(error: &Error) -> bool {
    error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
}
