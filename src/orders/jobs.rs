//! The background work of orders.

use platform::{
    jobs::{Job, JobError},
    mail,
};
use serde::{Deserialize, Serialize};

use super::{Hooks, OrderStatus, letters, store};
use crate::{
    accounts,
    shop::{Queue, Shop, ids::OrderId},
};

/// Mails the confirmation. May run twice: one that is marked sent is not sent again, and a copy that leaves because the
/// worker died in between carries the same Message-ID.
#[derive(Serialize, Deserialize)]
pub struct SendConfirmation {
    pub order: OrderId,
}

impl Job for SendConfirmation {
    const NAME: &'static str = "orders.send_confirmation";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.read().await?;
        let missing = || JobError::GiveUp(format!("there is no order {}", self.order));
        let order = store::find(&mut tx, self.order).await?.ok_or_else(missing)?;
        if store::confirmation_sent(&mut tx, order.id).await? {
            return Ok(());
        }
        let lines = store::lines(&mut tx, order.id).await?;
        let buyer = accounts::find(&mut tx, order.user_id).await?.ok_or_else(missing)?;
        drop(tx);
        if buyer.closed_at.is_some() {
            return Ok(()); // late: there is no address any more
        }
        shop.mailer.send(&letters::confirmation(shop, &order, &lines, &buyer)?).await?;

        let mut tx = shop.db.write().await?;
        store::mark_confirmation_sent(&mut tx, order.id, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// Tells the buyer what became of the order. Each status is reached once, so it is told once.
#[derive(Serialize, Deserialize)]
pub struct TellStatus {
    pub order: OrderId,
    /// What it became; by now it may have moved on.
    pub status: String,
}

impl Job for TellStatus {
    const NAME: &'static str = "orders.tell_status";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let status: OrderStatus = self.status.parse().map_err(JobError::GiveUp)?;
        let missing = || JobError::GiveUp(format!("there is no order {}", self.order));
        let mut tx = shop.db.read().await?;
        let order = store::find(&mut tx, self.order).await?.ok_or_else(missing)?;
        let buyer = accounts::find(&mut tx, order.user_id).await?.ok_or_else(missing)?;
        drop(tx);
        if buyer.closed_at.is_some() {
            return Ok(()); // late: there is no address any more
        }
        if order.status == OrderStatus::Cancelled && status != OrderStatus::Cancelled {
            return Ok(()); // late: the buyer has heard the last word
        }
        match letters::of_status(shop, &order, status, &buyer)? {
            Some(letter) => mail::send_once(shop, &shop.mailer, &letter).await,
            None => Ok(()),
        }
    }
}

/// Cancels an order whose money has all gone back, unless it has left meanwhile.
#[derive(Serialize, Deserialize)]
pub struct CancelRefunded {
    pub order: OrderId,
}

impl Job for CancelRefunded {
    const NAME: &'static str = "orders.cancel_refunded";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let cancelled = (shop.part::<Hooks>().cancel_refunded)(shop, self.order).await;
        cancelled.map_err(|error| JobError::Retry(error.to_string()))
    }
}
