//! Rate limits: at most so many requests within a time, for each user or address.
//!
//! The window slides: the times of the latest requests are stored, so that "five within fifteen minutes" holds for any
//! fifteen minutes. A fixed window would let twice as many through around its boundary. A permit is taken before the work,
//! atomically, and released when the request turned out not to count; so concurrent requests get no more permits than
//! consecutive ones. A refused request takes no permit: retrying never extends the wait.
//!
//! With Redis the permits are counted there, for all processes, by Redis's clock. Without Redis, or while it is
//! unreachable, each process counts its own, by the shop's clock. Keys are hashed, so that no store shows whose they are.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use moka::{future::Cache as Moka, policy::EvictionPolicy};
use poem::http::{HeaderValue, header};
use redis::{AsyncTypedCommands, Script};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::problem::{ApiResult, Problem};
use crate::{
    cache::Cache,
    clock::{Clock, Timestamp},
    http::problem_types,
    metrics::Metric,
};

/// How many keys a process stores. Beyond it the least recently used is evicted, never a new one refused: otherwise a
/// flood of keys would disable the limits for everybody after it.
const CAPACITY: u64 = 50_000;
/// The longest window of any limit.
const LONGEST: Duration = Duration::from_hours(24);

/// At most `most` requests within a time.
pub struct Limit {
    /// Part of every key; never change it.
    name: &'static str,
    most: usize,
    /// At most a day.
    within: Duration,
    /// The detail of the 429: `Too many carts were made from this address.`
    message: &'static str,
}

impl Limit {
    /// A limit of `most` requests within `within`, at most a day. `message` is a sentence, the detail of the 429.
    #[must_use]
    pub const fn new(name: &'static str, most: usize, within: Duration, message: &'static str) -> Self {
        Self { name, most, within, message }
    }
}

/// A permit that was taken, so that it can be released.
pub enum Permit {
    /// Limits are off, or none applies.
    None,
    /// Counted in this process: the key, and when.
    Local(String, Timestamp),
    /// Counted in Redis: the key, and the permit's member in its sorted set.
    Redis(String, u64),
}

/// Counts permits. Cloning is cheap.
#[derive(Clone)]
pub struct Limits {
    enabled: bool,
    /// Hashed with every key, so that hashes cannot be guessed without it.
    pepper: SecretString,
    local: Moka<String, Arc<Mutex<Vec<Timestamp>>>>,
    cache: Cache,
    clock: Clock,
}

