//! The jobs that check stock, and the e-mail about low stock.

use std::time::Duration;

use platform::{
    jobs::{Job, JobError},
    mail,
};
use serde::{Deserialize, Serialize};

use super::{Mismatch, Settings};
use crate::{
    accounts::{self, Role},
    catalog,
    shop::{
        Queue, Shop,
        emails::Template,
        ids::{OrderId, ProductId, UserId},
    },
};

/// How often all products are checked.
pub const RECONCILE_EVERY: Duration = Duration::from_mins(1);

/// Compares every product's stock with its movements.
#[derive(Default, Serialize, Deserialize)]
pub struct ReconcileStock {}

impl Job for ReconcileStock {
    const NAME: &'static str = "inventory.reconcile";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        // The comparison is long and changes nothing: only its result is written.
        let checked = super::reconcile(&mut shop.db.read().await?).await?;
        let mut tx = shop.db.write().await?;
        super::save_reconciliation(&mut tx, &checked, shop.now()).await?;
        tx.commit().await?;
        report(&checked.mismatches);
        Ok(())
    }
}

/// Compares the stock of one order's products with their movements.
#[derive(Serialize, Deserialize)]
pub struct ReconcileOrderStock {
    pub order: OrderId,
}

impl Job for ReconcileOrderStock {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "inventory.prove_order";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        report(&super::reconcile_order(&shop.db, self.order).await?);
        Ok(())
    }
}

/// Notifies an admin that an order reduced a product's stock from above the threshold to it or below.
#[derive(Serialize, Deserialize)]
pub struct SendLowStockEmail {
    pub product: ProductId,
    /// The order. It makes the Message-ID another one the next time.
    pub order: OrderId,
    pub admin: UserId,
}

impl Job for SendLowStockEmail {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "inventory.tell_low_stock";
    const QUEUE: &'static str = Queue::Email.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        let mut tx = shop.db.read().await?;
        let Some(product) = catalog::find_product(&mut tx, self.product).await? else { return Ok(()) };
        let admin =
            accounts::find(&mut tx, self.admin).await?.filter(|user| user.role == Role::Admin && user.is_active);
        let Some(admin) = admin else { return Ok(()) };
        drop(tx);
        let context = serde_json::json!({
            "product_name": product.name,
            "product": product.id,
            "stock": product.stock,
            "threshold": shop.get::<Settings>().low_stock_threshold,
        });
        let about = format!("product-{}.low-stock.order-{}.admin-{}", self.product, self.order, self.admin);
        let email = accounts::render_email(shop, &admin, Template::LowStock, &about, context)?;
        mail::send_once(shop, &shop.mailer, &email).await
    }
}

/// Logs mismatches. They are never repaired automatically.
fn report(mismatches: &[Mismatch]) {
    for found in mismatches {
        tracing::error!(product = %found.product, stock = found.stock, movements = found.movements, "stock does not match its movements");
    }
}
