//! The background work of orders.

use std::time::Duration;

use platform::{
    http::problem::ApiResult,
    jobs::{Job, JobError},
    mail,
};
use serde::{Deserialize, Serialize};

use super::{OrderStatus, letters, store};
use crate::{
    accounts,
    catalog::Part,
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

/// How often unpaid orders are looked through.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(30);

/// Gives back the stock of unpaid online orders whose time ran out.
#[derive(Default, Serialize, Deserialize)]
pub struct ExpireUnpaid {}

impl Job for ExpireUnpaid {
    const NAME: &'static str = "orders.expire_unpaid";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut any = false;
        let mut passed_over = 0;
        loop {
            // Behind those that stay: an order that cannot be cancelled keeps no other waiting.
            let due = store::expired(&shop.db, shop.now(), passed_over).await?;
            if due.is_empty() {
                break;
            }
            for order in due {
                let expired = expire(shop, order).await;
                any |= expired;
                passed_over += i64::from(!expired);
            }
        }
        if any {
            shop.cache.forget(&[Part::Catalog]).await; // else every process keeps what it has
        }
        Ok(())
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
        let mut tx = shop.db.write().await?;
        let cancelled = super::cancel_refunded(&mut tx, self.order, shop.now()).await;
        if cancelled.map_err(|problem| JobError::Retry(problem.to_string()))? {
            shop.commit_and_forget(tx, &[Part::Catalog]).await?;
        }
        Ok(())
    }
}

/// Whether the order expired. One order, one transaction: orders take their stock in product order, and two orders
/// together would not.
async fn expire(shop: &Shop, order: OrderId) -> bool {
    let expired = async {
        let mut tx = shop.db.write().await?;
        let expired = super::expire(&mut tx, order, shop.now()).await?;
        tx.commit().await?;
        ApiResult::Ok(expired)
    };
    expired.await.unwrap_or_else(|problem| {
        tracing::error!(%order, %problem, "an unpaid order cannot be cancelled; it is tried again later");
        false
    })
}
