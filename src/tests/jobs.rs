//! Background jobs: retried, given up, taken over, and seen by admins.

use std::time::Duration;

use cartwright::{app::workers, inventory::jobs::ReconcileStock, shop::Queue};
use platform::{
    clock::Timestamp,
    jobs::{Claim, Job, LEASE, LEASE_SPREAD, MAX_LOST, NewJob, store},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{TestShop, eventually};

on_both_engines! {
    async fn an_email_to_a_busy_mail_server_is_retried(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.mail().refuses(451);
        shop.runs_its_jobs().await;
        let waiting = admin.get("/api/admin/jobs?state=scheduled").await.is(200).list();
        assert_eq!(waiting.len(), 1);
        assert_eq!((&waiting[0]["kind"], &waiting[0]["attempts"]), (&json!("orders.send_confirmation"), &json!(1)));
        assert!(waiting[0]["last_error"].as_str().is_some_and(|why| why.contains("451")), "{}", waiting[0]);

        shop.mail().accepts();
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 0, "its time has not come");
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 1);
        assert_eq!(admin.get("/api/admin/jobs").await.is(200).list(), Vec::<Value>::new());
    }

    async fn the_waits_between_tries_grow(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let job = makes_up(&shop, "unheard.of", "{}").await;
        for longest in [1, 2, 4, 8, 16, 30, 30] {
            runs_email(&shop).await;
            let (due, _) = state_of(&shop, job).await;
            let wait = due - shop.now().micros();
            let bounds = longest * 750_000..=longest * 1_000_000;
            assert!(bounds.contains(&wait), "{wait} µs is not within {bounds:?}");
            shop.time_passes(Duration::from_secs(30));
        }
        shop.admin().await.delete(&format!("/api/admin/jobs/{job}")).await.is(204);
    }

    async fn a_job_that_never_succeeds_is_given_up_after_a_day(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_dead_letters();
        let job = makes_up(&shop, "unheard.of", "{}").await;
        let began = shop.now();
        while state_of(&shop, job).await.1 == "pending" {
            runs_email(&shop).await;
            shop.time_passes(Duration::from_mins(5));
        }
        let took = shop.now().since(began).as_secs() / 3600;
        assert!((23..=28).contains(&took), "{took} hours");
        assert_eq!(state_of(&shop, job).await.1, "dead");
    }

    async fn a_mail_refused_for_good_is_a_dead_letter_that_an_admin_retries(shop: TestShop) {
        shop.expects_in_log("job failed for good; kept as a dead letter");
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.mail().refuses(550);
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_hours(1));
        shop.runs_its_jobs().await;

        let dead = admin.get("/api/admin/jobs?state=dead&queue=email").await.is(200).list();
        assert_eq!(dead.len(), 1);
        assert_eq!((&dead[0]["state"], &dead[0]["attempts"]), (&json!("dead"), &json!(1)));
        assert!(dead[0]["last_error"].as_str().is_some_and(|why| !why.contains("ada@example.com")), "{}", dead[0]);
        assert_eq!(figure(&admin.get("/api/admin/jobs/queues").await.is(200).json(), "email", "dead"), 1);

        shop.mail().accepts();
        let retried = admin.post(&format!("/api/admin/jobs/{}/retry", dead[0]["id"])).await.is(200);
        assert_eq!((&retried["state"], &retried["attempts"]), (&json!("pending"), &json!(0)));
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 1);
        admin.post(&format!("/api/admin/jobs/{}/retry", dead[0]["id"])).await.is(404);
    }

    async fn an_admin_discards_a_dead_letter(shop: TestShop) {
        shop.expects_in_log("job failed for good; kept as a dead letter");
        let admin = shop.admin().await;
        let job = makes_up(&shop, "orders.send_confirmation", "{\"order\": \"nonsense\"}").await;
        shop.runs_its_jobs().await;
        admin.delete(&format!("/api/admin/jobs/{job}")).await.is(204);
        admin.delete(&format!("/api/admin/jobs/{job}")).await.is(404).with_code("not_found");
        let wrong = admin.get("/api/admin/jobs?queue=parcels&state=lost&page=0").await.is(422);
        wrong.about(&["queue", "state", "page"]);
        assert_eq!(figure(&admin.get("/api/admin/jobs/queues").await.is(200).json(), "email", "dead"), 0);
    }

    async fn an_unreadable_job_is_one_dead_letter_and_delays_no_other(shop: TestShop) {
        shop.expects_dead_letters();
        let job = makes_up(&shop, "orders.send_confirmation", "nonsense").await;
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 1);
        assert_eq!(state_of(&shop, job).await.1, "dead");
        assert_eq!(shop.counts("SELECT attempts FROM jobs WHERE state = 'dead'").await, 1);
    }

    async fn a_job_of_a_newer_program_waits_for_a_newer_worker(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        let job = makes_up(&shop, "unheard.of", "{}").await;
        shop.runs_its_jobs().await;
        let admin = shop.admin().await;
        let waiting = admin.get("/api/admin/jobs").await.is(200).list();
        assert_eq!(
            (&waiting[0]["state"], &waiting[0]["last_error"]),
            (&json!("scheduled"), &json!("this program has no job \"unheard.of\""))
        );
        admin.delete(&format!("/api/admin/jobs/{job}")).await.is(204);
    }

    async fn the_statistics_of_the_queues_add_up(shop: TestShop) {
        shop.expects_waiting_jobs();
        let admin = shop.admin().await;
        makes_up(&shop, "unheard.of", "{}").await;
        makes_up(&shop, "unheard.of", "{}").await;
        claims(&shop, "somebody").await.expect("a job to claim");
        shop.time_passes(Duration::from_secs(7));

        let queues = admin.get("/api/admin/jobs/queues").await.is(200).json();
        let names: Vec<&Value> = queues.as_array().into_iter().flatten().map(|queue| &queue["queue"]).collect();
        assert_eq!(names, ["email", "payment", "stock"]);
        let figures = ["pending", "scheduled", "running", "dead", "oldest_pending_seconds"]
            .map(|name| figure(&queues, "email", name));
        assert_eq!(figures, [1, 0, 1, 0, 7]);
        let states: Vec<Value> = admin
            .get("/api/admin/jobs?queue=email")
            .await
            .is(200)
            .list()
            .into_iter()
            .map(|job| job["state"].clone())
            .collect();
        assert_eq!(states, ["pending", "running"], "newest first");
        admin.get("/api/admin/jobs?queue=lost").await.is(422).about(&["queue"]);
        admin.get("/api/admin/jobs?state=done").await.is(422).about(&["state"]);
    }

    async fn the_job_of_a_lost_worker_is_taken_over_when_its_lease_ends(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        let lost = claims(&shop, "lost").await.expect("the confirmation");

        shop.time_passes(Duration::from_secs(11));
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 0, "the lease still holds");

        shop.time_passes(Duration::from_secs(6));
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 1);
        let mut tx = shop.db().write().await.unwrap();
        let late = store::retry_later(&mut tx, &lost, "I was asleep", shop.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(late, 0, "a worker that comes back too late changes nothing");
    }

    async fn the_leases_of_a_dead_worker_end_at_different_times(shop: TestShop) {
        for _ in 0..8 {
            makes_up(&shop, "unheard.of", "{}").await;
        }
        let mut meetings = Vec::new();
        for worker in ["first", "second"] {
            let now = shop.now();
            while let Some(claim) = claims(&shop, worker).await {
                let mut tx = shop.db().write().await.unwrap();
                store::renew(&mut tx, worker, &[claim.id], now).await.unwrap();
                tx.commit().await.unwrap();
            }
            let ends: Vec<(Timestamp,)> = shop.db().query("SELECT due_at FROM jobs ORDER BY id").fetch_all().await.unwrap();
            let waits: Vec<_> = ends.iter().map(|(end,)| end.since(now)).collect();
            assert!(waits.iter().all(|wait| (LEASE..LEASE + LEASE_SPREAD + Duration::from_secs(1)).contains(wait)), "{waits:?}");
            let mut order: Vec<usize> = (0..waits.len()).collect();
            order.sort_by_key(|job| waits[*job]);
            meetings.push(order);
            shop.time_passes(Duration::from_secs(18));
        }
        assert_ne!(meetings[0], meetings[1], "a job that kills its worker has others beside it each time");
        shop.tampers("DELETE FROM jobs").await;
    }

    async fn a_worker_that_renews_its_lease_keeps_its_job(shop: TestShop) {
        let job = makes_up(&shop, "unheard.of", "{}").await;
        let held = claims(&shop, "slow").await.expect("the job").id;
        for _ in 0..5 {
            shop.time_passes(Duration::from_secs(10));
            let mut tx = shop.db().write().await.unwrap();
            assert_eq!(store::renew(&mut tx, "slow", &[held], shop.now()).await.unwrap(), 1);
            assert_eq!(store::renew(&mut tx, "other", &[held], shop.now()).await.unwrap(), 0, "it is not the other's");
            tx.commit().await.unwrap();
            assert!(claims(&shop, "other").await.is_none());
        }
        shop.tampers("UPDATE jobs SET state = 'pending', claimed_by = NULL").await;
        shop.admin().await.delete(&format!("/api/admin/jobs/{job}")).await.is(204);
    }

    async fn a_job_that_kills_its_workers_becomes_a_dead_letter(shop: TestShop) {
        shop.expects_dead_letters();
        let job = makes_up(&shop, "unheard.of", "{}").await;
        for _ in 0..MAX_LOST {
            claims(&shop, "doomed").await.expect("the job goes round");
            shop.time_passes(Duration::from_secs(18));
        }
        shop.runs_its_jobs().await;
        assert_eq!(state_of(&shop, job).await.1, "dead");
        let dead = shop.admin().await.get("/api/admin/jobs?state=dead").await.is(200).list();
        assert_eq!(dead[0]["last_error"], "the worker died 20 times while running it");
    }

    async fn of_two_workers_that_claim_at_once_one_gets_the_job(shop: TestShop) {
        let job = makes_up(&shop, "unheard.of", "{}").await;
        let claimed = futures_util::future::join_all((0..8).map(|number| {
            let (shop, name) = (shop.clone(), format!("worker-{number}"));
            async move { claims(&shop, &name).await }
        }));
        assert_eq!(claimed.await.into_iter().flatten().count(), 1);
        shop.tampers("UPDATE jobs SET state = 'pending', claimed_by = NULL").await;
        shop.admin().await.delete(&format!("/api/admin/jobs/{job}")).await.is(204);
    }

    async fn a_job_logs_the_id_of_the_request_that_enqueued_it(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 1)]).header("x-request-id", "from-the-browser-7").await.is(201);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE request_id = 'from-the-browser-7'").await, 2);
        shop.runs_its_jobs().await;
    }

    async fn stock_that_does_not_add_up_is_reported_and_not_repaired(shop: TestShop) {
        shop.expects_wrong_stock();
        let (mug, admin) = (shop.sells("Mug").in_stock(5).await, shop.admin().await);
        shop.sells("Pot").in_stock(3).await;
        let nothing = admin.get("/api/admin/inventory/reconciliation").await.is(200);
        assert_eq!((&nothing["checked_at"], &nothing["mismatches"]), (&json!(null), &json!([])));
        reconciles(&shop).await;
        assert_eq!(admin.get("/api/admin/inventory/reconciliation").await["mismatches"], json!([]));

        shop.tampers("UPDATE stock SET units = units + 2 WHERE product_id = (SELECT id FROM products WHERE name = 'Mug')").await;
        reconciles(&shop).await;

        let found = admin.get("/api/admin/inventory/reconciliation").await.is(200);
        assert_eq!(found["mismatches"], json!([{"product": mug.id, "stock": 7, "movements": 5}]));
        assert_eq!((&found["products"], &found["checked_at"]), (&json!(2), &json!(shop.now().to_string())));
        assert_eq!(shop.stock_of(&mug).await, 7);
    }

    async fn a_schedule_ticks_once_however_many_workers_there_are(shop: TestShop) {
        let stop = CancellationToken::new();
        let workers: Vec<_> =
            (0..2).map(|_| tokio::spawn(workers::stock().run(shop.inside().clone(), stop.clone()))).collect();
        for ticks in 1..=2 {
            eventually("the stock is reconciled", async || {
                shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'inventory.reconcile' AND state = 'done'").await
                    >= ticks
            })
            .await;
            shop.time_passes(Duration::from_mins(1));
        }
        stop.cancel();
        futures_util::future::join_all(workers).await;
        let twice = "SELECT COUNT(*) FROM (SELECT unique_key FROM jobs WHERE kind = 'inventory.reconcile' GROUP BY unique_key HAVING COUNT(*) > 1) AS twice";
        assert_eq!(shop.counts(twice).await, 0);
        assert!((2..=3).contains(&shop.counts("SELECT COUNT(*) FROM jobs WHERE kind = 'inventory.reconcile'").await));
        shop.runs_its_jobs().await;
    }

    async fn workers_that_run_by_themselves_hear_of_an_order_at_once(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        let stop = CancellationToken::new();
        let workers: Vec<_> = workers::all()
            .into_iter()
            .map(|worker| tokio::spawn(worker.run(shop.inside().clone(), stop.clone())))
            .collect();
        ada.buys(&mug).await;
        shop.mail().waits_for(1, Duration::from_secs(5)).await;
        stop.cancel();
        futures_util::future::join_all(workers).await;
        shop.runs_its_jobs().await;
    }
}