impl Limits {
    /// Limits that are counted in the cache's Redis, or in this process. Not `enabled`, every request gets a permit.
    #[must_use]
    pub fn new(enabled: bool, pepper: SecretString, cache: Cache, clock: Clock) -> Self {
        let local =
            Moka::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).time_to_idle(LONGEST).build();
        Self { enabled, pepper, local, cache, clock }
    }

    /// Takes a permit of `limit` for `who`, e.g. a user's id or an address.
    ///
    /// # Errors
    /// 429 with `Retry-After` when there is none left.
    pub async fn take(&self, limit: &Limit, who: &str) -> ApiResult<Permit> {
        if !self.enabled {
            return Ok(Permit::None);
        }
        let key = self.key(limit, who);
        let taken = match self.take_in_redis(limit, &key).await {
            Some(taken) => taken,
            None => self.take_local(limit, key).await,
        };
        taken.map_err(|wait| refused(limit.name, limit.message, wait))
    }

    /// Releases a permit, as if it had not been taken.
    pub async fn release(&self, permit: Permit) {
        match permit {
            Permit::None => {}
            Permit::Local(key, taken_at) => {
                let Some(taken) = self.local.get(&key).await else { return };
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(index) = taken.iter().position(|at| *at == taken_at) {
                    taken.remove(index);
                }
            }
            Permit::Redis(key, member) => {
                if let Some(mut redis) = self.cache.reachable_redis() {
                    let _ = redis.zrem(key, member).await; // otherwise it expires with the window
                }
            }
        }
    }

    /// Returns the permit and the parsed request; releases the permit when the request is invalid.
    ///
    /// # Errors
    /// The error of the request.
    pub async fn release_if_invalid<T>(&self, permit: Permit, request: ApiResult<T>) -> ApiResult<(Permit, T)> {
        match request {
            Ok(request) => Ok((permit, request)),
            Err(problem) => {
                self.release(permit).await;
                Err(problem)
            }
        }
    }

    /// Returns the outcome; releases the permit when that is a server error.
    ///
    /// # Errors
    /// The error of the outcome.
    pub async fn release_on_server_error<T>(&self, permit: Permit, outcome: ApiResult<T>) -> ApiResult<T> {
        if outcome.as_ref().is_err_and(|problem| problem.status().is_server_error()) {
            self.release(permit).await;
        }
        outcome
    }

    /// Releases all permits of `limit` that `who` has taken.
    pub async fn reset(&self, limit: &Limit, who: &str) {
        let key = self.key(limit, who);
        self.local.invalidate(&key).await;
        if let Some(mut redis) = self.cache.reachable_redis() {
            let _ = redis.del(key).await; // otherwise they expire with the window
        }
    }

    fn key(&self, limit: &Limit, who: &str) -> String {
        let secret = Sha256::new().chain_update(self.pepper.expose_secret()).chain_update(who).finalize();
        let hash = u128::from_be_bytes(std::array::from_fn(|index| secret[index]));
        format!("cartwright:limit:{}:{hash:032x}", limit.name)
    }

    async fn take_local(&self, limit: &Limit, key: String) -> Result<Permit, Duration> {
        let taken = self.local.get_with_by_ref(&key, async { Arc::default() }).await;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        taken.retain(|at| now.since(*at) < limit.within);
        match taken.first() {
            Some(oldest) if taken.len() >= limit.most => Err(limit.within.saturating_sub(now.since(*oldest))),
            _ => {
                taken.push(now);
                Ok(Permit::Local(key, now))
            }
        }
    }

    /// `None` when Redis is unreachable; else the permit, or how long until one is free.
    async fn take_in_redis(&self, limit: &Limit, key: &str) -> Option<Result<Permit, Duration>> {
        let mut redis = self.cache.reachable_redis()?;
        let member: u64 = rand::random();
        let mut invocation = TAKE.key(key);
        invocation.arg(u64::try_from(limit.within.as_millis()).unwrap_or(u64::MAX)).arg(limit.most).arg(member);
        let wait: u64 = invocation.invoke_async(&mut redis).await.ok()?;
        if u128::from(wait) > limit.within.as_millis() {
            return None; // nobody waits for longer than the window, so the stored times are wrong
        }
        Some(if wait == 0 { Ok(Permit::Redis(key.to_owned(), member)) } else { Err(Duration::from_millis(wait)) })
    }
}

/// Adds a permit to a sorted set of times, in milliseconds, and returns 0; or returns the milliseconds until the oldest
/// expires. The key expires with its last permit.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local within, most = tonumber(ARGV[1]), tonumber(ARGV[2])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - within)
        if redis.call('ZCARD', KEYS[1]) >= most then
            local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
            return tonumber(oldest[2]) + within - now
        end
        redis.call('ZADD', KEYS[1], now, ARGV[3])
        redis.call('PEXPIRE', KEYS[1], within)
        return 0",
    )
});

pub const RATE_LIMITED: Metric = Metric::counter(
    "cartwright_rate_limited_total",
    "Requests that were refused because somebody tried too often, by limit",
);

/// 429 with `message`, a sentence, and `Retry-After`. `limit` is its label in the metrics.
#[must_use]
pub fn refused(limit: &'static str, message: &str, wait: Duration) -> Problem {
    metrics::counter!(RATE_LIMITED.name, "limit" => limit).increment(1);
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let detail = format!("{message} Try again in {seconds} seconds.");
    let mut problem = problem_types::RATE_LIMITED.problem(detail);
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        problem.headers.push((header::RETRY_AFTER, seconds));
    }
    problem
}
