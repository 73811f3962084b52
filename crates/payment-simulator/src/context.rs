//! What all providers share while they process a request.

use std::time::Duration;

use platform::clock::{Clock, Timestamp};
use uuid::Uuid;

use crate::{Options, Provider, faults::Fault, ledger::Ledger, webhooks::Event};

pub(super) struct Context {
    pub clock: Clock,
    /// The simulator's own, without a slash at its end.
    pub url: String,
    pub processing_time: Duration,
    pub ledger: Ledger,
    /// Events that are not sent yet.
    pub events: Vec<Event>,
    /// The fault of the current request, if it is about money.
    pub fault: Option<Fault>,
    /// Whether the response to the current request comes after the client's timeout.
    pub stalls: bool,
    deferred_refunds: Vec<DeferredRefund>,
}

/// A pending refund that completes by itself.
pub(super) struct DeferredRefund {
    pub id: String,
    pub succeeds: bool,
    provider: Provider,
    due_at: Timestamp,
}

impl Context {
    pub fn new(url: &str, options: &Options) -> Self {
        Self {
            clock: options.clock.clone(),
            url: url.to_owned(),
            processing_time: options.processing_time,
            ledger: Ledger::default(),
            events: Vec::new(),
            fault: None,
            stalls: false,
            deferred_refunds: Vec::new(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether this charge is declined, whatever the card or wallet.
    pub fn is_declined(&self) -> bool {
        self.fault == Some(Fault::Declined)
    }

    /// How much is captured of the requested amount, in minor units.
    pub fn amount_to_capture(&self, requested: i64) -> i64 {
        let tenth = (requested / 10).max(1);
        match self.fault {
            Some(Fault::CapturesLess) => requested - tenth,
            Some(Fault::CapturesMore) => requested + tenth,
            _ => requested,
        }
    }

    /// Whether a new refund is pending. If so, it completes by itself later.
    pub fn defers_refund(&mut self, provider: Provider, id: &str) -> bool {
        let is_deferred = self.fault.is_some_and(Fault::affects_refunds);
        if is_deferred {
            let succeeds = self.fault == Some(Fault::RefundPending);
            let due_at = self.now() + self.processing_time;
            self.deferred_refunds.push(DeferredRefund { id: id.to_owned(), succeeds, provider, due_at });
        }
        is_deferred
    }

    /// Removes a deferred refund whose time has come.
    pub fn next_due_refund(&mut self, provider: Provider) -> Option<DeferredRefund> {
        let now = self.now();
        let is_due = |refund: &DeferredRefund| refund.provider == provider && refund.due_at <= now;
        let index = self.deferred_refunds.iter().position(is_due)?;
        Some(self.deferred_refunds.remove(index))
    }

    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// A unique id: the prefix, and this many random characters (at most 24).
pub(super) fn new_id(prefix: &str, length: usize) -> String {
    let random = Uuid::new_v4().simple().to_string();
    // The version and variant of a UUID, which are always the same, are in the middle.
    format!("{prefix}{}{}", &random[..8], &random[20..])[..prefix.len() + length].to_owned()
}
