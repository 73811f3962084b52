//! Registration, sign-in, sessions and the profile.

use std::time::Duration;

use serde_json::json;

use crate::support::{TestShop, people::PASSWORD};

const DAY: Duration = Duration::from_hours(24);

on_both_engines! {
    async fn registering_makes_a_customer_who_signs_in_by_either_name(shop: TestShop) {
        let visitor = shop.visitor();
        let registration = json!({
            "email": "Ada@Example.com", "username": "ada.lovelace", "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace",
            "phone": "+44 1", "address": "12 St James's Square",
        });
        let user = visitor.post("/api/auth/register").json(&registration).await.is(201);
        assert_eq!(
            (&user["email"], &user["username"], &user["role"]),
            (&json!("Ada@Example.com"), &json!("ada.lovelace"), &json!("customer"))
        );
        assert_eq!((&user["phone_number"], &user["email_verified"]), (&json!("+44 1"), &json!(false)));
        assert!(user["password"].is_null() && user["password_hash"].is_null());

        for name in [
            json!({"email": "ada@example.COM"}),
            json!({"username": "ADA.Lovelace"}),
            json!({"email": "ada@example.com", "username": "somebody"}),
        ] {
            let mut login = name;
            login["password"] = json!(PASSWORD);
            let tokens = visitor.post("/api/auth/login").json(&login).await.is(200);
            assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(86_400)));
            let profile = visitor.with_token(tokens["access"].as_str().unwrap()).get("/api/profile").await.is(200);
            assert_eq!(profile.json(), user.json());
        }
    }

    async fn names_are_taken_without_regard_to_case(shop: TestShop) {
        shop.customer("ada@example.com").await;
        let registers = async |email: &str, username: &str| {
            shop.visitor()
                .post("/api/auth/register")
                .json(&json!({"email": email, "username": username, "password": PASSWORD}))
                .await
        };
        registers("ADA@example.com", "other").await.is(409).with_code("email_taken");
        registers("other@example.com", "ADA").await.is(409).with_code("username_taken");
        registers("jürgen@example.com", "Jürgen").await.is(201);
        registers("other@example.com", "JÜRGEN").await.is(409).with_code("username_taken");
        // The same letters put together from their parts, as some keyboards send them.
        registers("김@example.com", "kim").await.is(201);
        registers("\u{1100}\u{1175}\u{11b7}@example.com", "lee").await.is(409).with_code("email_taken");
        let login = json!({"email": "Ju\u{308}rgen@example.com", "password": PASSWORD});
        shop.visitor().post("/api/auth/login").json(&login).await.is(200);
    }

    async fn two_who_register_the_same_name_at_once_are_one_user(shop: TestShop) {
        let registers = || {
            shop.visitor()
                .post("/api/auth/register")
                .json(&json!({"email": "ada@example.com", "password": PASSWORD}))
                .into_future()
        };
        let answers = futures_util::future::join_all((0..4).map(|_| registers())).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409], "{answers:?}");
    }

    async fn a_username_left_out_is_made_from_the_email(shop: TestShop) {
        let named = async |email: &str| {
            let user = shop
                .visitor()
                .post("/api/auth/register")
                .json(&json!({"email": email, "password": PASSWORD}))
                .await
                .is(201);
            user["username"].as_str().expect("a username").to_owned()
        };
        assert_eq!(named("ada@example.com").await, "ada");
        assert_eq!(named("ada@example.org").await, "ada2");
        assert_eq!(named("ADA@example.net").await, "ADA3");
        assert_eq!(named("x@example.com").await, "user-x");
    }

    async fn weak_passwords_and_bad_names_are_refused(shop: TestShop) {
        let registers = async |email: &str, username: Option<&str>, password: &str| {
            shop.visitor()
                .post("/api/auth/register")
                .json(&json!({"email": email, "username": username, "password": password}))
                .await
        };
        for weak in ["seven77", "", "Password123", "ada@example.com", &"x".repeat(129)] {
            registers("ada@example.com", None, weak).await.is(422).with_code("weak_password").about(&["password"]);
        }
        for bad in [
            "ada",
            "ada@",
            "@example.com",
            "ada@exa mple.com",
            "ada@example.com\r\nBcc: eve@example.com",
            &format!("{}@example.com", "x".repeat(250)),
        ] {
            registers(bad, None, PASSWORD).await.is(422).with_code("validation_failed").about(&["email"]);
        }
        for bad in ["ab", "a b c", "a<b>c", &"x".repeat(151)] {
            registers("ada@example.com", Some(bad), PASSWORD).await.is(422).about(&["username"]);
        }
        registers("ada", Some("ab"), "short")
            .await
            .is(422)
            .with_code("validation_failed")
            .about(&["email", "username", "password"]);
        shop.visitor().post("/api/auth/register").json(&json!({})).await.is(422).about(&["email", "password"]);
        assert_eq!(shop.counts("SELECT COUNT(*) FROM users").await, 0);
    }

    async fn the_role_of_a_registration_is_ignored(shop: TestShop) {
        let greedy = json!({"email": "eve@example.com", "password": PASSWORD, "role": "admin", "is_admin": true, "is_active": true, "id": 1, "email_verified": true});
        let user = shop.visitor().post("/api/auth/register").json(&greedy).await.is(201);
        assert_eq!((&user["role"], &user["email_verified"]), (&json!("customer"), &json!(false)));
        let mut eve = shop.visitor();
        eve.email = "eve@example.com".to_owned();
        eve.signs_in().await;
        for change in [eve.put("/api/profile"), eve.patch("/api/profile")] {
            let unmoved = change
                .json(&json!({"role": "admin", "email": "boss@example.com", "username": "admin", "id": 7}))
                .await
                .is(200);
            assert_eq!(unmoved.json(), user.json());
        }
        eve.get("/api/admin/jobs").await.is(403).with_code("forbidden");
    }

    async fn signing_in_never_tells_whether_an_account_exists(shop: TestShop) {
        shop.customer("ada@example.com").await;
        shop.customer("off@example.com").await;
        shop.tampers("UPDATE users SET is_active = FALSE WHERE email = 'off@example.com'").await;
        let tries = async |login: serde_json::Value| {
            let refused =
                shop.visitor().post("/api/auth/login").json(&login).await.is(401).with_code("invalid_credentials");
            assert!(refused.has_header("www-authenticate"));
            refused["detail"].clone()
        };
        let wrong = tries(json!({"email": "ada@example.com", "password": "a long walk by the lake"})).await;
        assert_eq!(tries(json!({"email": "nobody@example.com", "password": PASSWORD})).await, wrong);
        assert_eq!(tries(json!({"username": "nobody", "password": PASSWORD})).await, wrong);
        assert_eq!(tries(json!({"email": "off@example.com", "password": PASSWORD})).await, wrong);
        shop.visitor().post("/api/auth/login").json(&json!({"password": PASSWORD})).await.is(422).about(&["email"]);
    }

    async fn logging_out_twice_is_an_error(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        ada.post("/api/auth/logout").await.is(204);
        ada.post("/api/auth/logout").await.is(401).with_code("session_revoked");
        ada.get("/api/profile").await.is(401).with_code("session_revoked");
        ada.refreshes().await.is(401).with_code("session_revoked");
        ada.signs_in().await;
        ada.get("/api/profile").await.is(200);
    }

    async fn tokens_expire(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        shop.time_passes(DAY + Duration::from_secs(59));
        ada.get("/api/profile").await.is(200);
        shop.time_passes(Duration::from_secs(2));
        let expired = ada.get("/api/profile").await.is(401).with_code("token_expired");
        assert_eq!(expired.header("www-authenticate"), "Bearer error=\"invalid_token\"");

        ada.refreshes().await.is(200);
        ada.get("/api/profile").await.is(200);
        shop.time_passes(7 * DAY);
        ada.refreshes().await.is(401).with_code("unauthenticated");
    }

    async fn an_inactive_users_tokens_stop_working(shop: TestShop) {
        let mut ada = shop.customer("ada@example.com").await;
        shop.tampers("UPDATE users SET is_active = FALSE").await;
        ada.get("/api/profile").await.is(401).with_code("session_revoked");
        ada.refreshes().await.is(401).with_code("session_revoked");
    }

    async fn a_refresh_token_is_no_access_token_and_the_other_way_round(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        ada.with_token(&ada.refresh).get("/api/profile").await.is(401).with_code("unauthenticated");
        let access = ada.access.clone().unwrap();
        ada.post("/api/auth/token/refresh")
            .json(&json!({"refresh": access}))
            .await
            .is(401)
            .with_code("unauthenticated");
    }

    async fn a_profile_keeps_what_is_left_out_and_clears_what_is_null(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let full = json!({"first_name": "Ada", "last_name": "Lovelace", "phone": "1", "address": "12 Square", "city": "London", "country": "UK"});
        ada.put("/api/profile").json(&full).await.is(200);
        let changed = ada.put("/api/profile").json(&json!({"city": "Bath"})).await.is(200);
        assert_eq!(
            (&changed["city"], &changed["last_name"], &changed["phone_number"]),
            (&json!("Bath"), &json!("Lovelace"), &json!("1"))
        );
        let cleared = ada.patch("/api/profile").json(&json!({"last_name": null, "phone_number": "2"})).await.is(200);
        assert_eq!(
            (&cleared["last_name"], &cleared["phone_number"], &cleared["city"]),
            (&json!(""), &json!("2"), &json!("Bath"))
        );
        assert_eq!(ada.get("/api/profile").await.is(200).json(), cleared.json());
        ada.patch("/api/profile").json(&cleared.json()).await.is(200); // what was got can be sent back
        ada.patch("/api/profile")
            .json(&json!({"city": 7, "address": "x".repeat(1001)}))
            .await
            .is(422)
            .about(&["city", "address"]);
    }
}
