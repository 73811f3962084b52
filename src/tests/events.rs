//! Orders that are followed: what happens is told as it happens, to whom it may be told, and nobody misses anything.

use std::time::{Duration, Instant};

use cartwright::orders::events::subscribers::MAX_STREAMS_PER_USER;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Engine, Order, Person, TestShop, events::EventStream, eventually, http_client, people::Payment, programs::Site, run,
};

on_both_engines! {
    async fn a_stream_begins_with_the_current_order_and_continues_with_each_change(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let admin = shop.admin().await;
        let mut stream = ada.events_of(&order).stream().await;

        let begun = stream.next().await;
        assert_eq!((begun.event.as_str(), &begun.data), ("order", &ada.sees(&order).await));
        for status in ["confirmed", "shipped", "delivered"] {
            shop.time_passes(Duration::from_secs(1));
            admin.sets_status(&order, status).await.is(200);
            let told = stream.next().await;
            assert_eq!((told.event.as_str(), told.data["status"].as_str()), ("order", Some(status)));
            assert_eq!(told.data, ada.sees(&order).await, "it is what GET answers");
            assert!(number(&told.id) > number(&begun.id));
        }
        shop.runs_its_jobs().await;
    }

    async fn payments_have_events_too(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys_online(&mug).await;
        let mut stream = ada.events_of(&order).stream().await;
        assert_eq!(stream.next().await.data["payment_status"], "unpaid");

        let payment = ada.pays_with("pm_card_visa", &order).await;
        let queued = stream.next().await;
        assert_eq!((queued.event.as_str(), &queued.data), ("payment", &payment.json));
        assert_eq!(stream.next().await.data["payment_status"], "processing");
        shop.runs_its_jobs().await;
        let captured = stream.next().await;
        assert_eq!((captured.event.as_str(), &captured.data), ("payment", &ada.looks_at(&payment).await));
        let paid = stream.next().await;
        assert_eq!((paid.event.as_str(), &paid.data), ("order", &ada.sees(&order).await));
        assert_eq!((&paid.data["status"], &paid.data["payment_status"]), (&json!("confirmed"), &json!("paid")));

        ada.cancels(&order).await.is(200);
        ada.cancels(&order).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(
            stream.next_words(3, "status").await,
            ["order cancelled", "payment refunded", "order cancelled"],
            "each change is told once, whoever cancels twice"
        );

        let mut anew = ada.events_of(&order).stream().await;
        let begun = [anew.next().await, anew.next().await];
        assert_eq!(begun.clone().map(|told| told.event), ["order", "payment"]);
        assert_eq!(begun.clone().map(|told| told.data), [ada.sees(&order).await, ada.looks_at(&payment).await]);
        assert_eq!(begun[0].id, "", "only who has heard all of it goes on from there");
        assert!(number(&begun[1].id) > 0);
    }

    async fn a_stream_resumes_after_the_last_event_id(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let admin = shop.admin().await;
        let mut stream = ada.events_of(&order).stream().await;
        let seen = stream.next().await.id;
        drop(stream);

        let payment: Payment = ada.wants_to_pay(&order).await.is(202).json().into();
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_secs(1));
        ada.patch(&address_of(&order)).json(&json!({"shipping_address": "5 Quay"})).await.is(200);
        admin.sets_status(&order, "shipped").await.is(200);

        let mut stream = ada.events_of(&order).header("last-event-id", &seen).stream().await;
        let missed = [
            "payment queued", "order pending", "payment processing", "order confirmed", "order confirmed", "order shipped",
        ];
        assert_eq!(stream.next_words(missed.len(), "status").await, missed);
        admin.sets_status(&order, "delivered").await.is(200);
        let paid = stream.next().await;
        assert_eq!((paid.event.as_str(), &paid.data["id"]), ("payment", &json!(payment.id)));
        let delivered = stream.next().await;
        assert_eq!(delivered.data, ada.sees(&order).await);

        let mut beside = shop.opens_again(|_| {}).await.visitor();
        beside.access = ada.access.clone();
        let mut last = beside.events_of(&order).header("last-event-id", &paid.id).stream().await;
        assert_eq!(last.next().await, delivered, "at any server of the shop");
        shop.runs_its_jobs().await;
    }

    async fn more_than_a_batch_is_read_to_its_end(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let mut stream = ada.events_of(&order).stream().await;
        let seen = stream.next().await.id;
        drop(stream);
        for number in 0..230 {
            shop.time_passes(Duration::from_secs(1));
            ada.patch(&address_of(&order)).json(&json!({"shipping_address": format!("{number} Quay")})).await.is(200);
        }
        let mut stream = ada.events_of(&order).header("last-event-id", &seen).stream().await;
        for number in 0..230 {
            assert_eq!(stream.next().await.data["shipping_address"], format!("{number} Quay"));
        }
        shop.runs_its_jobs().await;
    }

    async fn addresses_that_change_within_a_second_are_one_event(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let mut stream = ada.events_of(&order).stream().await;
        let placed = stream.next().await;
        let goes_to = async |address: &str| {
            ada.patch(&address_of(&order)).json(&json!({"shipping_address": address})).await.is(200);
        };
        for number in 0..40 {
            goes_to(&format!("{number} Quay")).await;
        }
        let kept = "SELECT COUNT(*) FROM order_events";
        assert_eq!(shop.counts(kept).await, 1, "also instead of the one that it was placed");
        while stream.next().await.data["shipping_address"] != "39 Quay" {} // who follows it misses no end
        let mut anew = ada.events_of(&order).header("last-event-id", &placed.id).stream().await;
        let begun = anew.next().await;
        assert_eq!(begun.data, ada.sees(&order).await, "and who has seen what is gone begins anew");
        assert!(number(&begun.id) > number(&placed.id));

        shop.time_passes(Duration::from_secs(1));
        goes_to("39 Quay").await; // as before
        assert_eq!(shop.counts(kept).await, 1);
        goes_to("40 Quay").await;
        ada.wants_to_pay(&order).await.is(202);
        shop.runs_its_jobs().await;
        let told = shop.counts(kept).await;
        goes_to("41 Quay").await;
        assert_eq!(shop.counts(kept).await, told, "the last one was about the order");
        let mut rest = ada.events_of(&order).header("last-event-id", &begun.id).stream().await;
        let missed = ["order pending", "payment queued", "order pending", "payment processing", "order confirmed"];
        assert_eq!(rest.next_words(missed.len(), "status").await, missed);
    }

    async fn an_unknown_last_event_id_starts_a_new_stream(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let other = ada.buys(&shop.sells("Pot").await).await;
        let others = ada.events_of(&other).stream().await.next().await.id;
        let own = ada.events_of(&order).stream().await.next().await.id;
        shop.admin().await.sets_status(&order, "confirmed").await.is(200);
        shop.tampers("DELETE FROM order_events WHERE id = (SELECT MIN(id) FROM order_events)").await; // swept
        for unknown in ["", "tuesday", "-1", "99999999999999999999", "987654", &others, &own] {
            let mut stream = ada.events_of(&order).header("last-event-id", unknown).stream().await;
            let begun = stream.next().await;
            assert_eq!(begun.data["status"], "confirmed", "{unknown:?}");
            assert!(number(&begun.id) > number(&own), "{unknown:?}");
        }
        shop.runs_its_jobs().await;
    }

    async fn only_who_may_see_an_order_may_stream_its_events(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let eve = shop.customer("eve@example.com").await;
        let theirs = eve.events_of(&order).await.is(404).with_code("not_found");
        let nobodys = eve.get("/api/orders/987654/events").await.is(404);
        let nonsense = eve.get("/api/orders/mine/events").await.is(404);
        assert!(theirs["detail"] == nobodys["detail"] && theirs["detail"] == nonsense["detail"]);
        shop.visitor().events_of(&order).await.is(401);
        ada.with_token("nonsense").events_of(&order).await.is(401);
        assert_eq!(shop.admin().await.events_of(&order).stream().await.next().await.data, ada.sees(&order).await);
        shop.runs_its_jobs().await;
    }

    async fn a_stream_ends_with_its_session(shop: TestShop) {
        let (mut ada, order) = somebody_who_ordered(&shop).await;
        let admin = shop.admin().await;
        let mut ended = ada.events_of(&order).stream().await;
        ended.next().await;
        ada.post("/api/auth/logout").await.is(204);
        admin.sets_status(&order, "confirmed").await.is(200);
        ended.ends().await;

        ada.signs_in().await;
        let mut too_old = ada.events_of(&order).stream().await;
        too_old.next().await;
        shop.time_passes(Duration::from_hours(24) + Duration::from_secs(61));
        let mut admin = admin;
        admin.signs_in().await;
        admin.sets_status(&order, "shipped").await.is(200);
        too_old.ends().await;

        let mut demoted = admin.events_of(&order).stream().await;
        demoted.next().await;
        shop.tampers("UPDATE users SET role = 'customer'").await;
        ada.signs_in().await;
        ada.patch(&address_of(&order)).json(&json!({"shipping_address": "5 Quay"})).await.is(409);
        shop.tampers("UPDATE users SET role = 'admin' WHERE email LIKE 'ada%'").await;
        ada.sets_status(&order, "delivered").await.is(200);
        demoted.ends().await;
        shop.runs_its_jobs().await;
    }

    async fn the_streams_of_a_user_are_limited(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let admin = shop.admin().await;
        let mut streams: Vec<EventStream> = join_all((0..MAX_STREAMS_PER_USER).map(|_| ada.events_of(&order).stream())).await;
        let refused = ada.events_of(&order).await.is(429).with_code("too_many_streams");
        assert_eq!(refused.header("retry-after"), "15");
        admin.events_of(&order).stream().await.next().await; // others are not concerned

        for stream in &mut streams {
            stream.next().await;
        }
        drop(streams);
        // Though nothing happens to the order that could be told.
        eventually("the places are free", async || ada.events_of(&order).try_stream().await.is_ok()).await;
        shop.runs_its_jobs().await;
    }

    async fn nothing_on_the_way_holds_an_event_back(shop: TestShop) {
        let (ada, order) = somebody_who_ordered(&shop).await;
        let asked = ada.events_of(&order).header("accept-encoding", "gzip, br").header("accept", "text/event-stream");
        let mut stream = asked.stream().await;
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
            ("content-encoding", ""),
        ] {
            assert_eq!(stream.header(name), value, "{name}");
        }
        stream.next().await;
        ada.asks(reqwest::Method::HEAD, &format!("/api/orders/{}/events", order.id)).await.is(200);
        shop.runs_its_jobs().await;
    }
}

