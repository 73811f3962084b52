//! What must hold after every story, whatever happened in it. Each promise is a query that finds who broke it.

mod breaches;

use std::collections::BTreeMap;

use platform::db::Db;

use super::{shop::TestShop, smtp::Mail};

/// A promise, and the query that names what breaks it.
type Promise = (&'static str, &'static str);

const ALWAYS: &[Promise] = &[
    ("no stock is negative", "SELECT CAST(product_id AS TEXT) FROM stock WHERE units < 0"),
    ("a product has a stock", "SELECT name FROM products WHERE id NOT IN (SELECT product_id FROM stock)"),
    (
        "an order has lines",
        "SELECT o.order_number FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = o.id)",
    ),
    (
        "an order's total is the sum of its lines",
        "SELECT o.order_number FROM orders o
         WHERE o.total_price <> (SELECT SUM(l.price * l.quantity) FROM order_lines l WHERE l.order_id = o.id)",
    ),
    (
        "a living order took what it sold, a cancelled one gave it back",
        "SELECT o.order_number FROM orders o JOIN order_lines l ON l.order_id = o.id
         WHERE CASE WHEN o.status = 'cancelled' THEN 0 ELSE -l.quantity END <> COALESCE(
             (SELECT SUM(m.delta) FROM stock_movements m WHERE m.order_id = o.id AND m.product_id = l.product_id), 0)",
    ),
    (
        "a paid order has a captured payment of its amount",
        "SELECT o.order_number FROM orders o WHERE o.payment_status = 'paid' AND o.total_price > 0 AND NOT EXISTS (
             SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.amount = o.total_price AND p.captured >= p.amount
                                        AND p.status IN ('captured', 'partially_refunded'))",
    ),
    (
        "what was captured is not being processed any more",
        "SELECT CAST(order_id AS TEXT) FROM payments
         WHERE processing_since IS NOT NULL AND status IN ('captured', 'partially_refunded', 'refunded')",
    ),
    (
        "an order is captured at most once",
        "SELECT CAST(order_id AS TEXT) FROM payments WHERE status IN ('captured', 'partially_refunded')
         GROUP BY order_id HAVING COUNT(*) > 1",
    ),
    (
        "an order has at most one open payment",
        "SELECT CAST(order_id AS TEXT) FROM payments WHERE status IN ('queued', 'processing', 'requires_action')
         GROUP BY order_id HAVING COUNT(*) > 1",
    ),
    (
        "nothing is refunded beyond what was captured",
        "SELECT CAST(order_id AS TEXT) FROM payments WHERE refunded > captured",
    ),
    (
        "a payment is captured when all of its amount was received, and what has gone back of it shows",
        "SELECT CAST(order_id AS TEXT) FROM payments
         WHERE CASE WHEN status IN ('captured', 'partially_refunded', 'refunded') THEN captured < amount
                    ELSE captured >= amount END
            OR (refunded > 0 AND status = 'captured')",
    ),
    (
        "what lets a buyer pay is forgotten once the payment has ended",
        "SELECT CAST(order_id AS TEXT) FROM payments
         WHERE status NOT IN ('queued', 'processing', 'requires_action')
           AND (client_secret IS NOT NULL OR approval_url IS NOT NULL)",
    ),
    (
        "a payment has gone back by as much as its refunds say",
        "SELECT CAST(p.order_id AS TEXT) FROM payments p
         WHERE p.refunded <> COALESCE((SELECT SUM(r.amount) FROM refunds r WHERE r.payment_id = p.id AND r.status = 'succeeded'), 0)
            OR p.captured < COALESCE((SELECT SUM(r.amount) FROM refunds r WHERE r.payment_id = p.id AND r.status <> 'failed'), 0)",
    ),
    (
        "an idempotency key stands once and with its answer",
        "SELECT key FROM idempotency_keys GROUP BY user_id, path, key HAVING COUNT(*) > 1 OR MIN(response) = ''",
    ),
    (
        "a product's rating is the sum of its reviews",
        "SELECT p.name FROM products p
         WHERE p.rating_sum <> COALESCE((SELECT SUM(r.rating) FROM reviews r WHERE r.product_id = p.id), 0)
            OR p.review_count <> (SELECT COUNT(*) FROM reviews r WHERE r.product_id = p.id)",
    ),
    (
        "a review stands on an order that was not cancelled",
        "SELECT CAST(r.id AS TEXT) FROM reviews r WHERE NOT EXISTS (
             SELECT 1 FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.user_id = r.user_id AND l.product_id = r.product_id AND o.status <> 'cancelled')",
    ),
    (
        "a closed account has nothing of a person, and nothing goes on in it",
        "SELECT u.username FROM users u WHERE u.closed_at IS NOT NULL AND (u.is_active
             OR u.email || u.password_hash || u.first_name || u.last_name || u.phone_number || u.address || u.city || u.country || u.search_name <> ''
             OR EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id AND s.ended_at IS NULL)
             OR EXISTS (SELECT 1 FROM carts c WHERE c.user_id = u.id)
             OR EXISTS (SELECT 1 FROM email_tokens t WHERE t.user_id = u.id)
             OR EXISTS (SELECT 1 FROM email_changes e WHERE e.user_id = u.id)
             OR EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.status NOT IN ('delivered', 'cancelled')))",
    ),
    (
        "a link that changes an e-mail is of a change that is pending",
        "SELECT 'a link' FROM email_tokens t WHERE t.purpose = 'change_email'
            AND NOT EXISTS (SELECT 1 FROM email_changes e WHERE e.user_id = t.user_id)",
    ),
    (
        "of the successors of a refresh token one continues its session",
        "SELECT 'a session' FROM refresh_tokens GROUP BY session_id, generation HAVING COUNT(spent_at) > 1",
    ),
    (
        "a refresh token is the successor of one that was used",
        "SELECT 'a session' FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
         WHERE t.generation > s.generation + CASE WHEN t.spent_at IS NULL THEN 1 ELSE 0 END",
    ),
    (
        "a refresh token leaves few successors that are never used",
        "SELECT 'a session' FROM refresh_tokens GROUP BY session_id, generation HAVING COUNT(*) > 100",
    ),
];

