//! The background work of orders.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Line, Order, store};
use crate::{
    accounts::{self, User},
    cache::Part,
    http::problem::ApiResult,
    ids::OrderId,
    jobs::{Job, JobError, Queue},
    mail::{Letter, Template},
    shop::Shop,
};

/// Mails the confirmation. May run twice: one that is marked sent is not sent again, and a copy that leaves because the
/// worker died in between carries the same Message-ID.
#[derive(Serialize, Deserialize)]
pub struct SendConfirmation {
    pub order: OrderId,
}

impl Job for SendConfirmation {
    const NAME: &'static str = "orders.send_confirmation";
    const QUEUE: Queue = Queue::Email;

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
        shop.mailer.send(&letter(shop, &order, &lines, &buyer)?).await?;

        let mut tx = shop.db.write().await?;
        store::mark_confirmation_sent(&mut tx, order.id, shop.now()).await?;
        Ok(tx.commit().await?)
    }
}

fn letter(shop: &Shop, order: &Order, lines: &[Line], buyer: &User) -> Result<Letter, JobError> {
    let currency = shop.settings.currency;
    let line = |line: &Line| {
        let subtotal = line.price.times(line.quantity).unwrap_or_default();
        serde_json::json!({
            "name": line.name,
            "quantity": line.quantity,
            "price": currency.format(line.price).to_string(),
            "subtotal": currency.format(subtotal).to_string(),
        })
    };
    let context = serde_json::json!({
        "store_name": shop.settings.store_name,
        "order_number": order.order_number,
        "customer_name": buyer.full_name(),
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "total": format!("{} {currency}", currency.format(order.total_price)),
        "shipping_address": order.shipping_address,
        "payment_method": order.payment_method.in_words(),
        "placed_at": placed_at(order),
    });
    let message_id = shop.message_id(&format!("order-{}.confirmation", order.id));
    Ok(Letter::write(Template::OrderConfirmation, &context, (&buyer.email, &buyer.full_name()), message_id)?)
}

/// `20 November 2026, 21:05 UTC`.
fn placed_at(order: &Order) -> String {
    let moment = order.created_at.date_time();
    format!("{} {} {}, {:02}:{:02} UTC", moment.day(), moment.month(), moment.year(), moment.hour(), moment.minute())
}

/// How often unpaid orders are looked through.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(30);

/// Gives back the stock of unpaid online orders whose time ran out.
#[derive(Default, Serialize, Deserialize)]
pub struct ExpireUnpaid {}

impl Job for ExpireUnpaid {
    const NAME: &'static str = "orders.expire_unpaid";
    const QUEUE: Queue = Queue::Stock;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        // One order, one transaction: orders take their stock in product order, and two orders together would not.
        let expired = store::expired(&shop.db, shop.now()).await?;
        if expired.is_empty() {
            return Ok(()); // nothing changed, so every process keeps what it has cached
        }
        for order in expired {
            if let Err(problem) = expire(shop, order).await {
                tracing::error!(%order, %problem, "an unpaid order cannot be cancelled; it is tried again later");
            }
        }
        shop.cache.forget(&[Part::Catalog]).await;
        Ok(())
    }
}

async fn expire(shop: &Shop, order: OrderId) -> ApiResult<()> {
    let mut tx = shop.db.write().await?;
    super::expire(&mut tx, order, shop.now()).await?;
    Ok(tx.commit().await?)
}
