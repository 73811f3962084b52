//! A product and its picture in one request: a form with the same fields as the JSON, and a file.

use cartwright::app::api;
use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    media::{files, form, path},
    support::{
        Person, TestShop,
        answer::Ask,
        image_files::{drawing, solid},
    },
};

on_both_engines! {
    async fn a_product_is_created_with_an_image(shop: TestShop) {
        let admin = shop.admin().await;
        let kitchen = admin.post("/api/categories").json(&json!({"name": "Kitchen"})).await.is(201)["id"].to_string();
        let made = admin.sends(Method::POST, "/api/products", &[
            ("name", "Mug \"Größe L\""), ("price", "12.50"), ("stock", "7"), ("is_active", "True"), ("category", &kitchen),
            ("brand", ""), ("description", "Holds\r\ntea."), ("id", "99"), ("rating", "5"), ("nonsense", "x"),
        ], Some(&solid(900, 600, ImageFormat::Png))).await.is(201);
        assert_eq!(made.header("location"), format!("/api/products/{}", made["id"]));
        let shown = shop.visitor().get(made.header("location")).await.is(200);
        assert_eq!(shown.json(), made.json());
        for (field, wanted) in [
            ("name", json!("Mug \"Größe L\"")), ("price", json!("12.50")), ("stock", json!(7)), ("is_active", json!(true)),
            ("category", kitchen.parse().unwrap()), ("brand", json!(null)), ("description", json!("Holds\r\ntea.")),
            ("rating", json!(null)), ("image", shown["images"][0]["url"].clone()),
        ] {
            assert_eq!(made[field], wanted, "{field}");
        }
        assert_eq!(files(&shop).len(), 2, "the picture and its thumbnail");
        shop.visitor().get(&path(&made["image"])).await.is(200);

        let hidden = [("name", "Pot"), ("price", "3"), ("is_active", "false"), ("stock", "")];
        let plain = admin.sends(Method::POST, "/api/products", &hidden, None).await.is(201);
        assert_eq!((&plain["image"], &plain["is_active"], &plain["stock"]), (&json!(null), &json!(false), &json!(0)));
    }

    async fn an_image_sent_with_a_change_becomes_the_first(shop: TestShop) {
        let admin = shop.admin().await;
        let (png, mug) = (solid(20, 20, ImageFormat::Png), shop.sells("Mug").in_stock(5).with("description", "Blue").await);
        let path = format!("/api/products/{}", mug.id);
        let put = admin.sends(Method::PUT, &path, &[("name", "Large mug"), ("price", "9.00")], Some(&png)).await.is(200);
        assert_eq!((&put["name"], &put["description"], &put["stock"]), (&json!("Large mug"), &json!("Blue"), &json!(5)));
        let patched = admin.sends(Method::PATCH, &path, &[], Some(&drawing(90, 60, ImageFormat::Png))).await.is(200);
        assert_eq!(patched["images"].as_array().map(Vec::len), Some(2));
        assert_eq!((&patched["image"], &patched["images"][1]), (&patched["images"][0]["url"], &put["images"][0]));
        assert_eq!(shop.visitor().get(&path).await.is(200).json(), patched.json());
        assert_eq!(shop.visitor().get("/api/products").await.is(200).list(), [patched.json()]);

        // A form of a browser has its file input also when nobody chose a file.
        let (kind, empty) = form(&[("description", "", b""), ("stock", "", b"3"), ("image", "filename=\"\"", b"")]);
        let cleared = admin.patch(&path).body(&kind, empty).await.is(200);
        assert_eq!((&cleared["description"], &cleared["stock"], &cleared["images"]), (&json!(""), &json!(3), &patched["images"]));
    }

    async fn a_form_is_validated_like_json(shop: TestShop) {
        let admin = shop.admin().await;
        let svg = &b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..];
        let posts = |fields: &'static [(&'static str, &'static str)], image: Option<&[u8]>| {
            admin.sends(Method::POST, "/api/products", fields, image)
        };
        posts(&[], None).await.is(422).about(&["name", "price"]);
        posts(&[("name", "Mug"), ("price", "1")], Some(svg)).await.is(422).with_code("invalid_image").about(&["image"]);
        posts(&[
            ("name", ""), ("price", "free"), ("stock", "1.5"), ("is_active", "maybe"), ("category", "kitchen"),
            ("brand", "99999999999999999999"),
        ], Some(svg)).await.is(422).about(&["name", "price", "stock", "is_active", "category", "brand", "image"]);
        posts(&[("name", "Mug"), ("price", "1.234"), ("category", "999"), ("brand", "999")], Some(svg))
            .await.is(422).about(&["price", "category", "brand", "image"]);
        posts(&[("name", "Mug"), ("name", "Pot"), ("price", "1")], Some(svg)).await.is(422).about(&["name", "image"]);
        posts(&[("name", "Mug\0"), ("price", "")], None).await.is(422).about(&["name", "price"]);
        let twice = form(&[("price", "", b"1"), ("name", "", b"\xff"), ("image", "", svg), ("image", "", svg)]);
        admin.post("/api/products").body(&twice.0, twice.1).await.is(422).about(&["name", "image"]);
        let empty = form(&[("name", "", b"Mug"), ("price", "", b"1"), ("image", "filename=\"mug.png\"", b"")]);
        admin.post("/api/products").body(&empty.0, empty.1).await.is(422).about(&["image"]);
        assert_eq!((files(&shop), shop.counts("SELECT COUNT(*) FROM products").await), (vec![], 0));
    }

    async fn a_refused_product_leaves_no_files(shop: TestShop) {
        let (admin, png) = (shop.admin().await, solid(900, 600, ImageFormat::Png));
        let mug = shop.sells("Mug").with("sku", "M-1").await;
        let (path, pot) = (format!("/api/products/{}", mug.id), shop.sells("Pot").await);
        let pots = format!("/api/products/{}", pot.id);
        let new = |more: (&'static str, &'static str)| {
            admin.sends(Method::POST, "/api/products", &[("name", "Cup"), ("price", "1"), more], Some(&png))
        };
        new(("category", "999")).await.is(422).about(&["category"]);
        new(("price", "2")).await.is(422).about(&["price"]);
        new(("slug", "mug")).await.is(409).with_code("slug_taken");
        new(("sku", "M-1")).await.is(409).with_code("sku_taken");
        admin.sends(Method::PATCH, &pots, &[("sku", "M-1")], Some(&png)).await.is(409).with_code("sku_taken");
        let stale = admin.sends(Method::PUT, &path, &[("name", "Mug"), ("price", "1")], Some(&png));
        stale.header("if-match", "\"old\"").await.is(412);
        assert_eq!((files(&shop), shop.visitor().get("/api/products").await.list().len()), (vec![], 2));

        for _ in 0..20 {
            admin.sends(Method::PATCH, &path, &[], Some(&solid(9, 9, ImageFormat::Png))).await.is(200);
        }
        admin.sends(Method::PATCH, &path, &[("name", "Full")], Some(&png)).await.is(409).with_code("too_many_images");
        assert_eq!((files(&shop).len(), &admin.get(&path).await["name"]), (20, &json!("Mug")));
    }

    async fn a_form_is_validated_in_the_documented_order(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let (path, ada) = (format!("/api/products/{}", mug.id), shop.customer("ada@example.com").await);
        for (method, path) in [(Method::POST, "/api/products"), (Method::PUT, &path), (Method::PATCH, &path)] {
            let sends = |person: &Person| person.sends(method.clone(), path, &[("price", "x")], Some(b"x"));
            sends(&shop.visitor()).await.is(401);
            sends(&ada).await.is(403);
            sends(&admin).await.is(422);
            let asks = |kind: &str, body: &'static str| admin.asks(method.clone(), path).body(kind, body);
            asks("multipart/form-data; boundary=x", "--x\r\nnonsense").await.is(400).with_code("malformed_body");
            asks("multipart/form-data", "x").await.is(415).with_code("unsupported_media_type");
            asks("application/x-www-form-urlencoded", "name=Mug&price=1").await.is(415);
            let large = form(&[("name", "", &vec![b'x'; 2 << 20])]);
            admin.asks(method.clone(), path).body(&large.0, large.1).await.is(413).with_code("payload_too_large");
            let large = vec![b'x'; (8 << 20) + 1];
            admin.sends(method.clone(), path, &[("name", "Mug"), ("price", "1")], Some(&large)).await.is(413);
        }
        for method in [Method::PUT, Method::PATCH] {
            admin.sends(method, "/api/products/99999", &[("price", "x")], Some(b"x")).await.is(404);
        }
    }
}

