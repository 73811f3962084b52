//! Breaks each promise, and sees that it is noticed.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::json;

use super::hold;
use crate::support::{Engine, Order, TestShop, people::PASSWORD, run};

/// A promise that cannot be broken proves nothing: each is broken here behind the shop's back, and noticed.
#[test]
fn broken_promises_are_noticed() {
    run(async {
        let shop = TestShop::opens(Engine::Sqlite).await.expect("SQLite is always here");
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
    ("stock is the sum of its movements", "UPDATE stock SET units = units + 1"),
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
    eve.post("/api/profile/close").json(&json!({"password": PASSWORD})).await.is(204);
    let order = json!({"items": [{"product": mug.id, "quantity": 2}], "payment_method": "stripe"});
    let order: Order = ada.post("/api/orders").json(&order).once("today").await.is(201).json().into();
    ada.pays_with("pm_card_visa", &order).await;
    ada.reviews(&mug, 4).await.is(201);
    shop.runs_its_jobs().await;
}
