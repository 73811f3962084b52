//! Redis: entries and invalidations that all processes share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use redis::{
    AsyncTypedCommands, PushInfo, PushKind, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    Cached, Freshness, Part,
    generations::{Generations, MAX_AGE, UNKNOWN_FOR},
};

/// How long Redis may take to respond before the database is read instead.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How often a process reads the names of all generations, which also proves that its subscription is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The Redis channel of invalidations: `slot:name`.
const CHANNEL: &str = "cartwright:forget";
/// The Redis hash of the generations' names, by slot.
const GENERATIONS: &str = "cartwright:generations";
/// Bytes of the largest entry that is stored in Redis.
const MAX_ENTRY: isize = 1 << 20;

#[derive(Clone)]
pub(super) struct Shared {
    /// For commands, never for subscriptions: up to 7.0, Redis writes what a subscriber publishes within a transaction into
    /// the transaction's reply, and every later reply is taken for that of the command before it.
    redis: ConnectionManager,
    reachable: Arc<AtomicBool>,
    /// Whether it was tried to reach Redis at all.
    was_tried: Arc<AtomicBool>,
    /// Changes that Redis did not take, by slot. They are published when it does again.
    unpublished: Arc<Mutex<HashMap<usize, u64>>>,
    generations: Generations,
}

impl Shared {
    /// Connects in the background. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub(super) fn connect(url: &str, generations: Generations) -> RedisResult<Self> {
        let url = if url.contains("protocol=") {
            url.to_owned()
        } else {
            format!("{url}{}protocol=resp3", if url.contains('?') { '&' } else { '?' })
        };
        let client = redis::Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(2);
        let redis = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        let (push_sender, pushes) = unbounded_channel();
        let config = config.set_push_sender(push_sender).set_automatic_resubscription();
        let subscriber = ConnectionManager::new_lazy_with_config(client, config)?;
        let (reachable, was_tried, unpublished) = (Arc::default(), Arc::default(), Arc::default());
        let shared = Self { redis, reachable, was_tried, unpublished, generations };
        tokio::spawn(follow_invalidations(shared.clone(), subscriber, pushes));
        Ok(shared)
    }

    pub(super) async fn answers(&self) -> bool {
        self.redis.clone().ping().await.is_ok()
    }

    pub(super) fn reachable(&self) -> Option<ConnectionManager> {
        self.reachable.load(Ordering::Relaxed).then(|| self.redis.clone())
    }

    pub(super) fn key(&self, part: impl Part, key: &str) -> String {
        format!("cartwright:{}:{key}", self.generations.names(part))
    }

    /// The name of the late generation of what is loaded from now on; `None` for a part that has none.
    pub(super) fn late_name(&self, part: impl Part) -> Option<u64> {
        part.late_slot().map(|slot| self.generations.name(slot))
    }

    /// The entry of a key. `freshness` is that of what is loaded now.
    pub(super) async fn load(&self, key: &str, mut freshness: Freshness) -> Option<Cached> {
        let mut redis = self.reachable()?;
        // Never more bytes than an entry of ours can have, whatever is stored there.
        let kept: Vec<u8> = redis::AsyncCommands::getrange(&mut redis, key, 0, MAX_ENTRY).await.ok()?;
        if kept.len() > MAX_ENTRY.unsigned_abs() {
            return None;
        }
        let kept = kept.strip_prefix(key.as_bytes())?.strip_prefix(b"\n")?; // it is this key's entry
        let mut parts = kept.splitn(4, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(parts.next()?).ok();
        let (tag, total, late) = (line()?.to_owned(), line()?.parse().ok()?, line()?.parse().ok()?);
        freshness.loaded_with(late, &self.generations);
        Some(Cached { body: Bytes::copy_from_slice(parts.next()?), tag, total, freshness: Some(freshness) })
    }

    /// Stores an entry that was loaded while its late generation had this name.
    pub(super) async fn store(&self, key: &str, late: Option<u64>, cached: &Cached) {
        let Some(mut redis) = self.reachable() else { return };
        // Another process cannot tell how old an entry is, so one that may be outdated lives no longer here than there.
        let life = if late.is_some() { UNKNOWN_FOR } else { MAX_AGE };
        let late = late.unwrap_or_default();
        let head = format!("{key}\n{}\n{}\n{late}\n", cached.tag, cached.total);
        let kept = [head.as_bytes(), &cached.body].concat();
        if kept.len() <= MAX_ENTRY.unsigned_abs() {
            let _: RedisResult<()> = redis::AsyncCommands::set_ex(&mut redis, key, kept, life.as_secs()).await; // a failure only costs speed
        }
    }

    /// Tells the other processes of changes, by slot and name: at once, or else as soon as Redis can be reached.
    pub(super) async fn publish(&self, changes: &[(usize, u64)]) {
        // A command may end before its first heartbeat, so it tries even so. Later a Redis that is away costs no time.
        let tries = self.reachable().is_some() || !self.was_tried.load(Ordering::Relaxed);
        if !tries || !publish(self.redis.clone(), changes).await {
            self.unpublished().extend(changes.iter().copied());
        }
    }

    fn unpublished(&self) -> std::sync::MutexGuard<'_, HashMap<usize, u64>> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish_rest(&self) {
        let rest: Vec<(usize, u64)> = self.unpublished().drain().collect();
        if !rest.is_empty() {
            self.publish(&rest).await;
        }
    }

    /// Reads the names of all generations, also of those that ended while the subscription was down.
    async fn catch_up(&self, redis: &mut ConnectionManager) {
        let names = redis.hgetall(GENERATIONS).await;
        self.was_tried.store(true, Ordering::Relaxed);
        let Ok(names) = names else {
            self.reachable.store(false, Ordering::Relaxed);
            return;
        };
        for (slot, name) in names {
            self.apply(&slot, &name);
        }
        self.reachable.store(true, Ordering::Relaxed);
        self.publish_rest().await;
    }

    fn apply(&self, slot: &str, name: &str) {
        if let (Ok(slot), Ok(name)) = (slot.parse(), name.parse()) {
            self.generations.set_name(slot, name);
        }
    }

    fn apply_message(&self, push: &PushInfo) {
        let message = push.data.get(1).and_then(|value| redis::from_redis_value_ref::<String>(value).ok());
        if let Some((slot, name)) = message.as_deref().and_then(|message| message.split_once(':')) {
            self.apply(slot, name);
        }
    }
}

