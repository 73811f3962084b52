//! Idempotency keys, and the responses that are stored under them.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use platform::clock::Timestamp;

use crate::response::Response;

/// With more keys, the oldest are removed before they expire.
const MAX_KEYS: usize = 200_000;

/// A hash of a request's content.
pub(super) type Fingerprint = [u8; 32];

/// What is known about a request's key.
pub(super) enum Claim {
    /// The key is new; this request now owns it.
    New,
    /// The first request with this key has no response yet.
    InProgress,
    /// The response to the first request with this key, and whether this is the same request.
    Completed { response: Response, is_same_request: bool },
}

struct Entry {
    fingerprint: Fingerprint,
    created_at: Timestamp,
    response: Option<Response>,
}

pub(super) struct IdempotencyKeys {
    lifetime: Duration,
    entries: HashMap<String, Entry>,
    by_age: VecDeque<(Timestamp, String)>,
}

impl IdempotencyKeys {
    pub fn with_lifetime(lifetime: Duration) -> Self {
        Self { lifetime, entries: HashMap::new(), by_age: VecDeque::new() }
    }

    pub fn claim(&mut self, key: &str, fingerprint: Fingerprint, now: Timestamp) -> Claim {
        self.remove_expired(now);
        match self.entries.get(key) {
            Some(Entry { response: None, .. }) => Claim::InProgress,
            Some(Entry { response: Some(response), fingerprint: first, .. }) => {
                Claim::Completed { response: response.clone(), is_same_request: *first == fingerprint }
            }
            None => {
                self.entries.insert(key.to_owned(), Entry { fingerprint, created_at: now, response: None });
                self.by_age.push_back((now, key.to_owned()));
                Claim::New
            }
        }
    }

    pub fn store(&mut self, key: &str, response: &Response) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.response = Some(response.clone());
        }
    }

    /// Makes the key new again.
    pub fn release(&mut self, key: &str) {
        self.entries.remove(key);
    }

    fn remove_expired(&mut self, now: Timestamp) {
        while let Some((created_at, key)) = self.by_age.front() {
            if now.since(*created_at) < self.lifetime && self.by_age.len() <= MAX_KEYS {
                return;
            }
            // A key that was released and claimed again has a newer entry.
            if self.entries.get(key).is_some_and(|entry| entry.created_at == *created_at) {
                self.entries.remove(key);
            }
            self.by_age.pop_front();
        }
    }
}
