//! An open event stream, read as a page reads it.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// Far more than any event needs, and far less than a test may hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream somebody reads. Dropped, its reader has hung up.
pub struct EventStream {
    response: Response,
    unread: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// Empty when it has none.
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl EventStream {
    /// Opens a stream, or answers the status it was refused with.
    pub async fn open(request: RequestBuilder) -> Result<Self, u16> {
        let response = request.send().await.expect("an answer");
        match response.status().as_u16() {
            200 => Ok(Self { response, unread: String::new() }),
            status => Err(status),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next event; comments are passed over.
    pub async fn next(&mut self) -> StreamEvent {
        self.next_or_end().await.expect("an event, but the stream ended")
    }

    /// The next `count` events, each as its kind and one field of its data.
    pub async fn next_words(&mut self, count: usize, field: &str) -> Vec<String> {
        let mut words = Vec::new();
        for _ in 0..count {
            let event = self.next().await;
            words.push(format!("{} {}", event.event, event.data[field].as_str().unwrap_or_default()));
        }
        words
    }

    /// Reads to the end, which has to come without another event.
    pub async fn ends(mut self) {
        let further = self.next_or_end().await;
        assert_eq!(further, None, "the stream was to end");
    }

    async fn next_or_end(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let event = read(block);
                self.unread = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("neither an event nor the end came");
            let chunk = chunk.expect("the connection holds")?;
            self.unread.push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }
}

fn read(block: &str) -> Option<StreamEvent> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = field("data")?;
    Some(StreamEvent {
        id: field("id").unwrap_or_default().to_owned(),
        event: field("event").unwrap_or_default().to_owned(),
        data: serde_json::from_str(data).expect("data is JSON"),
    })
}
