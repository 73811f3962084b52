//! Imports while orders come in, and imports that are killed.

use super::mugs;
use crate::support::{TestShop, eventually};

on_both_engines! {
    async fn orders_are_placed_between_the_batches_of_an_import(shop: TestShop) {
        shop.expects_waiting_jobs(); // the e-mails about all those orders
        let cup = shop.sells("Cup").in_stock(1_000).await;
        let ada = shop.customer("ada@example.com").await;
        let mut import = shop.starts_import(&mugs(300), &[]);

        let mut between = 0;
        while import.try_wait().expect("a process").is_none() {
            ada.buys(&cup).await;
            let imported = shop.counts("SELECT COUNT(*) FROM products").await - 1;
            between += usize::from(imported > 0 && imported < 300);
        }
        assert!(import.wait().expect("an end").success());
        assert!(between > 2, "{between} orders were placed while the import wrote");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM products").await, 301);
    }

    async fn a_killed_import_resumes(shop: TestShop) {
        let file = mugs(600);
        let mut import = shop.starts_import(&file, &[]);
        eventually("some are written", async || shop.counts("SELECT COUNT(*) FROM products").await > 0).await;
        import.kill().expect("kill -9");
        import.wait().expect("an end");
        let written = shop.counts("SELECT COUNT(*) FROM products").await;
        assert!(written > 0 && written < 600, "{written} of 600 were written");
        let first = shop.product_named("Mug 0000").await;

        let left = 600 - written;
        shop.imports(&file, &[]).await.did(&format!("created {left}, updated 0, unchanged {written}, skipped 0"));
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 600, skipped 0");
        assert_eq!(shop.product_named("Mug 0000").await, first);
        assert_eq!(shop.counts("SELECT CAST(SUM(units) AS BIGINT) FROM stock").await, 3_000);
    }
}
