//! What happened in the demo shop before it opens: orders of the last four weeks, their payments, and what buyers say, so
//! that no page of a frontend is empty. The shop's own verbs do all of it, by a clock that goes through those weeks.

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
    accounts::{User, jobs::SendVerification},
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

/// What became of an order, as far as that.
#[derive(Clone, Copy)]
enum Fate {
    Confirmed,
    Shipped,
    Delivered,
    /// Delivered, and so much of its money went back, in a currency with two decimals.
    RefundedInPart(&'static str),
    Cancelled,
}

use Buyer::{Jonas, Nora};
use Fate::{Cancelled, Confirmed, Delivered, RefundedInPart, Shipped};

/// Hours ago, who, what and how many, and what became of it. The oldest first; nothing is older than its products.
type Purchase = (u32, Buyer, &'static [(&'static str, i64)], Fate);

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

/// Hours ago, who, and what they say of what: only of what they bought.
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

const WISHES: [&str; 3] = ["lever-espresso-machine", "teak-folding-stool", "paper-table-lamp"];

/// The demo's customers and products, by their slugs.
pub(super) struct Cast {
    pub nora: User,
    pub jonas: User,
    pub products: HashMap<String, ProductId>,
}

impl Cast {
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

/// The shop as it was: on the same database, by a clock that is put back, and with letters that nobody gets.
pub(super) struct Past {
    shop: Shop,
    clock: Clock,
    folder: PathBuf,
}

impl Past {
    pub fn of(shop: &Shop) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("cartwright-demo-{}", uuid::Uuid::new_v4().simple()));
        let clock = Clock::fixed_at(ago(shop.now(), PURCHASES[0].0));
        let settings =
            Settings { data_dir: folder.clone(), smtp_url: None, redis_url: None, ..shop.part::<Settings>().clone() };
        Ok(Self { shop: context::shop(settings, clock.clone())?, clock, folder })
    }

    fn moves_to(&self, moment: Timestamp) {
        self.clock.advance(moment.since(self.clock.now()));
    }

    /// Does the work that the past has left, now.
    pub async fn catches_up(&self, now: Timestamp) -> db::Result<()> {
        self.moves_to(now);
        do_all_jobs(&self.shop).await
    }

    pub async fn ends(self) {
        self.shop.db.close().await;
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // nobody's letters, in a temporary folder
    }
}

async fn do_all_jobs(shop: &Shop) -> db::Result<()> {
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

/// Writes the last weeks down, in the transaction that makes the shop.
pub(super) async fn write(tx: &mut Tx, past: &Past, cast: &Cast, now: Timestamp) -> anyhow::Result<()> {
    for (hours, buyer, items, fate) in PURCHASES {
        past.moves_to(ago(now, hours));
        let order = buys(tx, &past.shop, cast, buyer, items).await?;
        goes_on(tx, &past.shop, order, fate).await?;
    }
    for (hours, buyer, slug, rating, comment) in REVIEWS {
        let by = cast.buyer(buyer).id;
        reviews::require_purchase(tx, cast.product(slug)?, by).await?;
        reviews::write(tx, cast.product(slug)?, by, rating, comment, ago(now, hours)).await?;
    }
    for (days, slug) in WISHES.into_iter().enumerate() {
        wishlists::add(tx, cast.nora.id, cast.product(slug)?, ago(now, 24 * u32::try_from(days)?)).await?;
    }
    Ok(())
}

/// What is under way as the shop opens: an order that has just come in, a customer whose e-mail is to be verified, and a
/// cart. Where e-mails are files, theirs are the first; a mail server gets none for people who do not exist.
pub(super) async fn begin_today(shop: &Shop, past: &Past, cast: &Cast) -> anyhow::Result<()> {
    let mut tx = shop.db.write().await?;
    let order = buys(&mut tx, shop, cast, Nora, &[("hand-coffee-grinder", 1)]).await?;
    pay_in_cash(&mut tx, shop, order, shop.now()).await?;
    SendVerification::to(cast.jonas.id).enqueue(&mut tx, shop.now()).await?;
    let (cart, _) = carts::own(&mut tx, cast.nora.id, shop.now()).await?;
    carts::add(&mut tx, shop, cart.id, cast.product("porcelain-pour-over-dripper")?, 1).await?;
    tx.commit().await?;
    let writes_files = shop.mailer.outbox().is_some();
    if writes_files {
        do_all_jobs(shop).await?;
    } else {
        past.catches_up(shop.now()).await?;
    }
    Ok(())
}

async fn buys(tx: &mut Tx, shop: &Shop, cast: &Cast, buyer: Buyer, items: &[(&str, i64)]) -> anyhow::Result<OrderId> {
    let items: anyhow::Result<BTreeMap<ProductId, i64>> =
        items.iter().map(|(slug, quantity)| Ok((cast.product(slug)?, *quantity))).collect();
    let checkout = Checkout {
        shipping_address: None,
        payment_method: Provider::CashOnDelivery,
        items: Some(items?),
        expected_total: None,
    };
    Ok(checkout::place(tx, shop, cast.buyer(buyer).id, checkout).await?.id)
}

/// The days after an order was placed, whatever the time is now.
async fn goes_on(tx: &mut Tx, shop: &Shop, id: OrderId, fate: Fate) -> anyhow::Result<()> {
    let placed = shop.now();
    pay_in_cash(tx, shop, id, placed).await?;
    let steps: &[(u32, OrderStatus)] = match fate {
        Confirmed => &[(2, OrderStatus::Confirmed)],
        Cancelled => &[(5, OrderStatus::Cancelled)],
        Shipped => &[(2, OrderStatus::Confirmed), (20, OrderStatus::Shipped)],
        Delivered | RefundedInPart(_) => {
            &[(2, OrderStatus::Confirmed), (20, OrderStatus::Shipped), (66, OrderStatus::Delivered)]
        }
    };
    for (hours, status) in steps {
        let order = locked(tx, id).await?;
        checkout::advance(tx, order, *status, placed + HOUR * *hours).await?;
    }
    if let RefundedInPart(amount) = fate {
        let amount = price(shop.store.currency, amount)?;
        for payment in payments::of_order(tx, id).await? {
            refunds::create(tx, payment.id, Some(amount), placed + HOUR * 110).await?;
        }
    }
    Ok(())
}

async fn pay_in_cash(tx: &mut Tx, shop: &Shop, order: OrderId, now: Timestamp) -> anyhow::Result<()> {
    let order = locked(tx, order).await?;
    payments::create(tx, shop, &order, Provider::CashOnDelivery, None, now).await?;
    Ok(())
}

async fn locked(tx: &mut Tx, id: OrderId) -> anyhow::Result<Order> {
    orders::lock(tx, id).await?.with_context(|| format!("order {id} has just been placed"))
}
