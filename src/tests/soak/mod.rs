//! Many payments while a third of everything fails and the payment worker is killed again and again: in the end the
//! providers' books and ours agree to the cent.
//!
//! `.ci/test soak -- --ignored` runs it, as `.ci/run` does; `PAYMENTS=10000` makes it long.

mod books;
mod buyers;
mod settling;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use payment_simulator::{Fault, Simulator};
use tokio::time::sleep;

use crate::{
    crashes::{crash_on_both_engines, survives},
    support::{
        Engine,
        programs::{Program, Site},
    },
};

use buyers::TEMPERS;

/// How long after the faults stop no order may be left open.
const QUIET: Duration = Duration::from_mins(5);

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
