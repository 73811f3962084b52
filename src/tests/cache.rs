//! Two processes that share a Redis: what one changes, the other shows.
//!
//! The PostgreSQL twins have a Redis when `TEST_REDIS_URL` names one; without it these stories are about one process.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use cartwright::{app::settings::Settings, catalog::Part};
use futures_util::future::{join, join_all};
use platform::http::limits::Limit;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{TestShop, eventually};

/// The same shop twice, as two API processes with one Redis.
pub async fn two_processes(shop: &TestShop, change: impl Fn(&mut Settings)) -> Option<(TestShop, TestShop)> {
    static SHOPS: AtomicUsize = AtomicUsize::new(1); // a Redis database belongs to one shop
    let url = std::env::var("TEST_REDIS_URL").ok().filter(|url| !url.is_empty())?;
    let url = format!("{url}/{}", SHOPS.fetch_add(1, Ordering::SeqCst));
    let open = || {
        shop.opens_again(|settings| {
            settings.redis_url = Some(url.as_str().into());
            change(settings);
        })
    };
    let both = (open().await, open().await);
    for process in [&both.0, &both.1] {
        eventually("it reaches Redis", || async { process.inside().cache.redis_answers().await == Some(true) }).await;
    }
    Some(both)
}

/// What becomes of all that Redis keeps for a shop: things of another kind, nonsense, far too much.
const LIES: [&str; 4] = [
    "local keys = redis.call('KEYS', '*')
     for _, key in ipairs(keys) do redis.call('DEL', key) redis.call('RPUSH', key, 'x') end return #keys",
    "local keys = redis.call('KEYS', '*')
     for _, key in ipairs(keys) do redis.call('SET', key, 'x\\n\\ny') end return #keys",
    "local keys = redis.call('KEYS', '*')
     for _, key in ipairs(keys) do redis.call('DEL', key) redis.call('SETRANGE', key, 4000000, 'x') end return #keys",
    "local keys = redis.call('KEYS', '*')
     for _, key in ipairs(keys) do redis.call('DEL', key) redis.call('HSET', key, '1', '-1', 'x', 'y') end return #keys",
];

on_both_engines! {
    async fn a_change_in_one_process_is_seen_in_the_other(shop: TestShop) {
        let Some((here, there)) = two_processes(&shop, |_| {}).await else { return };
        let mug = shop.sells("Mug").at(12_00).await;
        let path = format!("/api/products/{}", mug.id);
        let price = |at: TestShop| {
            let path = path.clone();
            async move { at.visitor().get(&path).await.is(200)["price"].clone() }
        };
        assert_eq!((price(here.clone()).await, price(there.clone()).await), (json!("12.00"), json!("12.00")));

        shop.admin().await.of(&here).patch(&path).json(&json!({"price": "9.00"})).await.is(200);
        assert_eq!(price(here.clone()).await, "9.00");
        eventually("the other process heard of it", || async { price(there.clone()).await == "9.00" }).await;
    }

    async fn corrupt_entries_in_redis_cost_only_speed(shop: TestShop) {
        let Some((here, there)) = two_processes(&shop, |settings| settings.rate_limits = true).await else { return };
        let url = here.inside().get::<Settings>().redis_url.as_ref().map(|url| url.expose_secret().to_owned()).unwrap_or_default();
        let redis = redis::Client::open(url).expect("an address");
        let mut redis = redis.get_multiplexed_async_connection().await.expect("Redis");
        for (number, lie) in LIES.iter().enumerate() {
            let mug = shop.sells(&format!("Mug {number}")).at(12_00).await;
            let path = format!("/api/products/{}", mug.id);
            let nobody = json!({"email": format!("nobody{number}@example.com"), "password": "x"});
            here.visitor().get(&path).await.is(200);
            here.visitor().post("/api/auth/login").json(&nobody).await.is(401);
            let lied: usize = redis::Script::new(lie).invoke_async(&mut redis).await.expect("it does what it is told");
            assert!(lied > 1, "{lie}");
            assert_eq!(there.visitor().get(&path).await.is(200)["price"], "12.00", "{lie}");
            there.visitor().get("/api/products").await.is(200);
            there.visitor().post("/api/auth/login").json(&nobody).await.is(401);
        }
    }

    async fn rate_limits_count_correctly_during_invalidations(shop: TestShop) {
        let Some((here, _)) = two_processes(&shop, |settings| settings.rate_limits = true).await else { return };
        let once = Limit::new("once", 1, Duration::from_mins(1), "That was too often.");
        for round in 0..50 {
            let (shop, once) = (here.inside(), &once);
            let people = (0..8).map(|number| async move { shop.limits.take(once, &format!("{round}-{number}")).await });
            let (taken, ()) = join(join_all(people), shop.cache.invalidate(&[Part::Catalog])).await;
            assert!(taken.iter().all(Result::is_ok), "an answer of Redis was taken for that to another question");
        }
    }

    async fn a_slug_leads_to_the_same_product_in_every_process(shop: TestShop) {
        let Some((here, there)) = two_processes(&shop, |_| {}).await else { return };
        let mug = shop.sells("Mug").at(12_00).await;
        let (path, by_slug) = (format!("/api/products/{}", mug.id), |slug: &str| format!("/api/products/by-slug/{slug}"));
        let admin = shop.admin().await.of(&here);
        let sees = |slug: &str| {
            let ask = there.visitor().get(&by_slug(slug));
            async move {
                let answer = ask.await;
                (answer.status, answer["price"].clone(), answer["id"].clone())
            }
        };
        assert_eq!(sees("mug").await, (200, json!("12.00"), json!(mug.id)));
        admin.patch(&path).json(&json!({"price": "9.00"})).await.is(200);
        eventually("the price is heard of", || async { sees("mug").await.1 == "9.00" }).await;
        admin.patch(&path).json(&json!({"slug": "cup"})).await.is(200);
        eventually("the slug is heard of", || async { sees("mug").await.0 == 301 && sees("cup").await.0 == 200 }).await;
        let pot = admin.post("/api/products").json(&json!({"name": "Pot", "price": "1.00", "slug": "mug"})).await.is(201);
        eventually("the new owner is heard of", || async { sees("mug").await.2 == pot["id"] }).await;
    }

    async fn an_unavailable_redis_costs_only_speed(shop: TestShop) {
        let nowhere = shop.opens_again(|settings| settings.redis_url = Some("redis://127.0.0.1:1".into())).await;
        let mug = shop.sells("Mug").at(12_00).await;
        let path = format!("/api/products/{}", mug.id);
        nowhere.visitor().get(&path).await.is(200);
        shop.admin().await.of(&nowhere).patch(&path).json(&json!({"price": "9.00"})).await.is(200);
        assert_eq!(nowhere.visitor().get(&path).await.is(200)["price"], "9.00");
        nowhere.inside().cache.invalidate(&[Part::Catalog]).await;
        nowhere.visitor().get("/health/ready").await.is(200);
    }
}