/// Returns whether Redis took them.
async fn publish(mut redis: ConnectionManager, changes: &[(usize, u64)]) -> bool {
    // Atomic, so that all processes receive two changes in the order that Redis stores them.
    let mut pipeline = redis::pipe();
    pipeline.atomic();
    for (slot, name) in changes {
        pipeline.hset(GENERATIONS, slot, name).ignore();
        pipeline.publish(CHANNEL, format!("{slot}:{name}")).ignore();
    }
    let published: RedisResult<()> = pipeline.query_async(&mut redis).await;
    published.is_ok()
}

/// Subscribes to invalidations, and keeps the generations the same as those of the other processes. Never ends.
async fn follow_invalidations(shared: Shared, mut redis: ConnectionManager, mut pushes: UnboundedReceiver<PushInfo>) {
    let mut subscribed = false;
    loop {
        if !subscribed {
            subscribed = redis.subscribe(CHANNEL).await.is_ok();
        }
        shared.catch_up(&mut redis).await;
        if subscribed && shared.reachable.load(Ordering::Relaxed) {
            shared.generations.heard();
        }
        let timeout = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(timeout);
        loop {
            tokio::select! {
                () = &mut timeout => break,
                push = pushes.recv() => match push {
                    Some(push) if push.kind == PushKind::Message => shared.apply_message(&push),
                    Some(push) if push.kind == PushKind::Disconnection => {
                        // Whatever is changed until the next heartbeat may never be heard of.
                        shared.generations.set_name(0, rand::random());
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
