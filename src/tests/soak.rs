//! Many payments while a third of everything fails and the payment worker is killed again and again: in the end the
//! providers' books and ours agree to the cent.
//!
//! `.ci/test soak -- --ignored` runs it, as `.ci/run` does; `PAYMENTS=10000` makes it long.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use payment_simulator::{Fault, Ledger, Simulator};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    crashes::{crash_on_both_engines, survives},
    support::{
        Engine,
        programs::{Program, Site, until},
    },
};

/// How long after the faults stop no order may be left open.
const QUIET: Duration = Duration::from_mins(5);

/// What a buyer does. Each provider has its happy ones and its unhappy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Pays with a card that was saved.
    Card,
    /// Is declined, then pays with another card.
    SecondCard,
    /// Pays in the browser.
    Browser(&'static str),
    /// Is declined in the browser and goes away.
    Declined(&'static str),
    /// Goes away without a word.
    Away(&'static str),
    /// Pays when the order has expired.
    TooLate(&'static str),
    /// Pays, and cancels the order at that moment.
    Regrets(&'static str),
    /// Pays from an account: the bank takes its time, and then says yes or no.
    FromTheBank(&'static str, bool),
}

const TEMPERS: [Temper; 18] = [
    Temper::Card,
    Temper::SecondCard,
    Temper::Browser("stripe"),
    Temper::Browser("paypal"),
    Temper::Browser("razorpay"),
    Temper::Declined("stripe"),
    Temper::Declined("paypal"),
    Temper::Declined("razorpay"),
    Temper::Away("paypal"),
    Temper::TooLate("stripe"),
    Temper::TooLate("razorpay"),
    Temper::Regrets("stripe"),
    Temper::Regrets("paypal"),
    Temper::Regrets("razorpay"),
    Temper::FromTheBank("stripe", true),
    Temper::FromTheBank("paypal", true),
    Temper::FromTheBank("razorpay", true),
    Temper::FromTheBank("stripe", false),
];

impl Temper {
    fn provider(self) -> &'static str {
        match self {
            Self::Card | Self::SecondCard => "stripe",
            Self::Browser(name)
            | Self::Declined(name)
            | Self::Away(name)
            | Self::TooLate(name)
            | Self::Regrets(name)
            | Self::FromTheBank(name, _) => name,
        }
    }
}

crash_on_both_engines! {
    #[ignore = "it takes minutes: .ci/test soak -- --ignored"]
    async fn a_third_of_everything_fails_and_the_books_agree_to_the_cent(site: Site) {
        for cause in ["cartwright::payments", "payment_simulator", "job failed, will be retried", "job failed for good"] {
            site.allows_in_log(cause);
        }
        let payments: usize = std::env::var("PAYMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(112);
        let crowd = (payments / 40).clamp(16, 256); // how many buyers are in the shop at a time
        let simulator = site.starts_simulator().await;
        site.set("WORKER_CONCURRENCY", "64");
        site.set("PAYMENT_CHECK_AFTER", "10s");
        site.set("RESERVATION_TTL", if payments > 1_000 { "1m" } else { "20s" });
        let shop = site.opens().await;
        let admin = site.admin().await;
        let world = World {
            mug: site.sells(&admin, "Mug", 1_000_000).await,
            customer: site.customer("ada@example.com").await,
            admin,
            glance: Duration::from_millis(if crowd > 16 { 1_000 } else { 250 }),
            site: Arc::new(site),
            simulator: Arc::new(simulator),
            cleared: AtomicUsize::new(0),
        };
        let stock = world.site.starts("stock-worker");
        let mail = world.site.starts("email-worker");

        world.simulator.fails_at_random(0.3, 7, &Fault::ALL);
        let (over, killed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let killing = tokio::spawn(keep_killing(Arc::clone(&world.site), Arc::clone(&over), Arc::clone(&killed)));
        let done = AtomicUsize::new(0);
        stream::iter(0..payments)
            .for_each_concurrent(crowd, |number| {
                let (world, done) = (&world, &done);
                async move {
                    world.visits(TEMPERS[number % TEMPERS.len()], number).await;
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(500) {
                        println!("{done} of {payments} buyers have left");
                    }
                }
            })
            .await;
        world.gives_some_back().await;

        over.store(true, Ordering::Relaxed);
        let worker = killing.await.expect("the killer ends");
        world.simulator.clear_faults();
        let stopped = Instant::now();
        while !world.is_quiet().await {
            assert!(stopped.elapsed() < QUIET, "not settled within {QUIET:?}:\n{}", world.what_is_left().await);
        }
        println!(
            "{payments} buyers, the payment worker killed {} times; quiet {:?} after the faults stopped",
            killed.load(Ordering::Relaxed), stopped.elapsed()
        );
        world.the_books_agree().await;
        assert!(world.cleared.load(Ordering::Relaxed) > 0, "no bank said yes");
        // The scheduled ones come again by themselves.
        let buried = world.site.count(
            "SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND last_error LIKE 'its worker died%'
             AND kind NOT IN ('payments.check_hanging', 'payments.reconcile')",
        );
        assert_eq!(buried.await, 0, "{}", world.what_is_left().await);
        drop((worker, stock, mail, shop));
    }
}

/// Kills the payment worker every few seconds and starts it again; leaves one alive.
async fn keep_killing(site: Arc<Site>, over: Arc<AtomicBool>, killed: Arc<AtomicUsize>) -> Program {
    loop {
        let worker = site.starts("payment-worker");
        for _ in 0..25 {
            sleep(Duration::from_millis(200)).await;
            if over.load(Ordering::Relaxed) {
                return worker;
            }
        }
        worker.dies();
        killed.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    site: Arc<Site>,
    simulator: Arc<Simulator>,
    /// How many payments a bank let through in the end.
    cleared: AtomicUsize,
    mug: i64,
    customer: String,
    admin: String,
    /// How often a buyer looks at the page: the more there are, the less often.
    glance: Duration,
}

impl World {
    async fn visits(&self, temper: Temper, number: usize) {
        let order = json!({
            "items": [{"product": self.mug, "quantity": 1 + number % 3}], "payment_method": temper.provider(),
        });
        let order = self.post("/api/orders", &format!("order-{number}"), &order).await;
        let order = order["id"].as_i64().expect("an order");
        match temper {
            Temper::Card => drop(self.pays_by_card(order, "pm_card_visa", number).await),
            Temper::SecondCard => {
                let first = self.pays_by_card(order, "pm_card_chargeDeclined", number).await;
                self.until_not(&first, &["queued", "processing"]).await;
                self.pays_by_card(order, "pm_card_visa", number + 1_000_000).await;
            }
            Temper::Browser(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays(&transaction); // a fault may decline the card
                }
            }
            Temper::Declined(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_is_declined(&transaction);
                }
            }
            Temper::Away(_) => drop(self.waits_to_pay(order, number).await),
            Temper::TooLate(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    self.until_cancelled(order).await;
                    let _ = self.simulator.buyer_pays(&transaction); // Stripe was told and takes no money any more
                }
            }
            Temper::Regrets(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays(&transaction);
                    sleep(Duration::from_millis(u64::try_from(number % 40).unwrap_or(0) * 25)).await;
                    self.site.post(&format!("/api/orders/{order}/cancel"), &self.customer, None, &json!({})).await;
                }
            }
            Temper::FromTheBank(_, says_yes) => {
                if let Some((payment, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays_later(&transaction);
                    self.until_a_bank_has_it(&payment).await;
                    if !says_yes {
                        let _ = self.simulator.bank_bounces(&transaction);
                    } else if self.simulator.bank_clears(&transaction).is_ok() {
                        self.cleared.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// The answer, however often it takes.
    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        for _ in 0..20 {
            if let Some((201 | 202, answer)) = self.site.post(path, &self.customer, Some(key), body).await {
                return answer;
            }
            sleep(Duration::from_millis(200)).await;
        }
        panic!("no answer to {path} {body}");
    }

    async fn pays_by_card(&self, order: i64, card: &str, number: usize) -> String {
        // Declined at random, the order may have expired before the second try: that one is refused.
        let payment = json!({"order": order, "payment_method": card});
        let asked = self.site.post("/api/payments", &self.customer, Some(&format!("pay-{number}")), &payment).await;
        asked.and_then(|(_, payment)| payment["id"].as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// Asks to pay in the browser: our name of the payment and the provider's, unless it failed before.
    async fn waits_to_pay(&self, order: i64, number: usize) -> Option<(String, String)> {
        let payment = self.post("/api/payments", &format!("pay-{number}"), &json!({"order": order})).await;
        let id = payment["id"].as_str().expect("a payment").to_owned();
        let payment = self.until_not(&id, &["queued"]).await?;
        Some((id, payment["transaction_id"].as_str()?.to_owned()))
    }

    /// The payment once it has another status; nothing when it takes longer than any buyer has patience.
    async fn until_not(&self, payment: &str, statuses: &[&str]) -> Option<Value> {
        let came = Instant::now();
        while came.elapsed() < Duration::from_mins(1) {
            if let Some((200, now)) = self.site.get(&format!("/api/payments/{payment}"), &self.customer).await
                && !statuses.contains(&now["status"].as_str()?)
            {
                return Some(now);
            }
            sleep(self.glance).await;
        }
        None
    }

    /// Its order waits for the bank, unless it ended before: PayPal's bank is asked by the capture.
    async fn until_a_bank_has_it(&self, payment: &str) {
        until("a bank has the payment", Duration::from_mins(5), || async {
            let payment = self.site.get(&format!("/api/payments/{payment}"), &self.customer).await;
            sleep(self.glance).await;
            payment.is_some_and(|(code, payment)| {
                code == 200 && (payment["processing_since"].is_string() || payment["status"] != "requires_action")
            })
        })
        .await;
    }

    async fn until_cancelled(&self, order: i64) {
        until("the order expires", Duration::from_mins(5), || async {
            let order = self.site.get(&format!("/api/orders/{order}"), &self.customer).await;
            sleep(Duration::from_millis(250)).await;
            order.is_some_and(|(_, order)| order["status"] == "cancelled")
        })
        .await;
    }

    /// An admin gives money back: of each tenth captured payment a part, of the one after it all.
    async fn gives_some_back(&self) {
        let captured: Vec<(uuid::Uuid,)> = self
            .site
            .db
            .query("SELECT id FROM payments WHERE status = 'captured' ORDER BY id")
            .fetch_all()
            .await
            .unwrap();
        for (index, (payment,)) in captured.iter().enumerate() {
            let body = match index % 10 {
                0 => json!({"amount": "1.25"}),
                1 => json!({}),
                _ => continue,
            };
            let path = format!("/api/payments/{payment}/refund");
            let key = format!("refund-{payment}");
            let (status, answer) = self.site.post(&path, &self.admin, Some(&key), &body).await.expect("an answer");
            assert!(status == 202 || status == 409, "{status} {answer}");
        }
    }

    /// Whether no order waits for money, no money is on its way, and no job is left.
    async fn is_quiet(&self) -> bool {
        sleep(Duration::from_millis(250)).await;
        let open = self.site.count(
            "SELECT (SELECT COUNT(*) FROM payments WHERE status IN ('queued', 'processing', 'requires_action'))
                  + (SELECT COUNT(*) FROM refunds WHERE status IN ('queued', 'processing'))
                  + (SELECT COUNT(*) FROM orders WHERE status = 'pending')
                  + (SELECT COUNT(*) FROM webhooks WHERE processed_at IS NULL)
                  + (SELECT COUNT(*) FROM jobs WHERE kind IN ('payments.refund', 'payments.cancel', 'payments.look_up', 'orders.cancel_refunded')
                                                AND state IN ('pending', 'running'))",
        );
        !self.gives_back_what_failed().await && open.await == 0 && self.simulator.webhooks_under_way() == 0
    }

    /// An admin gives back what the shop may not keep and could not give back. Whether there was any.
    async fn gives_back_what_failed(&self) -> bool {
        let kept: Vec<(uuid::Uuid, i64)> = self
            .site
            .db
            .query(
                "SELECT id, kept FROM (
                     SELECT p.id, p.captured - p.refunded - CASE
                         WHEN o.status = 'cancelled' OR p.status NOT IN ('captured', 'partially_refunded') OR EXISTS (
                             SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.reason = 'late_money') THEN 0
                         ELSE p.amount END AS kept
                     FROM payments p JOIN orders o ON o.id = p.order_id
                     WHERE NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.status IN ('queued', 'processing'))
                 ) unwanted WHERE kept > 0",
            )
            .fetch_all()
            .await
            .unwrap();
        for (payment, cents) in &kept {
            let path = format!("/api/payments/{payment}/refund");
            let amount = json!({"amount": crate::support::people::money(*cents)});
            let answer = self.site.post(&path, &self.admin, None, &amount).await.expect("an answer");
            assert!(matches!(answer.0, 202 | 409 | 422), "{} {}", answer.0, answer.1);
        }
        !kept.is_empty()
    }

    /// What a story that does not become quiet has to say.
    async fn what_is_left(&self) -> String {
        let left: Vec<(String, String, i64, String)> = self
            .site
            .db
            .query(
                "SELECT 'payment' AS what, status, COUNT(*) AS count, MIN(provider) AS example FROM payments
                 WHERE status IN ('queued', 'processing', 'requires_action') GROUP BY status
                 UNION ALL SELECT 'refund', status, COUNT(*), MIN(reason) FROM refunds
                 WHERE status IN ('queued', 'processing') GROUP BY status
                 UNION ALL SELECT 'order', status, COUNT(*), MIN(payment_status) FROM orders
                 WHERE status = 'pending' GROUP BY status
                 UNION ALL SELECT 'webhook', 'unprocessed', COUNT(*), MIN(provider) FROM webhooks
                 WHERE processed_at IS NULL GROUP BY provider
                 UNION ALL SELECT kind, state, COUNT(*), COALESCE(MAX(last_error), '') FROM jobs
                 WHERE state <> 'done' GROUP BY kind, state",
            )
            .fetch_all()
            .await
            .unwrap();
        let lines = left.iter().map(|(what, how, count, example)| format!("{count} {what} {how}: {example}"));
        let under_way = format!("{} webhooks under way", self.simulator.webhooks_under_way());
        lines.chain([under_way]).collect::<Vec<_>>().join("\n")
    }

    /// To the cent, and each paid order once.
    async fn the_books_agree(&self) {
        let rows: Vec<(uuid::Uuid, i64, String, i64, i64, String, String)> = self
            .site
            .db
            .query(
                "SELECT p.id, p.order_id, p.status, p.captured, p.refunded, o.status, o.payment_status
                 FROM payments p JOIN orders o ON o.id = p.order_id",
            )
            .fetch_all()
            .await
            .unwrap();
        let theirs = books(&self.simulator.ledger());
        let mut wrong = Vec::new();
        let (mut known, mut kept_of): (BTreeSet<String>, BTreeMap<i64, i64>) = (BTreeSet::new(), BTreeMap::new());
        for (id, order, status, captured, refunded, order_status, paid) in &rows {
            known.insert(id.to_string());
            let ours = (i64::from(*captured > 0), *captured, *refunded);
            let said = theirs.get(&id.to_string()).copied().unwrap_or_default();
            if ours != said {
                wrong.push(format!(
                    "payment {id} is {status}: ours {ours:?}, theirs {said:?} (captures, taken, given back)"
                ));
            }
            if said.1 > said.2 {
                *kept_of.entry(*order).or_default() += 1;
                if paid != "paid" || order_status == "cancelled" {
                    wrong.push(format!("order {order} is {order_status} and {paid}, and its money is kept"));
                }
            } else if paid == "paid"
                && !kept_of.contains_key(order)
                && rows.iter().filter(|row| row.1 == *order).count() == 1
            {
                wrong.push(format!("order {order} is paid without money"));
            }
        }
        wrong.extend(
            theirs.keys().filter(|id| !known.contains(*id)).map(|id| format!("money for the unknown payment {id:?}")),
        );
        wrong.extend(
            kept_of
                .iter()
                .filter(|(_, kept)| **kept > 1)
                .map(|(order, kept)| format!("order {order} is paid {kept} times")),
        );
        let paid_orders = self.site.count("SELECT COUNT(*) FROM orders WHERE payment_status = 'paid'").await;
        if i64::try_from(kept_of.len()) != Ok(paid_orders) {
            wrong.push(format!("{paid_orders} orders are paid, money is kept of {}", kept_of.len()));
        }
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
        assert!(paid_orders > 0, "nobody paid");
        let ledger = self.simulator.ledger();
        println!(
            "{} captures, {} refunds, {paid_orders} paid orders: the books agree",
            ledger.captures.len(),
            ledger.refunds.len()
        );
    }
}

/// Of each of our payments how often money was taken for it, how much, and how much went back.
fn books(ledger: &Ledger) -> BTreeMap<String, (i64, i64, i64)> {
    let mut books: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    for capture in &ledger.captures {
        let entry = books.entry(capture.payment_id.clone()).or_default();
        *entry = (entry.0 + 1, entry.1 + capture.amount, entry.2);
    }
    for refund in &ledger.refunds {
        books.entry(refund.payment_id.clone()).or_default().2 += refund.amount;
    }
    books
}
