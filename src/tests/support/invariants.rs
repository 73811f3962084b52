//! What must hold after every story, whatever happened in it. Each promise is a query that finds who broke it.

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use platform::db::Db;

use super::shop::TestShop;

/// A promise, and the query that names what breaks it.
type Promise = (&'static str, &'static str);

const ALWAYS: &[Promise] = &[
    ("no stock is negative", "SELECT CAST(id AS TEXT) FROM products WHERE stock < 0"),
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
         WHERE p.stock <> COALESCE((SELECT SUM(m.delta) FROM stock_movements m WHERE m.product_id = p.id), 0)",
    ),
    (
        "units sold and units left are the units received",
        "SELECT p.name FROM products p
         WHERE p.stock
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
    let mut ids: Vec<String> = shop.mail().mails().iter().map(super::smtp::Mail::message_id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    (ids.len() != all).then(|| format!("a mail leaves once: {} of {all} were copies", all - ids.len()))
}

/// A promise that cannot be broken proves nothing: each is broken here behind the shop's back, and noticed.
#[test]
fn broken_promises_are_noticed() {
    super::run(async {
        let shop = TestShop::opens(super::Engine::Sqlite).await.expect("SQLite is always here");
        one_of_everything(&shop).await;
        hold(&shop).await;
        for &(promise, tampering) in BREACHES {
            let copy = shop.on_a_copy_of_its_database().await;
            assert!(copy.tampers(tampering).await > 0, "{tampering} changed nothing");
            let noticed = AssertUnwindSafe(hold(&copy)).catch_unwind().await.expect_err(promise);
            let message = noticed.downcast_ref::<String>().expect("a panic with words");
            assert!(message.contains(promise), "{tampering} was noticed as {message}");
        }
        shop.closes().await;
    });
}

/// A part of each promise, and what breaks it.
const BREACHES: &[(&str, &str)] = &[
    ("stock is the sum of its movements", "UPDATE products SET stock = stock + 1"),
    ("units sold and units left", "UPDATE stock_movements SET delta = delta + 1 WHERE order_id IS NULL"),
    ("a living order took what it sold", "UPDATE stock_movements SET delta = delta + 1 WHERE order_id IS NOT NULL"),
    ("a living order took what it sold", "UPDATE orders SET status = 'cancelled'"),
    ("a review stands on an order", "UPDATE orders SET status = 'cancelled'"),
    ("an order's total is the sum", "UPDATE orders SET total_price = total_price + 1"),
    ("the last event is current: order", "UPDATE orders SET shipping_address = 'elsewhere'"),
    ("the last event is current: payment", "UPDATE payments SET status = 'failed'"),
    ("an order has lines", "DELETE FROM order_lines"),
    ("a paid order has a captured payment", "UPDATE payments SET amount = amount - 1"),
    ("a paid order has a captured payment", "UPDATE payments SET status = 'failed'"),
    ("what was captured is not being processed", "UPDATE payments SET processing_since = updated_at"),
    ("captured money belongs to a paid order", "UPDATE orders SET payment_status = 'unpaid'"),
    ("a paid order has a captured payment", "UPDATE payments SET captured = amount - 1"),
    ("nothing is refunded beyond", "UPDATE payments SET refunded = captured + 1"),
    ("a payment is captured when all of its amount", "UPDATE payments SET captured = amount - 1"),
    ("what has gone back of it shows", "UPDATE payments SET refunded = 1"),
    ("what lets a buyer pay is forgotten", "UPDATE payments SET client_secret = 'pi_1_secret'"),
    (
        "gone back by as much as its refunds say",
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
         SELECT id, id, 'succeeded', 1, 'requested', 'k', updated_at, updated_at FROM payments LIMIT 1",
    ),
    (
        "gone back by as much as its refunds say",
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
         SELECT id, id, 'queued', captured + 1, 'at_provider', 'k', updated_at, updated_at FROM payments LIMIT 1",
    ),
    (
        "nothing is on its way back",
        "INSERT INTO refunds (id, payment_id, status, amount, reason, provider_key, created_at, updated_at)
         SELECT id, id, 'queued', 1, 'requested', 'k', updated_at, updated_at FROM payments LIMIT 1",
    ),
    (
        "an order whose money is back with the buyer",
        "UPDATE orders SET payment_status = 'refunded', status = 'confirmed'",
    ),
    ("a row holds", "UPDATE products SET description = 'my card is 4242424242424242'"),
    ("every order was confirmed by mail", "UPDATE orders SET confirmation_sent = NULL"),
    ("every order has its orders.send_confirmation", "DELETE FROM jobs WHERE kind = 'orders.send_confirmation'"),
    (
        "every order has its inventory.prove_order",
        "UPDATE jobs SET payload = '{\"order\": 7}' WHERE kind = 'inventory.prove_order'",
    ),
    ("no job was given up", "UPDATE jobs SET state = 'dead'"),
    ("no job is left", "UPDATE jobs SET state = 'pending'"),
    ("a product's rating is the sum of its reviews", "UPDATE products SET rating_sum = rating_sum + 1"),
    ("a product's rating is the sum of its reviews", "UPDATE products SET review_count = 0"),
    ("an idempotency key stands once", "UPDATE idempotency_keys SET response = ''"),
    ("a closed account has nothing", "UPDATE users SET first_name = 'Eve' WHERE closed_at IS NOT NULL"),
    (
        "a closed account has nothing",
        "UPDATE orders SET user_id = (SELECT id FROM users WHERE closed_at IS NOT NULL), status = 'shipped'",
    ),
    ("a closed account has nothing", "UPDATE sessions SET ended_at = NULL"),
    (
        "a link that changes an e-mail",
        "INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at) SELECT 'x', id, 'change_email', created_at FROM users LIMIT 1",
    ),
    ("of the successors of a refresh token", "UPDATE refresh_tokens SET generation = 1, spent_at = expires_at"),
    ("a refresh token is the successor", "UPDATE sessions SET generation = generation - 1"),
    ("a refresh token is the successor", "UPDATE refresh_tokens SET generation = generation + 1"),
    (
        "a refresh token leaves few successors",
        "INSERT INTO refresh_tokens (token_hash, session_id, generation, expires_at)
         WITH RECURSIVE many (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM many WHERE number < 101)
         SELECT CAST(number AS BLOB), session_id, 1, expires_at FROM many, refresh_tokens WHERE spent_at IS NOT NULL",
    ),
];

/// One of everything the promises are about.
async fn one_of_everything(shop: &TestShop) {
    let mug = shop.sells("Mug").in_stock(5).await;
    let mut ada = shop.customer("ada@example.com").await;
    ada.refreshes().await.is(200);
    let eve = shop.customer("eve@example.com").await;
    eve.post("/api/profile/close").json(&serde_json::json!({"password": super::people::PASSWORD})).await.is(204);
    let order = serde_json::json!({"items": [{"product": mug.id, "quantity": 2}], "payment_method": "stripe"});
    let order: super::Order = ada.post("/api/orders").json(&order).once("today").await.is(201).json().into();
    ada.pays_with("pm_card_visa", &order).await;
    ada.reviews(&mug, 4).await.is(201);
    shop.runs_its_jobs().await;
}
