//! Things that happen at the same moment. Whoever comes second waits or is told; nobody gets a 500.

use std::{collections::BTreeSet, pin::pin, task::Poll, time::Duration};

use futures_util::future::{join_all, poll_fn};
use platform::db::Dialect;
use serde_json::json;

use crate::support::{TestShop, eventually};

on_both_engines! {
    async fn a_connection_is_used_again(shop: TestShop) {
        let sql = match shop.db().query("SELECT 1").dialect() {
            Dialect::Sqlite => return, // its connections have no names
            Dialect::Postgres => "SELECT CAST(pg_backend_pid() AS BIGINT)",
        };
        let mut connections = BTreeSet::new();
        for _ in 0..60 {
            let (connection,): (i64,) = shop.db().query(sql).fetch_one().await.unwrap();
            connections.insert(connection);
        }
        // A connection may come back a moment late, so a second one is opened; never more than the pool holds.
        assert!(connections.len() <= 20, "{connections:?}");
    }

    async fn a_transaction_that_is_dropped_while_it_begins_is_not_left_open(shop: TestShop) {
        if shop.db().query("SELECT 1").dialect() == Dialect::Sqlite {
            return; // whose connections end what was begun themselves
        }
        for polls in 0..40 {
            give_up_after(polls, shop.db().write()).await;
            give_up_after(polls, shop.db().read()).await;
            give_up_after(polls, shop.db().browse()).await;
        }
        let open = "SELECT COUNT(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        let all_ended = async {
            while shop.counts(open).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        // Long before the server would end them.
        tokio::time::timeout(Duration::from_secs(5), all_ended).await.expect("every transaction is ended");
    }

    async fn a_change_with_an_etag_waits_for_an_order_under_way_and_is_refused(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (admin, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        let copy = admin.get(&path).await.is(200);
        let mut order = shop.db().write().await.unwrap();
        order.query("UPDATE stock SET units = units - 2 WHERE product_id = $1").bind(mug.id).execute().await.unwrap();
        let sold = "INSERT INTO stock_movements (product_id, delta, reason, created_at) VALUES ($1, -2, 'adjusted', $2)";
        order.query(sold).bind(mug.id).bind(shop.now()).execute().await.unwrap();
        let change = admin.put(&path).header("if-match", copy.header("etag")).json(&copy.json());
        let commit = async {
            if order.query("SELECT 1").dialect() == Dialect::Postgres {
                let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
                eventually("the change waits for the order", || async { shop.counts(waiting).await > 0 }).await;
            }
            order.commit().await.unwrap();
        };
        let (changed, ()) = tokio::join!(async { change.await }, commit);
        changed.is(412);
        assert_eq!(shop.stock_of(&mug).await, 3);
    }

    async fn many_products_of_one_name_get_slugs_of_their_own(shop: TestShop) {
        let admin = shop.admin().await;
        let made = join_all((0..12).map(|_| async {
            admin.post("/api/products").json(&json!({"name": "Mug", "price": "1.00"})).await.is(201)["slug"].to_string()
        }));
        assert_eq!(made.await.into_iter().collect::<BTreeSet<_>>().len(), 12);
    }

    async fn deleting_a_category_while_a_product_is_created_is_no_500(shop: TestShop) {
        let admin = shop.admin().await;
        for number in 0..8 {
            let category = admin.post("/api/categories").json(&json!({"name": format!("C{number}")})).await.is(201);
            let (path, mug) = (format!("/api/categories/{}", category["id"]), json!({"name": "Mug", "price": "1.00", "category": category["id"]}));
            let (gone, made) = tokio::join!(async { admin.delete(&path).await }, async { admin.post("/api/products").json(&mug).await });
            assert!(matches!((gone.status, made.status), (204, 422) | (409, 201)), "{} {}", gone.status, made.status);
        }
    }

    async fn two_changes_of_one_profile_are_both_kept(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        for number in 0..8 {
            let (city, country) = (format!("city {number}"), format!("country {number}"));
            let (city_change, country_change) = (json!({"city": city}), json!({"country": country}));
            tokio::join!(
                async { ada.patch("/api/profile").json(&city_change).await.is(200) },
                async { ada.patch("/api/profile").json(&country_change).await.is(200) },
            );
            let profile = ada.get("/api/profile").await.is(200);
            assert_eq!((&profile["city"], &profile["country"]), (&json!(city), &json!(country)));
        }
    }

    async fn a_cart_deleted_while_it_is_changed_is_404(shop: TestShop) {
        let (visitor, mug) = (shop.visitor(), shop.sells("Mug").in_stock(99).await);
        for _ in 0..8 {
            let cart = visitor.post("/api/carts").await.is(201)["id"].as_str().unwrap().to_owned();
            let (path, add) = (format!("/api/carts/{cart}"), json!({"product": mug.id}));
            let filled = visitor.post(&format!("{path}/items")).json(&add).await.is(201);
            let item = format!("{path}/items/{}", filled["items"][0]["id"]);
            let (more, items) = (json!({"quantity": 2}), format!("{path}/items"));
            let (gone, changed, added, removed) = tokio::join!(
                async { visitor.delete(&path).await },
                async { visitor.patch(&item).json(&more).await },
                async { visitor.post(&items).json(&add).await },
                async { visitor.delete(&item).await },
            );
            assert_eq!(gone.status, 204);
            for answer in [changed, added, removed] {
                assert!([200, 201, 204, 404].contains(&answer.status), "{}", answer.status);
            }
        }
    }
}

/// Polls a future so many times, then drops it.
async fn give_up_after(polls: usize, work: impl Future) {
    let (mut work, mut polled) = (pin!(work), 0);
    let polling = poll_fn(|context| {
        polled += 1;
        if polled > polls || work.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    });
    polling.await;
}
