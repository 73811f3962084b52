//! The cache: moka in the process, then Redis if there is one, then the database.
//!
//! Entries are the bytes of responses, with their tags. Which of them are current is in `generations.rs`. Without Redis
//! reads are slower, never wrong.

mod generations;
mod shared;

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache as Moka;
use redis::aio::ConnectionManager;
use sha2::{Digest, Sha256};

use self::{
    generations::{Generations, MAX_AGE},
    shared::Shared,
};

pub use self::generations::{Freshness, Part, SLOTS};

/// Bytes that a process caches at most.
const CAPACITY: u64 = 16 * 1024 * 1024;

/// A response: the body, its `ETag`, and for a list the total.
#[derive(Clone, Debug)]
pub struct Cached {
    pub body: Bytes,
    pub tag: String,
    /// How many entries a list has in all; `X-Total-Count`.
    pub total: i64,
    /// How long it can be used. `None` for what is not from the cache.
    pub freshness: Option<Freshness>,
}

impl Cached {
    /// An entry whose tag is the hash of its body and the total.
    #[must_use]
    pub fn new(body: Vec<u8>, total: i64) -> Self {
        let digest = Sha256::digest(&body);
        let tag = u128::from_be_bytes(std::array::from_fn(|index| digest[index]));
        Self { body: body.into(), tag: format!("\"{tag:032x}-{total}\""), total, freshness: None }
    }
}

/// The cache. Cloning is cheap.
#[derive(Clone)]
pub struct Cache {
    local: Moka<String, Cached>,
    shared: Option<Shared>,
    generations: Generations,
}

impl Cache {
    /// A cache of this process alone.
    #[must_use]
    pub fn local() -> Self {
        let local = Moka::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &String, cached: &Cached| u32::try_from(key.len() + cached.body.len()).unwrap_or(u32::MAX))
            .time_to_live(MAX_AGE)
            .build();
        Self { local, shared: None, generations: Generations::default() }
    }

    /// A cache shared by all processes that use the same Redis, which may be unreachable at first. Must be called inside the
    /// tokio runtime.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub fn shared(url: &str) -> redis::RedisResult<Self> {
        let cache = Self::local();
        let shared = Shared::connect(url, cache.generations.clone())?;
        Ok(Self { shared: Some(shared), ..cache })
    }

    /// The entry of `key`, loaded once for concurrent callers. `part` is what it shows.
    ///
    /// # Errors
    /// The error of `load`, shared by all its callers.
    pub async fn get<E, F>(&self, part: impl Part, key: &str, load: F) -> Result<Cached, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Cached, E>>,
    {
        let freshness = self.generations.freshness(part);
        let local_key = format!("{freshness}:{key}");
        if let Some(cached) = self.local.get(&local_key).await {
            if cached.freshness.as_ref().is_some_and(|freshness| self.is_fresh(freshness)) {
                return Ok(cached);
            }
            self.local.invalidate(&local_key).await;
        }
        let load = async {
            let Some(shared) = &self.shared else { return Ok(Cached { freshness: Some(freshness), ..load.await? }) };
            let (key, late) = (shared.key(part, key), shared.late_name(part));
            if let Some(found) = shared.load(&key, freshness.clone()).await {
                return Ok(found);
            }
            let loaded = Cached { freshness: Some(freshness), ..load.await? };
            shared.store(&key, late, &loaded).await;
            Ok(loaded)
        };
        Box::pin(self.local.try_get_with(local_key, load)).await // moka's future is large
    }

    /// Whether an entry that was loaded before may still be used.
    #[must_use]
    pub fn is_fresh(&self, freshness: &Freshness) -> bool {
        self.generations.is_fresh(freshness)
    }

    /// Invalidates what was changed, in all processes. Call it after the commit.
    pub async fn invalidate(&self, parts: &[impl Part]) {
        let changes: Vec<(usize, u64)> = parts.iter().map(|part| (part.slot(), rand::random())).collect();
        for (slot, name) in &changes {
            self.generations.set_name(*slot, *name);
        }
        if let Some(shared) = &self.shared {
            shared.publish(&changes).await;
        }
    }

    /// Tells the cache that this process knows all changes that others have made until now. Entries are used for longer
    /// than a second only while this is called every second; a cache with Redis calls it itself.
    pub fn knows_all_changes(&self) {
        self.generations.heard();
    }

    /// Whether Redis answers; `None` when there is none.
    pub async fn redis_answers(&self) -> Option<bool> {
        Some(self.shared.as_ref()?.answers().await)
    }

    /// The Redis that all processes share, while it is reachable. Rate limits are counted there, too.
    #[must_use]
    pub fn reachable_redis(&self) -> Option<ConnectionManager> {
        self.shared.as_ref()?.reachable()
    }
}
