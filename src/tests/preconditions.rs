//! `If-Match`: a change made from an old copy of a thing is refused, and overwrites nothing.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Ask};

on_both_engines! {
    async fn a_put_from_an_old_copy_does_not_give_back_what_was_sold_since(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (boss, ada, path) =
            (shop.admin().await, shop.customer("ada@example.com").await, format!("/api/products/{}", mug.id));
        let copy = boss.get(&path).await.is(200);
        assert_eq!(copy.header("cache-control"), "no-store", "what admins see is theirs");
        ada.buys(&mug).await;
        let stale = boss.put(&path).header("if-match", copy.header("etag")).json(&copy.json()).await;
        stale.is(412).with_code("precondition_failed");
        assert_eq!(shop.stock_of(&mug).await, 4);

        let copy = boss.get(&path).await.is(200);
        let renamed = changed(&copy.json(), "name", "Large mug");
        let put = boss.put(&path).header("if-match", copy.header("etag")).json(&renamed).await.is(200);
        assert_eq!((&put["name"], &put["stock"]), (&json!("Large mug"), &json!(4)));
        assert_eq!(boss.put(&path).json(&copy.json()).await.is(200)["name"], "Mug", "nobody has to say what they saw");
        shop.runs_its_jobs().await;
    }

    async fn products_categories_and_brands_are_changed_and_deleted_by_who_saw_them_as_they_are(shop: TestShop) {
        let boss = shop.admin().await;
        for kind in ["products", "categories", "brands"] {
            let thing = json!({"name": "Oak", "price": "1.00"});
            let path = format!("/api/{kind}/{}", boss.post(&format!("/api/{kind}")).json(&thing).await.is(201)["id"]);
            let tag = async |person: &Person| person.get(&path).await.is(200).header("etag").to_owned();
            let changes = |tag: &str| boss.patch(&path).header("if-match", tag).json(&json!({"name": "Ash"}));
            let first = tag(&boss).await;
            assert_eq!(first, tag(&shop.visitor()).await, "customers see the same {kind}");
            boss.get(&path).header("if-none-match", &first).await.is(304);
            for other in [r#""""#, r#""0""#, "oak", "", &format!("W/{first}"), &first[1..], &first.to_uppercase()] {
                changes(other).await.is(412).with_code("precondition_failed");
            }
            changes(&first).await.is(200);
            changes(&first).await.is(412);
            boss.put(&path).header("if-match", &first).json(&thing).await.is(412);
            boss.delete(&path).header("if-match", &first).await.is(412);
            changes(&format!(r#""a", {},"b""#, tag(&boss).await)).await.is(200);
            changes("*").await.is(200);
            changes(&first).header("if-match", &tag(&boss).await).await.is(200); // a second line goes on with the first
            boss.delete(&path).header("if-match", &tag(&shop.visitor()).await).await.is(204);
            boss.delete(&path).header("if-match", "*").await.is(404);
        }
    }

    async fn of_many_changes_from_one_copy_one_is_made(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (boss, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        let tag = boss.get(&path).await.is(200).header("etag").to_owned();
        let at_once = join_all((1..=6).map(|stock| {
            let change = json!({"stock": 10 + stock});
            let ask = boss.patch(&path).header("if-match", &tag).json(&change);
            async move { ask.await.status }
        }));
        let mut statuses = at_once.await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
    }

    async fn an_image_makes_another_copy_of_its_product(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (boss, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        let tag = boss.get(&path).await.is(200).header("etag").to_owned();
        let png = crate::support::pictures::solid(9, 9, image::ImageFormat::Png);
        let (kind, form) = crate::media::form(&[("image", "", &png)]);
        boss.post(&format!("{path}/images")).body(&kind, form).await.is(201);
        boss.patch(&path).header("if-match", &tag).json(&json!({"name": "Pot"})).await.is(412);
    }

    async fn an_old_copy_is_told_after_who_is_asking_and_before_the_body(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (boss, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        let (path, nonsense) = (format!("/api/products/{}", mug.id), json!({"name": 1, "category": "x"}));
        for method in [Method::PUT, Method::PATCH] {
            let asks = |person: &Person, path: &str| -> Ask {
                person.asks(method.clone(), path).header("if-match", r#""old""#).json(&nonsense)
            };
            asks(&shop.visitor(), &path).await.is(401);
            asks(&ada, &path).await.is(403);
            asks(&boss, "/api/products/99999").await.is(404);
            asks(&boss, &path).await.is(412);
            asks(&boss, &path).await.is(412);
        }
    }

    async fn a_compressed_copy_has_a_tag_of_its_own_that_is_as_good(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (boss, visitor, path) = (shop.admin().await, shop.visitor(), format!("/api/products/{}", mug.id));
        let plain = visitor.get(&path).await.is(200).header("etag").to_owned();
        let mut tags = vec![plain.clone()];
        for coding in ["gzip", "br", "deflate"] {
            let packed = visitor.get(&path).header("accept-encoding", coding).await.is(200);
            assert_eq!(packed.header("content-encoding"), coding);
            let tag = packed.header("etag").to_owned();
            assert!(!tags.contains(&tag), "other bytes have another tag: {tag}");
            for known in [&tag, &plain, &format!("W/{tag}")] {
                let again = visitor.get(&path).header("accept-encoding", coding).header("if-none-match", known);
                assert_eq!(again.await.is(304).header("etag"), tag);
            }
            boss.patch(&path).header("if-match", &tag).json(&json!({})).await.is(200);
            tags.push(tag);
        }
    }
}

fn changed(thing: &Value, field: &str, value: &str) -> Value {
    let mut thing = thing.clone();
    thing[field] = value.into();
    thing
}
