//! Another e-mail address, which is the account's once its reader has shown that it is theirs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Answer, people::PASSWORD, smtp::Mail};

const OLD: &str = "ada@example.com";
const NEW: &str = "Ada.Lovelace@example.org";

async fn wants(person: &Person, email: &str) -> Answer {
    person.post("/api/profile/email").json(&json!({"email": email, "password": PASSWORD})).await
}

async fn follows(shop: &TestShop, token: &str) -> Answer {
    shop.visitor().post("/api/auth/email/verify").json(&json!({"token": token})).await
}

async fn signs_in(shop: &TestShop, email: &str) -> Answer {
    shop.visitor().post("/api/auth/login").json(&json!({"email": email, "password": PASSWORD})).await
}

async fn status(person: &Person) -> Value {
    person.get("/api/profile/email").await.is(200).json()
}

/// The mails that came to an address, after all jobs have run.
async fn mails_to(shop: &TestShop, address: &str) -> Vec<Mail> {
    shop.runs_its_jobs().await;
    shop.mail().mails().into_iter().filter(|mail| mail.to == [address]).collect()
}

async fn newest_to(shop: &TestShop, address: &str) -> Mail {
    mails_to(shop, address).await.pop().unwrap_or_else(|| panic!("a mail to {address}"))
}

