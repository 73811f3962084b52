//! E-mails with links, and passwords: verified, changed, forgotten and reset.

use std::time::Duration;

use futures_util::{
    future::ready,
    stream::{self, FuturesUnordered, StreamExt},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Person, TestShop, answer::Answer, people::PASSWORD, smtp::Mail};

const NEW: &str = "a short walk by the lake";

/// The newest mail, after all jobs have run.
async fn newest_mail(shop: &TestShop) -> Mail {
    shop.runs_its_jobs().await;
    shop.mail().mails().pop().expect("a mail")
}

async fn verifies(shop: &TestShop, token: &str) -> Answer {
    shop.visitor().post("/api/auth/email/verify").json(&json!({"token": token})).await
}

async fn forgets(shop: &TestShop, email: &str) -> Answer {
    shop.visitor().post("/api/auth/password/forgot").json(&json!({"email": email})).await
}

async fn resets(shop: &TestShop, token: &str, password: &str) -> Answer {
    shop.visitor().post("/api/auth/password/reset").json(&json!({"token": token, "password": password})).await
}

async fn changes(person: &Person, current: &str, new: &str) -> Answer {
    person.post("/api/auth/password").json(&json!({"current_password": current, "new_password": new})).await
}

async fn tries(shop: &TestShop, email: &str, password: &str) -> Answer {
    shop.visitor().post("/api/auth/login").json(&json!({"email": email, "password": password})).await
}

/// Registers and signs in.
async fn newcomer(shop: &TestShop, email: &str) -> Person {
    shop.registers(email).await.is(201);
    let mut newcomer = shop.visitor();
    newcomer.email = email.to_owned();
    newcomer.signs_in().await;
    newcomer
}

async fn is_verified(person: &Person) -> Value {
    person.get("/api/profile").await.is(200)["email_verified"].clone()
}

