//! What is uploaded: good images, bad files, and too much.

use std::sync::LazyLock;

use image::{GenericImageView, ImageFormat};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{decoded, files, form, path};
use crate::support::{
    Person, Product, TestShop,
    image_files::{drawing, exif, invalid_images, photo, solid, turned_png},
};

/// Made once for both engines.
static INVALID_IMAGES: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(invalid_images);

on_both_engines! {
    async fn a_photo_is_turned_upright_with_a_thumbnail_and_without_exif(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        // The camera lay on its side: to the right, where its top is, goes what was on the left.
        let file = photo(1_600, 1_000, &exif(6, "Ada's own camera"));
        assert!((5 << 20..8 << 20).contains(&file.len()), "{} bytes", file.len());
        let image = admin.adds_image(&mug, &file).await.is(201);
        assert_eq!(image.header("location"), image["url"]);

        let (url, small) = (path(&image["url"]), path(&image["thumbnail_url"]));
        let (shown, thumbnail) = (shop.visitor().get(&url).await.is(200), shop.visitor().get(&small).await.is(200));
        for answer in [&shown, &thumbnail] {
            assert_eq!(answer.header("content-type"), "image/jpeg");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(answer.header("content-length"), answer.bytes().len().to_string());
            for left in [&b"Exif"[..], b"Ada's own camera"] {
                assert!(!answer.bytes().windows(left.len()).any(|bytes| bytes == left), "{left:?} is still there");
            }
        }
        assert_eq!(decoded(&shown).dimensions(), (1_000, 1_600));
        assert_eq!(decoded(&thumbnail).dimensions(), (250, 400));
        for picture in [decoded(&shown), decoded(&thumbnail)] {
            let corner = picture.get_pixel(picture.width() - 10, 10).0;
            assert!(corner[0] > 200 && corner[1] < 60, "the red corner is at the top right: {corner:?}");
        }

        let again = shop.visitor().get(&url).header("if-none-match", shown.header("etag")).await.is(304);
        assert_eq!((again.bytes(), again.header("etag")), (&b""[..], shown.header("etag")));
        let product = shop.visitor().get(&mug.path()).await.is(200);
        assert_eq!((&product["image"], &product["images"]), (&image["url"], &json!([image.json()])));
    }

    async fn transparency_and_small_images_are_kept(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        for (file, size, content_type, hole) in [
            (drawing(90, 60, ImageFormat::Png), (90, 60), "image/png", true),
            (drawing(900, 600, ImageFormat::WebP), (900, 600), "image/png", true),
            (solid(900, 600, ImageFormat::Png), (900, 600), "image/png", false),
            (solid(90, 60, ImageFormat::WebP), (90, 60), "image/jpeg", false),
            (turned_png(90, 60, 8), (60, 90), "image/png", false),
        ] {
            let image = admin.adds_image(&mug, &file).await.is(201);
            let shown = shop.visitor().get(&path(&image["url"])).await.is(200);
            assert_eq!((shown.header("content-type"), decoded(&shown).dimensions()), (content_type, size));
            let small = shop.visitor().get(&path(&image["thumbnail_url"])).await.is(200);
            if size == (900, 600) {
                assert_eq!(decoded(&small).dimensions(), (400, 267));
            } else {
                assert_eq!(image["thumbnail_url"], image["url"]);
            }
            for picture in [decoded(&shown), decoded(&small)] {
                let (middle, edge) = (picture.get_pixel(picture.width() / 2, picture.height() / 2), picture.get_pixel(0, 0));
                assert_eq!((middle.0[3], edge.0[3]), (if hole { 0 } else { 255 }, 255), "{size:?} {content_type}");
            }
        }
    }

    async fn invalid_image_files_are_refused(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        for (what, file) in &*INVALID_IMAGES {
            assert!(file.len() < 2 << 20, "{what} has {} bytes", file.len());
            // The name and type of a good picture do not help.
            let form = form(&[("image", "filename=\"mug.png\"\r\ncontent-type: image/png", file)]);
            let answer = admin.uploads(&mug.images(), form).await;
            assert_eq!(answer.status, 422, "{what}: {answer}");
            answer.is(422).with_code("invalid_image").about(&["image"]);
        }
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["images"], json!([]));
        assert_eq!(files(&shop), Vec::<String>::new());
    }

    async fn file_names_are_ignored(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        for named in [
            "filename=\"../../../etc/passwd\"",
            "filename=\"..\\\\..\\\\boot.ini\"",
            "filename=\"mug.svg\"\r\ncontent-type: image/svg+xml",
            "filename=\"mug.html\"\r\ncontent-type: text/html",
            "filename*=UTF-8''%2e%2e%2fmug.png",
            "filename=\"\"",
        ] {
            let image = admin.uploads(&mug.images(), form(&[("image", named, &png)])).await.is(201);
            let url = path(&image["url"]);
            let name = url.strip_prefix("/media/").and_then(|name| name.strip_suffix(".png")).expect("a name of ours");
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");
            assert_eq!(shop.visitor().get(&url).await.is(200).header("content-type"), "image/png");
        }
        assert_eq!(files(&shop).len(), 6);

        // What hides behind a good picture stays behind.
        let polyglot = [&photo(64, 64, b"")[..], b"<script>alert(1)</script>"].concat();
        let image = admin.adds_image(&mug, &polyglot).await.is(201);
        assert!(!shop.visitor().get(&path(&image["url"])).await.is(200).text().contains("script"));
    }

    async fn only_admins_upload_and_the_body_is_validated_last(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        shop.visitor().adds_image(&mug, &png).await.is(401);
        shop.customer("ada@example.com").await.adds_image(&mug, &png).await.is(403).with_code("forbidden");
        for nowhere in ["/api/products/999/images", "/api/products/mug/images"] {
            admin.uploads(nowhere, form(&[("image", "", b"nonsense")])).await.is(404);
        }
        admin.put("/api/brands/999/logo").body("multipart/form-data; boundary=x", "nonsense").await.is(404);

        admin.post(&mug.images()).json(&json!({"image": "x"})).await.is(415).with_code("unsupported_media_type");
        admin.post(&mug.images()).body("multipart/form-data", "x").await.is(415);
        admin.uploads(&mug.images(), form(&[("picture", "", &png)])).await.is(422).with_code("validation_failed").about(&["image"]);
        admin.uploads(&mug.images(), form(&[("image", "", b"")])).await.is(422).about(&["image"]);
        admin.post(&mug.images()).body("multipart/form-data; boundary=x", "--x\r\nnonsense").await.is(400).with_code("malformed_body");
        admin.uploads(&mug.images(), form(&[("note", "", b"for you"), ("image", "", &png), ("image", "", b"x")])).await.is(201);
    }

    async fn an_upload_has_at_most_eight_mebibytes(shop: TestShop) {
        let (admin, mug) = (shop.admin().await, shop.sells("Mug").await);
        let most = vec![b'x'; 8 << 20];
        admin.adds_image(&mug, &most).await.is(422).with_code("invalid_image");
        admin.adds_image(&mug, &[&most[..], b"x"].concat()).await.is(413).with_code("payload_too_large");

        // In pieces, nobody says beforehand how much there will be.
        for (more, status) in [(0, 422), (160 << 10, 413)] {
            let (kind, whole) = form(&[("image", "", &[&most[..], &vec![b'x'; more]].concat())]);
            let pieces: Vec<_> = whole.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
            admin.post(&mug.images()).body(&kind, body).await.is(status);
        }
        assert!(takes_of_an_endless_upload(&shop, &admin, &mug).await < 32, "the shop stops reading in time");
    }
}

/// How many MiB of a body without end can be sent before the shop hangs up; 200 when it never does.
async fn takes_of_an_endless_upload(shop: &TestShop, admin: &Person, product: &Product) -> usize {
    let address = shop.address().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("the shop is open");
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        product.images(),
        admin.access.as_deref().expect("somebody who is signed in")
    );
    connection.write_all(head.as_bytes()).await.expect("the shop listens");
    let piece = [b"100000\r\n", &vec![b'x'; 1 << 20][..], b"\r\n"].concat();
    for sent in 0..200 {
        if connection.write_all(&piece).await.is_err() {
            return sent;
        }
    }
    200
}
