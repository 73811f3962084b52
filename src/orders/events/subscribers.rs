//! The event streams that are open in this process, and how each learns that its order changed.
//!
//! One task receives the notices of all orders, so that a thousand open streams cost nothing until their orders change. Where
//! the database does not notify other processes, the task polls for new events once a second while any stream is open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use platform::db::{self, Db, MISSED_NOTICES};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::{MissedTickBehavior, interval},
};

use super::store;
use crate::{
    orders::{Error, Result},
    shop::ids::{OrderId, UserId},
};

/// How many streams one user may have open in one process.
pub const MAX_STREAMS_PER_USER: usize = 20;
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The database notice of a transaction that wrote an event of an order.
#[must_use]
pub fn notice(order: OrderId) -> String {
    format!("order-{order}")
}

/// Every subscription in this process.
#[derive(Default)]
pub struct Subscribers(Mutex<Subscriptions>);

#[derive(Default)]
struct Subscriptions {
    /// How many subscriptions each user has.
    count_by_user: HashMap<UserId, usize>,
    /// The sender that wakes the subscriptions of an order.
    sender_by_order: HashMap<OrderId, watch::Sender<()>>,
}

/// A subscription to the events of one order. It ends when it is dropped.
pub struct Subscription {
    subscribers: Arc<Subscribers>,
    user: UserId,
    order: OrderId,
    changes: watch::Receiver<()>,
}

impl Subscribers {
    /// Starts the task that listens to the database, until all handles are dropped.
    #[must_use]
    pub fn of(db: &Db) -> Arc<Self> {
        let subscribers = Arc::new(Self::default());
        tokio::spawn(listen(db.clone(), Arc::downgrade(&subscribers)));
        subscribers
    }

    /// Subscribes a user to an order.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`] when the user has [`MAX_STREAMS_PER_USER`] subscriptions.
    pub fn subscribe(self: &Arc<Self>, user: UserId, order: OrderId) -> Result<Subscription> {
        let mut subscriptions = self.lock();
        let count = subscriptions.count_by_user.entry(user).or_default();
        if *count >= MAX_STREAMS_PER_USER {
            return Err(Error::TooManyStreams);
        }
        *count += 1;
        let changes = subscriptions.sender_by_order.entry(order).or_default().subscribe();
        Ok(Subscription { subscribers: Arc::clone(self), user, order, changes })
    }

    fn notify(&self, order: OrderId) {
        if let Some(sender) = self.lock().sender_by_order.get(&order) {
            sender.send_replace(());
        }
    }

    fn notify_all(&self) {
        self.lock().sender_by_order.values().for_each(|sender| {
            sender.send_replace(());
        });
    }

    fn is_empty(&self) -> bool {
        self.lock().sender_by_order.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Subscriptions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits until the order may have changed since the last return.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Makes [`Self::changed`] return at once, because there are more events to read.
    pub fn mark_changed(&mut self) {
        self.changes.mark_changed();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscriptions = self.subscribers.lock();
        if let Some(count) = subscriptions.count_by_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                subscriptions.count_by_user.remove(&self.user);
            }
        }
        // This subscription's receiver is still counted.
        if subscriptions.sender_by_order.get(&self.order).is_some_and(|sender| sender.receiver_count() <= 1) {
            subscriptions.sender_by_order.remove(&self.order);
        }
    }
}

async fn listen(db: Db, subscribers: Weak<Subscribers>) {
    let mut notices = db.notices();
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_seen = None;
    loop {
        let received = tokio::select! {
            received = notices.recv() => Some(received),
            _ = ticks.tick() => None,
        };
        let Some(subscribers) = subscribers.upgrade() else { return };
        match received {
            Some(Ok(notice)) if notice == MISSED_NOTICES => subscribers.notify_all(),
            Some(Ok(notice)) => {
                let order = notice.strip_prefix("order-").and_then(|id| id.parse().ok());
                order.map(OrderId).into_iter().for_each(|order| subscribers.notify(order));
            }
            Some(Err(RecvError::Lagged(_))) => subscribers.notify_all(),
            Some(Err(RecvError::Closed)) => return,
            None if !db.notifies_other_processes() => {
                if let Err(error) = poll(&db, &subscribers, &mut last_seen).await {
                    tracing::debug!(%error, "cannot read events, retrying");
                }
            }
            None => {}
        }
    }
}

/// Finds the events that other processes wrote. A database that does not notify has one writer at a time, so the ids grow
/// in the order of the commits over all orders.
async fn poll(db: &Db, subscribers: &Subscribers, last_seen: &mut Option<i64>) -> db::Result<()> {
    if subscribers.is_empty() {
        *last_seen = None;
        return Ok(());
    }
    let Some(id) = *last_seen else {
        *last_seen = Some(store::newest_of_all(db).await?);
        subscribers.notify_all(); // of events between a subscription and this first poll
        return Ok(());
    };
    for (id, order) in store::of_all_after(db, id).await? {
        subscribers.notify(order);
        *last_seen = Some(id);
    }
    Ok(())
}