/// What holds unless somebody tampered with the stock.
const STOCK: &[Promise] = &[
    (
        "stock is the sum of its movements",
        "SELECT p.name FROM products p
         WHERE (SELECT units FROM stock WHERE product_id = p.id) <> COALESCE((SELECT SUM(m.delta) FROM stock_movements m WHERE m.product_id = p.id), 0)",
    ),
    (
        "units sold and units left are the units received",
        "SELECT p.name FROM products p
         WHERE (SELECT units FROM stock WHERE product_id = p.id)
             + COALESCE((SELECT SUM(l.quantity) FROM order_lines l JOIN orders o ON o.id = l.order_id
                         WHERE l.product_id = p.id AND o.status <> 'cancelled'), 0)
            <> COALESCE((SELECT SUM(m.delta) FROM stock_movements m WHERE m.product_id = p.id AND m.order_id IS NULL), 0)",
    ),
];

const NO_DEAD_LETTERS: Promise =
    ("no job was given up", "SELECT kind || ': ' || COALESCE(last_error, '') FROM jobs WHERE state = 'dead'");

/// But for the e-mails that registering sends, which few stories are about.
const NOTHING_WAITS: Promise = (
    "no job is left",
    "SELECT kind || ' is ' || state || ' ' || COALESCE(last_error, '') FROM jobs
     WHERE state IN ('pending', 'running') AND kind <> 'accounts.send_verification'",
);

/// What holds once all jobs have run.
const AT_REST: &[Promise] = &[
    NOTHING_WAITS,
    (
        "captured money belongs to a paid order",
        "SELECT CAST(p.order_id AS TEXT) FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE p.status = 'captured' AND o.payment_status <> 'paid'",
    ),
    (
        "nothing is on its way back",
        "SELECT CAST(p.order_id AS TEXT) FROM refunds r JOIN payments p ON p.id = r.payment_id
         WHERE r.status IN ('queued', 'processing')",
    ),
    (
        "an order whose money is back with the buyer was cancelled or had left",
        "SELECT order_number FROM orders WHERE payment_status = 'refunded' AND status IN ('pending', 'confirmed')",
    ),
    ("every webhook was acted on", "SELECT event_id FROM webhooks WHERE processed_at IS NULL"),
];

const CONFIRMED: Promise =
    ("every order was confirmed by mail", "SELECT order_number FROM orders WHERE confirmation_sent IS NULL");

/// # Panics
/// With every promise that was broken.
pub async fn hold(shop: &TestShop) {
    let expected = shop.expected();
    let mut promises = ALWAYS.to_vec();
    if !expected.wrong_stock {
        promises.extend(STOCK);
    }
    if !expected.dead_letters {
        promises.push(NO_DEAD_LETTERS);
    }
    if !expected.waiting_jobs {
        promises.extend(AT_REST);
    }
    if !expected.waiting_jobs && !expected.dead_letters {
        promises.push(CONFIRMED);
    }
    let mut broken = broken(shop.db(), promises).await;
    // Jobs and events that were swept are not there to be counted.
    if !expected.swept_jobs {
        broken.extend(jobs_of_all_orders(shop.db()).await);
        broken.extend(last_events(shop.db()).await);
    }
    broken.extend(charged_twice(shop));
    broken.extend(shop.secrets_kept().await.map(|secret| format!("a row holds {secret:?}")));
    if !expected.repeated_mail {
        broken.extend(mailed_twice(shop));
    }
    assert!(broken.is_empty(), "promises were broken:\n{}", broken.join("\n"));
}