on_both_engines! {
    async fn the_link_of_the_first_email_verifies_the_address_once(shop: TestShop) {
        let ada = newcomer(&shop, "ada@example.com").await;
        assert_eq!(is_verified(&ada).await, json!(false));
        let mail = newest_mail(&shop).await;
        assert_eq!((shop.mail().mails().len(), mail.to.as_slice()), (1, &["ada@example.com".to_owned()][..]));
        assert_eq!(mail.subject(), "Verify your e-mail address at Cartwright");
        assert!(mail.link().starts_with("https://shop.test/verify-email?token="), "{}", mail.link());
        assert!(mail.html().contains(&mail.token()), "{}", mail.html());
        assert!(mail.text().contains("Hello,"), "who typed a name may not be who reads it:\n{}", mail.text());

        verifies(&shop, &mail.token()).await.is(204);
        assert_eq!(is_verified(&ada).await, json!(true));
        verifies(&shop, &mail.token()).await.is(400).with_code("invalid_token");
        for wrong in ["", "nonsense", &mail.token().to_uppercase()] {
            verifies(&shop, wrong).await.is(400).with_code("invalid_token");
        }
        shop.visitor().post("/api/auth/email/verify").json(&json!({})).await.is(422).about(&["token"]);
    }

    async fn a_verification_link_expires_and_another_can_be_requested(shop: TestShop) {
        let ada = newcomer(&shop, "ada@example.com").await;
        let old = newest_mail(&shop).await;
        shop.time_passes(Duration::from_hours(24));
        verifies(&shop, &old.token()).await.is(400).with_code("invalid_token");

        shop.visitor().post("/api/auth/email/verify/resend").await.is(401);
        ada.post("/api/auth/email/verify/resend").await.is(202);
        let new = newest_mail(&shop).await;
        assert_ne!(new.message_id(), old.message_id());
        shop.time_passes(Duration::from_secs(24 * 3600 - 1));
        verifies(&shop, &new.token()).await.is(204);
        let mut ada = ada;
        ada.signs_in().await;
        ada.post("/api/auth/email/verify/resend").await.is(409).with_code("already_verified");
    }

    async fn links_lead_to_the_storefront_and_never_to_where_a_client_says(shop: TestShop) {
        let shop = shop.opens_again(|settings| settings.store.storefront_url = "https://www.shop.test/uk".to_owned()).await;
        shop.registers("ada@example.com").await.is(201);
        assert!(newest_mail(&shop).await.link().starts_with("https://www.shop.test/uk/verify-email?token="));
        let forgotten = json!({"email": "ada@example.com"});
        let spoofed = shop.visitor().post("/api/auth/password/forgot").header("host", "evil.example");
        spoofed.header("x-forwarded-host", "evil.example").json(&forgotten).await.is(202);
        let mail = newest_mail(&shop).await;
        assert!(mail.link().starts_with("https://www.shop.test/uk/reset-password?token="), "{}", mail.link());
        assert!(!mail.raw.contains("evil"));
    }

    async fn an_email_is_sent_once_even_if_its_job_runs_twice(shop: TestShop) {
        shop.registers("ada@example.com").await.is(201);
        let mail = newest_mail(&shop).await;
        let again = shop.tampers("UPDATE jobs SET state = 'pending', due_at = created_at").await;
        shop.runs_its_jobs().await;
        assert_eq!((again, shop.mail().mails().len()), (1, 1));
        verifies(&shop, &mail.token()).await.is(204);
    }

    async fn an_email_whose_response_was_lost_is_sent_again_and_either_link_works(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_repeated_mail();
        for (which, email) in ["ada@example.com", "bob@example.com"].into_iter().enumerate() {
            shop.registers(email).await.is(201);
            shop.mail().hangs_up_before_answering(1);
            shop.runs_its_jobs().await;
            shop.time_passes(Duration::from_secs(2));
            shop.runs_its_jobs().await;
            let copies: Vec<Mail> = shop.mail().mails().into_iter().filter(|mail| mail.to == [email]).collect();
            assert_eq!(copies.len(), 2);
            assert_eq!(copies[0].message_id(), copies[1].message_id());
            assert_ne!(copies[0].token(), copies[1].token());
            verifies(&shop, &copies[which].token()).await.is(204);
            verifies(&shop, &copies[1 - which].token()).await.is(400).with_code("invalid_token");
        }
    }

    async fn a_changed_password_ends_the_other_sessions_and_the_user_is_notified(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let (mut here, mut elsewhere) = (ada.clone(), ada.clone());
        elsewhere.signs_in().await;
        let bob = shop.customer("bob@example.com").await;

        changes(&here, PASSWORD, NEW).await.is(204);

        here.get("/api/profile").await.is(200);
        here.refreshes().await.is(200);
        elsewhere.get("/api/profile").await.is(401).with_code("session_revoked");
        elsewhere.refreshes().await.is(401).with_code("session_revoked");
        bob.get("/api/profile").await.is(200);
        tries(&shop, "ada@example.com", PASSWORD).await.is(401).with_code("invalid_credentials");
        tries(&shop, "ada@example.com", NEW).await.is(200);
        let mail = newest_mail(&shop).await;
        assert_eq!((shop.mail().mails().len(), mail.to.as_slice()), (1, &["ada@example.com".to_owned()][..]));
        assert_eq!(mail.subject(), "Your password at Cartwright was changed");
        assert!(mail.text().contains("15 January 2025, 06:31 UTC"), "{}", mail.text());
        assert!(!mail.raw.contains("http"), "it has no links on purpose");
    }

    async fn a_password_is_changed_only_by_who_knows_it_and_not_to_a_weak_one(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        changes(&ada, NEW, "another good one").await.is(422).with_code("validation_failed").about(&["current_password"]);
        for weak in ["seven77", "Password123", "ADA@example.com", &"x".repeat(129)] {
            changes(&ada, PASSWORD, weak).await.is(422).with_code("weak_password").about(&["new_password"]);
        }
        changes(&ada, NEW, "short").await.is(422).about(&["current_password", "new_password"]);
        ada.post("/api/auth/password").json(&json!({})).await.is(422).about(&["current_password", "new_password"]);
        changes(&shop.visitor(), PASSWORD, NEW).await.is(401).with_code("unauthenticated");
        ada.get("/api/profile").await.is(200);
        tries(&shop, "ada@example.com", PASSWORD).await.is(200);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs").await, 0);
    }

    async fn a_forgotten_password_is_reset_by_email(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        forgets(&shop, "ADA@example.com").await.is(202);
        let mail = newest_mail(&shop).await;
        assert_eq!(mail.subject(), "Choose a new password at Cartwright");
        assert!(mail.link().starts_with("https://shop.test/reset-password?token="), "{}", mail.link());
        ada.get("/api/profile").await.is(200); // asking changes nothing

        for weak in ["seven77", "ada@example.com"] {
            resets(&shop, &mail.token(), weak).await.is(422).with_code("weak_password").about(&["password"]);
        }
        resets(&shop, &mail.token(), NEW).await.is(204);

        ada.get("/api/profile").await.is(401).with_code("session_revoked");
        ada.refreshes().await.is(401).with_code("session_revoked");
        tries(&shop, "ada@example.com", PASSWORD).await.is(401);
        let tokens = tries(&shop, "ada@example.com", NEW).await.is(200);
        let ada = ada.with_token(tokens["access"].as_str().expect("a token"));
        assert_eq!(is_verified(&ada).await, json!(true), "the e-mail was received");
        resets(&shop, &mail.token(), "another good one").await.is(400).with_code("invalid_token");
        assert_eq!(newest_mail(&shop).await.subject(), "Your password at Cartwright was changed");
    }

    async fn a_password_reset_request_never_reveals_accounts(shop: TestShop) {
        shop.customer("ada@example.com").await;
        shop.customer("off@example.com").await;
        shop.tampers("UPDATE users SET is_active = FALSE WHERE email = 'off@example.com'").await;
        let known = forgets(&shop, "ada@example.com").await.is(202);
        for stranger in ["nobody@example.com", "off@example.com", "no address at all"] {
            assert_eq!(forgets(&shop, stranger).await.is(202).text(), known.text());
        }
        assert_eq!(shop.counts("SELECT COUNT(*) FROM jobs").await, 4, "the same work for everybody");
        shop.runs_its_jobs().await;
        let readers: Vec<_> = shop.mail().mails().into_iter().flat_map(|mail| mail.to).collect();
        assert_eq!(readers, ["ada@example.com"]);
    }

    async fn a_reset_link_works_for_half_an_hour(shop: TestShop) {
        shop.customer("ada@example.com").await;
        forgets(&shop, "ada@example.com").await.is(202);
        let mail = newest_mail(&shop).await;
        shop.time_passes(Duration::from_mins(30));
        resets(&shop, &mail.token(), NEW).await.is(400).with_code("invalid_token");
        forgets(&shop, "ada@example.com").await.is(202);
        let mail = newest_mail(&shop).await;
        shop.time_passes(Duration::from_secs(30 * 60 - 1));
        resets(&shop, &mail.token(), NEW).await.is(204);
        shop.runs_its_jobs().await;
    }

    async fn a_changed_password_ends_every_link_that_was_to_change_it(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        forgets(&shop, "ada@example.com").await.is(202);
        let first = newest_mail(&shop).await;
        forgets(&shop, "ada@example.com").await.is(202);
        let second = newest_mail(&shop).await;
        forgets(&shop, "ada@example.com").await.is(202);
        let third = newest_mail(&shop).await;

        resets(&shop, &second.token(), NEW).await.is(204);
        resets(&shop, &first.token(), PASSWORD).await.is(400).with_code("invalid_token");
        let tokens = tries(&shop, "ada@example.com", NEW).await.is(200);
        let ada = ada.with_token(tokens["access"].as_str().expect("a token"));
        forgets(&shop, "ada@example.com").await.is(202);
        let fourth = newest_mail(&shop).await;
        changes(&ada, NEW, "another good one").await.is(204);
        for link in [third, fourth] {
            resets(&shop, &link.token(), PASSWORD).await.is(400).with_code("invalid_token");
        }
        shop.runs_its_jobs().await;
    }

    async fn a_link_works_only_for_its_purpose(shop: TestShop) {
        let ada = newcomer(&shop, "ada@example.com").await;
        let verification = newest_mail(&shop).await;
        forgets(&shop, "ada@example.com").await.is(202);
        let reset = newest_mail(&shop).await;
        resets(&shop, &verification.token(), NEW).await.is(400).with_code("invalid_token");
        verifies(&shop, &reset.token()).await.is(400).with_code("invalid_token");
        resets(&shop, &ada.refresh, NEW).await.is(400).with_code("invalid_token");
        verifies(&shop, &verification.token()).await.is(204);
        resets(&shop, &reset.token(), NEW).await.is(204);
        shop.runs_its_jobs().await;
    }

    async fn of_two_concurrent_uses_of_a_link_one_succeeds(shop: TestShop) {
        shop.customer("ada@example.com").await;
        forgets(&shop, "ada@example.com").await.is(202);
        let token = newest_mail(&shop).await.token();
        let (one, other) = tokio::join!(resets(&shop, &token, NEW), resets(&shop, &token, "another good one"));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 400], "{one}\n{other}");
        let winner = if one.status == 204 { NEW } else { "another good one" };
        tries(&shop, "ada@example.com", winner).await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 2, "the link, and that the password was changed: once");
    }

    async fn no_session_begins_with_a_password_that_is_changed_meanwhile(shop: TestShop) {
        shop.customer("ada@example.com").await;
        let mut sign_ins: FuturesUnordered<_> = (0..12).map(|_| tries(&shop, "ada@example.com", PASSWORD)).collect();
        let first = sign_ins.next().await.expect("the first sign-in").is(200);
        // The others have read the old hash and wait for a core to compare it.
        shop.tampers("UPDATE users SET password_hash = 'another'").await;
        shop.tampers("UPDATE sessions SET ended_at = created_at").await;
        for tokens in sign_ins.chain(stream::iter([first])).filter(|answer| ready(answer.status == 200)).collect::<Vec<_>>().await {
            let access = tokens["access"].as_str().expect("a token");
            shop.visitor().with_token(access).get("/api/profile").await.is(401).with_code("session_revoked");
        }
    }

    async fn of_two_concurrent_password_changes_one_succeeds(shop: TestShop) {
        let here = shop.customer("ada@example.com").await;
        let mut there = here.clone();
        there.signs_in().await;
        let (one, other) = tokio::join!(changes(&here, PASSWORD, NEW), changes(&there, PASSWORD, "another good one"));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert!(matches!(statuses, [204, 401 | 422]), "{one}\n{other}");
        let (winner, loser) = if one.status == 204 { (&here, &there) } else { (&there, &here) };
        winner.get("/api/profile").await.is(200);
        loser.get("/api/profile").await.is(401).with_code("session_revoked");
        shop.runs_its_jobs().await;
    }

    async fn the_secret_of_a_link_is_in_its_email_and_nowhere_else(shop: TestShop) {
        shop.registers("ada@example.com").await.is(201);
        forgets(&shop, "ada@example.com").await.is(202);
        shop.runs_its_jobs().await;
        let mails = shop.mail().mails();
        assert_eq!(mails.len(), 2);
        let hashes: Vec<(Vec<u8>,)> =
            shop.db().query("SELECT token_hash FROM email_tokens").fetch_all().await.expect("the hashes");
        for token in mails.iter().map(Mail::token) {
            assert_eq!(token.len(), 64);
            assert!(hashes.contains(&(Sha256::digest(token.as_bytes()).to_vec(),)), "the hash is kept");
            for (place, sql) in [
                ("a job", "SELECT COUNT(*) FROM jobs WHERE payload LIKE $1 OR last_error LIKE $1 OR unique_key LIKE $1"),
                ("a Message-ID", "SELECT COUNT(*) FROM sent_letters WHERE message_id LIKE $1"),
            ] {
                let found = shop.db().query(sql).bind(format!("%{token}%")).fetch_one::<(i64,)>().await;
                assert_eq!(found.expect("a count").0, 0, "{place} shows it");
            }
            let in_clear = shop.db().query("SELECT COUNT(*) FROM email_tokens WHERE token_hash = $1");
            let found = in_clear.bind(token.into_bytes()).fetch_one::<(i64,)>().await;
            assert_eq!(found.expect("a count").0, 0, "it is kept in clear");
        }
        let addressed = shop.counts("SELECT COUNT(*) FROM jobs WHERE payload LIKE '%example.com%'").await;
        assert_eq!(addressed, 0, "jobs hold ids");
    }
}
