//! Sends requests to providers: once, with a timeout and a limit on the size of the response. Jobs try again.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use poem::http::StatusCode;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde_json::Value;

use super::{ProviderError, ProviderResult};

const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest response that is read, in bytes.
const LIMIT: usize = 1 << 20;

/// The client of all providers. No redirect is followed: it could lead the keys elsewhere. Nor is a proxy of the
/// environment used, which no setting of the shop names.
pub fn client() -> anyhow::Result<Client> {
    let agent = concat!("Cartwright/", env!("CARGO_PKG_VERSION"));
    Ok(Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().user_agent(agent).build()?)
}

pub struct Response {
    pub status: StatusCode,
    pub body: Bytes,
}

/// Finds the provider's code of an error in the body of a response.
pub type ErrorCode = fn(&Value) -> Option<&str>;

impl Response {
    /// # Errors
    /// When the body is not JSON.
    pub fn json(&self) -> ProviderResult<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|_| ProviderError::Indeterminate(format!("{} without JSON", self.status)))
    }

    /// The body of a successful response.
    ///
    /// # Errors
    /// When it is unsuccessful, or the body is not JSON.
    pub fn success(&self, code: ErrorCode) -> ProviderResult<Value> {
        if self.status.is_success() { self.json() } else { Err(self.error(code)) }
    }

    /// The same; `None` when its status is one of those with which the provider says that nothing was found.
    ///
    /// # Errors
    /// When it is unsuccessful otherwise, or the body is not JSON.
    pub fn found(&self, not_found: &[StatusCode], code: ErrorCode) -> ProviderResult<Option<Value>> {
        if not_found.contains(&self.status) { Ok(None) } else { self.success(code).map(Some) }
    }

    /// What an unsuccessful response says of its request.
    pub fn error(&self, code: ErrorCode) -> ProviderError {
        let body = self.json().unwrap_or_default();
        error_of_status(self.status, code(&body).unwrap_or("without a reason"))
    }
}

/// Sends a request and reads its response, whatever its status.
///
/// # Errors
/// When there was none in time, or it is too large: then the outcome is unknown.
pub async fn send(request: RequestBuilder) -> ProviderResult<Response> {
    let mut response = request.send().await.map_err(indeterminate)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(indeterminate)? {
        if body.len() + chunk.len() > LIMIT {
            return Err(ProviderError::Indeterminate("an answer of more than 1 MiB".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status: response.status(), body: body.freeze() })
}

/// What an unsuccessful status says of its request.
pub fn error_of_status(status: StatusCode, code: &str) -> ProviderError {
    let what = format!("{} {code}", status.as_u16());
    match status.as_u16() {
        // A key that is wrong now may have been right before, and will be corrected: that decides nothing.
        401 | 403 | 408 | 409 | 425 | 429 | 502..=504 => ProviderError::Indeterminate(what),
        500.. => ProviderError::Server(what),
        _ => ProviderError::Rejected(what),
    }
}

/// Without the URL, which may contain ids.
#[allow(clippy::needless_pass_by_value)] // as map_err hands it over
fn indeterminate(error: reqwest::Error) -> ProviderError {
    let what = match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "no connection",
        () => "the connection broke",
    };
    ProviderError::Indeterminate(what.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers one request with these bytes; with none, by closing the connection. Its URL.
    async fn server(bytes: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(client.read(&mut request).await.unwrap() > 0);
            let _ = client.write_all(&bytes).await; // a client that has read enough closes the connection
        });
        url
    }

    async fn response_to(bytes: Vec<u8>) -> ProviderResult<Response> {
        send(client().unwrap().get(server(bytes).await)).await
    }

    fn error(response: ProviderResult<Response>) -> ProviderError {
        response.err().expect("an error")
    }

    fn of_size(size: usize) -> Vec<u8> {
        let mut response = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
        response.resize(response.len() + size, b' ');
        response
    }

    #[tokio::test]
    async fn a_response_is_read_up_to_one_mebibyte() {
        assert_eq!(response_to(of_size(1_048_576)).await.unwrap().body.len(), 1_048_576);
        let too_large = ProviderError::Indeterminate("an answer of more than 1 MiB".to_owned());
        assert_eq!(error(response_to(of_size(1_048_577)).await), too_large);
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        let elsewhere = server(of_size(1)).await;
        let moved = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(response_to(moved.into_bytes()).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn an_error_says_why_there_was_no_response() {
        assert_eq!(error(response_to(vec![]).await), ProviderError::Indeterminate("the connection broke".to_owned()));

        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = send(client().unwrap().get(format!("http://{nobody}"))).await;
        assert_eq!(error(refused), ProviderError::Indeterminate("no connection".to_owned()));

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // accepts, and never answers
        let url = format!("http://{}", silent.local_addr().unwrap());
        let late = send(client().unwrap().get(url).timeout(Duration::from_millis(50))).await;
        assert_eq!(error(late), ProviderError::Indeterminate("timeout".to_owned()));
    }

    #[test]
    fn a_response_is_a_value_nothing_or_an_error() {
        let found = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            let response = Response { status, body: Bytes::from_static(body.as_bytes()) };
            response.found(&[StatusCode::NOT_FOUND], |body| body["code"].as_str())
        };
        assert_eq!(found(200, "{}"), Ok(Some(Value::Object(serde_json::Map::new()))));
        assert_eq!(found(404, ""), Ok(None));
        let rejected = |what: &str| Err(ProviderError::Rejected(what.to_owned()));
        assert_eq!(found(400, r#"{"code": "bad"}"#), rejected("400 bad"));
        assert_eq!(found(400, "<html>"), rejected("400 without a reason"));
        assert_eq!(found(200, "<html>"), Err(ProviderError::Indeterminate("200 OK without JSON".to_owned())));
    }

    #[test]
    fn statuses_that_decide_nothing_are_indeterminate() {
        for (status, expected) in [
            (400, ProviderError::Rejected as fn(String) -> ProviderError),
            (401, ProviderError::Indeterminate),
            (402, ProviderError::Rejected),
            (403, ProviderError::Indeterminate),
            (404, ProviderError::Rejected),
            (408, ProviderError::Indeterminate),
            (409, ProviderError::Indeterminate),
            (425, ProviderError::Indeterminate),
            (429, ProviderError::Indeterminate),
            (500, ProviderError::Server),
            (501, ProviderError::Server),
            (502, ProviderError::Indeterminate),
            (504, ProviderError::Indeterminate),
            (505, ProviderError::Server),
        ] {
            assert_eq!(error_of_status(StatusCode::from_u16(status).unwrap(), "x"), expected(format!("{status} x")));
        }
    }
}
