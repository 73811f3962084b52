//! The background work of orders.

use platform::{
    jobs::{Job, JobError},
    mail,
};
use serde::{Deserialize, Serialize};

use super::{Hooks, OrderStatus, emails, store};
use crate::{
    accounts,
    shop::{Queue, Shop, ids::OrderId},
};

/// Sends the confirmation. May run twice: a confirmation that is marked as sent is not sent again, and a copy that is sent
/// because the worker died in between has the same Message-ID.
#[derive(Serialize, Deserialize)]
pub struct SendOrderConfirmationEmail {
    pub order: OrderId,
}

impl Job for SendOrderConfirmationEmail {
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
            return Ok(()); // the account was closed, so there is no address
        }
        shop.mailer.send(&emails::confirmation(shop, &order, &lines, &buyer)?).await?;

        let mut tx = shop.db.write().await?;
        store::mark_confirmation_sent(&mut tx, order.id, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// Notifies the buyer of a new status. An order reaches each status once, so each e-mail is sent once.
#[derive(Serialize, Deserialize)]
pub struct SendOrderStatusEmail {
    pub order: OrderId,
    /// The new status; the order may have another by the time the job runs.
    pub status: String,
}

impl Job for SendOrderStatusEmail {
    // An earlier name of this job, which stored rows contain.
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
            return Ok(()); // the account was closed, so there is no address
        }
        if order.status == OrderStatus::Cancelled && status != OrderStatus::Cancelled {
            return Ok(()); // late: the cancellation is notified by its own job
        }
        match emails::status(shop, &order, status, &buyer)? {
            Some(email) => mail::send_once(shop, &shop.mailer, &email).await,
            None => Ok(()),
        }
    }
}

/// Cancels an order that was fully refunded, unless it has shipped meanwhile.
#[derive(Serialize, Deserialize)]
pub struct CancelRefunded {
    pub order: OrderId,
}

impl Job for CancelRefunded {
    const NAME: &'static str = "orders.cancel_refunded";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let cancelled = (shop.get::<Hooks>().cancel_refunded)(shop, self.order).await;
        cancelled.map_err(|error| JobError::Retry(error.to_string()))
    }
}
