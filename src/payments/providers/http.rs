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

/// The client of all providers. No redirect is followed: it could lead the keys elsewhere. Nor is a proxy of the
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Somebody who answers one request with these bytes; with none, by hanging up. Their address.
    async fn answers(bytes: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(caller.read(&mut request).await.unwrap() > 0);
            let _ = caller.write_all(&bytes).await; // who has read enough hangs up
        });
        url
    }

    async fn hears(bytes: Vec<u8>) -> Result<Answered, Trouble> {
        send(client().unwrap().get(answers(bytes).await)).await
    }

    fn trouble(heard: Result<Answered, Trouble>) -> Trouble {
        heard.err().expect("no answer")
    }

    fn of_size(size: usize) -> Vec<u8> {
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + size, b' ');
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_one_mebibyte() {
        assert_eq!(hears(of_size(1_048_576)).await.unwrap().body.len(), 1_048_576);
        let too_large = Trouble::Unknown("an answer of more than 1 MiB".to_owned());
        assert_eq!(trouble(hears(of_size(1_048_577)).await), too_large);
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        let elsewhere = answers(of_size(1)).await;
        let moved = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(hears(moved.into_bytes()).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn it_says_why_there_was_no_answer() {
        assert_eq!(trouble(hears(vec![]).await), Trouble::Unknown("the connection broke".to_owned()));

        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = send(client().unwrap().get(format!("http://{nobody}"))).await;
        assert_eq!(trouble(refused), Trouble::Unknown("no connection".to_owned()));

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // connects, and never says a word
        let url = format!("http://{}", silent.local_addr().unwrap());
        let late = send(client().unwrap().get(url).timeout(Duration::from_millis(50))).await;
        assert_eq!(trouble(late), Trouble::Unknown("timeout".to_owned()));
    }

    #[test]
    fn what_decides_nothing_is_tried_again() {
        for (status, expected) in [
            (400, Trouble::Refused as fn(String) -> Trouble),
            (401, Trouble::Unknown),
            (402, Trouble::Refused),
            (403, Trouble::Unknown),
            (404, Trouble::Refused),
            (408, Trouble::Unknown),
            (409, Trouble::Unknown),
            (425, Trouble::Unknown),
            (429, Trouble::Unknown),
            (500, Trouble::Failed),
            (501, Trouble::Failed),
            (502, Trouble::Unknown),
            (504, Trouble::Unknown),
            (505, Trouble::Failed),
        ] {
            assert_eq!(refusal(StatusCode::from_u16(status).unwrap(), "x"), expected(format!("{status} x")));
        }
    }
}
