//! Admins look after users.

use cartwright::accounts::Role;
use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Answer, people::PASSWORD};

async fn changes(admin: &Person, user: i64, change: Value) -> Answer {
    admin.patch(&format!("/api/admin/users/{user}")).json(&change).await
}

async fn finds(admin: &Person, query: &str) -> Vec<String> {
    let users = admin.get(&format!("/api/admin/users?{query}")).await.is(200).list();
    users.iter().map(|user| user["email"].as_str().expect("an e-mail").to_owned()).collect()
}

on_both_engines! {
    async fn an_admin_sees_users_as_they_see_themselves(shop: TestShop) {
        let (admin, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        let mut seen = admin.get(&format!("/api/admin/users/{}", ada.id)).await.is(200).json();
        assert_eq!(admin.get("/api/admin/users").await.is(200).list(), [seen.clone(), admin.get(&format!("/api/admin/users/{}", admin.id)).await.is(200).json()]);
        assert_eq!(seen["is_active"].take(), json!(true));
        let mut own = ada.get("/api/profile").await.is(200).json();
        own["is_active"] = Value::Null;
        own["closed_at"] = Value::Null;
        assert_eq!(seen, own);
        for unknown in ["0", "99", "nobody", "9999999999999999999"] {
            admin.get(&format!("/api/admin/users/{unknown}")).await.is(404).with_code("not_found");
            admin.patch(&format!("/api/admin/users/{unknown}")).json(&json!({"role": 7})).await.is(404);
        }
    }

    async fn users_are_searched_and_filtered(shop: TestShop) {
        let admin = shop.admin().await;
        let ada = shop.customer("ada@example.com").await;
        shop.customer("bob_smith@example.org").await;
        ada.patch("/api/profile").json(&json!({"first_name": "Ádá", "last_name": "Lovelace"})).await.is(200);

        assert_eq!(finds(&admin, "search=EXAMPLE.com").await, ["ada@example.com", "boss@example.com"]);
        assert_eq!(finds(&admin, "search=%C3%A1d%C3%A1+love").await, ["ada@example.com"]);
        assert_eq!(finds(&admin, "search=%C3%81D%C3%81").await, ["ada@example.com"]);
        assert_eq!(finds(&admin, "search=b_s").await, ["bob_smith@example.org"]);
        for nothing in ["search=bobXsmith", "search=%25", "search=!", "search=%27", "search=ada&role=admin"] {
            assert_eq!(finds(&admin, nothing).await, Vec::<String>::new(), "{nothing}");
        }
        assert_eq!(finds(&admin, "role=admin").await, ["boss@example.com"]);
        changes(&admin, ada.id, json!({"is_active": false})).await.is(200);
        assert_eq!(finds(&admin, "is_active=false").await, ["ada@example.com"]);
        assert_eq!(finds(&admin, "is_active=true").await, ["bob_smith@example.org", "boss@example.com"]);

        let second = admin.get("/api/admin/users?role=customer&per_page=1&page=2").await.is(200);
        assert_eq!((second.header("x-total-count"), second.list().len()), ("2", 1));
        assert!(second.header("link").contains("</api/admin/users?role=customer&per_page=1&page=1>; rel=\"prev\""));
        let search = "x".repeat(201);
        admin.get(&format!("/api/admin/users?search={search}&role=king&is_active=perhaps&per_page=101"))
            .await
            .is(422)
            .about(&["search", "role", "is_active", "per_page"]);
    }

    async fn an_inactive_user_is_signed_out_until_active_again(shop: TestShop) {
        let (admin, mut ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        shop.visitor().post("/api/auth/password/forgot").json(&json!({"email": "ada@example.com"})).await.is(202);
        shop.runs_its_jobs().await;
        let token = shop.mail().mails()[0].token();

        let changed = changes(&admin, ada.id, json!({"is_active": false})).await.is(200);
        assert_eq!((&changed["is_active"], &changed["role"]), (&json!(false), &json!("customer")));

        ada.get("/api/profile").await.is(401).with_code("session_revoked");
        ada.refreshes().await.is(401).with_code("session_revoked");
        let sign_in = json!({"email": "ada@example.com", "password": PASSWORD});
        shop.visitor().post("/api/auth/login").json(&sign_in).await.is(401).with_code("invalid_credentials");
        let reset = json!({"token": token, "password": "another good one"});
        shop.visitor().post("/api/auth/password/reset").json(&reset).await.is(400).with_code("invalid_token");

        changes(&admin, ada.id, json!({"is_active": true})).await.is(200);
        ada.get("/api/profile").await.is(401).with_code("session_revoked");
        shop.visitor().post("/api/auth/password/reset").json(&reset).await.is(400).with_code("invalid_token");
        ada.signs_in().await;
        ada.get("/api/profile").await.is(200);
    }

    async fn a_role_counts_from_the_next_request_on(shop: TestShop) {
        let (admin, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        ada.get("/api/admin/users").await.is(403).with_code("forbidden");
        assert_eq!(changes(&admin, ada.id, json!({"role": "admin"})).await.is(200)["role"], "admin");
        ada.get("/api/admin/users").await.is(200);
        changes(&admin, ada.id, json!({"role": "customer"})).await.is(200);
        ada.get("/api/admin/users").await.is(403).with_code("forbidden");
        changes(&admin, ada.id, json!({})).await.is(200);
        ada.get("/api/profile").await.is(200);
    }

    async fn only_admins_change_users_and_none_themselves(shop: TestShop) {
        let (admin, ada) = (shop.admin().await, shop.customer("ada@example.com").await);
        let bob = shop.customer("bob@example.com").await;
        changes(&ada, bob.id, json!({"is_active": false})).await.is(403).with_code("forbidden");
        changes(&ada, ada.id, json!({"role": "admin"})).await.is(403).with_code("forbidden");
        changes(&shop.visitor(), bob.id, json!({"is_active": false})).await.is(401);
        for change in [json!({"role": "customer"}), json!({"is_active": false}), json!({})] {
            changes(&admin, admin.id, change).await.is(409).with_code("own_account");
        }
        changes(&admin, ada.id, json!({"role": null, "is_active": null})).await.is(422).about(&["role", "is_active"]);
        changes(&admin, ada.id, json!({"role": "king", "is_active": 1})).await.is(422).about(&["role", "is_active"]);
        let greedy = json!({"email": "eve@example.com", "email_verified": true, "password": "x", "id": 7});
        let unmoved = changes(&admin, ada.id, greedy).await.is(200);
        assert_eq!((&unmoved["email"], &unmoved["email_verified"]), (&json!("ada@example.com"), &json!(false)));
    }

    async fn of_two_admins_who_demote_each_other_one_remains(shop: TestShop) {
        let admin = shop.admin().await;
        let chief = shop.creates_account("chief@example.com", Role::Admin).await;
        let demote = json!({"role": "customer"});
        let (one, other) =
            tokio::join!(changes(&admin, chief.id, demote.clone()), changes(&chief, admin.id, demote.clone()));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "{one}\n{other}");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM users WHERE role = 'admin'").await, 1);
    }
}
