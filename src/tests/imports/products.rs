//! Which product a row is, and what it says of it.

use serde_json::{Value, json};

use super::{export, mugs};
use crate::support::TestShop;

on_both_engines! {
    async fn a_duplicate_sku_is_replaced_by_handle_and_options(shop: TestShop) {
        let file = |price: &str| export(&[
            &format!("shirt,Shirt,Acme,Size,S,STYLE-7,shopify,3,deny,{price},,,false,active"),
            &format!("shirt,,,Size,L,STYLE-7,shopify,4,deny,{price},,,,"),
        ]);
        let import = shop.imports(&file("20.00"), &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.reports("repeats in the file: line 3 (\"STYLE-7\")");
        let (small, large) = (shop.product_named("Shirt – S").await, shop.product_named("Shirt – L").await);
        assert_eq!((&small["stock"], &large["stock"]), (&json!(3), &json!(4)));

        shop.imports(&file("21.00"), &[]).await.did("created 0, updated 2, unchanged 0, skipped 0");
        assert_eq!(shop.product_named("Shirt – L").await["id"], large["id"]);
        assert_eq!(shop.product_named("Shirt – L").await["price"], "21.00");
    }

    async fn a_product_keeps_its_id_when_its_sku_comes_later_or_changes(shop: TestShop) {
        let file = |sku: &str| export(&[&format!("mug,Mug,Acme,Color,Red,{sku},shopify,3,deny,9.50,,,false,active")]);
        shop.imports(&file(""), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let mug = shop.product_named("Mug – Red").await;
        shop.imports(&file("M-1"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(&file("M-2"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(&file("M-2"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(shop.products().await.len(), 1);
        assert_eq!(shop.product_named("Mug – Red").await["id"], mug["id"]);
    }

    async fn unchanged_products_are_neither_written_nor_counted_as_updated(shop: TestShop) {
        shop.imports(&mugs(60), &[]).await.did("created 60, updated 0, unchanged 0, skipped 0");
        let before = shop.products().await;
        let one_is_dearer = mugs(60).replace("M-7,shopify,5,deny,9.50", "M-7,shopify,5,deny,9.90");
        shop.imports(&one_is_dearer, &[]).await.did("created 0, updated 1, unchanged 59, skipped 0");
        let changed = shop.products().await.into_iter().zip(before).filter(|(after, before)| after != before);
        assert_eq!(changed.map(|(after, _)| after["price"].clone()).collect::<Vec<_>>(), [json!("9.90")]);
    }

    async fn the_handle_is_the_slug(shop: TestShop) {
        shop.sells("Cap").await; // has the slug already
        let file = export(&[
            "the-finest-mug,Mug,Acme,Title,Default Title,M-1,shopify,1,deny,9.50,,,false,active",
            "cap,Cap,Acme,Color,Red,C-1,shopify,1,deny,9.50,,,false,active",
            "cap,,,Color,Light Blue,C-2,shopify,1,deny,9.50,,,,",
        ]);
        shop.imports(&file, &[]).await.did("created 3, updated 0, unchanged 0, skipped 0");
        assert_eq!(shop.product_named("Mug").await["slug"], "the-finest-mug");
        assert_eq!(shop.product_named("Cap – Red").await["slug"], "cap-2");
        assert_eq!(shop.product_named("Cap – Light Blue").await["slug"], "cap-light-blue");
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
    }

    async fn the_category_comes_from_any_of_the_type_columns(shop: TestShop) {
        let category = async |name: &str| {
            let product = shop.product_named(name).await;
            let path = format!("/api/categories/{}", product["category"]);
            shop.visitor().get(&path).await.is(200)["name"].clone()
        };
        let file = "Handle,Title,Standard Product Type,Custom Product Type,Variant Price\n\
            mug,Mug,Home & Garden > Kitchen > Drinkware,Mugs,1\ncup,Cup,Home & Garden > Kitchen > Drinkware,,1\n";
        shop.imports(file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        assert_eq!((category("Mug").await, category("Cup").await), (json!("Mugs"), json!("Drinkware")));
    }

    async fn gift_cards_are_imported_as_inactive(shop: TestShop) {
        let file = export(&[
            "gift-card,Gift Card,Acme,Denominations,$10.00,,,,continue,10.00,,,true,active",
            "gift-card,,,Denominations,$25.00,,,,continue,25.00,,,,",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.reports("gift card").reports("line 2, line 3");
        let card = shop.product_named("Gift Card – $10.00").await;
        assert_eq!((&card["is_active"], &card["price"]), (&json!(false), &json!("10.00")));
    }

    async fn a_product_keeps_all_its_images_in_order(shop: TestShop) {
        let file = |first: &str, second: &str| export(&[
            &format!("mug,Mug,Acme,Title,Default Title,M-1,shopify,1,deny,9.50,https://e.com/{second}.png,2,false,active"),
            &format!("mug,,,,,,,,,,https://e.com/{first}.png,1,,"),
            "mug,,,,,,,,,,mug.png,3,,",
            "mug,,,,,,,,,,https://e.com/last.png,4,,",
        ]);
        let import = shop.imports(&file("a", "b"), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        import.reports("line 4 (\"mug.png\")");
        let urls = async || -> Vec<Value> {
            let mug = shop.product_named("Mug").await;
            mug["images"].as_array().expect("images").iter().map(|image| image["url"].clone()).collect()
        };
        assert_eq!(urls().await, ["https://e.com/a.png", "https://e.com/b.png", "https://e.com/last.png"]);
        shop.imports(&file("a", "b"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        shop.imports(&file("b", "c"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(urls().await, ["https://e.com/b.png", "https://e.com/c.png", "https://e.com/last.png"]);
    }
}
