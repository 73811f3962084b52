//! Exports of Shopify, imported by the program beside a shop that is open. What the files say is what real ones say.

use cartwright::catalog::Part;
use serde_json::{Value, json};

use crate::support::{Order, Person, Product, TestShop, eventually};

const HEADER: &str = "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,\
    Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Image Position,Gift Card,Status";

/// An export with these rows in the columns of [`HEADER`].
fn export(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

fn mug_in_stock(stock: &str) -> String {
    export(&[&format!("mug,Mug,Acme,Title,Default Title,M-1,shopify,{stock},deny,9.50,,,false,active")])
}

fn mugs(count: usize) -> String {
    let rows: Vec<String> = (0..count)
        .map(|n| format!("mug-{n},Mug {n:04},Acme,Title,Default Title,M-{n},shopify,5,deny,9.50,,,false,active"))
        .collect();
    export(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An export of one mug with this description.
fn mug_described_as(html: &str) -> String {
    let cell = html.replace('"', "\"\"");
    format!("Handle,Title,Body (HTML),Variant Price,Variant Inventory Qty\nmug,Mug,\"{cell}\",1,1\n")
}

/// The mug by itself, which shows its description as HTML, too. The import is another program, so this one's cache may
/// have the mug of a second ago.
async fn the_mug(shop: &TestShop) -> Value {
    shop.inside().cache.invalidate(&[Part::Catalog]).await;
    let mug = shop.product_called("Mug").await;
    shop.visitor().get(&format!("/api/products/{}", mug["id"])).await.is(200).json()
}

async fn buys(ada: &Person, product: &Value, pieces: i64) -> Order {
    ada.places_order(&[(&Product::from(product.clone()), pieces)]).await.is(201).json().into()
}

async fn stock_of(shop: &TestShop, name: &str) -> Value {
    shop.product_called(name).await["stock"].clone()
}

on_both_engines! {
    async fn orders_get_in_between_the_batches_of_an_import(shop: TestShop) {
        let cup = shop.sells("Cup").in_stock(1_000).await;
        let ada = shop.customer("ada@example.com").await;
        let mut import = shop.begins_to_import(&mugs(600), &[]);

        let mut between = 0;
        while import.try_wait().expect("a process").is_none() {
            ada.buys(&cup).await;
            let imported = shop.counts("SELECT COUNT(*) FROM products").await - 1;
            between += usize::from(imported > 0 && imported < 600);
        }
        assert!(import.wait().expect("an end").success());
        assert!(between > 2, "{between} orders were placed while the import wrote");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM products").await, 601);
        shop.runs_its_jobs().await;
    }

    async fn an_import_that_was_killed_goes_on_where_it_stopped(shop: TestShop) {
        let file = mugs(600);
        let mut import = shop.begins_to_import(&file, &[]);
        eventually("some are written", async || shop.counts("SELECT COUNT(*) FROM products").await > 0).await;
        import.kill().expect("kill -9");
        import.wait().expect("an end");
        let written = shop.counts("SELECT COUNT(*) FROM products").await;
        assert!(written > 0 && written < 600, "{written} of 600 were written");
        let first = shop.product_called("Mug 0000").await;

        let left = 600 - written;
        shop.imports(&file, &[]).await.did(&format!("created {left}, updated 0, unchanged {written}, skipped 0"));
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 600, skipped 0");
        assert_eq!(shop.product_called("Mug 0000").await, first);
        assert_eq!(shop.counts("SELECT CAST(SUM(stock) AS BIGINT) FROM products").await, 3_000);
    }

    async fn one_bad_row_changes_nothing(shop: TestShop) {
        let bad = "cup,Cup,Acme,Title,Default Title,C-1,shopify,1,deny,cheap,,,false,active\n";
        let file = mugs(150) + bad;
        shop.imports(&file, &[]).await.refused_for("nothing was imported").tells("line 152 (\"cheap\")");
        assert_eq!(shop.shelf().await, Vec::<Value>::new());
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
            shop.imports(&file, &[]).await.refused_for(reason);
        }
        assert_eq!(shop.shelf().await, Vec::<Value>::new());
        for formula in ["=HYPERLINK(\"\"http://evil.example\"\")", "@SUM(1)", "+1", "-1"] {
            shop.imports(&export(&[&named(&format!("\"{formula}\""))]), &[]).await;
            shop.product_called(&formula.replace("\"\"", "\"")).await;
        }
    }

    async fn a_file_may_come_through_a_pipe(shop: TestShop) {
        shop.imports_what_it_is_sent(&mugs(3)).did("created 3, updated 0, unchanged 0, skipped 0");
        shop.imports_what_it_is_sent("Title,Vendor\nMug,Acme\n").refused_for("-: the first line does not name");
    }

    async fn faults_are_summed_up_and_the_variants_they_cost_are_counted(shop: TestShop) {
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
        let import = import.tells(prices).tells("column \"Status\" is not a status");
        assert_eq!(import.told.matches("not a price").count(), 1, "{}", import.told);
    }

    async fn columns_that_are_not_read_are_named_once(shop: TestShop) {
        let file = "Handle,Title,Variant Price,Variant Inventory Qty,Variant Barcode,Cost per item\nmug,Mug,1,1,4006381333931,2\n";
        let import = shop.imports(file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let import = import.tells("ignored columns: Variant Barcode, Cost per item");
        assert_eq!(import.told.matches("Variant Barcode").count(), 1);
    }

    async fn a_sku_that_repeats_gives_way_to_handle_and_options(shop: TestShop) {
        let file = |price: &str| export(&[
            &format!("shirt,Shirt,Acme,Size,S,STYLE-7,shopify,3,deny,{price},,,false,active"),
            &format!("shirt,,,Size,L,STYLE-7,shopify,4,deny,{price},,,,"),
        ]);
        let import = shop.imports(&file("20.00"), &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.tells("repeats in the file: line 3 (\"STYLE-7\")");
        let (small, large) = (shop.product_called("Shirt – S").await, shop.product_called("Shirt – L").await);
        assert_eq!((&small["stock"], &large["stock"]), (&json!(3), &json!(4)));

        shop.imports(&file("21.00"), &[]).await.did("created 0, updated 2, unchanged 0, skipped 0");
        assert_eq!(shop.product_called("Shirt – L").await["id"], large["id"]);
        assert_eq!(shop.product_called("Shirt – L").await["price"], "21.00");
    }

    async fn a_product_keeps_its_id_when_its_sku_comes_later_or_changes(shop: TestShop) {
        let file = |sku: &str| export(&[&format!("mug,Mug,Acme,Color,Red,{sku},shopify,3,deny,9.50,,,false,active")]);
        shop.imports(&file(""), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let mug = shop.product_called("Mug – Red").await;
        shop.imports(&file("M-1"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(&file("M-2"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(&file("M-2"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(shop.shelf().await.len(), 1);
        assert_eq!(shop.product_called("Mug – Red").await["id"], mug["id"]);
    }

    async fn stock_below_zero_is_none_and_whole_numbers_may_have_decimals(shop: TestShop) {
        let file = export(&[
            "cap,Cap,Acme,Title,Default Title,C-1,shopify,-3,deny,5.00,,,false,active",
            "hat,Hat,Acme,Title,Default Title,H-1,shopify,50.0,deny,5.00,,,false,active",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.tells("is below zero and was taken as 0: line 2 (\"-3\")");
        assert_eq!((stock_of(&shop, "Cap").await, stock_of(&shop, "Hat").await), (json!(0), json!(50)));
    }

    async fn what_shopify_sells_without_counting_can_be_bought(shop: TestShop) {
        let file = export(&[
            "ebook,E-book,Acme,Title,Default Title,E-1,,0,deny,5.00,,,false,active",
            "print,Print,Acme,Title,Default Title,P-1,shopify,-2,continue,5.00,,,false,active",
            "mug,Mug,Acme,Title,Default Title,M-1,shopify,0,deny,5.00,,,false,active",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 3, updated 0, unchanged 0, skipped 0");
        import.tells("is not counted").tells("9999").tells("--stock");
        let ada = shop.customer("ada@example.com").await;
        for name in ["E-book", "Print"] {
            buys(&ada, &shop.product_called(name).await, 2).await;
        }
        assert_eq!((stock_of(&shop, "Print").await, stock_of(&shop, "Mug").await), (json!(9_997), json!(0)));

        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
        assert_eq!(stock_of(&shop, "Print").await, 9_997);
        shop.imports(&file, &["--stock", "20"]).await.did("created 0, updated 2, unchanged 1, skipped 0");
        assert_eq!((stock_of(&shop, "Print").await, stock_of(&shop, "Mug").await), (json!(20), json!(0)));
        shop.runs_its_jobs().await;
    }

    async fn a_file_without_a_stock_column_does_not_come_in_sold_out(shop: TestShop) {
        let file = "Handle,Title,Variant SKU,Variant Inventory Tracker,Variant Price\nmug,Mug,M-1,shopify,5.00\n";
        let import = shop.imports(file, &["--stock", "12"]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        import.tells("does not say how many there are").tells("12");
        assert_eq!(stock_of(&shop, "Mug").await, 12);

        shop.imports(&mug_in_stock("7"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        shop.imports(file, &["--stock", "30"]).await;
        assert_eq!(stock_of(&shop, "Mug").await, 7, "a count outweighs a default");
    }

    async fn importing_again_gives_nothing_back_that_was_sold(shop: TestShop) {
        shop.imports(&mug_in_stock("10"), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &shop.product_called("Mug").await, 3).await;

        shop.imports(&mug_in_stock("10"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 7);
        shop.imports(&mug_in_stock("25"), &["--keep-stock"]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 7);
        shop.imports(&mug_in_stock("25"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 25);
        shop.runs_its_jobs().await;
    }

    async fn what_an_earlier_version_imported_keeps_its_id_and_its_stock(shop: TestShop) {
        shop.imports(&mug_in_stock("10"), &[]).await;
        let mug = shop.product_called("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &mug, 3).await;
        shop.tampers("DELETE FROM imported_products").await; // it kept no such thing

        let import = shop.imports(&mug_in_stock("10"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        import.tells("existing products was not changed");
        let again = shop.product_called("Mug").await;
        assert_eq!((&again["id"], &again["stock"]), (&mug["id"], &json!(7)));
        shop.imports(&mug_in_stock("11"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(stock_of(&shop, "Mug").await, 11);
        shop.runs_its_jobs().await;
    }

    async fn unchanged_products_are_neither_written_nor_counted_as_updated(shop: TestShop) {
        shop.imports(&mugs(60), &[]).await.did("created 60, updated 0, unchanged 0, skipped 0");
        let before = shop.shelf().await;
        let one_is_dearer = mugs(60).replace("M-7,shopify,5,deny,9.50", "M-7,shopify,5,deny,9.90");
        shop.imports(&one_is_dearer, &[]).await.did("created 0, updated 1, unchanged 59, skipped 0");
        let changed = shop.shelf().await.into_iter().zip(before).filter(|(after, before)| after != before);
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
        assert_eq!(shop.product_called("Mug").await["slug"], "the-finest-mug");
        assert_eq!(shop.product_called("Cap – Red").await["slug"], "cap-2");
        assert_eq!(shop.product_called("Cap – Light Blue").await["slug"], "cap-light-blue");
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
    }

    async fn the_category_is_called_type_in_many_ways(shop: TestShop) {
        let category = async |name: &str| {
            let product = shop.product_called(name).await;
            let path = format!("/api/categories/{}", product["category"]);
            shop.visitor().get(&path).await.is(200)["name"].clone()
        };
        let file = "Handle,Title,Standard Product Type,Custom Product Type,Variant Price\n\
            mug,Mug,Home & Garden > Kitchen > Drinkware,Mugs,1\ncup,Cup,Home & Garden > Kitchen > Drinkware,,1\n";
        shop.imports(file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        assert_eq!((category("Mug").await, category("Cup").await), (json!("Mugs"), json!("Drinkware")));
    }

    async fn gift_cards_come_in_but_are_not_on_sale(shop: TestShop) {
        let file = export(&[
            "gift-card,Gift Card,Acme,Denominations,$10.00,,,,continue,10.00,,,true,active",
            "gift-card,,,Denominations,$25.00,,,,continue,25.00,,,,",
        ]);
        let import = shop.imports(&file, &[]).await.did("created 2, updated 0, unchanged 0, skipped 0");
        import.tells("gift card").tells("line 2, line 3");
        let card = shop.product_called("Gift Card – $10.00").await;
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
        import.tells("line 4 (\"mug.png\")");
        let urls = async || -> Vec<Value> {
            let mug = shop.product_called("Mug").await;
            mug["images"].as_array().expect("images").iter().map(|image| image["url"].clone()).collect()
        };
        assert_eq!(urls().await, ["https://e.com/a.png", "https://e.com/b.png", "https://e.com/last.png"]);
        shop.imports(&file("a", "b"), &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        shop.imports(&file("b", "c"), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(urls().await, ["https://e.com/b.png", "https://e.com/c.png", "https://e.com/last.png"]);
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
        import.tells("line 7 (\"H-1\")");
        let stock = async || [stock_of(&shop, "Mug – Red").await, stock_of(&shop, "Mug – Blue").await, stock_of(&shop, "Cup").await];
        assert_eq!(stock().await, [json!(12), json!(0), json!(1)]);

        let ada = shop.customer("ada@example.com").await;
        buys(&ada, &shop.product_called("Mug – Red").await, 2).await;
        shop.imports(inventory, &[]).await.did("counted 0, unchanged 2, skipped 2");
        shop.imports(&products, &[]).await.did("created 0, updated 0, unchanged 3, skipped 0");
        assert_eq!(stock().await, [json!(10), json!(0), json!(1)]);
        shop.runs_its_jobs().await;
    }

    async fn a_description_that_is_too_long_is_cut_short_and_said(shop: TestShop) {
        let words = "word ".repeat(3_000);
        let file = format!("Handle,Title,Body (HTML),Variant Price,Variant Inventory Qty\nmug,Mug,<p>{words}</p>,1,1\n");
        shop.imports(&file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0").tells("cut short");
        let mug = shop.product_called("Mug").await;
        let description = mug["description"].as_str().expect("a description");
        assert!(description.chars().count() <= 10_000 && description.ends_with("word …"), "{description}");
    }

    async fn a_description_is_kept_as_text_and_as_html(shop: TestShop) {
        let html = "<h2>Care</h2><p>Wash it <strong>warm</strong>.</p>";
        shop.imports(&mug_described_as(html), &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let mug = the_mug(&shop).await;
        assert_eq!((&mug["description"], &mug["description_html"]), (&json!("Care\n\nWash it warm."), &json!(html)));

        let found = async |word: &str| shop.visitor().get(&format!("/api/products?search={word}")).await.is(200).list();
        assert_eq!((found("warm").await.len(), found("strong").await.len()), (1, 0));
        assert_eq!(found("warm").await[0]["description_html"], html);

        shop.imports(&mug_described_as("Wash it warm."), &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        let mug = the_mug(&shop).await;
        assert_eq!((&mug["description"], &mug["description_html"]), (&json!("Wash it warm."), &json!(null)));
    }

    async fn hostile_html_comes_out_safe(shop: TestShop) {
        let link = "<a rel=\"noopener noreferrer nofollow\">Soft</a>";
        for (hostile, safe) in [
            ("<p onclick=\"evil()\" style=\"position: fixed\">Soft<script>evil()</script></p>", "<p>Soft</p>"),
            ("<a href=\" jav&#x61;script:evil()\" target=\"_top\">Soft</a>", link),
            ("<style>* {display: none}</style><h1 class=\"x\" id=\"y\">Soft</h1>", "<h1>Soft</h1>"),
            ("<iframe src=\"https://evil.example\"></iframe><h2>Soft</h2>", "<h2>Soft</h2>"),
            ("<form action=\"https://evil.example\"><h3>Soft</h3><input></form>", "<h3>Soft</h3>"),
            ("<img src=x onerror=\"evil()\"><h4>Soft", "<img><h4>Soft</h4>"),
            ("<div><p>Soft<b><i>", "<div><p>Soft<b><i></i></b></p></div>"),
        ] {
            let import = shop.imports(&mug_described_as(hostile), &[]).await;
            assert_eq!(import.status, Some(0), "{}", import.told);
            let mug = the_mug(&shop).await;
            assert_eq!((&mug["description"], &mug["description_html"]), (&json!("Soft"), &json!(safe)));
        }
        let deep = format!("{}Soft", "<div>".repeat(100_000));
        let import = shop.imports(&mug_described_as(&deep), &[]).await;
        let import = import.did("created 0, updated 1, unchanged 0, skipped 0");
        import.tells("the HTML of the description is too long and only its text was kept: line 2");
        let mug = the_mug(&shop).await;
        assert_eq!((&mug["description"], &mug["description_html"]), (&json!("Soft"), &json!(null)));
    }

    async fn changing_the_description_clears_its_html(shop: TestShop) {
        let (boss, file) = (shop.admin().await, mug_described_as("<p>Soft</p>"));
        shop.imports(&file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let path = format!("/api/products/{}", the_mug(&shop).await["id"]);
        let same = boss.patch(&path).json(&json!({"description": "Soft", "stock": 3})).await.is(200);
        assert_eq!(same["description_html"], "<p>Soft</p>");
        let same = boss.put(&path).json(&json!({"name": "Mug", "price": "1.00", "description_html": "<b>"})).await.is(200);
        assert_eq!(same["description_html"], "<p>Soft</p>", "it comes from imports alone");

        let changed = boss.patch(&path).json(&json!({"description": "Hard"})).await.is(200);
        assert_eq!((&changed["description"], &changed["description_html"]), (&json!("Hard"), &json!(null)));
        assert_eq!(the_mug(&shop).await, changed.json());
        shop.imports(&file, &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(the_mug(&shop).await["description_html"], "<p>Soft</p>");
        let cleared = boss.put(&path).json(&json!({"name": "Mug", "price": "1.00", "description": null})).await.is(200);
        assert_eq!((&cleared["description"], &cleared["description_html"]), (&json!(""), &json!(null)));
    }

    async fn importing_a_description_again_changes_nothing(shop: TestShop) {
        let file = mug_described_as("<p class=\"x\">Soft &amp; warm<p><img src=\"//e.com/a.png\" alt=\"A mug\">");
        shop.imports(&file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let before = the_mug(&shop).await;
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
        assert_eq!(the_mug(&shop).await, before);

        shop.tampers("UPDATE products SET description_html = NULL").await; // as an earlier version left it
        shop.imports(&file, &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(the_mug(&shop).await["description_html"], before["description_html"]);
        shop.imports(&file, &[]).await.did("created 0, updated 0, unchanged 1, skipped 0");
    }
}
