//! What a shop holds in memory while people sign in. `.ci/memory` measures a whole demo shop, with photos and an import.

use std::{num::NonZero, thread::available_parallelism};

use futures_util::{StreamExt, stream};

use crate::support::{Engine, programs::Site, run};

/// Enough that their memory would be seen if each kept its own.
const SIGN_INS: usize = 32;
/// MB in which one password is hashed.
const BLOCK: u64 = 20;

#[test]
fn many_sign_ins_hold_as_much_as_few_on_sqlite() {
    run(many_sign_ins_hold_as_much_as_few(Engine::Sqlite));
}

#[test]
fn many_sign_ins_hold_as_much_as_few_on_postgres() {
    run(many_sign_ins_hold_as_much_as_few(Engine::Postgres));
}

async fn many_sign_ins_hold_as_much_as_few(engine: Engine) {
    let Some(site) = Site::open(engine).await else { return };
    let shop = site.opens().await;
    site.customer("ada@example.com").await;
    let before = shop.peak_memory();
    let sign_ins = stream::iter(0..SIGN_INS).map(|_| site.signs_in("ada@example.com")).buffer_unordered(4);
    assert_eq!(sign_ins.count().await, SIGN_INS);
    let more = shop.peak_memory() - before;
    let blocks = BLOCK * available_parallelism().map_or(2, NonZero::get) as u64;
    assert!(more < blocks + 20, "{more} MB more than after the first sign-in");
}
