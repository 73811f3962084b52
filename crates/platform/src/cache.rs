//! The response cache: moka in the process, then Redis if there is one, then the database.
//!
//! Entries are the bytes of responses, with their tags. Every key contains two generations: that of everything, and that
//! of its [`Part`]. A write changes the generation, so that entries which are old, or were being loaded at that moment,
//! are never found again; they expire.
//!
//! A generation has two values. Each process counts the changes it knows of, a number that only grows, for the keys of its
//! own entries. The processes send each other a random name for each change, for the keys in Redis; so a Redis that lost
//! its data or was unreachable causes no wrong hits. Without Redis reads are slower, never wrong: no entry lives longer
//! than two seconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use moka::future::Cache as Moka;
use redis::{
    AsyncTypedCommands, PushInfo, PushKind,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Bytes that a process caches at most.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// How long an entry lives in the process, and as long in Redis before: its stock may be sold meanwhile, and an
/// invalidation by another process be lost.
const MAX_AGE: Duration = Duration::from_secs(1);
/// How long Redis may take to respond before the database is read instead.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);
/// The Redis channel of invalidations: `slot:name`.
const CHANNEL: &str = "cartwright:forget";
/// The Redis hash of the generations' names, by slot.
const GENERATIONS: &str = "cartwright:generations";

/// What an entry shows, or a write changed.
pub trait Part: Copy {
    /// Where its generation is counted: less than [`SLOTS`], 0 for everything.
    fn slot(self) -> usize;
}

/// How many generations are counted. Parts of which there may be any number share slots.
pub const SLOTS: usize = 1100;

/// Bytes of the largest entry that is stored in Redis.
const MAX_REDIS_ANSWER: isize = 1 << 20;

/// A response: the body, its `ETag`, and for a list the total.
#[derive(Clone, Debug)]
pub struct Cached {
    pub body: Bytes,
    pub tag: String,
    /// How many entries a list has in all; `X-Total-Count`.
    pub total: i64,
}

impl Cached {
    /// An entry whose tag is the hash of its body and the total.
    #[must_use]
    pub fn new(body: Vec<u8>, total: i64) -> Self {
        let digest = Sha256::digest(&body);
        let tag = u128::from_be_bytes(std::array::from_fn(|index| digest[index]));
        Self { body: body.into(), tag: format!("\"{tag:032x}-{total}\""), total }
    }
}

/// The response cache. Cloning is cheap.
#[derive(Clone)]
pub struct Cache {
    local: Moka<String, Cached>,
    shared: Option<Shared>,
    generations: Arc<[Generation]>,
}

#[derive(Default)]
struct Generation {
    /// Changes this process knows of.
    seen: AtomicU64,
    /// The name of the last change, the same in all processes.
    name: AtomicU64,
}

impl Generation {
    /// Counts a change, unless it is the last one already.
    fn set_name(&self, name: u64) {
        if self.name.swap(name, Ordering::SeqCst) != name {
            self.seen.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Clone)]
struct Shared {
    /// For commands, never for subscriptions: up to 7.0, Redis writes what a subscriber publishes within a transaction into
    /// the transaction's reply, and every later reply is taken for that of the command before it.
    redis: ConnectionManager,
    reachable: Arc<AtomicBool>,
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
        Self { local, shared: None, generations: (0..SLOTS).map(|_| Generation::default()).collect() }
    }

    /// A cache shared by all processes that use the same Redis, which may be unreachable at first. Must be called inside the
    /// tokio runtime.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub fn shared(url: &str) -> redis::RedisResult<Self> {
        let url = if url.contains("protocol=") {
            url.to_owned()
        } else {
            format!("{url}{}protocol=resp3", if url.contains('?') { '&' } else { '?' })
        };
        let client = redis::Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(REDIS_TIMEOUT))
            .set_number_of_retries(2);
        let redis = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        let (push_sender, pushes) = unbounded_channel();
        let config = config.set_push_sender(push_sender).set_automatic_resubscription();
        let subscriber = ConnectionManager::new_lazy_with_config(client, config)?;
        let shared = Shared { redis, reachable: Arc::new(AtomicBool::new(false)) };
        let cache = Self { shared: Some(shared.clone()), ..Self::local() };
        tokio::spawn(follow_invalidations(cache.clone(), shared, subscriber, pushes));
        Ok(cache)
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
        let (catalog, own) = (&self.generations[0], &self.generations[part.slot()]);
        let number = |number: &AtomicU64| number.load(Ordering::SeqCst);
        let local_key = format!("{}.{}:{key}", number(&catalog.seen), number(&own.seen));
        let redis_key = format!("cartwright:{:x}.{:x}:{key}", number(&catalog.name), number(&own.name));
        let load = async {
            if let Some(found) = self.load_from_redis(&redis_key).await {
                return Ok(found);
            }
            let loaded = load.await?;
            self.store_in_redis(&redis_key, &loaded).await;
            Ok(loaded)
        };
        Box::pin(self.local.try_get_with(local_key, load)).await // moka's future is large
    }

    /// Invalidates what was changed, in all processes. Call it after the commit.
    pub async fn invalidate(&self, parts: &[impl Part]) {
        // Atomic, so that all processes receive two changes in the order that Redis stores them.
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for part in parts {
            let (slot, name) = (part.slot(), rand::random::<u64>());
            self.generations[slot].set_name(name);
            pipeline.hset(GENERATIONS, slot, name).ignore();
            pipeline.publish(CHANNEL, format!("{slot}:{name}")).ignore();
        }
        if let Some(mut redis) = self.reachable_redis() {
            let _: redis::RedisResult<()> = pipeline.query_async(&mut redis).await; // processes that miss it are stale for a second
        }
    }

    /// Whether Redis answers; `None` when there is none.
    pub async fn redis_answers(&self) -> Option<bool> {
        let mut redis = self.shared.as_ref()?.redis.clone();
        Some(redis.ping().await.is_ok())
    }

    fn apply_invalidation(&self, slot: &str, name: &str) {
        let slot = slot.parse().ok().and_then(|slot: usize| self.generations.get(slot));
        if let (Some(generation), Ok(name)) = (slot, name.parse()) {
            generation.set_name(name);
        }
    }

    async fn load_from_redis(&self, key: &str) -> Option<Cached> {
        let mut redis = self.reachable_redis()?;
        // Never more bytes than an entry of ours can have, whatever is stored there.
        let kept: Vec<u8> = redis::AsyncCommands::getrange(&mut redis, key, 0, MAX_REDIS_ANSWER).await.ok()?;
        if kept.len() > MAX_REDIS_ANSWER.unsigned_abs() {
            return None;
        }
        let kept = kept.strip_prefix(key.as_bytes())?.strip_prefix(b"\n")?; // it is this key's entry
        let mut parts = kept.splitn(3, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(parts.next()?).ok();
        let (tag, total) = (line()?.to_owned(), line()?.parse().ok()?);
        Some(Cached { body: Bytes::copy_from_slice(parts.next()?), tag, total })
    }

    async fn store_in_redis(&self, key: &str, cached: &Cached) {
        let Some(mut redis) = self.reachable_redis() else { return };
        let head = format!("{key}\n{}\n{}\n", cached.tag, cached.total);
        let kept = [head.as_bytes(), &cached.body].concat();
        if kept.len() <= MAX_REDIS_ANSWER.unsigned_abs() {
            let _: redis::RedisResult<()> = redis::AsyncCommands::set_ex(&mut redis, key, kept, 1).await; // a failure only costs speed
        }
    }

    /// The Redis that all processes share, while it is reachable. Rate limits are counted there, too.
    #[must_use]
    pub fn reachable_redis(&self) -> Option<ConnectionManager> {
        let shared = self.shared.as_ref()?;
        shared.reachable.load(Ordering::Relaxed).then(|| shared.redis.clone())
    }
}

