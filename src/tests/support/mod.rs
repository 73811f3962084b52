//! What the stories are written with: a shop of their own, people with verbs, and the promises that must hold at the end.

#![allow(dead_code)] // more verbs than today's stories use

pub mod answer;
mod contract;
pub mod database;
pub mod events;
pub mod folder;
pub mod image_files;
pub mod imports;
pub mod invariants;
pub mod log;
pub mod people;
pub mod programs;
pub mod proxy;
pub mod s3;
pub mod shop;
pub mod smtp;
pub mod sources;
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

/// Runs each story on both engines: `story::sqlite` and `story::postgres`.
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($shop:ident: TestShop) $story:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn story($shop: TestShop) $story

            #[test]
            fn sqlite() {
                crate::support::run_story(crate::support::Engine::Sqlite, story);
            }

            #[test]
            fn postgres() {
                crate::support::run_story(crate::support::Engine::Postgres, story);
            }
        }
    )+};
}

/// Opens a shop, runs the story in it, and checks that all promises hold. The shop is taken down in any case.
pub fn run_story<F: Future<Output = ()>>(engine: Engine, story: impl FnOnce(TestShop) -> F) {
    run_story_in(TestShop::opens(engine), story);
}

/// The same in a shop that is opened in another way.
pub fn run_story_in<F: Future<Output = ()>>(
    opens: impl Future<Output = Option<TestShop>>,
    story: impl FnOnce(TestShop) -> F,
) {
    run(async {
        let Some(shop) = opens.await else { return };
        let checked = async {
            story(shop.clone()).await;
            invariants::hold(&shop).await;
        };
        let ended = AssertUnwindSafe(checked).catch_unwind().await;
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
    log.attach_to_thread();
    runtime(&log).block_on(test);
    StoryLog::detach_from_thread();
    log.assert_expected();
}

fn runtime(log: &StoryLog) -> Runtime {
    let log = log.clone();
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || log.attach_to_thread())
        .on_thread_stop(StoryLog::detach_from_thread)
        .build();
    threads.expect("a runtime")
}

/// An HTTP client without certificates, which take long to read: nobody in the tests speaks TLS.
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([])
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

/// Says, past the harness's capture, that half of the stories did not run.
#[test]
fn the_postgres_half() {
    if database::postgres_url().is_none() {
        let message = "skipped: every story's postgres half, no TEST_DATABASE_URL; run .ci/test for the other half";
        writeln!(std::io::stderr(), "{message}").expect("standard error takes a line");
    }
}
