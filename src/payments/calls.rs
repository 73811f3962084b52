//! Calls to providers over HTTP: within a time, never more than so much, once. Trying again is a job's business.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use poem::http::StatusCode;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde_json::Value;

use super::gateway::Trouble;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const LIMIT: usize = 1 << 20;

/// The client of one provider. No redirect is followed: it could lead the keys elsewhere. Nor is a proxy of the
/// environment used, which no setting of the shop names.
pub fn client() -> anyhow::Result<Client> {
    let agent = concat!("Cartwright/", env!("CARGO_PKG_VERSION"));
    Ok(Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().user_agent(agent).build()?)
}

/// What came back.
pub struct Answered {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answered {
    /// # Errors
    /// When it is no JSON.
    pub fn json(&self) -> Result<Value, Trouble> {
        serde_json::from_slice(&self.body).map_err(|_| Trouble::Unknown(format!("{} without JSON", self.status)))
    }
}

/// Sends a request and reads its answer, whatever its status.
///
/// # Errors
/// When none came in time, or one that is too large: then nothing is known.
pub async fn send(request: RequestBuilder) -> Result<Answered, Trouble> {
    let mut response = request.send().await.map_err(unknown)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unknown)? {
        if body.len() + chunk.len() > LIMIT {
            return Err(Trouble::Unknown("an answer of more than 1 MiB".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answered { status: response.status(), body: body.freeze() })
}

/// What an answer that is no success says of its request.
pub fn refusal(status: StatusCode, code: &str) -> Trouble {
    let what = format!("{} {code}", status.as_u16());
    match status.as_u16() {
        // A key that is wrong now may have been right before, and will be set right: that decides nothing.
        401 | 403 | 408 | 409 | 425 | 429 | 502..=504 => Trouble::Unknown(what),
        500.. => Trouble::Failed(what),
        _ => Trouble::Refused(what),
    }
}

/// Without the address, which may carry ids.
#[allow(clippy::needless_pass_by_value)] // as map_err hands it over
fn unknown(error: reqwest::Error) -> Trouble {
    let what = match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "no connection",
        () => "the connection broke",
    };
    Trouble::Unknown(what.to_owned())
}
