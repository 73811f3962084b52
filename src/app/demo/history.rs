//! The history of the demo shop: orders of the last four weeks, their payments, and reviews, so that no page of a frontend is
//! empty. The features' own functions create all of it, with a clock that moves through those weeks.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use platform::{
    clock::{Clock, Timestamp},
    db::{self, Tx},
    jobs::Job,
};

use super::price;
use crate::{
    accounts::{User, jobs::SendVerificationEmail},
    app::{context, settings::Settings, workers},
    carts,
    checkout::{self, Checkout},
    orders::{self, Order, OrderStatus},
    payments::{self, refunds},
    reviews,
    shop::{
        Provider, Shop,
        ids::{OrderId, ProductId},
    },
    wishlists,
};

const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Copy)]
enum Buyer {
    Nora,
    Jonas,
}

/// How far an order got.
#[derive(Clone, Copy)]
enum Outcome {
    Confirmed,
    Shipped,
    Delivered,
    /// Delivered, and this amount refunded, in a currency with two decimals.
    RefundedInPart(&'static str),
    Cancelled,
}

use Buyer::{Jonas, Nora};
use Outcome::{Cancelled, Confirmed, Delivered, RefundedInPart, Shipped};

/// Hours ago, the buyer, product slugs with quantities, and the outcome. The oldest first; no order is older than its products.
type Purchase = (u32, Buyer, &'static [(&'static str, i64)], Outcome);

const PURCHASES: [Purchase; 17] = [
    (668, Jonas, &[("harbour-lights", 1), ("dice-tower", 1)], Delivered),
    (650, Nora, &[("jigsaw-puzzle-1000-pieces", 1), ("playing-cards-linen-finish", 2)], Delivered),
    (605, Jonas, &[("picnic-blanket", 1)], Delivered),
    (571, Jonas, &[("leather-card-wallet", 1), ("interlocking-wood-puzzle", 2)], RefundedInPart("14.50")),
    (548, Nora, &[("weekend-bag-35l", 1)], Delivered),
    (500, Jonas, &[("canvas-day-backpack-18l", 1), ("zip-pouches-set-of-2", 1)], Delivered),
    (476, Nora, &[("beeswax-candles-set-of-4", 3), ("brass-candle-holder", 1)], Delivered),
    (433, Jonas, &[("quiet-desk-clock", 1)], Cancelled),
    (410, Jonas, &[("jointed-desk-lamp", 1), ("clip-reading-light", 1)], Delivered),
    (372, Jonas, &[("felt-laptop-sleeve-14", 1), ("market-tote", 1)], RefundedInPart("19.50")),
    (316, Nora, &[("compact-mechanical-keyboard", 1), ("folding-laptop-stand", 1)], Delivered),
    (251, Nora, &[("brass-fountain-pen", 1), ("bottled-ink-40ml-blue-black", 2)], Delivered),
    (215, Nora, &[("dotted-notebook-a5", 3)], Delivered),
    (178, Nora, &[("linen-tea-towels-set-of-3", 2), ("olive-wood-spoon", 1)], Delivered),
    (105, Jonas, &[("chefs-knife-20cm", 1), ("paring-knife-9cm", 1)], Delivered),
    (66, Jonas, &[("stoneware-mug", 4), ("cast-iron-teapot", 1)], Shipped),
    (30, Nora, &[("cone-paper-filters-100", 2)], Confirmed),
];

/// Hours ago, the author, product slug, rating and comment. Only of products that the author bought.
const REVIEWS: [(u32, Buyer, &str, i64, &str); 9] = [
    (560, Nora, "jigsaw-puzzle-1000-pieces", 5, "Two rainy weekends well spent. The pieces fit without falling apart."),
    (540, Jonas, "harbour-lights", 4, "Easy to explain and hard to win. The box could be smaller."),
    (520, Jonas, "picnic-blanket", 5, "Stayed dry on wet grass, and the strap makes it easy to carry."),
    (440, Nora, "weekend-bag-35l", 5, "Has been to three airports by now and went as cabin luggage each time."),
    (401, Jonas, "canvas-day-backpack-18l", 3, "Handsome, but the roll top takes getting used to."),
    (200, Nora, "compact-mechanical-keyboard", 5, "Quiet enough for the office."),
    (280, Jonas, "jointed-desk-lamp", 4, "Stays where I put it. A bulb in the box would have been nice."),
    (120, Nora, "dotted-notebook-a5", 5, "Lies flat, and takes ink without a shadow on the next page."),
    (60, Nora, "linen-tea-towels-set-of-3", 4, "They get softer with every wash."),
];

const WISHLIST: [&str; 3] = ["lever-espresso-machine", "teak-folding-stool", "paper-table-lamp"];

/// The demo's customers, and its products by their slugs.
pub(super) struct DemoData {
    pub nora: User,
    pub jonas: User,
    pub products: HashMap<String, ProductId>,
}

impl DemoData {
    fn buyer(&self, buyer: Buyer) -> &User {
        match buyer {
            Nora => &self.nora,
            Jonas => &self.jonas,
        }
    }

    fn product(&self, slug: &str) -> anyhow::Result<ProductId> {
        self.products.get(slug).copied().with_context(|| format!("the demo catalog has no {slug}"))
    }
}

/// The shop in the past: on the same database, with a clock that is set back, and with an outbox that is deleted.
pub(super) struct PastShop {
    shop: Shop,
    clock: Clock,
    folder: PathBuf,
}