/// What other processes do is heard, and a program that is told to stop does not wait for its readers.
macro_rules! processes {
    ($($name:ident: $engine:expr;)+) => {$(
        #[test]
        fn $name() {
            run(followed_across_processes($engine));
        }
    )+};
}

processes! {
    another_process_is_heard_and_a_stop_ends_the_stream_sqlite: Engine::Sqlite;
    another_process_is_heard_and_a_stop_ends_the_stream_postgres: Engine::Postgres;
}

async fn followed_across_processes(engine: Engine) {
    let Some(site) = Site::open(engine).await else { return };
    let shop = site.opens().await;
    let admin = site.admin().await;
    let ada = site.customer("ada@example.com").await;
    let mug = site.sells(&admin, "Mug", 5).await;
    let order = json!({"items": [{"product": mug, "quantity": 1}]});
    let order = site.post("/api/orders", &ada, None, &order).await.unwrap().1;
    let http = http_client().build().unwrap();
    let events = format!("{}/api/orders/{}/events", site.url, order["id"]);
    let mut stream = EventStream::open(http.get(events).bearer_auth(&ada)).await.unwrap();
    assert_eq!(stream.next().await.data["status"], "pending");

    let worker = site.starts("payment-worker");
    assert_eq!(site.post("/api/payments", &ada, None, &json!({"order": order["id"]})).await.unwrap().0, 202);
    let told = stream.next_words(4, "status").await;
    assert_eq!(told, ["payment queued", "order pending", "payment processing", "order confirmed"]);

    let told_to_stop = Instant::now();
    assert_eq!(shop.stops(), Some(0));
    assert!(told_to_stop.elapsed() < Duration::from_secs(10), "{:?}", told_to_stop.elapsed());
    stream.ends().await;
    assert_eq!(worker.stops(), Some(0));
}

async fn somebody_who_ordered(shop: &TestShop) -> (Person, Order) {
    let mug = shop.sells("Mug").await;
    let ada = shop.customer("ada@example.com").await;
    let order = ada.buys(&mug).await;
    (ada, order)
}

fn address_of(order: &Order) -> String {
    format!("/api/orders/{}", order.id)
}

fn number(id: &str) -> i64 {
    id.parse().unwrap_or_else(|_| panic!("{id:?} is no id of an event"))
}
