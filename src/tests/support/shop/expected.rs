//! What a story says will be unusual in its shop.

use super::TestShop;
use crate::support::log::StoryLog;

/// What a story says will be unusual at its end.
#[expect(clippy::struct_excessive_bools, reason = "each is of a story of its own")]
#[derive(Clone, Copy, Default)]
pub struct Expected {
    pub dead_letters: bool,
    pub waiting_jobs: bool,
    pub wrong_stock: bool,
    pub repeated_mail: bool,
    pub swept_jobs: bool,
}

impl TestShop {
    pub fn expected(&self) -> Expected {
        *self.environment.expected.lock().unwrap()
    }

    /// Says that the shop warns of this, or calls it an error: a text that is part of the line.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn expects_in_log(&self, text: &str) {
        StoryLog::of_this_thread().expects(text);
    }

    /// The same, where it depends on the moment.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn allows_in_log(&self, text: &str) {
        StoryLog::of_this_thread().allows(text);
    }

    pub fn expects_dead_letters(&self) {
        self.allows_in_log("job failed for good; kept as a dead letter");
        self.environment.expected.lock().unwrap().dead_letters = true;
    }

    pub fn expects_waiting_jobs(&self) {
        self.environment.expected.lock().unwrap().waiting_jobs = true;
    }

    pub fn expects_wrong_stock(&self) {
        self.allows_in_log("stock does not match its movements");
        self.environment.expected.lock().unwrap().wrong_stock = true;
    }

    pub fn expects_repeated_mail(&self) {
        self.environment.expected.lock().unwrap().repeated_mail = true;
    }

    pub fn expects_swept_jobs(&self) {
        self.environment.expected.lock().unwrap().swept_jobs = true;
    }
}