impl PastShop {
    pub fn of(shop: &Shop) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("cartwright-demo-{}", uuid::Uuid::new_v4().simple()));
        let clock = Clock::fixed_at(ago(shop.now(), PURCHASES[0].0));
        let settings =
            Settings { data_dir: folder.clone(), smtp_url: None, redis_url: None, ..shop.get::<Settings>().clone() };
        Ok(Self { shop: context::shop(settings, clock.clone())?, clock, folder })
    }

    fn set_time(&self, time: Timestamp) {
        self.clock.advance(time.since(self.clock.now()));
    }

    /// Runs the jobs that the history has enqueued.
    pub async fn run_due_jobs(&self, now: Timestamp) -> db::Result<()> {
        self.set_time(now);
        run_all_jobs(&self.shop).await
    }

    pub async fn close(self) {
        self.shop.db.close().await;
    }
}

impl Drop for PastShop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // a temporary folder
    }
}

async fn run_all_jobs(shop: &Shop) -> db::Result<()> {
    loop {
        let mut ran = 0;
        for worker in workers::all() {
            ran += worker.run_due(shop).await?;
        }
        if ran == 0 {
            return Ok(());
        }
    }
}

fn ago(now: Timestamp, hours: u32) -> Timestamp {
    now - HOUR * hours
}

/// Creates the history, in the transaction that creates the shop.
pub(super) async fn create(tx: &mut Tx, past: &PastShop, data: &DemoData, now: Timestamp) -> anyhow::Result<()> {
    for (hours, buyer, items, outcome) in PURCHASES {
        past.set_time(ago(now, hours));
        let order = place_order(tx, &past.shop, data, buyer, items).await?;
        advance_order(tx, &past.shop, order, outcome).await?;
    }
    for (hours, buyer, slug, rating, comment) in REVIEWS {
        let by = data.buyer(buyer).id;
        reviews::require_purchase(tx, data.product(slug)?, by).await?;
        reviews::create(tx, data.product(slug)?, by, rating, comment, ago(now, hours)).await?;
    }
    for (days, slug) in WISHLIST.into_iter().enumerate() {
        wishlists::add(tx, data.nora.id, data.product(slug)?, ago(now, 24 * u32::try_from(days)?)).await?;
    }
    Ok(())
}

/// Creates what is current when the shop opens: a new order, a customer whose e-mail is not verified, and a cart. Where e-mails
/// are written to files, theirs are the first; a mail server gets none for people who do not exist.
pub(super) async fn create_current_orders(shop: &Shop, past: &PastShop, data: &DemoData) -> anyhow::Result<()> {
    let mut tx = shop.db.write().await?;
    let order = place_order(&mut tx, shop, data, Nora, &[("hand-coffee-grinder", 1)]).await?;
    pay_in_cash(&mut tx, shop, order, shop.now()).await?;
    SendVerificationEmail::to(data.jonas.id).enqueue(&mut tx, shop.now()).await?;
    let (cart, _) = carts::find_or_create(&mut tx, data.nora.id, shop.now()).await?;
    carts::add(&mut tx, shop, cart.id, data.product("porcelain-pour-over-dripper")?, 1).await?;
    tx.commit().await?;
    let writes_files = shop.mailer.outbox().is_some();
    if writes_files {
        run_all_jobs(shop).await?;
    } else {
        past.run_due_jobs(shop.now()).await?;
    }
    Ok(())
}

async fn place_order(
    tx: &mut Tx,
    shop: &Shop,
    data: &DemoData,
    buyer: Buyer,
    items: &[(&str, i64)],
) -> anyhow::Result<OrderId> {
    let items: anyhow::Result<BTreeMap<ProductId, i64>> =
        items.iter().map(|(slug, quantity)| Ok((data.product(slug)?, *quantity))).collect();
    let checkout = Checkout {
        shipping_address: None,
        payment_method: Provider::CashOnDelivery,
        items: Some(items?),
        expected_total: None,
    };
    Ok(checkout::place(tx, shop, data.buyer(buyer).id, checkout).await?.id)
}

/// Moves an order to its outcome, in the days after it was placed.
async fn advance_order(tx: &mut Tx, shop: &Shop, id: OrderId, outcome: Outcome) -> anyhow::Result<()> {
    let placed = shop.now();
    pay_in_cash(tx, shop, id, placed).await?;
    let steps: &[(u32, OrderStatus)] = match outcome {
        Confirmed => &[(2, OrderStatus::Confirmed)],
        Cancelled => &[(5, OrderStatus::Cancelled)],
        Shipped => &[(2, OrderStatus::Confirmed), (20, OrderStatus::Shipped)],
        Delivered | RefundedInPart(_) => {
            &[(2, OrderStatus::Confirmed), (20, OrderStatus::Shipped), (66, OrderStatus::Delivered)]
        }
    };
    for (hours, status) in steps {
        let order = lock_order(tx, id).await?;
        checkout::advance(tx, order, *status, placed + HOUR * *hours).await?;
    }
    if let RefundedInPart(amount) = outcome {
        let amount = price(shop.store.currency, amount)?;
        for payment in payments::of_order(tx, id).await? {
            refunds::create(tx, payment.id, Some(amount), placed + HOUR * 110).await?;
        }
    }
    Ok(())
}

async fn pay_in_cash(tx: &mut Tx, shop: &Shop, order: OrderId, now: Timestamp) -> anyhow::Result<()> {
    let order = lock_order(tx, order).await?;
    payments::create(tx, shop, &order, Provider::CashOnDelivery, None, now).await?;
    Ok(())
}

async fn lock_order(tx: &mut Tx, id: OrderId) -> anyhow::Result<Order> {
    orders::lock(tx, id).await?.with_context(|| format!("order {id} has just been placed"))
}
