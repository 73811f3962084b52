//! How often people may try to pay, against card testing: somebody with a list of stolen cards uses the shop to find out
//! which of them work. Each attempt costs the shop a fee, and many declined ones may cost it its provider.
//!
//! **One order:** from its third declined payment on, the next one has to wait: 10 seconds, then 30 seconds, 1, 5 and 15
//! minutes, and finally an hour, from when the declined one was created. The wait is computed from the order's payments
//! while the order is locked. So it applies to all processes and to concurrent requests, whether or not rate limits are on.
//!
//! **One user and one address:** see `limits.rs`.
//!
//! The metric [`PAYMENT_ATTEMPTS`] shows an attack, by provider and outcome: `accepted` attempts are sent to the
//! provider, `declined` are those of them that failed, `limited` were refused by the shop.

use std::time::Duration;

use platform::{clock::Timestamp, metrics::Metric};

use super::{Error, Payment, Result, Status};
use crate::shop::Provider;

pub const PAYMENT_ATTEMPTS: Metric = Metric::counter(
    "cartwright_payment_attempts_total",
    "Attempts to pay, by provider and outcome: accepted, declined, limited; many declined or limited ones are an attack",
);

/// Declined payments of one order after which the next has to wait. People mistype, and have several cards.
const FREE: usize = 3;
/// How long it waits after each of them; after all that follow, the last.
const WAITS: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
];

/// Failure codes of payments that were not declined.
const NOT_DECLINED: [&str; 2] = ["not_sent", "underpaid"];

/// Checks that an order with these payments, the oldest first, need not wait. It is locked.
///
/// # Errors
/// While it has to wait because too many of them were declined.
pub fn require_no_wait(earlier: &[Payment], provider: Provider, now: Timestamp) -> Result<()> {
    let declined: Vec<&Payment> = earlier.iter().filter(|payment| payment.was_declined()).collect();
    let (Some(last), Some(wait)) = (declined.last(), wait_after(declined.len())) else { return Ok(()) };
    let left = wait.saturating_sub(now.since(last.created_at));
    if left.is_zero() {
        return Ok(());
    }
    count_limited(Some(provider));
    Err(Error::TooManyDeclined { wait: left })
}

fn wait_after(declined: usize) -> Option<Duration> {
    let beyond = declined.checked_sub(FREE)?;
    WAITS.get(beyond).or(WAITS.last()).copied()
}

impl Payment {
    fn was_declined(&self) -> bool {
        self.status == Status::Failed && self.failure_code.as_deref().is_some_and(is_decline)
    }
}

fn is_decline(code: &str) -> bool {
    !NOT_DECLINED.contains(&code)
}

/// Counts an attempt that will be sent.
pub fn count_accepted(provider: Provider) {
    count(provider.as_str(), "accepted");
}

/// Counts a payment that has just failed, if it was declined.
pub fn count_failed(provider: Provider, code: &str) {
    if is_decline(code) {
        count(provider.as_str(), "declined");
    }
}

/// Counts an attempt that was refused. One that was refused before its body was read has no provider.
pub fn count_limited(provider: Option<Provider>) {
    count(provider.map_or("unknown", Provider::as_str), "limited");
}

fn count(provider: &'static str, outcome: &'static str) {
    metrics::counter!(PAYMENT_ATTEMPTS.name, "provider" => provider, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This number of payments that failed with this code at the epoch.
    fn failed(count: usize, code: &str) -> Vec<Payment> {
        let failed = Payment {
            status: Status::Failed,
            failure_code: Some(code.to_owned()),
            ..Payment::example(Provider::Stripe)
        };
        vec![failed; count]
    }

    /// The seconds after which an order may be paid again, if it has to wait.
    fn waits(earlier: &[Payment]) -> Option<i64> {
        let may = |second: i64| require_no_wait(earlier, Provider::Stripe, Timestamp::from_micros(second * 1_000_000));
        (0..=3_600).find(|second| may(*second).is_ok()).filter(|second| *second > 0)
    }

    #[test]
    fn the_wait_grows_with_each_decline() {
        let waits: Vec<_> = (0..=10).map(|count| waits(&failed(count, "generic_decline"))).collect();
        let grown = [10, 30, 60, 300, 900, 3_600, 3_600, 3_600].map(Some);
        assert_eq!(waits, [&[None; 3][..], &grown].concat());
    }

    #[test]
    fn nothing_but_a_decline_causes_a_wait() {
        assert_eq!(waits(&failed(9, "not_sent")), None);
        assert_eq!(waits(&failed(9, "underpaid")), None);
        let cancelled = Payment { status: Status::Cancelled, ..Payment::example(Provider::Stripe) };
        assert_eq!(waits(&std::iter::repeat_n(cancelled, 9).collect::<Vec<_>>()), None);
    }
}
