//! The images of a product and the logo of a brand.

use std::time::Duration;

use image::ImageFormat;
use serde_json::{Value, json};

use super::{files, form, path};
use crate::support::{
    Person, TestShop,
    image_files::{drawing, solid},
};

on_both_engines! {
    async fn a_product_has_at_most_twenty_images(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        let first = admin.adds_image(&mug, &png).await.is(201);
        let second = admin.adds_image(&mug, &png).await.is(201);
        for _ in 2..20 {
            admin.adds_image(&mug, &png).await.is(201);
        }
        admin.adds_image(&mug, &png).await.is(409).with_code("too_many_images");
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["image"], first["url"]);
        admin.delete(&format!("{}/{}", mug.images(), first["id"])).await.is(204);
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["image"], second["url"]);
        admin.adds_image(&mug, &png).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn images_have_a_position_and_alt_text(shop: TestShop) {
        let (admin, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        let mut images = Vec::new();
        for _ in 0..4 {
            images.push(admin.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201).json());
        }
        let own = |index: usize| format!("{}/{}", mug.images(), images[index]["id"]);
        let stands = async || {
            let shown = shop.visitor().get(&mug.path()).await.is(200);
            assert_eq!(shop.visitor().get("/api/products?search=mug").await.list()[0]["images"], shown["images"]);
            assert_eq!(shown["image"], shown["images"][0]["url"]);
            let place = |image: &Value| images.iter().position(|known| known["id"] == image["id"]).expect("one of ours");
            shown["images"].as_array().expect("images").iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!((stands().await, &images[0]["alt"]), (vec![0, 1, 2, 3], &json!("")));
        for (index, position, wanted) in
            [(3, 1, [3, 0, 1, 2]), (3, 3, [0, 1, 3, 2]), (1, 20, [0, 3, 2, 1]), (0, 1, [0, 3, 2, 1]), (2, 2, [0, 2, 3, 1])]
        {
            admin.patch(&own(index)).json(&json!({"position": position})).await.is(200);
            assert_eq!(stands().await, wanted, "{index} to {position}");
        }
        admin.delete(&own(2)).await.is(204);
        images.push(admin.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201).json());
        let stands = async || {
            let shown = admin.get(&mug.path()).await.is(200)["images"].clone();
            let place = |image: &Value| images.iter().position(|known| known["id"] == image["id"]).expect("one of ours");
            shown.as_array().expect("images").iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!(stands().await, [0, 3, 1, 4], "a new one comes behind the others");

        let own = format!("{}/{}", mug.images(), images[4]["id"]);
        let words = json!({"alt": "A blue mug, seen from above", "position": 1, "url": "x"});
        let told = admin.patch(&own).json(&words).await.is(200);
        assert_eq!((&told["alt"], &told["url"]), (&words["alt"], &images[4]["url"]));
        assert_eq!(admin.get(&mug.path()).await.is(200)["images"][0], told.json());
        assert_eq!(admin.patch(&own).json(&json!({})).await.is(200)["alt"], words["alt"]);
        assert_eq!(admin.patch(&own).json(&json!({"alt": null})).await.is(200)["alt"], "");
        assert_eq!(stands().await, [4, 0, 3, 1]);

        shop.visitor().patch(&own).json(&json!({})).await.is(401);
        shop.customer("ada@example.com").await.patch(&own).json(&json!({})).await.is(403);
        admin.patch(&format!("{}/{}", pot.images(), images[4]["id"])).json(&json!({"position": 0})).await.is(404);
        let wrong = json!({"alt": "x".repeat(1_001), "position": 0});
        admin.patch(&own).json(&wrong).await.is(422).about(&["alt", "position"]);
        admin.patch(&own).json(&json!({"position": 21})).await.is(422).about(&["position"]);
        shop.runs_its_jobs().await;
    }

    async fn a_deleted_image_is_gone(shop: TestShop) {
        let (admin, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        let image = admin.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
        admin.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201);
        let own = format!("{}/{}", mug.images(), image["id"]);
        shop.customer("ada@example.com").await.delete(&own).await.is(403);
        admin.delete(&format!("{}/{}", pot.images(), image["id"])).await.is(404);
        shop.time_passes(Duration::from_secs(1));
        admin.delete(&own).await.is(204);
        admin.delete(&own).await.is(404);

        let product = shop.visitor().get(&mug.path()).await.is(200);
        assert_eq!(product["images"].as_array().map(Vec::len), Some(1));
        assert_ne!(product["updated_at"], product["created_at"]);
        shop.runs_its_jobs().await;
        for url in ["url", "thumbnail_url"] {
            shop.visitor().get(&path(&image[url])).await.is(404);
        }
        assert_eq!(files(&shop).len(), 1);
    }

    async fn deleting_a_product_deletes_its_files_unless_it_was_ordered(shop: TestShop) {
        let (admin, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        admin.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
        admin.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201);
        let ordered = admin.adds_image(&pot, &solid(9, 9, ImageFormat::Png)).await.is(201);
        shop.customer("ada@example.com").await.buys(&pot).await;
        assert_eq!(files(&shop).len(), 4);
        admin.delete(&mug.path()).await.is(204);
        admin.delete(&pot.path()).await.is(204);
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop).len(), 1);
        shop.visitor().get(&path(&ordered["url"])).await.is(200);
    }

    async fn a_brand_has_one_logo(shop: TestShop) {
        let admin = shop.admin().await;
        let brand = admin.post("/api/brands").json(&json!({"name": "Acme"})).await.is(201);
        assert_eq!(brand["logo"], Value::Null);
        let (own, logo) = (format!("/api/brands/{}", brand["id"]), format!("/api/brands/{}/logo", brand["id"]));
        let sends = async |person: &Person, file: &[u8]| {
            let (kind, body) = form(&[("image", "", file)]);
            person.put(&logo).body(&kind, body).await
        };
        sends(&shop.visitor(), b"x").await.is(401);
        sends(&shop.customer("ada@example.com").await, b"x").await.is(403);
        sends(&admin, b"<svg/>").await.is(422).with_code("invalid_image");

        let first = sends(&admin, &solid(900, 600, ImageFormat::Png)).await.is(200);
        assert_eq!(shop.visitor().get(&own).await.is(200).json(), first.json());
        assert_eq!(shop.visitor().get("/api/brands").await.is(200).list(), [first.json()]);
        let second = sends(&admin, &drawing(90, 60, ImageFormat::Png)).await.is(200);
        assert_eq!(admin.patch(&own).json(&json!({"name": "Acme Ltd"})).await.is(200)["logo"], second["logo"]);
        shop.runs_its_jobs().await;
        shop.visitor().get(&path(&first["logo"])).await.is(404);
        shop.visitor().get(&path(&second["logo"])).await.is(200);

        admin.delete(&logo).await.is(204);
        admin.delete(&logo).await.is(204);
        assert_eq!(shop.visitor().get(&own).await.is(200)["logo"], Value::Null);
        sends(&admin, &solid(9, 9, ImageFormat::Png)).await.is(200);
        admin.delete(&own).await.is(204);
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop), Vec::<String>::new());
    }
}