on_both_engines! {
    async fn a_new_address_is_the_accounts_once_its_link_was_followed(shop: TestShop) {
        let ada = shop.customer(OLD).await;
        shop.tampers("UPDATE users SET first_name = 'Augusta', email_verified = TRUE").await;
        assert_eq!(
            status(&ada).await,
            json!({"email": OLD, "email_verified": true, "pending_email": null, "pending_until": null})
        );
        wants(&ada, NEW).await.is(202);
        let pending = status(&ada).await;
        assert_eq!((&pending["email"], &pending["pending_email"]), (&json!(OLD), &json!(NEW)));
        assert_eq!(pending["pending_until"], "2025-01-16T06:31:38.809214Z");

        let asked = newest_to(&shop, OLD).await;
        assert_eq!(asked.subject(), "A change of your e-mail address at Cartwright was requested");
        assert!(asked.text().contains("Hello Augusta,") && asked.text().contains("15 January 2025, 06:31 UTC"), "{}", asked.text());
        assert!(!asked.raw.contains("http") && !asked.raw.contains("example.org"), "{}", asked.raw);
        let mail = newest_to(&shop, NEW).await;
        assert_eq!(mail.subject(), "Confirm your new e-mail address at Cartwright");
        assert!(mail.link().starts_with("https://shop.test/verify-email?token="), "{}", mail.link());
        assert!(mail.text().contains("Hello,") && !mail.raw.contains("Augusta"), "who reads it is not known:\n{}", mail.raw);
        signs_in(&shop, NEW).await.is(401);
        assert_eq!(ada.get("/api/profile").await.is(200)["email"], OLD);

        follows(&shop, &mail.token()).await.is(204);
        follows(&shop, &mail.token()).await.is(400).with_code("invalid_token");
        let profile = ada.get("/api/profile").await.is(200); // the session goes on
        assert_eq!((&profile["email"], &profile["email_verified"]), (&json!(NEW), &json!(true)));
        assert_eq!(status(&ada).await["pending_email"], json!(null));
        signs_in(&shop, NEW).await.is(200);
        signs_in(&shop, OLD).await.is(401);
        let changed = newest_to(&shop, OLD).await;
        assert_eq!(changed.subject(), "Your e-mail address at Cartwright was changed");
        assert_eq!((mails_to(&shop, OLD).await.len(), mails_to(&shop, NEW).await.len()), (2, 1), "each once");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM former_emails").await, 0, "nobody needs the old one any more");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs WHERE payload LIKE '%example%'").await, 0, "jobs hold ids");
        shop.registers(OLD).await.is(201);
    }

    async fn changing_the_email_requires_the_password(shop: TestShop) {
        let ada = shop.customer(OLD).await;
        let asks = async |body: Value| ada.post("/api/profile/email").json(&body).await;
        asks(json!({"email": NEW, "password": "a guess at the sea"})).await.is(422).about(&["password"]);
        asks(json!({"email": "no address", "password": "a guess at the sea"})).await.is(422).about(&["email", "password"]);
        asks(json!({})).await.is(422).about(&["email", "password"]);
        for unusable in ["no address", "ada@", "ada@example.com\r\nBcc: eve@example.com", "ADA@example.com"] {
            wants(&ada, unusable).await.is(422).about(&["email"]);
        }
        shop.visitor().post("/api/profile/email").json(&json!({"email": NEW, "password": PASSWORD})).await.is(401);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs").await, 0);
    }

    async fn an_address_that_is_taken_is_refused_when_it_is_asked_for_and_when_it_is_confirmed(shop: TestShop) {
        let ada = shop.customer(OLD).await;
        shop.customer("bob@example.com").await;
        wants(&ada, "BOB@example.com").await.is(409).with_code("email_taken");
        wants(&ada, NEW).await.is(202);
        let token = newest_to(&shop, NEW).await.token();
        let eve = shop.customer(&NEW.to_uppercase()).await; // who was faster
        follows(&shop, &token).await.is(409).with_code("email_taken");
        assert_eq!(ada.get("/api/profile").await.is(200)["email"], OLD);
        assert_eq!(eve.get("/api/profile").await.is(200)["email"], NEW.to_uppercase());
    }

    async fn of_two_who_confirm_one_address_at_once_one_gets_it(shop: TestShop) {
        let (ada, bob) = (shop.customer(OLD).await, shop.customer("bob@example.com").await);
        wants(&ada, NEW).await.is(202);
        let adas = newest_to(&shop, NEW).await.token();
        wants(&bob, NEW).await.is(202);
        let bobs = newest_to(&shop, NEW).await.token();
        assert_ne!(adas, bobs);
        let (one, other) = tokio::join!(follows(&shop, &adas), follows(&shop, &bobs));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409], "{one}\n{other}");
        shop.runs_its_jobs().await;
    }

    async fn a_new_request_a_cancellation_and_a_new_password_end_the_earlier_link(shop: TestShop) {
        let mut ada = shop.customer(OLD).await;
        wants(&ada, "first@example.org").await.is(202);
        let first = newest_to(&shop, "first@example.org").await.token();
        wants(&ada, NEW).await.is(202);
        let second = newest_to(&shop, NEW).await.token();
        follows(&shop, &first).await.is(400).with_code("invalid_token");

        ada.delete("/api/profile/email").await.is(204);
        ada.delete("/api/profile/email").await.is(204);
        follows(&shop, &second).await.is(400).with_code("invalid_token");
        assert_eq!(status(&ada).await["pending_email"], json!(null));

        wants(&ada, NEW).await.is(202);
        let third = newest_to(&shop, NEW).await.token();
        let change = json!({"current_password": PASSWORD, "new_password": "a short walk by the lake"});
        ada.post("/api/auth/password").json(&change).await.is(204);
        follows(&shop, &third).await.is(400).with_code("invalid_token");
        assert_eq!(ada.get("/api/profile").await.is(200)["email"], OLD);

        let change = json!({"current_password": "a short walk by the lake", "new_password": PASSWORD});
        ada.post("/api/auth/password").json(&change).await.is(204);
        wants(&ada, NEW).await.is(202);
        let fourth = newest_to(&shop, NEW).await.token();
        let admin = shop.admin().await;
        for is_active in [false, true] {
            admin.patch(&format!("/api/admin/users/{}", ada.id)).json(&json!({"is_active": is_active})).await.is(200);
        }
        follows(&shop, &fourth).await.is(400).with_code("invalid_token");
        ada.signs_in().await;
        assert_eq!(ada.get("/api/profile").await.is(200)["email"], OLD);
        shop.runs_its_jobs().await;
    }

    async fn a_change_that_is_cancelled_before_its_email_is_sent_sends_none(shop: TestShop) {
        let ada = shop.customer(OLD).await;
        wants(&ada, NEW).await.is(202);
        ada.delete("/api/profile/email").await.is(204);
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 0);
    }

    async fn the_link_and_its_change_expire(shop: TestShop) {
        let mut ada = shop.customer(OLD).await;
        wants(&ada, NEW).await.is(202);
        let token = newest_to(&shop, NEW).await.token();
        shop.time_passes(Duration::from_hours(24));
        follows(&shop, &token).await.is(400).with_code("invalid_token");
        ada.signs_in().await;
        assert_eq!(status(&ada).await["pending_email"], json!(null));
        shop.time_passes(Duration::from_hours(24 * 31));
        assert!(!cartwright::retention::sweep(shop.inside()).await.expect("the database answers"));
        assert_eq!(shop.counts("SELECT COUNT(*) FROM email_changes").await, 0);
    }

    async fn links_that_were_mailed_to_the_old_address_stop_working(shop: TestShop) {
        let ada = shop.customer(OLD).await;
        shop.visitor().post("/api/auth/password/forgot").json(&json!({"email": OLD})).await.is(202);
        let reset = newest_to(&shop, OLD).await.token();
        wants(&ada, NEW).await.is(202);
        follows(&shop, &newest_to(&shop, NEW).await.token()).await.is(204);
        let stolen = json!({"token": reset, "password": "a short walk by the lake"});
        shop.visitor().post("/api/auth/password/reset").json(&stolen).await.is(400).with_code("invalid_token");
        shop.runs_its_jobs().await;
    }

    async fn changing_the_email_reveals_accounts_no_more_than_registering(shop: TestShop) {
        let shop = shop.with_limits().await;
        let (ada, bob) = (shop.customer(OLD).await, shop.customer("bob@example.com").await);
        shop.customer("eve@example.com").await;
        for _ in 0..3 {
            wants(&ada, "eve@example.com").await.is(409).with_code("email_taken");
        }
        wants(&bob, "eve@example.com").await.is(429).with_code("rate_limited");
        shop.registers("eve@example.com").await.is(429).with_code("rate_limited");

        shop.time_passes(Duration::from_secs(3601));
        for number in 0..2 {
            wants(&ada, &format!("ada{number}@example.org")).await.is(202); // the fourth and the fifth of the day
        }
        wants(&ada, NEW).await.is(429).with_code("rate_limited");
        for _ in 0..5 {
            let guess = json!({"email": NEW, "password": "a guess at the sea"});
            bob.post("/api/profile/email").json(&guess).await.is(422);
        }
        wants(&bob, NEW).await.is(429).with_code("rate_limited");
        shop.runs_its_jobs().await;
    }
}
