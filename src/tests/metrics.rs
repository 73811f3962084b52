//! Who sees the figures, and what asking for them costs.

use std::{collections::BTreeSet, time::Duration};

use cartwright::app::{metrics, workers};
use reqwest::StatusCode;

use crate::{
    crashes::{crash_on_both_engines, survives},
    support::{
        Engine, TestShop, http_client,
        programs::{Site, free_address, until},
        run_story, sources,
    },
};

const QUEUES: &str = "cartwright_jobs{queue=\"email\",state=\"pending\"}";

on_both_engines! {
    async fn metrics_are_served_to_localhost_only(shop: TestShop) {
        let visitor = shop.visitor();
        visitor.get("/metrics").await.is(200);
        // Handed on by a proxy on this machine, which says so in one way or another.
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("via", "1.1 proxy"),
        ] {
            visitor.get("/metrics").header(name, value).await.is(404).with_code("not_found");
        }
        // Or does not, but is known to be one.
        let behind_a_proxy =
            shop.opens_again(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
        behind_a_proxy.visitor().get("/metrics").await.is(404);
        let elsewhere = shop.opens_again(|settings| settings.metrics_bind = Some(([127, 0, 0, 1], 9).into())).await;
        elsewhere.visitor().get("/metrics").await.is(404);
    }
}

/// The process has one set of figures, so only one story can see them come.
#[test]
fn a_scrape_shows_what_was_measured_and_measures_nothing() {
    run_story(Engine::Sqlite, async |shop: TestShop| {
        let figures = async || shop.visitor().get("/metrics").await.is(200).text();
        shop.visitor().get("/api/products").await.is(200);
        let text = figures().await;
        assert!(!text.contains(QUEUES) && text.contains("cartwright_http_request_duration_seconds"), "{text}");
        let of_the_list = "method=\"GET\",route=\"/api/products\",status=\"200\",le=\"0.001\"";
        assert!(text.contains(of_the_list), "{text}");
        workers::measure(shop.inside()).await.expect("the database answers");
        let text = figures().await;
        assert!(text.contains(QUEUES));
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap_or_default();
            assert!(name.starts_with("cartwright_") && text.contains(&format!("# HELP {name} ")), "{name}");
        }
    });
}

/// A metric that is not listed has no help text, and a histogram then has no buckets.
#[test]
fn every_metric_of_the_sources_is_listed() {
    let mut declared = BTreeSet::new();
    for (path, text) in sources::all() {
        let named = ["counter!(\"", "gauge!(\"", "histogram!(\""].into_iter().find(|call| text.contains(call));
        assert_eq!(named, None, "{}: record it under its constant", path.display());
        for constructor in ["counter", "gauge", "histogram"] {
            let call = format!("Metric::{constructor}(");
            let calls = text.split(&call).skip(1);
            declared.extend(calls.filter_map(|call| Some(call.split('"').nth(1)?.to_owned())));
        }
    }
    assert_eq!(declared, metrics::ALL.iter().map(|metric| metric.name.to_owned()).collect());
}

crash_on_both_engines! {
    async fn metrics_have_an_address_of_their_own(site: Site) {
        let (of_the_api, of_the_worker) = (free_address(), free_address());
        site.set("METRICS_BIND", of_the_api.clone());
        site.set("WORKER_BIND", of_the_worker.clone());
        let _api = site.opens().await;
        let _worker = site.starts("stock-worker");

        assert_eq!(asks(&format!("{}/metrics", site.url)).await.0, 404);
        assert_eq!(asks(&format!("{}/health/live", site.url)).await.0, 200);
        for address in [of_the_api, of_the_worker] {
            let shown = || async { asks(&format!("http://{address}/metrics")).await.1.contains(QUEUES) };
            until("the shop is measured", Duration::from_secs(20), shown).await;
            assert_eq!(asks(&format!("http://{address}/health/ready")).await.0, 200);
            assert_eq!(asks(&format!("http://{address}/api/products")).await.0, 404);
        }
    }
}

/// The status and the text, as from another machine behind a proxy; nothing from who does not listen yet.
async fn asks(address: &str) -> (StatusCode, String) {
    let http = http_client().build().expect("an HTTP client");
    match http.get(address).header("x-forwarded-for", "203.0.113.9").send().await {
        Ok(answer) => (answer.status(), answer.text().await.unwrap_or_default()),
        Err(_) => (StatusCode::BAD_GATEWAY, String::new()),
    }
}
