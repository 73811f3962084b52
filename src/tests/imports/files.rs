//! Files: bad rows, hostile ones, pipes, and columns that are not read.

use serde_json::Value;

use super::{export, mugs};
use crate::support::TestShop;

on_both_engines! {
    async fn one_bad_row_changes_nothing(shop: TestShop) {
        let bad = "cup,Cup,Acme,Title,Default Title,C-1,shopify,1,deny,cheap,,,false,active\n";
        let file = mugs(150) + bad;
        shop.imports(&file, &[]).await.fails_with("nothing was imported").reports("line 152 (\"cheap\")");
        assert_eq!(shop.products().await, Vec::<Value>::new());
        shop.imports(&file, &["--skip-bad"]).await.did("created 150, updated 0, unchanged 0, skipped 1");
    }

    async fn a_hostile_file_is_refused_or_is_only_text(shop: TestShop) {
        let named = |name: &str| format!("cup,{name},Acme,Title,Default Title,C-1,shopify,1,deny,1.00,,,false,active");
        let long = "x".repeat(10_000_000);
        for (file, reason) in [
            (export(&[&named(&long)]), "the row that starts on line 2 is longer than 8 MiB"),
            (export(&[&named("Mug"), &format!("\"{long}")]), "the row that starts on line 3 is longer than 8 MiB"),
            (long.clone(), "the row that starts on line 1 is longer than 8 MiB"),
            (export(&[&named("C\0up")]), "line 2"),
        ] {
            shop.imports(&file, &[]).await.fails_with(reason);
        }
        assert_eq!(shop.products().await, Vec::<Value>::new());
        for formula in ["=HYPERLINK(\"\"http://evil.example\"\")", "@SUM(1)", "+1", "-1"] {
            shop.imports(&export(&[&named(&format!("\"{formula}\""))]), &[]).await;
            shop.product_named(&formula.replace("\"\"", "\"")).await;
        }
    }

    async fn a_file_may_come_through_a_pipe(shop: TestShop) {
        shop.imports_from_stdin(&mugs(3)).did("created 3, updated 0, unchanged 0, skipped 0");
        shop.imports_from_stdin("Title,Vendor\nMug,Acme\n").fails_with("-: the first line does not name");
    }

    async fn errors_are_grouped_and_skipped_variants_are_counted(shop: TestShop) {
        let file = export(&[
            "mug,Mug,Acme,Color,Red,M-1,shopify,1,deny,one,,,false,live",
            "mug,,,Color,Blue,M-2,shopify,1,deny,two,,,,",
            "mug,,,Color,Pink,M-3,shopify,1,deny,three,,,,",
            "mug,,,Color,Grey,M-4,shopify,1,deny,four,,,,",
            "cup,Cup,Acme,Title,Default Title,C-1,shopify,1,deny,3.00,,,false,active",
        ]);
        let import = shop.imports(&file, &["--skip-bad"]).await.did("created 1, updated 0, unchanged 0, skipped 4");
        let prices = "column \"Variant Price\" is not a price; write it like 19.90: \
            line 2 (\"one\"), line 3 (\"two\"), line 4 (\"three\") and 1 more";
        let import = import.reports(prices).reports("column \"Status\" is not a status");
        assert_eq!(import.stderr.matches("not a price").count(), 1, "{}", import.stderr);
    }

    async fn ignored_columns_are_named_once(shop: TestShop) {
        let file = "Handle,Title,Variant Price,Variant Inventory Qty,Variant Barcode,Cost per item\nmug,Mug,1,1,4006381333931,2\n";
        let import = shop.imports(file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let import = import.reports("ignored columns: Variant Barcode, Cost per item");
        assert_eq!(import.stderr.matches("Variant Barcode").count(), 1);
    }
}