#[test]
fn the_document_shows_both_bodies() {
    let document = api::document("USD".parse().expect("a currency"));
    for (path, method, required) in [
        ("/api/products", "post", json!(["name", "price"])),
        ("/api/products/{id}", "put", json!(["name", "price"])),
        ("/api/products/{id}", "patch", Value::Null),
    ] {
        let content = &document["paths"][path][method]["requestBody"]["content"];
        let schema = |kind: &str| {
            let name =
                content[kind]["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{method}: no {kind}: {content}"));
            document.pointer(name.trim_start_matches('#')).cloned().expect("a schema of the document")
        };
        let (json, form) = (schema("application/json"), schema("multipart/form-data"));
        assert_eq!((&form["properties"]["image"]["format"], &form["required"]), (&json!("binary"), &required));
        let names =
            |schema: &Value| schema["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        let of_form = names(&form).map(|mut names| {
            names.retain(|name| name != "image");
            names
        });
        assert_eq!(of_form, names(&json), "{method}");
    }
}

impl Person {
    /// Sends fields, and a picture if there is one, as a form.
    fn sends(&self, method: Method, path: &str, fields: &[(&str, &str)], image: Option<&[u8]>) -> Ask {
        let fields = fields.iter().map(|(name, text)| (*name, "", text.as_bytes()));
        let image = image.map(|file| ("image", "filename=\"IMG_0001\"", file));
        let (kind, body) = form(&fields.chain(image).collect::<Vec<_>>());
        self.asks(method, path).body(&kind, body)
    }
}
