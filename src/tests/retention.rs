//! Nothing grows for ever: what has served its time is swept, and nothing that lives is.

use std::time::Duration;

use cartwright::{
    app::workers,
    retention::{self, jobs::Sweep},
    shop::Queue,
};
use platform::jobs::{Job, NewJob, store};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Order, TestShop, eventually};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

on_both_engines! {
    async fn unused_carts_are_deleted_after_a_month(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, visitor) = (shop.customer("ada@example.com").await, shop.visitor());
        ada.puts_in_cart(&mug, 1).await.is(201);
        let fills = async || {
            let cart = visitor.post("/api/carts").await.is(201);
            let path = format!("/api/carts/{}", cart["id"].as_str().unwrap());
            visitor.post(&format!("{path}/items")).json(&json!({"product": mug.id})).await.is(201);
            path
        };
        let (left, touched) = (fills().await, fills().await);
        shop.time_passes(29 * DAY);
        let young = fills().await;
        visitor.post(&format!("{touched}/items")).json(&json!({"product": mug.id})).await.is(201);
        sweeps(&shop).await;
        visitor.get(&left).await.is(200);

        shop.time_passes(DAY + SECOND);
        sweeps(&shop).await;
        visitor.get(&left).await.is(404);
        assert_eq!(visitor.get(&touched).await.is(200)["total_items"], 2);
        assert_eq!(visitor.get(&young).await.is(200)["total_items"], 1);
        let kept = "SELECT COUNT(*) FROM cart_items";
        assert_eq!(shop.counts(kept).await, 3, "what a user has put in their cart stays");
    }

    async fn a_session_is_deleted_when_nothing_can_continue_it(shop: TestShop) {
        let (forgotten, mut faithful) = (shop.customer("bob@example.com").await, shop.customer("ada@example.com").await);
        let out = shop.customer("eve@example.com").await;
        out.post("/api/auth/logout").await.is(204);
        let first = faithful.refresh.clone();
        for _ in 0..6 {
            shop.time_passes(6 * DAY);
            faithful.refreshes().await.is(200);
        }
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sessions").await, 3, "they expired 29 days ago");

        shop.time_passes(DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sessions").await, 1);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM refresh_tokens").await, 6, "the first of seven is gone");
        faithful.get("/api/profile").await.is(200);
        for (person, token) in [(&forgotten, &forgotten.refresh), (&faithful, &first)] {
            let stale = json!({"refresh": token});
            person.post("/api/auth/token/refresh").json(&stale).await.is(401).with_code("unauthenticated");
        }
        forgotten.get("/api/profile").await.is(401);
        faithful.refreshes().await.is(200);
        faithful.get("/api/profile").await.is(200);
    }

    async fn a_session_stays_as_long_as_its_access_token(shop: TestShop) {
        let shop = shop.opens_again(|settings| {
            settings.accounts.access_token_ttl = 60 * DAY;
            settings.retention.sessions = 2 * DAY;
        }).await;
        let ada = shop.customer("ada@example.com").await;
        shop.time_passes(59 * DAY);
        sweeps(&shop).await;
        ada.get("/api/profile").await.is(200);
        shop.time_passes(8 * DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn the_links_of_old_emails_are_deleted(shop: TestShop) {
        shop.customer("ada@example.com").await;
        shop.tampers("DELETE FROM email_tokens").await;
        for (hash, expires) in [(vec![1], shop.now()), (vec![2], shop.now() + SECOND), (vec![3], shop.now() + 60 * DAY)] {
            let mut tx = shop.db().write().await.unwrap();
            tx.query(
                "INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at)
                 SELECT $1, id, 'verify_email', $2 FROM users",
            )
            .bind(hash)
            .bind(expires)
            .execute()
            .await
            .unwrap();
            tx.commit().await.unwrap();
        }
        shop.time_passes(30 * DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM email_tokens").await, 2);
    }

    async fn an_idempotency_key_is_kept_for_a_day(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let mut ada = shop.customer("ada@example.com").await;
        let first = ada.places_order(&[(&mug, 1)]).once("tea").await.is(201);
        shop.time_passes(Duration::from_hours(1));
        sweeps(&shop).await;
        let again = ada.places_order(&[(&mug, 1)]).once("tea").await.is(201);
        assert_eq!((&again["id"], again.header("idempotent-replayed")), (&first["id"], "true"));

        shop.time_passes(Duration::from_mins(23 * 60 - 1));
        ada.signs_in().await;
        ada.places_order(&[(&mug, 2)]).once("coffee").await.is(201);
        shop.time_passes(Duration::from_mins(2));
        sweeps(&shop).await;
        let anew = ada.places_order(&[(&mug, 1)]).once("tea").await.is(201);
        assert_ne!(anew["id"], first["id"]);
        let kept = ada.places_order(&[(&mug, 2)]).once("coffee").await.is(201);
        assert_eq!(kept.header("idempotent-replayed"), "true");
        shop.runs_its_jobs().await;
    }

    async fn finished_jobs_are_deleted_after_a_week(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_swept_jobs();
        shop.expects_dead_letters();
        let mug = shop.sells("Mug").await;
        let mut ada = shop.customer("ada@example.com").await;
        let dead = enqueues(&shop, "orders.send_confirmation", "nonsense").await;
        ada.buys(&mug).await;
        shop.runs_its_jobs().await;
        let waiting = enqueues(&shop, "unheard.of", "{}").await;
        shop.time_passes(6 * DAY);
        ada.signs_in().await;
        ada.buys(&mug).await;
        shop.runs_its_jobs().await;
        sweeps(&shop).await;
        let done = "SELECT COUNT(*) FROM jobs WHERE state = 'done' AND kind <> 'accounts.send_verification'";
        assert_eq!(shop.counts(done).await, 4);

        shop.time_passes(DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts(done).await, 2, "those of yesterday stay");
        let mut admin = shop.admin().await;
        admin.signs_in().await;
        let left = admin.get("/api/admin/jobs").await.is(200).list();
        let left: Vec<i64> = left.iter().filter_map(|job| job["id"].as_i64()).collect();
        assert_eq!(left, [waiting, dead], "what waits is kept, and what was given up is the admins' to discard");
        admin.delete(&format!("/api/admin/jobs/{waiting}")).await.is(204);
    }

    async fn handled_webhooks_are_deleted_after_three_months(shop: TestShop) {
        shop.expects_swept_jobs();
        for event in ["payment_intent.created", "payment_intent.processing"] {
            shop.receives_from_stripe(event, "pi_nobodys").await.is(200);
        }
        shop.runs_its_jobs().await;
        let unheard = "UPDATE webhooks SET processed_at = NULL WHERE kind = 'payment_intent.created'";
        assert_eq!(shop.tampers(unheard).await, 1);
        shop.time_passes(89 * DAY);
        shop.receives_from_stripe("payment_intent.canceled", "pi_nobodys").await.is(200);
        shop.runs_its_jobs().await;
        sweeps(&shop).await;
        let webhooks = "SELECT COUNT(*) FROM webhooks";
        assert_eq!(shop.counts(webhooks).await, 3);

        shop.time_passes(DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts(webhooks).await, 2, "one is young, and on one nobody acted yet");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM webhooks WHERE kind = 'payment_intent.processing'").await, 0);
        shop.tampers("DELETE FROM webhooks WHERE processed_at IS NULL").await;
    }

    async fn message_ids_of_sent_emails_are_deleted_after_three_months(shop: TestShop) {
        records_sent_emails(&shop, 1).await;
        shop.time_passes(90 * DAY);
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sent_letters").await, 1);
        shop.time_passes(SECOND);
        sweeps(&shop).await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sent_letters").await, 0);
    }

    async fn order_events_are_deleted_after_three_months(shop: TestShop) {
        shop.expects_swept_jobs();
        let mug = shop.sells("Mug").await;
        let (mut ada, mut admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let (ended, open) = (ada.buys(&mug).await, ada.buys(&mug).await);
        ada.cancels(&ended).await.is(200);
        let seen = ada.events_of(&open).stream().await.next().await.id;
        shop.runs_its_jobs().await;
        shop.time_passes(89 * DAY);
        admin.signs_in().await;
        admin.sets_status(&open, "confirmed").await.is(200);
        sweeps(&shop).await;
        assert_eq!((events_of(&shop, &ended).await, events_of(&shop, &open).await), (2, 2));

        shop.time_passes(DAY + SECOND);
        sweeps(&shop).await;
        assert_eq!((events_of(&shop, &ended).await, events_of(&shop, &open).await), (0, 1));
        // Who saw what is forgotten, or comes when all is, begins with how things stand.
        ada.signs_in().await;
        for (order, status) in [(&open, "confirmed"), (&ended, "cancelled")] {
            let mut stream = ada.events_of(order).header("last-event-id", &seen).stream().await;
            assert_eq!(stream.next().await.data["status"], status);
        }
        shop.runs_its_jobs().await;
    }

    async fn many_rows_are_deleted_in_several_runs(shop: TestShop) {
        let metrics = async || {
            let text = shop.visitor().get("/metrics").await.is(200).text();
            let line = text.lines().find(|line| line.starts_with("cartwright_swept_total{what=\"sent_letters\"}"));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let before = metrics().await;
        records_sent_emails(&shop, 10_500).await;
        shop.time_passes(91 * DAY);
        assert!(retention::sweep(shop.inside()).await.unwrap(), "more is left");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sent_letters").await, 500);
        assert!(metrics().await >= before + 10_000, "what was swept is counted");

        records_sent_emails(&shop, 20_000).await;
        shop.time_passes(91 * DAY);
        for _ in 0..2 {
            Sweep::default().run(shop.inside()).await.unwrap();
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sent_letters").await, 500);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'retention.sweep'").await, 1, "not one for each");
        shop.runs_its_jobs().await;
        assert_eq!(shop.counts("SELECT COUNT(*) FROM sent_letters").await, 0, "one run asks for the next");
    }

    async fn the_stock_worker_runs_the_sweep(shop: TestShop) {
        let visitor = shop.visitor();
        let cart = visitor.post("/api/carts").await.is(201);
        shop.time_passes(31 * DAY);
        let stop = CancellationToken::new();
        let worker = tokio::spawn(workers::stock().run(shop.inside().clone(), stop.clone()));
        let path = format!("/api/carts/{}", cart["id"].as_str().unwrap());
        eventually("the cart is swept", async || visitor.get(&path).await.status == 404).await;
        stop.cancel();
        worker.await.unwrap();
        shop.runs_its_jobs().await;
    }
}

async fn sweeps(shop: &TestShop) {
    assert!(!retention::sweep(shop.inside()).await.expect("the database answers"), "nothing is left over");
}

/// Puts a job into the e-mail queue that no code of ours would enqueue.
async fn enqueues(shop: &TestShop, kind: &'static str, payload: &str) -> i64 {
    let (queue, payload, due) = (Queue::Email, payload.to_owned(), shop.now());
    let new = NewJob { queue: queue.as_str(), kind, payload, due, key: None, request_id: None };
    let mut tx = shop.db().write().await.unwrap();
    store::insert(&mut tx, &[new], shop.now()).await.unwrap();
    let (id,): (i64,) = tx.query("SELECT MAX(id) FROM jobs").fetch_one().await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Records so many e-mails as sent now.
async fn records_sent_emails(shop: &TestShop, emails: i64) {
    let mut tx = shop.db().write().await.unwrap();
    let written = tx
        .query(
            "INSERT INTO sent_letters (message_id, sent_at)
             WITH RECURSIVE letters (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM letters WHERE number < $1)
             SELECT $2 || CAST(number AS TEXT), $3 FROM letters",
        )
        .bind(emails)
        .bind(format!("letter-{}-", shop.now().micros()))
        .bind(shop.now())
        .execute()
        .await;
    assert_eq!(written.unwrap(), emails.unsigned_abs());
    tx.commit().await.unwrap();
}

async fn events_of(shop: &TestShop, order: &Order) -> i64 {
    let events = shop.db().query("SELECT COUNT(*) FROM order_events WHERE order_id = $1").bind(order.id);
    let (events,): (i64,) = events.fetch_one().await.unwrap();
    events
}
