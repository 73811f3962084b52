//! Whatever bytes a stranger sends, the shop answers in time, with no fault of its own and no word of one in its log. One
//! target for each place where foreign bytes are read.
//!
//! `.ci/test fuzz:: -- --ignored` runs each for `FUZZ_SECONDS` (12); `FUZZ_SEED` repeats a run, which says its seed.

use std::{
    io::Cursor,
    time::{Duration, Instant},
};

use cartwright::{
    catalog::shopify::{self, Rules},
    payments::providers::ONLINE,
};
use image::ImageFormat;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Engine, TestShop, image_files, run_story};

/// What readers trip over.
const WORDS: [&[u8]; 22] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\r",
    b"\"",
    b"\\",
    b"{",
    b"[",
    b",",
    b";",
    b"=",
    b":",
    b"%00",
    b"-1",
    b"0x10",
    b"1e999",
    b"9223372036854775808",
    b"\xff\xfe",
    b"\xe2\x80\xae",
    b"null",
    b"\\ud800",
    b"bytes=0-",
];

/// Those of all providers; each ignores those of the others.
const SIGNATURE_HEADERS: [&str; 7] = [
    "Stripe-Signature",
    "X-Razorpay-Signature",
    "X-Razorpay-Event-Id",
    "Paypal-Auth-Algo",
    "Paypal-Cert-Url",
    "Paypal-Transmission-Id",
    "Paypal-Transmission-Sig",
];

/// Changes one of the seeds a few times.
fn mutated(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds.choose(random).cloned().unwrap_or_default();
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..16)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, WORDS.choose(random).copied().unwrap_or_default().iter().copied())),
            3 => drop(bytes.splice(at..at, bytes[at..end].repeat(random.random_range(1..64)))),
            4 => bytes.truncate(at),
            _ => {
                let other = seeds.choose(random).cloned().unwrap_or_default();
                let from = random.random_range(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
        }
    }
    bytes
}

/// Calls `attempt` with one input after another until the time is over. How often.
async fn fuzz(target: &str, seeds: &[Vec<u8>], mut attempt: impl AsyncFnMut(Vec<u8>)) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(12);
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let (mut random, started, mut attempts) = (StdRng::seed_from_u64(seed), Instant::now(), 0_u64);
    println!("{target}: FUZZ_SEED={seed}");
    while started.elapsed() < Duration::from_secs(seconds) {
        attempt(mutated(&mut random, seeds)).await;
        attempts += 1;
    }
    println!("{target}: {attempts} inputs in {seconds} s");
}

/// Sends what is to be one request and hears the status of its answer; `None` when the connection ends without one.
async fn answer(shop: &TestShop, request: &[u8]) -> Option<u16> {
    let address = shop.address().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("the shop listens");
    let _ = connection.write_all(request).await; // it may have ended already
    let _ = connection.shutdown().await;
    let mut head = [0; 12];
    let read = timeout(Duration::from_secs(20), connection.read_exact(&mut head)).await;
    read.unwrap_or_else(|_| panic!("no answer: {}", request.escape_ascii())).ok()?;
    std::str::from_utf8(&head).ok()?.rsplit(' ').next()?.parse().ok()
}

async fn is_answered(shop: &TestShop, request: &[u8]) {
    let status = answer(shop, request).await;
    assert!(status.is_none_or(|status| status < 500), "{status:?}: {}", request.escape_ascii());
}

fn request(line: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{line} HTTP/1.1\r\nHost: shop\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    [request.as_slice(), b"\r\n", body].concat()
}

/// A value for a header or an address: what cannot stand there is left out.
fn on_one_line(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).take(4096).collect()
}

fn seeds<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).into()
}

async fn boss(shop: &TestShop) -> Vec<u8> {
    format!("Bearer {}", shop.admin().await.access.expect("a token")).into_bytes()
}

