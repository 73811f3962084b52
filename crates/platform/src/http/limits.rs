//! Rate limits: so many of a thing within some time, for each who does it.
//!
//! The window slides: the times of the last few are remembered, so that "five within fifteen minutes" holds for any
//! fifteen minutes. A window that starts anew by the clock would let twice as many through around its edge. A place is
//! taken before the work, in one step, and given back when the thing turned out not to count; so of many requests at
//! once no more get through than of as many in a row. Being refused takes no place: nobody is kept out for longer
//! because they, or somebody else, kept trying.
//!
//! With Redis the places are counted there, the same for every process, by Redis's clock. Without it, or while it is
//! away, each process counts for itself, by the shop's clock. Keys are hashes: neither memory shows who it is about.

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
};

/// How many keys a process remembers. Beyond it the one that was not asked for longest is forgotten, never a new one
/// refused: else a flood of keys would turn the limits off for everybody who comes after it.
const CAPACITY: u64 = 50_000;
/// No limit looks further back.
const LONGEST: Duration = Duration::from_hours(24);

/// So many within some time.
pub struct Limit {
    /// Part of every key: keep it.
    name: &'static str,
    most: usize,
    /// At most a day.
    within: Duration,
    /// What is said to who is refused: `Too many carts were made from this address.`
    message: &'static str,
}

impl Limit {
    #[must_use]
    pub const fn new(name: &'static str, most: usize, within: Duration, message: &'static str) -> Self {
        Self { name, most, within, message }
    }
}

/// A place that was taken, so that it can be given back.
pub enum Permit {
    /// Limits are off, or this has none.
    None,
    Here(String, Timestamp),
    InRedis(String, u64),
}

#[derive(Clone)]
pub struct Limits {
    on: bool,
    /// Makes the hashes of keys worthless to who does not know it.
    pepper: SecretString,
    local: Moka<String, Arc<Mutex<Vec<Timestamp>>>>,
    cache: Cache,
    clock: Clock,
}

impl Limits {
    #[must_use]
    pub fn new(on: bool, pepper: SecretString, cache: Cache, clock: Clock) -> Self {
        let local =
            Moka::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).time_to_idle(LONGEST).build();
        Self { on, pepper, local, cache, clock }
    }

    /// Takes one of the places that `limit` leaves to `who`.
    ///
    /// # Errors
    /// 429 with `Retry-After` when there is none.
    pub async fn take(&self, limit: &Limit, who: &str) -> ApiResult<Permit> {
        if !self.on {
            return Ok(Permit::None);
        }
        let key = self.key(limit, who);
        let taken = match self.take_in_redis(limit, &key).await {
            Some(taken) => taken,
            None => self.take_here(limit, key).await,
        };
        taken.map_err(|wait| refused(limit.name, limit.message, wait))
    }

    /// Makes it as if the place had not been taken.
    pub async fn release(&self, permit: Permit) {
        match permit {
            Permit::None => {}
            Permit::Here(key, taken_at) => {
                let Some(taken) = self.local.get(&key).await else { return };
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(index) = taken.iter().position(|at| *at == taken_at) {
                    taken.remove(index);
                }
            }
            Permit::InRedis(key, member) => {
                if let Some(mut redis) = self.cache.reachable_redis() {
                    let _ = redis.zrem(key, member).await; // then it counts until it is old
                }
            }
        }
    }

    /// Hands on what was asked for with its place, and gives the place back when that was nothing that could be done.
    pub async fn release_if_invalid<T>(&self, permit: Permit, asked: ApiResult<T>) -> ApiResult<(Permit, T)> {
        match asked {
            Ok(asked) => Ok((permit, asked)),
            Err(problem) => {
                self.release(permit).await;
                Err(problem)
            }
        }
    }

    /// Hands on what came of the work, and gives the place back when it was not done through a fault of ours.
    pub async fn release_on_server_error<T>(&self, permit: Permit, outcome: ApiResult<T>) -> ApiResult<T> {
        if outcome.as_ref().is_err_and(|problem| problem.status().is_server_error()) {
            self.release(permit).await;
        }
        outcome
    }

    /// Gives every place back that `who` has taken.
    pub async fn reset(&self, limit: &Limit, who: &str) {
        let key = self.key(limit, who);
        self.local.invalidate(&key).await;
        if let Some(mut redis) = self.cache.reachable_redis() {
            let _ = redis.del(key).await; // then they wait
        }
    }

    fn key(&self, limit: &Limit, who: &str) -> String {
        let secret = Sha256::new().chain_update(self.pepper.expose_secret()).chain_update(who).finalize();
        let hash = u128::from_be_bytes(std::array::from_fn(|index| secret[index]));
        format!("cartwright:limit:{}:{hash:032x}", limit.name)
    }

    async fn take_here(&self, limit: &Limit, key: String) -> Result<Permit, Duration> {
        let taken = self.local.get_with_by_ref(&key, async { Arc::default() }).await;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        taken.retain(|at| now.since(*at) < limit.within);
        match taken.first() {
            Some(oldest) if taken.len() >= limit.most => Err(limit.within.saturating_sub(now.since(*oldest))),
            _ => {
                taken.push(now);
                Ok(Permit::Here(key, now))
            }
        }
    }

    /// `None` when Redis is away.
    async fn take_in_redis(&self, limit: &Limit, key: &str) -> Option<Result<Permit, Duration>> {
        let mut redis = self.cache.reachable_redis()?;
        let member: u64 = rand::random();
        let mut ask = TAKE.key(key);
        ask.arg(u64::try_from(limit.within.as_millis()).unwrap_or(u64::MAX)).arg(limit.most).arg(member);
        let wait: u64 = ask.invoke_async(&mut redis).await.ok()?;
        if u128::from(wait) > limit.within.as_millis() {
            return None; // nobody waits for longer than the limit looks back: what is kept there is nonsense
        }
        Some(if wait == 0 { Ok(Permit::InRedis(key.to_owned(), member)) } else { Err(Duration::from_millis(wait)) })
    }
}

/// Takes a place in a sorted set of times, in milliseconds, or says how long until the oldest leaves one. The key goes
/// when its last place does.
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

/// 429: what is `told` to who is refused, and when to try again.
#[must_use]
pub fn refused(limit: &'static str, message: &str, wait: Duration) -> Problem {
    metrics::counter!("rate_limited_total", "limit" => limit).increment(1);
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let detail = format!("{message} Try again in {seconds} seconds.");
    let mut problem = problem_types::RATE_LIMITED.problem(detail);
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        problem.headers.push((header::RETRY_AFTER, seconds));
    }
    problem
}
