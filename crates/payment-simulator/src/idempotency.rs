//! The keys a client repeats a call under, and the answers that were kept for it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use platform::clock::Timestamp;

use super::call::Answer;

/// More are forgotten early, the oldest first.
const MOST: usize = 200_000;

pub(super) type Fingerprint = [u8; 32];

/// What a provider knows of a key that a call comes with.
pub(super) enum Claim {
    /// Never seen: the call takes it.
    New,
    /// The first call with it has no answer yet.
    Running,
    /// The answer that the first call got, and whether this is the same call.
    Settled { answer: Answer, same: bool },
}

struct Known {
    call: Fingerprint,
    since: Timestamp,
    answer: Option<Answer>,
}

pub(super) struct Keys {
    life: Duration,
    known: HashMap<String, Known>,
    by_age: VecDeque<(Timestamp, String)>,
}

impl Keys {
    pub fn living(life: Duration) -> Self {
        Self { life, known: HashMap::new(), by_age: VecDeque::new() }
    }

    pub fn claim(&mut self, key: &str, call: Fingerprint, now: Timestamp) -> Claim {
        self.forget_the_old(now);
        match self.known.get(key) {
            Some(Known { answer: None, .. }) => Claim::Running,
            Some(Known { answer: Some(answer), call: first, .. }) => {
                Claim::Settled { answer: answer.clone(), same: *first == call }
            }
            None => {
                self.known.insert(key.to_owned(), Known { call, since: now, answer: None });
                self.by_age.push_back((now, key.to_owned()));
                Claim::New
            }
        }
    }

    pub fn keep(&mut self, key: &str, answer: &Answer) {
        if let Some(known) = self.known.get_mut(key) {
            known.answer = Some(answer.clone());
        }
    }

    /// The call did not count: whoever comes next is the first.
    pub fn free(&mut self, key: &str) {
        self.known.remove(key);
    }

    fn forget_the_old(&mut self, now: Timestamp) {
        while let Some((since, key)) = self.by_age.front() {
            if now.since(*since) < self.life && self.by_age.len() <= MOST {
                return;
            }
            // A key that was freed and taken again is younger than this note of it.
            if self.known.get(key).is_some_and(|known| known.since == *since) {
                self.known.remove(key);
            }
            self.by_age.pop_front();
        }
    }
}
