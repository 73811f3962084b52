//! The page at `/`: for a client, for a browser, and in a demo.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    time::Duration,
};

use cartwright::app::demo::{self, SIGN_INS};
use serde_json::{Value, json};

use crate::support::{
    TestShop,
    answer::Answer,
    folder::folder,
    http_client,
    programs::{free_address, until},
    run,
    webdriver::Browser,
};

/// As a browser asks.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn browses(shop: &TestShop, path: &str) -> Answer {
    shop.visitor().get(path).header("accept", BROWSER).await
}

/// The shop as `serve --demo` opens it, with its e-mails in an outbox.
async fn opens_as_a_demo(shop: &TestShop) -> TestShop {
    let demo = shop
        .opens_again(|settings| {
            settings.demo = true;
            settings.smtp_url = None;
        })
        .await;
    let loaded = demo::load(demo.inside(), None, |_| {}).await.expect("the demo is loaded");
    assert!(loaded.is_some(), "the database was empty");
    demo
}

/// The addresses a page leads to, as they stand in it.
fn links(page: &str) -> Vec<String> {
    let addresses = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    addresses.map(|address| address.replace("&#x2f;", "/").replace("&amp;", "&")).collect()
}

fn emails_on(page: &str) -> Vec<String> {
    links(page).into_iter().filter(|link| link.starts_with("/outbox/")).collect()
}