async fn json(shop: TestShop) {
    let (token, mug) = (boss(&shop).await, shop.sells("Mug").in_stock(0).await);
    let seeds = seeds([
        &format!("{{\"items\": [{{\"product\": {}, \"quantity\": 1}}], \"expected_total\": \"10.00\"}}", mug.id),
        r#"{"name": "Pot", "price": 1.50, "stock": 3, "is_active": true, "description": null, "category": 1}"#,
        r#"{"email": "ada@example.com", "password": "a long walk by the sea", "cart_id": "6b0f2c9d-1e8a-4f7c-b3d5-a1906e2f4c88"}"#,
        r#"[[[[{"a": {"b": [1, 2.5e-3, "\u00e9\ud83d\ude00", null, true]}}]]]]"#,
    ]);
    fuzz("JSON bodies", &seeds, async |body| {
        for path in ["/api/orders", "/api/auth/login", "/api/products/1/reviews"] {
            let headers = [("Content-Type", &b"application/json"[..]), ("Authorization", &token)];
            is_answered(&shop, &request(&format!("POST {path}"), &headers, &body)).await;
        }
    })
    .await;
}

async fn queries(shop: TestShop) {
    shop.sells("Mug").await;
    let seeds = seeds([
        "search=mug&ordering=-price&page=1&per_page=20&min_price=1.00&max_price=9.99&in_stock=true",
        "category=1&brand=2&search=%22red+mug%22%20OR%20*&ordering=name,-created_at",
        "search=a%20b%20c&page=9999999999&per_page=-1",
    ]);
    fuzz("queries", &seeds, async |query| {
        let as_it_is = String::from_utf8_lossy(&on_one_line(query.clone())).replace([' ', '#'], "+");
        let encoded: String = query.iter().take(2000).map(|byte| format!("%{byte:02x}")).collect();
        for query in [as_it_is, format!("search={encoded}")] {
            is_answered(&shop, &request(&format!("GET /api/products?{query}"), &[], b"")).await;
        }
    })
    .await;
}

async fn forms(shop: TestShop) {
    let token = boss(&shop).await;
    let part = |name: &str, rest: &str, body: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{body}\r\n")
    };
    let seeds = seeds([
        &[part("name", "", "Mug"), part("price", "", ""), part("stock", "", "3"), "--x--\r\n".to_owned()].concat(),
        &[part("image", "; filename=\"a.png\"\r\nContent-Type: image/png", "\u{89}PNG"), "--x--".to_owned()].concat(),
    ]);
    fuzz("multipart forms", &seeds, async |body| {
        let headers = [("Content-Type", &b"multipart/form-data; boundary=x"[..]), ("Authorization", &token)];
        is_answered(&shop, &request("POST /api/products", &headers, &body)).await;
    })
    .await;
}

async fn uploads(shop: TestShop) {
    let (token, mug) = (boss(&shop).await, shop.sells("Mug").await);
    let mut seeds: Vec<Vec<u8>> = image_files::invalid_images().into_iter().map(|(_, bytes)| bytes).collect();
    seeds.retain(|bytes| bytes.len() < 100_000);
    seeds.extend([ImageFormat::Png, ImageFormat::WebP].map(|format| image_files::drawing(24, 16, format)));
    seeds.push(image_files::photo(24, 16, &image_files::exif(6, "Ada")));
    fuzz("pictures", &seeds, async |picture| {
        let head = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n";
        let body = [&head[..], &picture, b"\r\n--x--\r\n"].concat();
        let headers = [("Content-Type", &b"multipart/form-data; boundary=x"[..]), ("Authorization", &token)];
        is_answered(&shop, &request(&format!("POST /api/products/{}/images", mug.id), &headers, &body)).await;
    })
    .await;
}

