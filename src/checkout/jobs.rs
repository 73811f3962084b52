//! The background work of the checkout.

use std::time::Duration;

use platform::jobs::{Job, JobError};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Part,
    orders,
    shop::{Queue, Shop, ids::OrderId},
};

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
            let due = orders::expired(&shop.db, shop.now(), passed_over).await?;
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
            shop.cache.invalidate(&[Part::Catalog]).await; // else every process keeps what it has
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
        super::Result::Ok(expired)
    };
    expired.await.unwrap_or_else(|error| {
        tracing::error!(%order, %error, "cannot cancel an unpaid order; will retry later");
        false
    })
}