/// Puts a job into the e-mail queue that no code of ours would enqueue.
async fn makes_up(shop: &TestShop, kind: &'static str, payload: &str) -> i64 {
    let new = NewJob {
        queue: Queue::Email.as_str(),
        kind,
        payload: payload.to_owned(),
        due: shop.now(),
        key: None,
        request_id: None,
    };
    let mut tx = shop.db().write().await.unwrap();
    store::insert(&mut tx, &[new], shop.now()).await.unwrap();
    let (id,): (i64,) = tx.query("SELECT MAX(id) FROM jobs").fetch_one().await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn claims(shop: &TestShop, worker: &str) -> Option<Claim> {
    store::claim(shop.db(), &shop.inside().clock, Queue::Email.as_str(), worker, 1)
        .await
        .expect("the database answers")
        .pop()
}

async fn runs_email(shop: &TestShop) {
    workers::email().run_due(shop.inside()).await.expect("the worker reaches the database");
}

/// When it is due, in microseconds, and its state.
async fn state_of(shop: &TestShop, job: i64) -> (i64, String) {
    let (due, state): (platform::clock::Timestamp, String) =
        shop.db().query("SELECT due_at, state FROM jobs WHERE id = $1").bind(job).fetch_one().await.expect("the job");
    (due.micros(), state)
}

async fn reconciles(shop: &TestShop) {
    ReconcileStock {}.run(shop.inside()).await.expect("the stock is compared");
}

fn figure(queues: &Value, queue: &str, name: &str) -> i64 {
    let found = queues.as_array().into_iter().flatten().find(|found| found["queue"] == queue);
    found.and_then(|found| found[name].as_i64()).unwrap_or_else(|| panic!("{name} of {queue} in {queues}"))
}
