//! `If-Match`: a change made from an old copy of a thing is refused, and overwrites nothing.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Ask};

on_both_engines! {
    async fn a_put_with_an_old_etag_does_not_restore_sold_stock(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (admin, ada, path) =
            (shop.admin().await, shop.customer("ada@example.com").await, format!("/api/products/{}", mug.id));
        let copy = admin.get(&path).await.is(200);
        assert_eq!(copy.header("cache-control"), "no-store", "what admins see is theirs");
        ada.buys(&mug).await;
        let stale = admin.put(&path).header("if-match", copy.header("etag")).json(&copy.json()).await;
        stale.is(412).with_code("precondition_failed");
        assert_eq!(shop.stock_of(&mug).await, 4);

        let copy = admin.get(&path).await.is(200);
        let renamed = changed(&copy.json(), "name", "Large mug");
        let put = admin.put(&path).header("if-match", copy.header("etag")).json(&renamed).await.is(200);
        assert_eq!((&put["name"], &put["stock"]), (&json!("Large mug"), &json!(4)));
        assert_eq!(admin.put(&path).json(&copy.json()).await.is(200)["name"], "Mug", "nobody has to say what they saw");
        shop.runs_its_jobs().await;
    }

    async fn products_categories_and_brands_are_changed_and_deleted_by_who_saw_them_as_they_are(shop: TestShop) {
        let admin = shop.admin().await;
        for kind in ["products", "categories", "brands"] {
            let thing = json!({"name": "Oak", "price": "1.00"});
            let path = format!("/api/{kind}/{}", admin.post(&format!("/api/{kind}")).json(&thing).await.is(201)["id"]);
            let tag = async |person: &Person| person.get(&path).await.is(200).header("etag").to_owned();
            let changes = |tag: &str| admin.patch(&path).header("if-match", tag).json(&json!({"name": "Ash"}));
            let first = tag(&admin).await;
            assert_eq!(first, tag(&shop.visitor()).await, "customers see the same {kind}");
            admin.get(&path).header("if-none-match", &first).await.is(304);
            for other in [r#""""#, r#""0""#, "oak", "", &format!("W/{first}"), &first[1..], &first.to_uppercase()] {
                changes(other).await.is(412).with_code("precondition_failed");
            }
            changes(&first).await.is(200);
            changes(&first).await.is(412);
            admin.put(&path).header("if-match", &first).json(&thing).await.is(412);
            admin.delete(&path).header("if-match", &first).await.is(412);
            changes(&format!(r#""a", {},"b""#, tag(&admin).await)).await.is(200);
            changes("*").await.is(200);
            changes(&first).header("if-match", &tag(&admin).await).await.is(200); // a second line goes on with the first
            admin.delete(&path).header("if-match", &tag(&shop.visitor()).await).await.is(204);
            admin.delete(&path).header("if-match", "*").await.is(404);
        }
    }

    async fn of_concurrent_changes_with_one_etag_one_succeeds(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (admin, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        let tag = admin.get(&path).await.is(200).header("etag").to_owned();
        let at_once = join_all((1..=6).map(|stock| {
            let change = json!({"stock": 10 + stock});
            let ask = admin.patch(&path).header("if-match", &tag).json(&change);
            async move { ask.await.status }
        }));
        let mut statuses = at_once.await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
    }

    async fn an_image_changes_the_etag_of_its_product(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (admin, path) = (shop.admin().await, format!("/api/products/{}", mug.id));
        let tag = admin.get(&path).await.is(200).header("etag").to_owned();
        let png = crate::support::image_files::solid(9, 9, image::ImageFormat::Png);
        let (kind, form) = crate::media::form(&[("image", "", &png)]);
        admin.post(&format!("{path}/images")).body(&kind, form).await.is(201);
        admin.patch(&path).header("if-match", &tag).json(&json!({"name": "Pot"})).await.is(412);
    }

    async fn preconditions_are_checked_after_permissions_and_before_the_body(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (admin, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        let (path, nonsense) = (format!("/api/products/{}", mug.id), json!({"name": 1, "category": "x"}));
        for method in [Method::PUT, Method::PATCH] {
            let asks = |person: &Person, path: &str| -> Ask {
                person.asks(method.clone(), path).header("if-match", r#""old""#).json(&nonsense)
            };
            asks(&shop.visitor(), &path).await.is(401);
            asks(&ada, &path).await.is(403);
            asks(&admin, "/api/products/99999").await.is(404);
            asks(&admin, &path).await.is(412);
            asks(&admin, &path).await.is(412);
        }
    }

    async fn a_compressed_response_has_an_etag_of_its_own_that_also_matches(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (admin, visitor, path) = (shop.admin().await, shop.visitor(), format!("/api/products/{}", mug.id));
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
            admin.patch(&path).header("if-match", &tag).json(&json!({})).await.is(200);
            tags.push(tag);
        }
    }
}

fn changed(thing: &Value, field: &str, value: &str) -> Value {
    let mut thing = thing.clone();
    thing[field] = value.into();
    thing
}