/// Subscribes to invalidations, and keeps the generations the same as those of the other processes.
async fn follow_invalidations(
    cache: Cache,
    shared: Shared,
    mut redis: ConnectionManager,
    mut pushes: UnboundedReceiver<PushInfo>,
) {
    let mut subscribed = false;
    loop {
        if !subscribed {
            subscribed = redis.subscribe(CHANNEL).await.is_ok();
        }
        // Catches up with what was published while the subscription was down.
        let generations = redis.hgetall(GENERATIONS).await;
        shared.reachable.store(generations.is_ok(), Ordering::Relaxed);
        for (slot, generation) in generations.unwrap_or_default() {
            cache.apply_invalidation(&slot, &generation);
        }
        let timeout = tokio::time::sleep(Duration::from_secs(1));
        tokio::pin!(timeout);
        loop {
            tokio::select! {
                () = &mut timeout => break,
                push = pushes.recv() => match push {
                    Some(push) if push.kind == PushKind::Message => {
                        let message = push.data.get(1).and_then(|value| redis::from_redis_value_ref::<String>(value).ok());
                        if let Some((slot, name)) = message.as_deref().and_then(|message| message.split_once(':')) {
                            cache.apply_invalidation(slot, name);
                        }
                    }
                    Some(push) if push.kind == PushKind::Disconnection => {
                        shared.reachable.store(false, Ordering::Relaxed);
                        break;
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }
}