async fn webhooks(shop: TestShop) {
    let seeds = seeds([
        "t=1736922698,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
        r#"{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}"#,
        "SHA256withRSA",
        "https://api.paypal.com/v1/notifications/certs/CERT-1",
    ]);
    shop.allows_in_log("cannot verify a webhook with PayPal");
    fuzz("webhooks", &seeds, async |bytes| {
        let value = on_one_line(bytes.clone());
        let headers = SIGNATURE_HEADERS.map(|name| (name, value.as_slice()));
        for online in ONLINE {
            let request = request(&format!("POST /api/payments/webhooks/{}", online.provider), &headers, &bytes);
            is_answered(&shop, &request).await;
        }
    })
    .await;
}

async fn headers(shop: TestShop) {
    let shop =
        shop.opens_again(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")]).await;
    let (token, mug) = (boss(&shop).await, shop.sells("Mug").await);
    let body = format!("{{\"items\": [{{\"product\": {}, \"quantity\": 1}}]}}", mug.id);
    let kind = [("Content-Type", &b"application/json"[..]), ("Authorization", &token)];
    assert_eq!(answer(&shop, &request("POST /api/orders", &kind, body.as_bytes())).await, Some(201));
    let seeds = seeds([
        "bytes=0-99,200-",
        "12",
        "198.51.100.1, [2001:db8::1]:443, 10.0.0.1",
        "\"5b1f-1-br\", W/\"x\", *",
        "gzip;q=0.5, br;q=1.0, *;q=0",
        "application/json;q=0.9, text/html",
        "6b0f2c9d-1e8a-4f7c-b3d5-a1906e2f4c88",
        "Bearer a.b.c",
    ]);
    fuzz("headers", &seeds, async |bytes| {
        let value = on_one_line(bytes);
        for (path, name) in [
            ("/media/a.jpg", "Range"),
            ("/api/orders/1/events", "Last-Event-ID"),
            ("/api/products", "X-Forwarded-For"),
            ("/api/products", "If-None-Match"),
            ("/docs", "Accept-Encoding"),
            ("/api/orders", "Accept"),
            ("/api/cart", "X-Cart-Id"),
            ("/api/profile", "Authorization"),
            ("/", "Host"),
        ] {
            let own = [("Authorization", token.as_slice()), (name, &value)];
            let headers = if matches!(name, "Authorization" | "X-Cart-Id") { &own[1..] } else { &own[..] };
            is_answered(&shop, &request(&format!("GET {path}"), headers, b"")).await;
        }
    })
    .await;
    shop.runs_its_jobs().await;
}

async fn heads(shop: TestShop) {
    let seeds = seeds([
        "GET /api/products HTTP/1.1\r\nHost: shop\r\n\r\n",
        "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n",
        "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\n{}\r\n0\r\nT: x\r\n\r\n",
    ]);
    fuzz("heads of requests", &seeds, async |bytes| is_answered(&shop, &bytes).await).await;
}

async fn exports(_shop: TestShop) {
    let seeds = seeds([
        "Handle,Title,Body (HTML),Vendor,Type,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Status\n\
         mug,Mug,<p>A &amp; B</p>,Acme,Cups,true,Colour,Red,M-1,5,9.50,https://example.com/a.jpg,active\nmug,,,,,,,Blue,M-2,1,9.50,,\n",
        "Handle,Title,Option1 Name,Option1 Value,SKU,Location,Available\nmug,Mug,Colour,Red,M-1,Shop,4\n",
    ]);
    fuzz("exports of products", &seeds, async |bytes| {
        let rules = || Rules { decimals: 2, stock: 100 };
        let Ok(checked) = shopify::check(Cursor::new(&bytes), rules()) else { return };
        drop(checked.report.errors.to_string());
    })
    .await;
}

/// Each on SQLite: what is read before the database is asked is the same on both.
macro_rules! targets {
    ($($name:ident)+) => {$(
        mod $name {
            #[test]
            #[ignore = "it takes as long as it is told to: .ci/test fuzz:: -- --ignored"]
            fn fuzz() {
                super::run_story(super::Engine::Sqlite, super::$name);
            }
        }
    )+};
}

targets! { json queries forms uploads webhooks headers heads exports }
