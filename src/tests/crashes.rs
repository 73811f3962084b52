//! What survives `kill -9`, a database that restarts, and workers that are not there. Real processes, real databases.
//!
//! These wait for other processes, so they poll; nothing is asserted about speed but the promise that the jobs of a killed
//! worker run again within 20 seconds, and that work goes on within 10 after the database came back.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use payment_simulator::{Fault, Options, Provider, Simulator};
use serde_json::{Value, json};

use crate::support::{
    Engine, invariants,
    programs::{Site, until},
    run,
    smtp::{Mail, MailServer},
};

/// Declares a crash test for each engine.
macro_rules! crash_on_both_engines {
    ($(#[$meta:meta])* async fn $name:ident($site:ident: Site) $story:block) => {
        mod $name {
            use super::*;

            #[allow(unused_mut)] // not every story changes a setting
            async fn story(mut $site: Site) $story

            #[test]
            $(#[$meta])*
            fn sqlite() {
                survives(Engine::Sqlite, story);
            }

            #[test]
            $(#[$meta])*
            fn postgres() {
                survives(Engine::Postgres, story);
            }
        }
    };
}

pub(crate) use crash_on_both_engines;

pub fn survives<F: Future<Output = ()>>(engine: Engine, story: impl FnOnce(Site) -> F) {
    run(async {
        let Some(site) = Site::open(engine).await else { return };
        let (db, folder) = (site.db.clone(), Arc::clone(&site.folder)); // they outlive the story
        story(site).await;
        invariants::hold_after_a_crash(&db).await;
        no_secret_was_logged(folder.path());
    });
}

/// Programs log their requests and jobs, and never what nobody may read.
fn no_secret_was_logged(folder: &std::path::Path) {
    for program in ["cartwright", "email-worker", "payment-worker", "stock-worker"] {
        let Ok(log) = std::fs::read_to_string(folder.join(format!("{program}.log"))) else { continue };
        for secret in [
            "a long password",
            "of the crash tests",
            "sk_test",
            "whsec_",
            "_secret_",
            "4242424242424242",
            "Bearer",
            "eyJ",
            "ada@example.com",
        ] {
            assert!(!log.contains(secret), "{program} logged {secret:?}");
        }
    }
}

/// How many customers order while the server is killed, each with a key of its own.
const CHECKOUTS: usize = 100;

crash_on_both_engines! {
    async fn a_server_killed_in_the_middle_of_checkouts_loses_no_order_and_oversells_nothing(site: Site) {
        let shop = site.opens().await;
        let admin = site.admin().await;
        let ada = site.customer("ada@example.com").await;
        let mug = site.sells(&admin, "Mug", 30).await;

        let site = Arc::new(site);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let checkouts: Vec<_> = (0..CHECKOUTS).map(|number| {
            let (site, ada, acknowledged) = (Arc::clone(&site), ada.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let answer = checkout(&site, &ada, mug, number).await;
                if matches!(answer, Some((201, _))) {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                answer
            })
        }).collect();
        until("some orders are acknowledged", Duration::from_secs(20), || async { acknowledged.load(Ordering::SeqCst) >= 10 }).await;
        shop.dies();
        let mut before = Vec::new();
        for checkout in checkouts {
            before.push(checkout.await.unwrap());
        }

        let _again = site.opens().await;
        for (status, order) in before.iter().flatten().filter(|(status, _)| *status == 201) {
            let (found, same) = site.get(&format!("/api/orders/{}", order["id"]), &ada).await.unwrap();
            assert_eq!((found, *status), (200, 201), "an acknowledged order is gone: {order}");
            assert_eq!(same["order_number"], order["order_number"]);
        }
        // Whoever heard nothing asks again with the same key.
        let mut placed = BTreeSet::new();
        for number in 0..CHECKOUTS {
            match checkout(&site, &ada, mug, number).await.unwrap() {
                (201, order) => assert!(placed.insert(order["id"].as_i64().unwrap()), "two keys share an order"),
                (status, problem) => assert_eq!((status, &problem["code"]), (409, &json!("out_of_stock")), "{problem}"),
            }
        }
        assert_eq!(placed.len(), 30);
        assert_eq!(site.count("SELECT COUNT(*) FROM orders").await, 30);
    }
}

async fn checkout(site: &Site, token: &str, product: i64, number: usize) -> Option<(u16, Value)> {
    let order = json!({"items": [{"product": product, "quantity": 1}]});
    site.post("/api/orders", token, Some(&format!("checkout-{number}")), &order).await
}

crash_on_both_engines! {
    async fn without_a_worker_the_email_waits_and_is_sent_once_when_one_starts(site: Site) {
        let mail = MailServer::start().await;
        site.set("SMTP_URL", mail.url());
        let _shop = site.opens().await;
        let admin = site.admin().await;
        let ada = site.customer("ada@example.com").await;
        let mug = site.sells(&admin, "Mug", 5).await;
        assert_eq!(checkout(&site, &ada, mug, 1).await.unwrap().0, 201);
        let queues = site.get("/api/admin/jobs/queues", &admin).await.unwrap().1;
        assert_eq!(queues[0]["pending"], 1, "{queues}");
        assert!(mail.mails().is_empty());

        let worker = site.starts("email-worker");
        mail.waits_for(1, Duration::from_secs(20)).await;
        until("the job is done", Duration::from_secs(20), || async { site.count("SELECT COUNT(*) FROM jobs WHERE queue = 'email' AND state = 'done'").await == 1 }).await;
        assert_eq!(worker.stops(), Some(0));
        assert_eq!(mail.mails().len(), 1);
        let _stock = site.starts("stock-worker");
    }
}

crash_on_both_engines! {
    async fn an_email_worker_killed_in_the_middle_of_30_orders_loses_no_email(site: Site) {
        let mail = MailServer::start().await;
        mail.slow(Duration::from_millis(400));
        site.set("SMTP_URL", mail.url());
        site.set("WORKER_CONCURRENCY", "4");
        let _shop = site.opens().await;
        let admin = site.admin().await;
        let ada = site.customer("ada@example.com").await;
        let mug = site.sells(&admin, "Mug", 60).await; // enough that no e-mail about low stock is sent
        let worker = site.starts("email-worker");
        for number in 0..30 {
            assert_eq!(checkout(&site, &ada, mug, number).await.unwrap().0, 201);
        }
        mail.waits_for(8, Duration::from_secs(20)).await;
        worker.dies();
        let held = site.count("SELECT COUNT(*) FROM jobs WHERE queue = 'email' AND state = 'running'").await;
        assert!(held > 0, "the worker was killed while it held jobs");

        let killed = Instant::now();
        let _again = site.starts("email-worker");
        let sent = || async { site.count("SELECT COUNT(*) FROM orders WHERE confirmation_sent IS NOT NULL").await };
        until("every confirmation is sent", Duration::from_secs(40), || async { sent().await == 30 }).await;
        // What it held ran again last; all of it within the promise and the time the slow server took.
        assert!(killed.elapsed() < Duration::from_secs(20 + 3), "{:?}", killed.elapsed());
        let ids: BTreeSet<_> = mail.mails().iter().map(Mail::message_id).collect();
        assert_eq!(ids.len(), 30);
        assert!(mail.mails().len() <= 30 + usize::try_from(held).unwrap(), "only what was under way may be sent twice");
    }
}

crash_on_both_engines! {
    async fn a_payment_worker_killed_between_capture_and_our_write_charges_once(site: Site) {
        site.allows_in_log("job failed, will be retried"); // while Stripe is still at the call that was cut
        let stall = Duration::from_secs(5);
        let stripe = Simulator::start(Options { stall, ..Options::default() }).await.unwrap();
        site.set("STRIPE_SECRET_KEY", payment_simulator::STRIPE_SECRET_KEY);
        site.set("STRIPE_WEBHOOK_SECRET", payment_simulator::STRIPE_WEBHOOK_SECRET);
        site.set("STRIPE_API_BASE", stripe.base(Provider::Stripe));
        let _shop = site.opens().await;
        let admin = site.admin().await;
        let ada = site.customer("ada@example.com").await;
        let mug = site.sells(&admin, "Mug", 5).await;
        let order = site.post("/api/orders", &ada, None, &json!({"items": [{"product": mug, "quantity": 2}], "payment_method": "stripe"})).await.unwrap().1;

        stripe.next(Provider::Stripe, Fault::TimeoutAfter);
        let worker = site.starts("payment-worker");
        let (status, payment) = site.post("/api/payments", &ada, None, &json!({"order": order["id"], "payment_method": "pm_card_visa"})).await.unwrap();
        assert_eq!((status, &payment["status"]), (202, &json!("queued")), "{payment}");
        until("the money is taken", Duration::from_secs(20), || async { stripe.captures().len() == 1 }).await;
        worker.dies();
        let held = "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.pay' AND state = 'running'";
        assert_eq!(site.count(held).await, 1, "the worker was killed before it had Stripe's answer");
        site.ends_leases().await;

        let _again = site.starts("payment-worker");
        let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
        until("the payment is captured", Duration::from_mins(1), || async { site.get(&path, &ada).await.unwrap().1["status"] == "captured" }).await;
        let order = site.get(&format!("/api/orders/{}", order["id"]), &ada).await.unwrap().1;
        assert_eq!((&order["payment_status"], &order["status"]), (&json!("paid"), &json!("confirmed")));
        assert_eq!(stripe.captures().len(), 1);
    }
}

/// Orders keep coming while PostgreSQL restarts twice.
#[test]
fn a_restart_of_postgresql_kills_no_process_and_loses_nothing_acknowledged() {
    run(restart_under_load());
}

async fn restart_under_load() {
    let Some(mut site) = Site::open_restartable().await else { return };
    let restart = std::env::var("TEST_POSTGRES_RESTART").expect("it comes with the restartable database");
    for cause in [
        "the database is unavailable or busy",
        "the outcome of a commit is unknown",
        "cannot claim jobs, retrying",
        "cannot renew leases, retrying",
        "cannot save the outcome of a job, retrying",
        "cannot enqueue a scheduled job, retrying",
        "job failed, will be retried",
        "error from `before_acquire`",
        "terminating connection due to immediate shutdown command",
        "error occurred while testing the connection on-release",
    ] {
        site.allows_in_log(cause);
    }
    let mail = MailServer::start().await;
    site.set("SMTP_URL", mail.url());
    let mut shop = site.opens().await;
    let admin = site.admin().await;
    let ada = site.customer("ada@example.com").await;
    let mug = site.sells(&admin, "Mug", 100_000).await;
    let mut workers = ["email-worker", "payment-worker", "stock-worker"].map(|name| site.starts(name));

    let (site, stop) = (Arc::new(site), tokio_util::sync::CancellationToken::new());
    let buyers: Vec<_> = (0..4)
        .map(|buyer| {
            let (site, ada, stop) = (Arc::clone(&site), ada.clone(), stop.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    match checkout(&site, &ada, mug, buyer * 1_000_000 + number).await {
                        Some((201, order)) => acknowledged.push(order["id"].as_i64().unwrap()),
                        Some((503, _)) => {}
                        other => panic!("an order during a restart: {other:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await; // a shop, not a flood
                }
                acknowledged
            })
        })
        .collect();

    for mode in ["fast", "immediate"] {
        let orders = || async {
            site.db.query("SELECT COUNT(*) FROM orders").fetch_one::<(i64,)>().await.map_or(0, |(count,)| count)
        };
        let before = orders().await;
        until("orders come in", Duration::from_secs(20), || async { orders().await > before + 20 }).await;
        assert!(Command::new(&restart).arg(mode).status().unwrap().success());
        let (restarted, before) = (Instant::now(), orders().await);
        until("work goes on", Duration::from_secs(10), || async { orders().await > before + 5 }).await;
        println!("after a {mode} restart orders came in again within {:?}", restarted.elapsed());
    }
    stop.cancel();
    let mut acknowledged = Vec::new();
    for buyer in buyers {
        acknowledged.extend(buyer.await.unwrap());
    }
    for id in &acknowledged {
        let found: Option<(i64,)> =
            site.db.query("SELECT id FROM orders WHERE id = $1").bind(*id).fetch_optional().await.unwrap();
        assert!(found.is_some(), "acknowledged order {id} is gone");
    }
    until("every e-mail is sent", Duration::from_mins(2), || async {
        site.count("SELECT COUNT(*) FROM jobs WHERE state <> 'done'").await == 0
    })
    .await;
    assert!(shop.is_alive() && workers.iter_mut().all(super::support::programs::Program::is_alive));
    drop((shop, workers)); // before the folder with their logs
    invariants::hold_after_a_crash(&site.db).await;
}
