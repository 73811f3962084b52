//! The files, in a folder or in a bucket.

use std::time::Duration;

use cartwright::catalog::{
    images::{self as catalog_images, StoredImage},
    jobs::DeleteImages,
};
use image::{GenericImageView, ImageFormat};
use platform::jobs::Job;

use super::{decoded, files, path};
use crate::support::{
    TestShop,
    image_files::{drawing, photo, solid},
    s3::S3StandIn,
};

on_both_engines! {
    async fn a_crash_leaves_no_orphan_files_and_deletes_none_in_use(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let image = admin.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
        let shown = files(&shop);

        // The program dies when the files are written and nothing refers to them.
        let picture = images::process(&solid(900, 600, ImageFormat::Png)).expect("a picture");
        let lost = catalog_images::store_image(shop.inside(), picture).await.expect("the files are written");
        std::fs::write(shop.media_folder().join(format!("{}#1", lost.file)), b"half a file").unwrap();
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop).len(), 5, "its time has not come");
        shop.time_passes(Duration::from_hours(1));
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop), shown);

        // A deletion that nobody should have asked for.
        let name = |url: &str| path(&image[url]).replace("/media/", "");
        let images = vec![StoredImage { file: name("url"), thumbnail: Some(name("thumbnail_url")) }];
        let mut tx = shop.db().write().await.unwrap();
        DeleteImages { images }.enqueue(&mut tx, shop.now()).await.unwrap();
        tx.commit().await.unwrap();
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop), shown);
    }

    async fn only_image_files_are_served(shop: TestShop) {
        std::fs::write(shop.media_folder().join("page.html"), b"<script>").unwrap();
        std::fs::write(shop.media_folder().join("UPPER.png"), b"x").unwrap();
        for name in [
            "page.html", "UPPER.png", "nothing.png", "", ".png", "x.png/", "a/b.png", "..%2fjwt_secret", "%2e%2e/jwt_secret",
            "../jwt_secret", "%00.png", "mug.png%00", "..%5cx.png",
        ] {
            shop.visitor().get(&format!("/media/{name}")).await.is(404).with_code("not_found");
        }
        shop.visitor().post("/media/mug.png").await.is(405);
    }

    async fn a_file_name_that_is_too_long_is_not_found(shop: TestShop) {
        for name in ["a".repeat(251), "a".repeat(4096), format!("{}.a", "a".repeat(200))] {
            shop.visitor().get(&format!("/media/{name}.jpg")).await.is(404).with_code("not_found");
        }
    }

    async fn images_are_stored_in_an_s3_bucket(shop: TestShop) {
        shop.expects_in_log("MEDIA_URL: files cannot be accessed");
        let s3 = S3StandIn::start().await;
        let shop = shop.opens_again(|settings| settings.media = s3.storage()).await;
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let image = admin.adds_image(&mug, &photo(500, 500, b"")).await.is(201);
        let drawn = admin.adds_image(&mug, &drawing(90, 60, ImageFormat::Png)).await.is(201);
        let mut kinds: Vec<String> = s3.objects().into_iter().map(|(_, kind)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["image/jpeg", "image/jpeg", "image/png"]);
        assert!(s3.objects().iter().all(|(name, _)| name.starts_with("/shop/pictures/")), "{:?}", s3.objects());
        assert_eq!(files(&shop), Vec::<String>::new());

        let url = path(&image["url"]);
        let shown = shop.visitor().get(&url).await.is(200);
        assert_eq!(decoded(&shown).dimensions(), (500, 500));
        assert_eq!(shown.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(shown.header("content-length"), shown.bytes().len().to_string());
        shop.visitor().get(&url).header("if-none-match", shown.header("etag")).await.is(304);
        assert_eq!(shop.visitor().get(&path(&drawn["url"])).await.is(200).header("content-type"), "image/png");
        shop.visitor().get("/media/nothing.png").await.is(404);
        assert!(shop.inside().media.check_writable().await.is_ok());

        s3.set_unavailable(true);
        shop.visitor().get(&url).await.is(503).with_code("media_unavailable");
        admin.adds_image(&mug, &drawing(90, 60, ImageFormat::Png)).await.is(503).with_code("media_unavailable");
        let told = shop.inside().media.check_writable().await.expect_err("nobody is there");
        assert!(told.starts_with("s3://shop/pictures cannot be written"), "{told}");
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["images"].as_array().map(Vec::len), Some(2));

        s3.set_unavailable(false);
        admin.delete(&mug.path()).await.is(204);
        shop.time_passes(Duration::from_hours(1)); // what was announced and never came
        shop.runs_its_jobs().await;
        assert_eq!(s3.objects(), []);
    }
}
