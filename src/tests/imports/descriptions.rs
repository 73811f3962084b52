//! Descriptions, as text and as HTML.

use cartwright::catalog::Part;
use serde_json::{Value, json};

use crate::support::TestShop;

on_both_engines! {
    async fn a_description_that_is_too_long_is_cut_and_reported(shop: TestShop) {
        let words = "word ".repeat(3_000);
        let file = format!("Handle,Title,Body (HTML),Variant Price,Variant Inventory Qty\nmug,Mug,<p>{words}</p>,1,1\n");
        shop.imports(&file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0").reports("cut short");
        let mug = shop.product_named("Mug").await;
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

    async fn hostile_html_is_sanitized(shop: TestShop) {
        let link = "<a rel=\"noopener noreferrer nofollow\">Soft</a>";
        let cases = [
            ("<p onclick=\"evil()\" style=\"position: fixed\">Soft<script>evil()</script></p>", "<p>Soft</p>"),
            ("<a href=\" jav&#x61;script:evil()\" target=\"_top\">Soft</a>", link),
            ("<style>* {display: none}</style><h1 class=\"x\" id=\"y\">Soft</h1>", "<h1>Soft</h1>"),
            ("<iframe src=\"https://evil.example\"></iframe><h2>Soft</h2>", "<h2>Soft</h2>"),
            ("<form action=\"https://evil.example\"><h3>Soft</h3><input></form>", "<h3>Soft</h3>"),
            ("<img src=x onerror=\"evil()\"><h4>Soft", "<img><h4>Soft</h4>"),
            ("<div><p>Soft<b><i>", "<div><p>Soft<b><i></i></b></p></div>"),
        ];
        let rows = cases.iter().enumerate().map(|(index, (hostile, _))| row(&format!("Case {index}"), hostile));
        let file = format!("{HEADER}{}", rows.collect::<String>());
        shop.imports(&file, &[]).await.did("created 7, updated 0, unchanged 0, skipped 0");
        for (product, (hostile, safe)) in shop.products().await.into_iter().zip(cases) {
            let shown = shop.visitor().get(&format!("/api/products/{}", product["id"])).await.is(200);
            assert_eq!((&shown["description"], &shown["description_html"]), (&json!("Soft"), &json!(safe)), "{hostile}");
        }
        let deep = format!("{}Soft", "<div>".repeat(100_000));
        let import = shop.imports(&mug_described_as(&deep), &[]).await;
        let import = import.did("created 1, updated 0, unchanged 0, skipped 0");
        import.reports("the HTML of the description is too long and only its text was kept: line 2");
        let mug = the_mug(&shop).await;
        assert_eq!((&mug["description"], &mug["description_html"]), (&json!("Soft"), &json!(null)));
    }

    async fn changing_the_description_clears_its_html(shop: TestShop) {
        let (admin, file) = (shop.admin().await, mug_described_as("<p>Soft</p>"));
        shop.imports(&file, &[]).await.did("created 1, updated 0, unchanged 0, skipped 0");
        let path = format!("/api/products/{}", the_mug(&shop).await["id"]);
        let same = admin.patch(&path).json(&json!({"description": "Soft", "stock": 3})).await.is(200);
        assert_eq!(same["description_html"], "<p>Soft</p>");
        let same = admin.put(&path).json(&json!({"name": "Mug", "price": "1.00", "description_html": "<b>"})).await.is(200);
        assert_eq!(same["description_html"], "<p>Soft</p>", "it comes from imports alone");

        let changed = admin.patch(&path).json(&json!({"description": "Hard"})).await.is(200);
        assert_eq!((&changed["description"], &changed["description_html"]), (&json!("Hard"), &json!(null)));
        assert_eq!(the_mug(&shop).await, changed.json());
        shop.imports(&file, &[]).await.did("created 0, updated 1, unchanged 0, skipped 0");
        assert_eq!(the_mug(&shop).await["description_html"], "<p>Soft</p>");
        let cleared = admin.put(&path).json(&json!({"name": "Mug", "price": "1.00", "description": null})).await.is(200);
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

const HEADER: &str = "Handle,Title,Body (HTML),Variant Price,Variant Inventory Qty\n";

/// An export of one mug with this description.
fn mug_described_as(html: &str) -> String {
    format!("{HEADER}{}", row("Mug", html))
}

fn row(name: &str, html: &str) -> String {
    let handle = name.to_lowercase().replace(' ', "-");
    format!("{handle},{name},\"{}\",1,1\n", html.replace('"', "\"\""))
}

/// The mug by itself, which shows its description as HTML, too. The import is another program, so this one's cache may
/// have the mug of a second ago.
async fn the_mug(shop: &TestShop) -> Value {
    shop.inside().cache.invalidate(&[Part::Catalog]).await;
    let mug = shop.product_named("Mug").await;
    shop.visitor().get(&format!("/api/products/{}", mug["id"])).await.is(200).json()
}
