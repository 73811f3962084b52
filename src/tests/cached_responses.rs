//! Responses that are sent again as they were: whoever asks must not notice.

use serde_json::json;

use crate::support::{TestShop, eventually};

on_both_engines! {
    async fn the_second_response_is_the_first(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let visitor = shop.visitor();
        for path in [format!("/api/products/{}", mug.id), "/api/products?per_page=20".to_owned(), "/api/products/by-slug/mug".to_owned()] {
            for coding in ["identity", "gzip", "br"] {
                let ask = || visitor.get(&path).header("accept-encoding", coding);
                let first = ask().await.is(200);
                let statements = shop.db().statements();
                let second = ask().await.is(200);
                assert_eq!(shop.db().statements(), statements, "{path} is read from the database again");
                for header in ["content-type", "content-encoding", "etag", "cache-control", "vary", "x-total-count", "link", "x-content-type-options"] {
                    assert_eq!(first.header(header), second.header(header), "{header} of {path}");
                }
                assert_eq!(first.header("content-encoding"), coding.replace("identity", ""));
                assert!(first.bytes() == second.bytes(), "{path} in {coding}");
                assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
                let known = ask().header("if-none-match", second.header("etag")).await.is(304);
                assert_eq!((known.header("etag"), known.bytes().len()), (second.header("etag"), 0));
            }
        }
    }

    async fn a_cached_response_answers_the_request_that_was_sent(shop: TestShop) {
        let shop = shop.opens_again(|settings| settings.cors_origins = vec!["https://shop.example".to_owned()]).await;
        let mug = shop.sells("Mug").await;
        let (visitor, path) = (shop.visitor(), format!("/api/products/{}", mug.id));
        visitor.get(&path).await.is(200);
        let named = visitor.get(&path).header("x-request-id", "of-the-client").await.is(200);
        assert_eq!(named.header("x-request-id"), "of-the-client");
        let page = visitor.get(&path).header("origin", "https://shop.example").await.is(200);
        assert_eq!(page.header("access-control-allow-origin"), "https://shop.example");
        let stranger = visitor.get(&path).header("origin", "https://other.example").await.is(200);
        assert_eq!(stranger.header("access-control-allow-origin"), "");
        visitor.get(&path).header("accept", "text/html").await.is(406).with_code("not_acceptable");
        visitor.get(&format!("{path}?x=1")).await.is(200);
    }

    async fn an_admin_is_never_answered_from_the_cache(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (visitor, admin, path) = (shop.visitor(), shop.admin().await, format!("/api/products/{}", mug.id));
        visitor.get(&path).await.is(200);
        assert_eq!(admin.get(&path).await.is(200).header("cache-control"), "no-store");
        admin.patch(&path).json(&json!({"is_active": false})).await.is(200);
        admin.get(&path).await.is(200);
        visitor.get(&path).await.is(404);
    }

    async fn a_sale_shows_at_once_in_the_product_and_soon_in_lists(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(5).await;
        let (visitor, path) = (shop.visitor(), format!("/api/products/{}", mug.id));
        assert_eq!(visitor.get("/api/products").await.is(200).list()[0]["stock"], 5);
        visitor.get(&path).await.is(200);
        shop.customer("ada@example.com").await.buys(&mug).await;
        assert_eq!(visitor.get(&path).await.is(200)["stock"], 4);
        eventually("the list shows what is left", || async {
            visitor.get("/api/products").await.is(200).list()[0]["stock"] == 4
        })
        .await;
        shop.runs_its_jobs().await;
    }
}