/// What must hold at any moment, also right after a crash.
///
/// # Panics
/// With every promise that was broken.
pub async fn hold_after_a_crash(db: &Db) {
    let mut broken = broken(db, [ALWAYS, STOCK].concat()).await;
    broken.extend(jobs_of_all_orders(db).await);
    broken.extend(last_events(db).await);
    assert!(broken.is_empty(), "promises were broken:\n{}", broken.join("\n"));
}

async fn broken(db: &Db, promises: Vec<Promise>) -> Vec<String> {
    let mut broken = Vec::new();
    for (promise, query) in promises {
        let who: Vec<(String,)> =
            db.query(query).fetch_all().await.unwrap_or_else(|error| panic!("{promise}: {error}"));
        if !who.is_empty() {
            broken.push(format!("{promise}: broken by {who:?}"));
        }
    }
    broken
}

async fn jobs_of_all_orders(db: &Db) -> Vec<String> {
    let mut broken = Vec::new();
    for kind in ["orders.send_confirmation", "inventory.prove_order"] {
        broken.extend(jobs_of_orders(db, kind).await);
    }
    broken
}

/// What the last event of an order, and of each of its payments, says is how it stands.
async fn last_events(db: &Db) -> Vec<String> {
    let told: Vec<(i64, String)> = db
        .query("SELECT order_id, data FROM order_events ORDER BY id")
        .fetch_all()
        .await
        .expect("the events of orders");
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for (order, data) in told {
        let data: serde_json::Value = serde_json::from_str(&data).expect("an event is JSON");
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let (thing, standing) = match data["id"].as_str() {
            Some(payment) => (format!("payment {payment}"), text("status")),
            None => (
                format!("order {order}"),
                [text("status"), text("payment_status"), text("shipping_address")].join(", "),
            ),
        };
        last.insert(thing, standing);
    }
    let orders: Vec<(i64, String, String, String)> = db
        .query("SELECT id, status, payment_status, shipping_address FROM orders")
        .fetch_all()
        .await
        .expect("the orders");
    let payments: Vec<(uuid::Uuid, String)> =
        db.query("SELECT id, status FROM payments").fetch_all().await.expect("the payments");
    let orders = orders
        .into_iter()
        .map(|(id, status, payment, address)| (format!("order {id}"), [status, payment, address].join(", ")));
    let payments = payments.into_iter().map(|(id, status)| (format!("payment {id}"), status));
    let outdated = |(thing, stands): (String, String)| {
        let told = last.get(&thing).cloned().unwrap_or_default(); // what happened long ago was swept
        (told != stands && !told.is_empty())
            .then(|| format!("the last event is current: {thing} is {stands:?}, the last event says {told:?}"))
    };
    orders.chain(payments).filter_map(outdated).collect()
}

/// Every order has exactly one job of this kind, and no job is about an order that does not exist.
async fn jobs_of_orders(db: &Db, kind: &'static str) -> Option<String> {
    let orders: Vec<(i64,)> = db.query("SELECT id FROM orders ORDER BY id").fetch_all().await.expect("the orders");
    let payloads: Vec<(String,)> =
        db.query("SELECT payload FROM jobs WHERE kind = $1").bind(kind).fetch_all().await.expect("the jobs");
    let about = |(payload,): &(String,)| serde_json::from_str::<serde_json::Value>(payload).ok()?["order"].as_i64();
    let mut of_jobs: Vec<i64> = payloads.iter().filter_map(about).collect();
    of_jobs.sort_unstable();
    let orders: Vec<i64> = orders.into_iter().map(|(id,)| id).collect();
    (of_jobs != orders).then(|| format!("every order has its {kind}: orders {orders:?}, jobs for {of_jobs:?}"))
}

/// Whatever our rows say, the provider took money at most once for a payment.
fn charged_twice(shop: &TestShop) -> Option<String> {
    let mut charges: BTreeMap<String, usize> = BTreeMap::new();
    for capture in shop.simulator().captures() {
        *charges.entry(capture.payment_id).or_default() += 1;
    }
    charges.retain(|_, count| *count > 1);
    (!charges.is_empty()).then(|| format!("a payment is charged once: {charges:?}"))
}

fn mailed_twice(shop: &TestShop) -> Option<String> {
    let mut ids: Vec<String> = shop.mail().mails().iter().map(Mail::message_id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    (ids.len() != all).then(|| format!("a mail leaves once: {} of {all} were copies", all - ids.len()))
}
