//! The stock that a file names, and what was sold since.

use serde_json::json;

use super::{buys, export, mug_in_stock, stock_of};
use crate::support::TestShop;

on_both_engines! {
    async fn negative_stock_is_zero_and_whole_numbers_may_have_decimals(shop: TestShop) {
        let file = export(&[
            "cap,Cap,Acme,Title,Default Title,C-1,shopify,-3,deny,5.00,,,false,active",
            "hat,Hat,Acme,Title,Default Title,H-1,shopify,50.0,deny,5.00,,,false,active",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.reports("is below zero and was taken as 0: line 2 (\"-3\")");
        assert_eq!((stock_of(&shop, "Cap").await, stock_of(&shop, "Hat").await), (json!(0), json!(50)));
    }

    async fn products_without_tracked_stock_can_be_bought(shop: TestShop) {
        let file = export(&[
            "ebook,E-book,Acme,Title,Default Title,E-1,,0,deny,5.00,,,false,active",
            "print,Print,Acme,Title,Default Title,P-1,shopify,-2,continue,5.00,,,false,active",
            "mug,Mug,Acme,Title,Default Title,M-1,shopify,0,deny,5.00,,,false,active",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 3, updated 0, unchanged 0, skipped 0");
        import.reports("is not counted").reports("9999").reports("--stock");
        let ada = shop.customer("ada@example.com").await;
        for name in ["E-book", "Print"] {
            buys(&ada, &shop.product_named(name).await, 2).await;
        }
        assert_eq!((stock_of(&shop, "Print").await, stock_of(&shop, "Mug").await), (json!(9_997), json!(0)));

        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
        assert_eq!(stock_of(&shop, "Print").await, 9_997);
        shop.imports(&file, &["--stock", "20"]).await.did("created 0, updated 2, unchanged 1, skipped 0");
        assert_eq!((stock_of(&shop, "Print").await, stock_of(&shop, "Mug").await), (json!(20), json!(0)));
        shop.runs_its_jobs().await;
    }

    async fn a_file_without_a_stock_column_uses_the_default_stock(shop: TestShop) {
        let file = "Handle,Title,Variant SKU,Variant Inventory Tracker,Variant Price\nmug,Mug,M-1,shopify,5.00\n";
        let import = shop.imports(file, &["--stock", "12"]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        import.reports("does not say how many there are").reports("12");
        assert_eq!(stock_of(&shop, "Mug").await, 12);

        shop.imports(&mug_in_stock("7"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(file, &["--stock", "30"]).await;
        assert_eq!(stock_of(&shop, "Mug").await, 7, "a count outweighs a default");
    }

    async fn importing_again_does_not_restore_sold_stock(shop: TestShop) {
        shop.imports(&mug_in_stock("10"), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &shop.product_named("Mug").await, 3).await;

        shop.imports(&mug_in_stock("10"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 7);
        shop.imports(&mug_in_stock("25"), &["--keep-stock"]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 7);
        shop.imports(&mug_in_stock("25"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 25);
        shop.runs_its_jobs().await;
    }

    async fn products_imported_by_an_earlier_version_keep_id_and_stock(shop: TestShop) {
        shop.imports(&mug_in_stock("10"), &[]).await;
        let mug = shop.product_named("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &mug, 3).await;
        shop.tampers("DELETE FROM imported_products").await; // it kept no such thing

        let import = shop.imports(&mug_in_stock("10"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        import.reports("existing products was not changed");
        let again = shop.product_named("Mug").await;
        assert_eq!((&again["id"], &again["stock"]), (&mug["id"], &json!(7)));
        shop.imports(&mug_in_stock("11"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 11);
        shop.runs_its_jobs().await;
    }

    async fn shopify_s_inventory_file_sets_the_stock(shop: TestShop) {
        let products = export(&[
            "mug,Mug,Acme,Color,Red,M-1,shopify,1,deny,9.50,,,false,active",
            "mug,,,Color,Blue,,shopify,1,deny,9.50,,,,",
            "cup,Cup,Acme,Title,Default Title,C-1,shopify,1,deny,3.00,,,false,active",
        ]);
        shop.imports(&products, &[]).await.did("created 3, updated 0, unchanged 0, skipped 0");
        let inventory = "Handle,Title,Option1 Name,Option1 Value,SKU,HS Code,COO,Location,Incoming,Unavailable,Committed,Available,On hand\n\
            mug,Mug,Color,Red,M-1,,,Berlin,0,0,2,8,10\n\
            mug,Mug,Color,Red,M-1,,,Paris,0,0,0,4,4\n\
            mug,Mug,Color,Blue,,,,Berlin,0,0,0,-2,-2\n\
            mug,Mug,Color,Blue,,,,Paris,not stocked,not stocked,not stocked,not stocked,not stocked\n\
            cup,Cup,Title,Default Title,C-1,,,Berlin,not stocked,not stocked,not stocked,not stocked,not stocked\n\
            hat,Hat,Title,Default Title,H-1,,,Berlin,0,0,0,4,4\n";
        let import = shop.imports(inventory, &[]).await.did("counted 2, unchanged 0, skipped 2");
        import.reports("line 7 (\"H-1\")");
        let stock = async || [stock_of(&shop, "Mug – Red").await, stock_of(&shop, "Mug – Blue").await, stock_of(&shop, "Cup").await];
        assert_eq!(stock().await, [json!(12), json!(0), json!(1)]);

        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &shop.product_named("Mug – Red").await, 2).await;
        shop.imports(inventory, &[]).await.did("counted 0, unchanged 2, skipped 2");
        shop.imports(&products, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
        assert_eq!(stock().await, [json!(10), json!(0), json!(1)]);
        shop.runs_its_jobs().await;
    }
}
