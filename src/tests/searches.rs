//! What a search may cost: it is bounded, ends in time, and keeps nobody from anything else.

use std::time::Duration;

use platform::db::{self, Tx};
use serde_json::{Value, json};

use crate::support::TestShop;

/// It would count to 1,000,000,000,000,000.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    SELECT COUNT(*) FROM n a, n b, n c, n d, n e";
/// In the place of the products: whoever looks at one waits for ever.
const ENDLESS_PRODUCTS: &str = "CREATE VIEW products AS SELECT * FROM kept_products WHERE
    (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
     SELECT COUNT(*) FROM n a, n b, n c, n d, n e) > 0";

on_both_engines! {
    async fn a_search_that_takes_too_long_times_out(shop: TestShop) {
        shop.sells("Mug").await;
        shop.tampers("ALTER TABLE products RENAME TO kept_products").await;
        shop.tampers(ENDLESS_PRODUCTS).await;
        let slow = shop.visitor().get("/api/products?search=mug").await.is(503).with_code("too_slow");
        assert_eq!(slow.header("retry-after"), "1");
        shop.tampers("DROP VIEW products").await;
        shop.tampers("ALTER TABLE kept_products RENAME TO products").await;
        assert_eq!(shop.visitor().get("/api/products?search=mug").await.is(200).list().len(), 1);
    }

    async fn a_search_whose_client_hung_up_frees_its_connection(shop: TestShop) {
        let browsing = all_who_browse(&shop).await;
        for mut tx in browsing {
            let asked = tx.query(ENDLESS).fetch_one::<(i64,)>();
            assert!(tokio::time::timeout(Duration::from_millis(20), asked).await.is_err(), "it has no end of its own");
        }
        let found = shop.visitor().get("/api/products?search=mug").await.is(200);
        assert_eq!(found.list(), Vec::<Value>::new());
    }

    async fn a_product_list_that_times_out_has_its_own_code(shop: TestShop) {
        let mut tx = shop.db().browse().await.expect("a connection");
        let ended = tx.query(ENDLESS).fetch_one::<(i64,)>().await.expect_err("it has no end of its own");
        assert!(db::is_timeout(&ended), "{ended}");
        let mut tx = shop.db().read().await.expect("a connection");
        let refused = tx.query("SELECT nothing").fetch_one::<(i64,)>().await.expect_err("there is no such thing");
        assert!(!db::is_timeout(&refused), "{refused}");
    }

    async fn orders_do_not_wait_for_searches(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        let browsing = all_who_browse(&shop).await;
        ada.puts_in_cart(&mug, 1).await.is(201);
        assert_eq!(ada.cart().await["total_items"], 1);
        let order = ada.checks_out().await.is(201);
        ada.get(&format!("/api/orders/{}", order["id"])).await.is(200);
        assert_eq!(ada.orders().await.len(), 1);
        drop(browsing);
        shop.runs_its_jobs().await;
    }

    async fn words_of_a_letter_find_names_and_narrow_what_longer_words_find(shop: TestShop) {
        let admin = shop.admin().await;
        let category = admin.post("/api/categories").json(&json!({"name": "HP"})).await.is(201)["id"].clone();
        shop.sells("Ink 45").with("category", category).with("description", "for a printer").await;
        shop.sells("Paper A4").with("description", "for a printer by HP").await;
        shop.sells("Stapler").with("is_active", false).await;
        let finds = async |typed: &str| {
            let found = shop.visitor().get(&format!("/api/products?search={typed}")).await.is(200);
            let mut names: Vec<String> =
                found.list().iter().map(|product| product["name"].as_str().unwrap_or_default().to_owned()).collect();
            names.sort_unstable();
            assert_eq!(found.header("x-total-count"), names.len().to_string(), "{typed}");
            names.join(", ")
        };
        for (typed, found) in [
            ("hp", "Ink 45"),
            ("a4", "Paper A4"),
            ("p", "Ink 45, Paper A4"),
            ("4+k", "Ink 45"),
            ("s", ""),
            ("printer+hp", "Ink 45, Paper A4"),
            ("printer+a4", "Paper A4"),
            ("printer+z", ""),
            ("f+o+r+z+y+x+q", ""),
            ("printer+printer+for+a+by+hp+paper+nothing", "Paper A4"), // six words and no more
        ] {
            assert_eq!(finds(typed).await, found, "{typed}");
        }
    }
}

/// Every connection of those who only browse.
async fn all_who_browse(shop: &TestShop) -> Vec<Tx> {
    let mut browsing = Vec::new();
    while let Ok(tx) = tokio::time::timeout(Duration::from_secs(1), shop.db().browse()).await {
        browsing.push(tx.expect("a connection"));
    }
    assert!((2..10).contains(&browsing.len()), "{}", browsing.len());
    browsing
}
