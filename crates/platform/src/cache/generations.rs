//! Which entries of the cache are current.
//!
//! Each part of what is cached has a generation, and a change of the part ends it. A generation has two values. Each
//! process counts the changes it knows of: entries in the process carry that number. The processes send each other a random
//! name for each change: keys in Redis carry that name, so a Redis that lost its data or was unreachable causes no wrong hits.
//!
//! A process that knows that it receives the changes of the others uses its entries until they are invalidated. One that
//! does not uses them for a second.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What an entry shows, or a write changed.
pub trait Part: Copy {
    /// Where its generation is counted: less than [`SLOTS`], 0 for everything.
    fn slot(self) -> usize;

    /// The slot of what an entry may show up to a second late, such as the stock in a list.
    fn late_slot(self) -> Option<usize> {
        None
    }
}

/// How many generations are counted. Parts of which there may be any number share slots.
pub const SLOTS: usize = 1100;

/// How long an entry is used without knowing whether it is current.
pub(super) const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// How long an entry is used at most, and stored in Redis before: the operator may have changed the database by hand, and
/// a process may be killed between its commit and the message to the others.
pub(super) const MAX_AGE: Duration = Duration::from_secs(30);
/// For how many milliseconds after a heartbeat a process assumes that it receives the changes of the others.
const HEARD_FOR: u64 = 2_000;

/// No generation has this number.
const OUTDATED: u64 = u64::MAX;

/// The generations of all parts, as far as this process knows them.
#[derive(Clone)]
pub(super) struct Generations {
    slots: Arc<[Generation]>,
    started: Instant,
    /// When this process last knew that it receives the changes of the others, in milliseconds since `started`; 0: never.
    heard: Arc<AtomicU64>,
}

#[derive(Default)]
struct Generation {
    /// Changes this process knows of.
    seen: AtomicU64,
    /// The name of the last change, the same in all processes.
    name: AtomicU64,
}

/// The generations that an entry belongs to, and when it was loaded. An entry that is made of several has all of theirs.
#[derive(Clone, Debug)]
pub struct Freshness {
    seen: Vec<(usize, u64)>,
    /// The generations of what it may show late, or [`OUTDATED`].
    late: Vec<(usize, u64)>,
    loaded: Instant,
}

impl Freshness {
    /// That of an entry which is made of two.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.seen.extend(other.seen);
        self.late.extend(other.late);
        Self { loaded: self.loaded.min(other.loaded), ..self }
    }

    /// The entry was loaded by another process, while the late slot's generation had this name.
    pub(super) fn loaded_with(&mut self, name: u64, generations: &Generations) {
        for (slot, seen) in &mut self.late {
            if generations.name(*slot) != name {
                *seen = OUTDATED;
            }
        }
    }
}

/// The numbers of its generations, as a part of keys.
impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.iter().try_for_each(|(_, seen)| write!(f, "{seen}."))
    }
}

impl Default for Generations {
    fn default() -> Self {
        let slots = (0..SLOTS).map(|_| Generation::default()).collect();
        Self { slots, started: Instant::now(), heard: Arc::default() }
    }
}

impl Generations {
    /// The freshness of what is loaded from now on.
    pub(super) fn freshness(&self, part: impl Part) -> Freshness {
        let now = |slot: usize| (slot, self.slots[slot].seen.load(Ordering::SeqCst));
        Freshness {
            seen: vec![now(0), now(part.slot())],
            late: part.late_slot().map(now).into_iter().collect(),
            loaded: Instant::now(),
        }
    }

    /// Whether an entry may be used.
    pub(super) fn is_fresh(&self, entry: &Freshness) -> bool {
        let is_current = |(slot, seen): &(usize, u64)| self.slots[*slot].seen.load(Ordering::SeqCst) == *seen;
        if !entry.seen.iter().all(is_current) {
            return false;
        }
        let age = entry.loaded.elapsed();
        age < UNKNOWN_FOR || (age < MAX_AGE && entry.late.iter().all(is_current) && self.hears_others())
    }

    /// The names that the keys of a part carry in Redis.
    pub(super) fn names(&self, part: impl Part) -> String {
        format!("{:x}.{:x}", self.name(0), self.name(part.slot()))
    }

    pub(super) fn name(&self, slot: usize) -> u64 {
        self.slots[slot].name.load(Ordering::SeqCst)
    }

    /// Ends a generation, unless the change that ended it is known already.
    pub(super) fn set_name(&self, slot: usize, name: u64) {
        let Some(generation) = self.slots.get(slot) else { return };
        if generation.name.swap(name, Ordering::SeqCst) != name {
            generation.seen.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// This process receives the changes of the others.
    pub(super) fn heard(&self) {
        self.heard.store(self.milliseconds().max(1), Ordering::Relaxed);
    }

    fn hears_others(&self) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        heard > 0 && self.milliseconds().saturating_sub(heard) < HEARD_FOR
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
