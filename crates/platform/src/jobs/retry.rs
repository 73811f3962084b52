//! When a failed job is retried: after 1 s, doubling with jitter to at most 30 s during the first 15 minutes, then every 5
//! minutes up to 24 hours, then never.
//!
//! The schedule counts failures, not the time since the job was enqueued, so that a job which waited two days for a worker
//! still gets all of its retries.

use std::time::Duration;

use rand::Rng;

/// Failures within the first quarter of an hour: 1 + 2 + 4 + 8 + 16 s, then 30 s each.
const QUICK: i64 = 34;
/// Failures within a day: 285 more, 5 minutes apart.
const LAST: i64 = QUICK + 285;

/// How long to wait after the `failures`-th failure; `None` when it was the last.
#[must_use]
pub fn wait(failures: i64) -> Option<Duration> {
    match failures {
        ..=0 => Some(Duration::ZERO),
        1..=QUICK => {
            let longest = 2_u64.saturating_pow(u32::try_from(failures - 1).unwrap_or(u32::MAX)).min(30);
            Some(Duration::from_secs(longest).mul_f64(rand::rng().random_range(0.75..1.0)))
        }
        _ if failures <= LAST => Some(Duration::from_mins(5)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_tried_for_a_day_and_then_given_up() {
        let waits: Vec<Duration> = (1..).map_while(wait).collect();
        let total: Duration = waits.iter().sum();
        assert!(waits[0] <= Duration::from_secs(1), "the first retry comes after at most a second");
        assert!(waits[..34].iter().all(|wait| *wait <= Duration::from_secs(30)));
        assert!((Duration::from_mins(1400)..=Duration::from_mins(1450)).contains(&total), "{total:?}");
    }
}
