//! The background work of the checkout.

use std::time::Duration;

use platform::jobs::{Job, JobError};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Part,
    orders,
    shop::{Queue, Shop, ids::OrderId},
};

/// How often unpaid orders are checked.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(30);

/// Cancels the unpaid online orders whose reservation has ended.
#[derive(Default, Serialize, Deserialize)]
pub struct ExpireUnpaid {}

impl Job for ExpireUnpaid {
    const NAME: &'static str = "orders.expire_unpaid";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut skipped = 0;
        loop {
            // An order that cannot be cancelled is skipped, so that it does not keep the others waiting.
            let due = orders::expired(&shop.db, shop.now(), skipped).await?;
            if due.is_empty() {
                return Ok(());
            }
            skipped += expire_all(shop, due).await;
        }
    }
}

/// Returns how many of the orders did not expire. The cache is invalidated once for all of them, also when none expired: a
/// commit whose outcome is unknown may have succeeded.
async fn expire_all(shop: &Shop, due: Vec<OrderId>) -> i64 {
    let mut failed = 0;
    for order in due {
        failed += i64::from(!expire(shop, order).await);
    }
    shop.cache.invalidate(&[Part::Catalog]).await;
    failed
}

/// Returns whether the order expired. Each order has its own transaction, because stock is changed in the order of product
/// ids, and two orders in one transaction would break that order.
async fn expire(shop: &Shop, order: OrderId) -> bool {
    let expired = async {
        let mut tx = shop.db.write().await?;
        let expired = super::expire(&mut tx, order, shop.now()).await?;
        tx.commit().await?;
        super::Result::Ok(expired)
    };
    expired.await.unwrap_or_else(|error| {
        tracing::error!(%order, %error, "cannot cancel an unpaid order; will retry later");
        false
    })
}
