//! What the stories are told with: a shop of their own, people with verbs, and the promises that must hold at the end.

#![allow(dead_code)] // the stand-ins know more verbs than the stories of one day use

pub mod answer;
mod contract;
pub mod database;
pub mod events;
pub mod imports;
pub mod invariants;
pub mod log;
pub mod people;
pub mod pictures;
pub mod programs;
pub mod proxy;
pub mod s3;
pub mod shop;
pub mod smtp;
pub mod webdriver;

use std::{
    io::Write,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Once,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::runtime::Runtime;

pub use database::Engine;
use log::StoryLog;
pub use people::{Order, Person, Product};
pub use shop::TestShop;

/// Tells each story on both engines: `story::sqlite` and `story::postgres`.
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($shop:ident: TestShop) $story:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn story($shop: TestShop) $story

            #[test]
            fn sqlite() {
                crate::support::tell(crate::support::Engine::Sqlite, story);
            }

            #[test]
            fn postgres() {
                crate::support::tell(crate::support::Engine::Postgres, story);
            }
        }
    )+};
}

/// Opens a shop, tells the story in it, and asks whether all promises were kept. The shop is taken down in any case.
pub fn tell<F: Future<Output = ()>>(engine: Engine, story: impl FnOnce(TestShop) -> F) {
    tell_in(TestShop::opens(engine), story);
}

/// The same in a shop that opens in its own way.
pub fn tell_in<F: Future<Output = ()>>(
    opens: impl Future<Output = Option<TestShop>>,
    story: impl FnOnce(TestShop) -> F,
) {
    run(async {
        let Some(shop) = opens.await else { return };
        let told = async {
            story(shop.clone()).await;
            invariants::hold(&shop).await;
        };
        let ended = AssertUnwindSafe(told).catch_unwind().await;
        shop.closes().await;
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
    });
}

/// Runs a test that is no story of one shop. Its log must say nothing that it does not expect, either.
pub fn run(test: impl Future<Output = ()>) {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // the one TLS library
    });
    let log = StoryLog::new();
    log.hears_this_thread();
    runtime(&log).block_on(test);
    StoryLog::leaves_this_thread();
    log.is_as_expected();
}

fn runtime(log: &StoryLog) -> Runtime {
    let log = log.clone();
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || log.hears_this_thread())
        .on_thread_stop(StoryLog::leaves_this_thread)
        .build();
    threads.expect("a runtime")
}

/// Waits for what goes on by itself, looking again and again. For the few stories in which workers or requests run alone.
pub async fn eventually(what: &str, happened: impl AsyncFn() -> bool) {
    let watch = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), watch)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 20 seconds"));
}

/// Says, past the harness's capture, that half of the stories was not told.
#[test]
fn the_postgres_half() {
    if database::postgres_url().is_none() {
        let told = "skipped: every story's postgres half, no TEST_DATABASE_URL; run .ci/test for the other half";
        writeln!(std::io::stderr(), "{told}").expect("standard error takes a line");
    }
}
