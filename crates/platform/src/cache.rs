//! The cache of ready answers: moka in the process, then Redis when there is one, then the database.
//!
//! What is kept are the bytes that go on the wire, with their tag. Every key carries the generation of what it shows:
//! one for everything, and one of its own part ([`Part`]). A write changes the
//! generation, so that what is old, or was being loaded at that moment, is never looked for again; it ages out.
//!
//! A generation has two faces. The process counts what it knows to have changed, which never goes back, and keys its own
//! entries with that. What the processes tell each other is a random name for each change, which keys what they share in
//! Redis; so a Redis that forgot everything, or was away, confuses nobody. Redis being away costs speed, never
//! correctness: nothing is kept for longer than two seconds.

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

/// The most a process keeps, in bytes.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// How long an answer is kept in the process, and as long again in Redis before: the stock in it may be sold by then, and
/// a word from another process be lost.
const MAX_AGE: Duration = Duration::from_secs(1);
/// How long Redis may take before the database is asked instead.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);
const CHANNEL: &str = "cartwright:forget";
const GENERATIONS: &str = "cartwright:generations";

/// What a key shows, or a write changed: a number below [`SLOTS`], at which its generation is counted. 0 is everything.
pub trait Part: Copy {
    fn slot(self) -> usize;
}

/// How many generations are counted. Things of which there may be any number share some.
pub const SLOTS: usize = 1100;

/// Bytes of the largest answer that Redis is asked to keep.
const MAX_REDIS_ANSWER: isize = 1 << 20;

/// An answer as it goes on the wire.
#[derive(Clone, Debug)]
pub struct Cached {
    pub body: Bytes,
    pub tag: String,
    /// Of a list: how many there are in all.
    pub total: i64,
}

impl Cached {
    #[must_use]
    pub fn new(body: Vec<u8>, total: i64) -> Self {
        let digest = Sha256::digest(&body);
        let tag = u128::from_be_bytes(std::array::from_fn(|index| digest[index]));
        Self { body: body.into(), tag: format!("\"{tag:032x}-{total}\""), total }
    }
}

/// Cloning is cheap.
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
    /// What the processes call the last change.
    name: AtomicU64,
}

impl Generation {
    /// Another change has this name now.
    fn set_name(&self, name: u64) {
        if self.name.swap(name, Ordering::SeqCst) != name {
            self.seen.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Clone)]
struct Shared {
    /// For commands. It subscribes to nothing: up to 7.0, Redis writes what a subscriber publishes within a transaction
    /// into the middle of the transaction's reply, and every later reply is taken for that of the command before it.
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

    /// A cache shared with every process that uses the same Redis. It may be away now and come later.
    ///
    /// # Errors
    /// When the URL cannot be used.
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

    /// The answer under `key`, made once however many ask for it at the same moment.
    pub async fn get<E, F>(&self, part: impl Part, key: &str, load: F) -> Result<Cached, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Cached, E>>,
    {
        let (catalog, own) = (&self.generations[0], &self.generations[part.slot()]);
        let number = |number: &AtomicU64| number.load(Ordering::SeqCst);
        let here = format!("{}.{}:{key}", number(&catalog.seen), number(&own.seen));
        let there = format!("cartwright:{:x}.{:x}:{key}", number(&catalog.name), number(&own.name));
        let load = async {
            if let Some(found) = self.load_from_redis(&there).await {
                return Ok(found);
            }
            let loaded = load.await?;
            self.store_in_redis(&there, &loaded).await;
            Ok(loaded)
        };
        Box::pin(self.local.try_get_with(here, load)).await // moka's future is large
    }

    /// Forgets what was changed, in every process. Called after the commit.
    pub async fn invalidate(&self, parts: &[impl Part]) {
        // In one piece, so that all processes hear of two changes in the order that Redis keeps them.
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for part in parts {
            let (slot, name) = (part.slot(), rand::random::<u64>());
            self.generations[slot].set_name(name);
            pipeline.hset(GENERATIONS, slot, name).ignore();
            pipeline.publish(CHANNEL, format!("{slot}:{name}")).ignore();
        }
        if let Some(mut redis) = self.reachable_redis() {
            let _: redis::RedisResult<()> = pipeline.query_async(&mut redis).await; // who misses it waits a second
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
        // Never more than one of ours can be, whatever is kept there.
        let kept: Vec<u8> = redis::AsyncCommands::getrange(&mut redis, key, 0, MAX_REDIS_ANSWER).await.ok()?;
        if kept.len() > MAX_REDIS_ANSWER.unsigned_abs() {
            return None;
        }
        let kept = kept.strip_prefix(key.as_bytes())?.strip_prefix(b"\n")?; // it is what was asked for
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
            let _: redis::RedisResult<()> = redis::AsyncCommands::set_ex(&mut redis, key, kept, 1).await; // it may fail to remember
        }
    }

    /// The Redis that all processes share, while it can be reached; what must be counted together is counted there.
    #[must_use]
    pub fn reachable_redis(&self) -> Option<ConnectionManager> {
        let shared = self.shared.as_ref()?;
        shared.reachable.load(Ordering::Relaxed).then(|| shared.redis.clone())
    }
}

/// Subscribes, and keeps the generations in step with the other processes.
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
        // What was said while nobody could be heard is caught up with here.
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
