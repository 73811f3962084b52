//! Pictures: taken in from admins, shown to everybody, gone when nothing shows them.

use std::time::Duration;

use cartwright::catalog::{
    images::{self as catalog_images, StoredImage},
    jobs::DeleteImages,
};
use image::{DynamicImage, GenericImageView, ImageFormat};
use platform::jobs::Job;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Person, Product, TestShop,
    answer::{Answer, Ask},
    pictures::{drawing, exif, impostors, photo, solid, turned_png},
    s3::S3StandIn,
};

on_both_engines! {
    async fn a_photo_is_shown_upright_with_a_thumbnail_and_without_what_its_camera_wrote(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        // The camera lay on its side: to the right, where its top is, goes what was on the left.
        let file = photo(1_600, 1_000, &exif(6, "Ada's own camera"));
        assert!((5 << 20..8 << 20).contains(&file.len()), "{} bytes", file.len());
        let image = boss.adds_image(&mug, &file).await.is(201);
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

    async fn transparency_and_small_pictures_are_kept(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        for (file, size, content_type, hole) in [
            (drawing(90, 60, ImageFormat::Png), (90, 60), "image/png", true),
            (drawing(900, 600, ImageFormat::WebP), (900, 600), "image/png", true),
            (solid(900, 600, ImageFormat::Png), (900, 600), "image/png", false),
            (solid(90, 60, ImageFormat::WebP), (90, 60), "image/jpeg", false),
            (turned_png(90, 60, 8), (60, 90), "image/png", false),
        ] {
            let image = boss.adds_image(&mug, &file).await.is(201);
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

    async fn what_is_no_picture_is_refused(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        for (what, file) in impostors() {
            assert!(file.len() < 2 << 20, "{what} has {} bytes", file.len());
            // The name and type of a good picture do not help.
            let form = form(&[("image", "filename=\"mug.png\"\r\ncontent-type: image/png", &file)]);
            let answer = boss.uploads(&mug.images(), form).await;
            assert_eq!(answer.status, 422, "{what}: {answer}");
            answer.is(422).with_code("invalid_image").about(&["image"]);
        }
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["images"], json!([]));
        assert_eq!(files(&shop), Vec::<String>::new());
    }

    async fn what_a_file_is_called_never_matters(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        for named in [
            "filename=\"../../../etc/passwd\"",
            "filename=\"..\\\\..\\\\boot.ini\"",
            "filename=\"mug.svg\"\r\ncontent-type: image/svg+xml",
            "filename=\"mug.html\"\r\ncontent-type: text/html",
            "filename*=UTF-8''%2e%2e%2fmug.png",
            "filename=\"\"",
        ] {
            let image = boss.uploads(&mug.images(), form(&[("image", named, &png)])).await.is(201);
            let url = path(&image["url"]);
            let name = url.strip_prefix("/media/").and_then(|name| name.strip_suffix(".png")).expect("a name of ours");
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");
            assert_eq!(shop.visitor().get(&url).await.is(200).header("content-type"), "image/png");
        }
        assert_eq!(files(&shop).len(), 6);

        // What hides behind a good picture stays behind.
        let polyglot = [&photo(64, 64, b"")[..], b"<script>alert(1)</script>"].concat();
        let image = boss.adds_image(&mug, &polyglot).await.is(201);
        assert!(!shop.visitor().get(&path(&image["url"])).await.is(200).text().contains("script"));
    }

    async fn only_admins_upload_and_the_body_is_judged_last(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        shop.visitor().adds_image(&mug, &png).await.is(401);
        shop.customer("ada@example.com").await.adds_image(&mug, &png).await.is(403).with_code("forbidden");
        for nowhere in ["/api/products/999/images", "/api/products/mug/images"] {
            boss.uploads(nowhere, form(&[("image", "", b"nonsense")])).await.is(404);
        }
        boss.put("/api/brands/999/logo").body("multipart/form-data; boundary=x", "nonsense").await.is(404);

        boss.post(&mug.images()).json(&json!({"image": "x"})).await.is(415).with_code("unsupported_media_type");
        boss.post(&mug.images()).body("multipart/form-data", "x").await.is(415);
        boss.uploads(&mug.images(), form(&[("picture", "", &png)])).await.is(422).with_code("validation_failed").about(&["image"]);
        boss.uploads(&mug.images(), form(&[("image", "", b"")])).await.is(422).about(&["image"]);
        boss.post(&mug.images()).body("multipart/form-data; boundary=x", "--x\r\nnonsense").await.is(400).with_code("malformed_body");
        boss.uploads(&mug.images(), form(&[("note", "", b"for you"), ("image", "", &png), ("image", "", b"x")])).await.is(201);
    }

    async fn an_upload_has_at_most_eight_mebibytes(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let most = vec![b'x'; 8 << 20];
        boss.adds_image(&mug, &most).await.is(422).with_code("invalid_image");
        boss.adds_image(&mug, &[&most[..], b"x"].concat()).await.is(413).with_code("payload_too_large");

        // In pieces, nobody says beforehand how much there will be.
        for (more, status) in [(0, 422), (160 << 10, 413)] {
            let (kind, whole) = form(&[("image", "", &[&most[..], &vec![b'x'; more]].concat())]);
            let pieces: Vec<_> = whole.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
            boss.post(&mug.images()).body(&kind, body).await.is(status);
        }
        assert!(takes_of_an_endless_upload(&shop, &boss, &mug).await < 32, "the shop stops reading in time");
    }

    async fn a_product_has_at_most_twenty_images(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let png = solid(20, 20, ImageFormat::Png);
        let first = boss.adds_image(&mug, &png).await.is(201);
        let second = boss.adds_image(&mug, &png).await.is(201);
        for _ in 2..20 {
            boss.adds_image(&mug, &png).await.is(201);
        }
        boss.adds_image(&mug, &png).await.is(409).with_code("too_many_images");
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["image"], first["url"]);
        boss.delete(&format!("{}/{}", mug.images(), first["id"])).await.is(204);
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["image"], second["url"]);
        boss.adds_image(&mug, &png).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn images_stand_in_the_order_an_admin_gives_them_and_say_what_is_on_them(shop: TestShop) {
        let (boss, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        let mut images = Vec::new();
        for _ in 0..4 {
            images.push(boss.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201).json());
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
            boss.patch(&own(index)).json(&json!({"position": position})).await.is(200);
            assert_eq!(stands().await, wanted, "{index} to {position}");
        }
        boss.delete(&own(2)).await.is(204);
        images.push(boss.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201).json());
        let stands = async || {
            let shown = boss.get(&mug.path()).await.is(200)["images"].clone();
            let place = |image: &Value| images.iter().position(|known| known["id"] == image["id"]).expect("one of ours");
            shown.as_array().expect("images").iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!(stands().await, [0, 3, 1, 4], "a new one comes behind the others");

        let own = format!("{}/{}", mug.images(), images[4]["id"]);
        let words = json!({"alt": "A blue mug, seen from above", "position": 1, "url": "x"});
        let told = boss.patch(&own).json(&words).await.is(200);
        assert_eq!((&told["alt"], &told["url"]), (&words["alt"], &images[4]["url"]));
        assert_eq!(boss.get(&mug.path()).await.is(200)["images"][0], told.json());
        assert_eq!(boss.patch(&own).json(&json!({})).await.is(200)["alt"], words["alt"]);
        assert_eq!(boss.patch(&own).json(&json!({"alt": null})).await.is(200)["alt"], "");
        assert_eq!(stands().await, [4, 0, 3, 1]);

        shop.visitor().patch(&own).json(&json!({})).await.is(401);
        shop.customer("ada@example.com").await.patch(&own).json(&json!({})).await.is(403);
        boss.patch(&format!("{}/{}", pot.images(), images[4]["id"])).json(&json!({"position": 0})).await.is(404);
        let wrong = json!({"alt": "x".repeat(1_001), "position": 0});
        boss.patch(&own).json(&wrong).await.is(422).about(&["alt", "position"]);
        boss.patch(&own).json(&json!({"position": 21})).await.is(422).about(&["position"]);
        shop.runs_its_jobs().await;
    }

    async fn an_image_that_is_taken_away_is_gone(shop: TestShop) {
        let (boss, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        let image = boss.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
        boss.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201);
        let own = format!("{}/{}", mug.images(), image["id"]);
        shop.customer("ada@example.com").await.delete(&own).await.is(403);
        boss.delete(&format!("{}/{}", pot.images(), image["id"])).await.is(404);
        shop.time_passes(Duration::from_secs(1));
        boss.delete(&own).await.is(204);
        boss.delete(&own).await.is(404);

        let product = shop.visitor().get(&mug.path()).await.is(200);
        assert_eq!(product["images"].as_array().map(Vec::len), Some(1));
        assert_ne!(product["updated_at"], product["created_at"]);
        shop.runs_its_jobs().await;
        for url in ["url", "thumbnail_url"] {
            shop.visitor().get(&path(&image[url])).await.is(404);
        }
        assert_eq!(files(&shop).len(), 1);
    }

    async fn a_product_takes_its_files_with_it_unless_it_was_ordered(shop: TestShop) {
        let (boss, mug, pot) = (shop.admin().await, shop.sells("Mug").await, shop.sells("Pot").await);
        boss.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
        boss.adds_image(&mug, &solid(9, 9, ImageFormat::Png)).await.is(201);
        let ordered = boss.adds_image(&pot, &solid(9, 9, ImageFormat::Png)).await.is(201);
        shop.customer("ada@example.com").await.buys(&pot).await;
        assert_eq!(files(&shop).len(), 4);
        boss.delete(&mug.path()).await.is(204);
        boss.delete(&pot.path()).await.is(204);
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop).len(), 1);
        shop.visitor().get(&path(&ordered["url"])).await.is(200);
    }

    async fn a_brand_has_one_logo(shop: TestShop) {
        let boss = shop.admin().await;
        let brand = boss.post("/api/brands").json(&json!({"name": "Acme"})).await.is(201);
        assert_eq!(brand["logo"], Value::Null);
        let (own, logo) = (format!("/api/brands/{}", brand["id"]), format!("/api/brands/{}/logo", brand["id"]));
        let sends = async |person: &Person, file: &[u8]| {
            let (kind, body) = form(&[("image", "", file)]);
            person.put(&logo).body(&kind, body).await
        };
        sends(&shop.visitor(), b"x").await.is(401);
        sends(&shop.customer("ada@example.com").await, b"x").await.is(403);
        sends(&boss, b"<svg/>").await.is(422).with_code("invalid_image");

        let first = sends(&boss, &solid(900, 600, ImageFormat::Png)).await.is(200);
        assert_eq!(shop.visitor().get(&own).await.is(200).json(), first.json());
        assert_eq!(shop.visitor().get("/api/brands").await.is(200).list(), [first.json()]);
        let second = sends(&boss, &drawing(90, 60, ImageFormat::Png)).await.is(200);
        assert_eq!(boss.patch(&own).json(&json!({"name": "Acme Ltd"})).await.is(200)["logo"], second["logo"]);
        shop.runs_its_jobs().await;
        shop.visitor().get(&path(&first["logo"])).await.is(404);
        shop.visitor().get(&path(&second["logo"])).await.is(200);

        boss.delete(&logo).await.is(204);
        boss.delete(&logo).await.is(204);
        assert_eq!(shop.visitor().get(&own).await.is(200)["logo"], Value::Null);
        sends(&boss, &solid(9, 9, ImageFormat::Png)).await.is(200);
        boss.delete(&own).await.is(204);
        shop.runs_its_jobs().await;
        assert_eq!(files(&shop), Vec::<String>::new());
    }

    async fn a_crash_leaves_no_file_behind_and_takes_none_that_is_shown(shop: TestShop) {
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let image = boss.adds_image(&mug, &solid(900, 600, ImageFormat::Png)).await.is(201);
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

    async fn only_files_of_ours_are_served(shop: TestShop) {
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

    async fn a_name_that_no_file_can_have_is_not_found(shop: TestShop) {
        for name in ["a".repeat(251), "a".repeat(4096), format!("{}.a", "a".repeat(200))] {
            shop.visitor().get(&format!("/media/{name}.jpg")).await.is(404).with_code("not_found");
        }
    }

    async fn a_bucket_keeps_the_files_as_a_folder_does(shop: TestShop) {
        shop.expects_in_log("MEDIA_URL: files cannot be accessed");
        let s3 = S3StandIn::start().await;
        let shop = shop.opens_again(|settings| settings.media = s3.storage()).await;
        let (boss, mug) = (shop.admin().await, shop.sells("Mug").await);
        let image = boss.adds_image(&mug, &photo(500, 500, b"")).await.is(201);
        let drawn = boss.adds_image(&mug, &drawing(90, 60, ImageFormat::Png)).await.is(201);
        let mut kinds: Vec<String> = s3.keeps().into_iter().map(|(_, kind)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["image/jpeg", "image/jpeg", "image/png"]);
        assert!(s3.keeps().iter().all(|(name, _)| name.starts_with("/shop/pictures/")), "{:?}", s3.keeps());
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

        s3.goes_away(true);
        shop.visitor().get(&url).await.is(503).with_code("media_unavailable");
        boss.adds_image(&mug, &drawing(90, 60, ImageFormat::Png)).await.is(503).with_code("media_unavailable");
        let told = shop.inside().media.check_writable().await.expect_err("nobody is there");
        assert!(told.starts_with("s3://shop/pictures cannot be written"), "{told}");
        assert_eq!(shop.visitor().get(&mug.path()).await.is(200)["images"].as_array().map(Vec::len), Some(2));

        s3.goes_away(false);
        boss.delete(&mug.path()).await.is(204);
        shop.time_passes(Duration::from_hours(1)); // what was announced and never came
        shop.runs_its_jobs().await;
        assert_eq!(s3.keeps(), []);
    }
}

const END: &str = "\r\n--a line that no picture has--\r\n";

/// A form as a browser sends it: each part has a name, what else stands in its header, and its bytes.
pub fn form(parts: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, more, bytes) in parts {
        let more = if more.is_empty() { String::new() } else { format!("; {more}") };
        let head = format!(
            "\r\n--a line that no picture has\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
    }
    body.extend_from_slice(END.as_bytes());
    ("multipart/form-data; boundary=\"a line that no picture has\"".to_owned(), body)
}

/// How many MiB of a body without end can be sent before the shop hangs up; 200 when it never does.
async fn takes_of_an_endless_upload(shop: &TestShop, boss: &Person, product: &Product) -> usize {
    let address = shop.address().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("the shop is open");
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        product.images(),
        boss.access.as_deref().expect("somebody who is signed in")
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

impl Person {
    fn uploads(&self, to: &str, (kind, body): (String, Vec<u8>)) -> Ask {
        self.post(to).body(&kind, body)
    }

    fn adds_image(&self, product: &Product, file: &[u8]) -> Ask {
        self.uploads(&product.images(), form(&[("image", "filename=\"IMG_0001\"", file)]))
    }
}

impl Product {
    fn path(&self) -> String {
        format!("/api/products/{}", self.id)
    }

    fn images(&self) -> String {
        format!("{}/images", self.path())
    }
}

/// The names of what is in the shop's media folder.
pub fn files(shop: &TestShop) -> Vec<String> {
    let entries = std::fs::read_dir(shop.media_folder()).expect("the media folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours")).collect();
    names.sort_unstable();
    names
}

/// Where an address is on the shop's own server.
pub fn path(url: &Value) -> String {
    let url = url.as_str().expect("an address");
    url.strip_prefix("https://shop.test").expect("an address of this shop").to_owned()
}

fn decoded(answer: &Answer) -> DynamicImage {
    image::load_from_memory(answer.bytes()).expect("a picture")
}
