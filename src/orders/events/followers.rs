//! Who in this process follows which order, and how they hear that it changed.
//!
//! One task listens for all of them, so that a thousand open pages cost nothing until something happens to their order.
//! On PostgreSQL the word comes from every process. Another process on the same SQLite file tells nobody, so there the
//! task looks once a second for what is new, as long as anybody follows anything.

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
pub const PER_USER: usize = 20;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a commit says that changed an order.
#[must_use]
pub fn notice(order: OrderId) -> String {
    format!("order-{order}")
}

/// Everybody in this process who follows an order.
#[derive(Default)]
pub struct Followers(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    by_user: HashMap<UserId, usize>,
    by_order: HashMap<OrderId, watch::Sender<()>>,
}

/// A follower's place. Dropped, it is free again.
pub struct Follower {
    all: Arc<Followers>,
    user: UserId,
    order: OrderId,
    news: watch::Receiver<()>,
}

impl Followers {
    /// Listens until it is dropped.
    #[must_use]
    pub fn of(db: &Db) -> Arc<Self> {
        let followers = Arc::new(Self::default());
        tokio::spawn(listen(db.clone(), Arc::downgrade(&followers)));
        followers
    }

    /// Takes a place.
    ///
    /// # Errors
    /// When the user has too many.
    pub fn follow(self: &Arc<Self>, user: UserId, order: OrderId) -> Result<Follower> {
        let mut seats = self.seats();
        let taken = seats.by_user.entry(user).or_default();
        if *taken >= PER_USER {
            return Err(Error::TooManyStreams);
        }
        *taken += 1;
        let news = seats.by_order.entry(order).or_default().subscribe();
        Ok(Follower { all: Arc::clone(self), user, order, news })
    }

    fn tell(&self, order: OrderId) {
        if let Some(news) = self.seats().by_order.get(&order) {
            news.send_replace(());
        }
    }

    fn tell_all(&self) {
        self.seats().by_order.values().for_each(|news| {
            news.send_replace(());
        });
    }

    fn is_empty(&self) -> bool {
        self.seats().by_order.is_empty()
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Returns as soon as something may have happened since it last returned.
    pub async fn news(&mut self) {
        if self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Makes [`Self::news`] return at once, because there is more to read already.
    pub fn has_more(&mut self) {
        self.news.mark_changed();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut seats = self.all.seats();
        if let Some(taken) = seats.by_user.get_mut(&self.user) {
            *taken -= 1;
            if *taken == 0 {
                seats.by_user.remove(&self.user);
            }
        }
        // Our own receiver still counts.
        if seats.by_order.get(&self.order).is_some_and(|news| news.receiver_count() <= 1) {
            seats.by_order.remove(&self.order);
        }
    }
}

async fn listen(db: Db, followers: Weak<Followers>) {
    let mut notices = db.notices();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        let heard = tokio::select! {
            heard = notices.recv() => Some(heard),
            _ = ticks.tick() => None,
        };
        let Some(followers) = followers.upgrade() else { return };
        match heard {
            Some(Ok(notice)) if notice == MISSED_NOTICES => followers.tell_all(),
            Some(Ok(notice)) => {
                let order = notice.strip_prefix("order-").and_then(|id| id.parse().ok());
                order.map(OrderId).into_iter().for_each(|order| followers.tell(order));
            }
            Some(Err(RecvError::Lagged(_))) => followers.tell_all(),
            Some(Err(RecvError::Closed)) => return,
            None if !db.notifies_other_processes() => {
                if let Err(error) = look(&db, &followers, &mut seen).await {
                    tracing::debug!(%error, "cannot read events, retrying");
                }
            }
            None => {}
        }
    }
}

/// Finds what other processes wrote. Writers of an SQLite file come one after the other, so ids grow over all orders.
async fn look(db: &Db, followers: &Followers, seen: &mut Option<i64>) -> db::Result<()> {
    if followers.is_empty() {
        *seen = None;
        return Ok(());
    }
    let Some(id) = *seen else {
        *seen = Some(store::newest_of_all(db).await?);
        followers.tell_all(); // whoever came in between
        return Ok(());
    };
    for (id, order) in store::of_all_after(db, id).await? {
        followers.tell(order);
        *seen = Some(id);
    }
    Ok(())
}