on_both_engines! {
    async fn the_root_names_the_documentation_as_json(shop: TestShop) {
        let told = shop.visitor().get("/").await.is(200);
        assert_eq!((told.header("content-type"), told["name"].as_str()), ("application/json", Some("Cartwright")));
        assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
        for part in ["docs", "reference", "openapi", "health"] {
            shop.visitor().get(told[part].as_str().expect(part)).await.is(200);
        }
    }

    async fn the_front_page_has_no_secrets(shop: TestShop) {
        let page = browses(&shop, "/").await.is(200);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        assert!(page.header("vary").contains("Accept"), "{}", page.header("vary"));
        for link in links(&page.text()) {
            shop.visitor().get(&link).await.is(200);
        }
        assert!(links(&page.text()).contains(&"/docs".to_owned()));
        for secret in ["password", "example.com", "outbox", "pm_card"] {
            assert!(!page.text().contains(secret), "{secret}");
        }
        browses(&shop, "/outbox/order-1.confirmation@shop.test").await.is(404).with_code("not_found");
    }

    async fn the_front_page_of_a_demo_shows_sign_ins_emails_and_cards(shop: TestShop) {
        let shop = opens_as_a_demo(&shop).await;
        let page = browses(&shop, "/").await.is(200).text();
        for sign_in in [SIGN_INS.customer, SIGN_INS.other_customer, SIGN_INS.admin] {
            assert!(page.contains(sign_in.email) && page.contains(sign_in.password), "{}", sign_in.email);
            let sign_in = json!({"email": sign_in.email, "password": sign_in.password});
            shop.visitor().post("/api/auth/login").json(&sign_in).await.is(200);
        }
        assert!(page.contains("pm_card_chargeDeclined") && page.contains("insufficient funds"));
        let emails = emails_on(&page);
        assert_eq!(emails.len(), 3, "an order confirmation, that it is confirmed, and a link: {emails:?}");
        for email in &emails {
            let shown = browses(&shop, email).await.is(200).text();
            assert!(shown.contains("<iframe sandbox") && shown.contains("@example.com"), "{shown}");
            let body = browses(&shop, &format!("{email}/body")).await.is(200);
            assert!(body.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
            assert!(body.text().contains("<base target=\"_blank\">") && body.text().contains("Hello"), "{body}");
        }
        let json = shop.visitor().get("/").await.is(200);
        assert!(!json.text().contains("demo-"), "{json}");

        // From elsewhere, through a proxy, or for a page of somebody else's.
        for (header, value) in [("host", "shop.example"), ("x-forwarded-for", "203.0.113.9"), ("origin", "https://evil.example")] {
            let elsewhere = |path: String| {
                let shop = shop.clone();
                async move { shop.visitor().get(&path).header("accept", BROWSER).header(header, value).await }
            };
            let page = elsewhere("/".to_owned()).await.is(200).text();
            assert!(!page.contains("demo-admin-1") && emails_on(&page).is_empty(), "{header}");
            for path in [emails[0].clone(), format!("{}/body", emails[0])] {
                elsewhere(path).await.is(404);
            }
        }
        for name in ["..%2F..%2Fjwt_secret", "%2Fetc%2Fpasswd", "nothing"] {
            browses(&shop, &format!("/outbox/{name}")).await.is(404);
        }

        // Somebody made the shop theirs.
        let admin = json!({"email": SIGN_INS.admin.email, "password": SIGN_INS.admin.password});
        let admin = shop.visitor().post("/api/auth/login").json(&admin).await.is(200);
        let change = json!({"current_password": SIGN_INS.admin.password, "new_password": "a password of my own"});
        let token = format!("Bearer {}", admin["access"].as_str().expect("a token"));
        shop.visitor().post("/api/auth/password").header("authorization", &token).json(&change).await.is(204);
        let page = browses(&shop, "/").await.is(200).text();
        assert!(!page.contains("demo-customer-1") && emails_on(&page).is_empty(), "{page}");
        browses(&shop, &emails[0]).await.is(404);
        shop.runs_its_jobs().await;
    }

    async fn a_demo_has_a_history_that_adds_up(shop: TestShop) {
        let demo = opens_as_a_demo(&shop).await;
        assert!(shop.mail().mails().is_empty(), "nobody's past is mailed");
        let admin = demo.admin().await;
        let orders = admin.get("/api/orders?per_page=100").await.is(200).json();
        let all = |field: &str| {
            let values = orders.as_array().expect("orders").iter().map(|order| order[field].as_str().expect(field).to_owned());
            values.collect::<BTreeSet<String>>()
        };
        assert_eq!(all("status").len(), 4, "{orders}");
        assert!(all("payment_status").contains("paid"));
        assert!(orders.as_array().expect("orders").iter().map(|order| &order["user"]).any(|user| *user != orders[0]["user"]));
        let payments = admin.get("/api/payments?per_page=100").await.is(200).text();
        for status in ["captured", "partially_refunded", "processing", "cancelled"] {
            assert!(payments.contains(&format!("\"status\":\"{status}\"")), "{status}: {payments}");
        }
        let sales = admin.get("/api/dashboard/sales?interval=week").await.is(200).json();
        let weeks = sales.as_array().expect("weeks").iter().filter(|week| week["orders"].as_i64() > Some(0)).count();
        assert!(weeks >= 4, "{sales}");
        assert!(!admin.get("/api/dashboard/top-products").await.is(200).json().as_array().expect("products").is_empty());
        let rated = demo.visitor().get("/api/products?ordering=-rating&per_page=1").await.is(200);
        let reviews = format!("/api/products/{}/reviews", rated.json()[0]["id"]);
        assert_eq!(demo.visitor().get(&reviews).await.is(200).json()[0]["rating"], 5);
        // An order is not older than what was ordered.
        let early = "SELECT COUNT(*) FROM order_lines l JOIN orders o ON o.id = l.order_id
                     JOIN products p ON p.id = l.product_id WHERE o.created_at < p.created_at";
        assert_eq!(demo.counts(early).await, 0);
        shop.runs_its_jobs().await;
    }

    async fn a_demo_sends_no_email(shop: TestShop) {
        demo::load(shop.inside(), None, |_| {}).await.expect("the demo is loaded");
        shop.runs_its_jobs().await;
        assert!(shop.mail().mails().is_empty());
        assert!(browses(&shop, "/").await.is(200).text().contains("storefront"));
    }
}

#[test]
fn the_front_page_of_a_demo_works_in_a_browser() {
    run(found_in_a_browser());
}

async fn found_in_a_browser() {
    let folder = folder();
    let address = free_address();
    let _demo = Demo::opens(&address, folder.path()).await;
    let browser = Browser::opens(folder.path()).await;
    let front = format!("http://{address}/");
    browser.goes_to(&front).await;
    let links = browser.runs("return [...document.links].map((link) => link.href)").await;
    let links: Vec<&str> = links.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(links.len() >= 15, "{links:?}");
    let http = http_client().build().expect("an HTTP client");
    for link in &links {
        assert!(link.starts_with(&front), "{link} leads elsewhere");
        // Not in the browser, which takes seconds for each page of the API document.
        let page = http.get(*link).header("accept", BROWSER).send().await.expect("an answer");
        assert_eq!(page.status(), 200, "{link}");
    }

    for permission in ["clipboard-read", "clipboard-write"] {
        browser.permits(permission).await;
    }
    browser.clicks("[data-copies=browse]").await;
    let copied = browser.runs("return navigator.clipboard.readText()").await;
    let ran = Command::new("sh").args(["-c", copied.as_str().unwrap()]).output().unwrap();
    let products: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{copied} answered {ran:?}"));
    assert_eq!(products.as_array().unwrap().len(), 2, "{products}");

    let email = links.iter().find(|link| link.contains("verify")).expect("an e-mail with a link");
    browser.goes_to(email).await;
    browser.enters_the_frame("iframe").await;
    let words = browser.runs("return document.body.innerText").await;
    assert!(words.as_str().unwrap().contains("Verify my e-mail address"), "{words}");
    let before = browser.runs("return location.href").await;
    browser.clicks("a").await;
    assert_eq!(browser.runs("return location.href").await, before, "a link in an e-mail does nothing");
    browser.leaves_the_frame().await;
    assert_eq!(browser.runs("return location.href").await, **email);
    assert_eq!(browser.windows().await, 1);
}

/// `cartwright serve --demo` in an empty folder.
struct Demo(std::process::Child);

impl Demo {
    async fn opens(address: &str, folder: &std::path::Path) -> Self {
        let log = std::fs::File::create(folder.join("demo.log")).unwrap();
        let demo = Command::new(env!("CARGO_BIN_EXE_cartwright"))
            .args(["serve", "--demo"])
            .current_dir(folder)
            .env_clear()
            .env("BIND", address)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let demo = Self(demo.unwrap());
        let http = http_client().build().expect("an HTTP client");
        until("the demo is open", Duration::from_mins(1), || async {
            http.get(format!("http://{address}/health/ready"))
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        let told = std::fs::read_to_string(folder.join("demo.log")).unwrap();
        assert!(told.contains(&format!("http://{address}/")) && told.contains("data/outbox"), "{told}");
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}
