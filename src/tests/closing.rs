//! Closing one's account: what goes, what stays, and when it cannot be.

use serde_json::{Value, json};

use crate::support::{Person, TestShop, answer::Answer, people::PASSWORD};

async fn closes(person: &Person) -> Answer {
    person.post("/api/profile/close").json(&json!({"password": PASSWORD})).await
}

on_both_engines! {
    async fn a_closed_account_keeps_orders_and_no_personal_data(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let mut elsewhere = ada.clone();
        elsewhere.signs_in().await;
        let full = json!({"first_name": "Augusta", "last_name": "King", "phone_number": "+44 1", "city": "London", "country": "UK"});
        ada.patch("/api/profile").json(&full).await.is(200);
        let order = ada.places_order(&[(&mug, 1)]).once("tea").await.is(201);
        let order: crate::support::Order = order.json().into();
        admin.sets_status(&order, "confirmed").await.is(200);
        admin.sets_status(&order, "shipped").await.is(200);
        admin.sets_status(&order, "delivered").await.is(200);
        ada.reviews(&mug, 4).await.is(201);
        ada.puts_in_cart(&mug, 1).await.is(201);
        ada.post("/api/wishlist").json(&json!({"product": mug.id})).await.is(201);
        ada.post("/api/profile/email").json(&json!({"email": "ada@example.org", "password": PASSWORD})).await.is(202);
        shop.runs_its_jobs().await;

        closes(&ada).await.is(204);

        for session in [&ada, &elsewhere] {
            session.get("/api/profile").await.is(401).with_code("session_revoked");
        }
        elsewhere.refreshes().await.is(401).with_code("session_revoked");
        for name in [json!({"email": "ada@example.com"}), json!({"username": "ada"}), json!({"email": ""})] {
            let mut login = name;
            login["password"] = json!(PASSWORD);
            shop.visitor().post("/api/auth/login").json(&login).await.is(401).with_code("invalid_credentials");
        }
        let kept = admin.sees(&order).await;
        assert_eq!((&kept["user"], &kept["shipping_address"]), (&order.json["user"], &order.json["shipping_address"]));
        let reviews = shop.visitor().get(&format!("/api/products/{}/reviews", mug.id)).await.is(200).list();
        assert_eq!((&reviews[0]["user_name"], &reviews[0]["rating"]), (&json!("A customer"), &json!(4)));
        let row = admin.get(&format!("/api/admin/users/{}", ada.id)).await.is(200);
        for erased in ["email", "first_name", "last_name", "phone_number", "address", "city", "country"] {
            assert_eq!(row[erased], "", "{erased}");
        }
        assert_eq!((&row["username"], &row["is_active"]), (&json!(format!("closed-{}", ada.id)), &json!(false)));
        assert_eq!(row["closed_at"], "2025-01-15T06:31:38.809214Z");
        for table in ["wishlist_entries", "cart_items", "idempotency_keys", "email_tokens", "email_changes"] {
            let rows = shop.db().query(String::leak(format!("SELECT COUNT(*) FROM {table}"))).fetch_one::<(i64,)>().await;
            assert_eq!(rows.expect("a count").0, 0, "{table}");
        }
        assert_eq!(admin.get("/api/dashboard/total-users").await.is(200)["total"], 1, "the admin is left");

        shop.runs_its_jobs().await;
        let last = shop.mail().mails().pop().expect("a mail");
        assert_eq!((last.subject(), last.to.as_slice()), ("Your account at Cartwright is closed".to_owned(), &["ada@example.com".to_owned()][..]));
        assert_eq!(shop.counts("SELECT COUNT(*) FROM former_emails").await, 0);
    }

    async fn an_email_of_a_closed_account_can_register_again(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        closes(&ada).await.is(204);
        let again = shop.registers("ADA@example.com").await.is(201);
        assert_ne!(again["id"], ada.id);
        assert_eq!(again["username"], "ADA");
        let mut ada = shop.visitor();
        ada.email = "ada@example.com".to_owned();
        ada.signs_in().await;
        closes(&ada).await.is(204);
        // No name of anybody is in the way of an account that is closed.
        let taken = json!({"email": "eve@example.com", "username": format!("closed-{}", again["id"]), "password": PASSWORD});
        shop.visitor().post("/api/auth/register").json(&taken).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn an_account_with_unfinished_orders_cannot_be_closed(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        let number = order.json["order_number"].as_str().expect("a number");
        for status in ["confirmed", "shipped", "delivered"] {
            let refused = closes(&ada).await.is(409).with_code("order_open");
            assert!(refused["detail"].as_str().expect("words").contains(number), "{refused}");
            admin.sets_status(&order, status).await.is(200);
        }
        let paid = ada.buys_online(&mug).await;
        ada.pays_with("pm_card_visa", &paid).await;
        shop.runs_its_jobs().await;
        ada.cancels(&paid).await.is(200);
        closes(&ada).await.is(409).with_code("order_open"); // the money is on its way back
        shop.runs_its_jobs().await;
        closes(&ada).await.is(204);
        shop.runs_its_jobs().await;
    }

    async fn closing_requires_the_password_and_the_last_admin_stays(shop: TestShop) {
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        let closing = async |body: Value| ada.post("/api/profile/close").json(&body).await;
        closing(json!({"password": "a guess at the sea"})).await.is(422).about(&["password"]);
        closing(json!({})).await.is(422).about(&["password"]);
        shop.visitor().post("/api/profile/close").json(&json!({"password": PASSWORD})).await.is(401);

        closes(&admin).await.is(409).with_code("last_admin");
        admin.patch(&format!("/api/admin/users/{}", ada.id)).json(&json!({"role": "admin"})).await.is(200);
        closes(&admin).await.is(204);
        closes(&ada).await.is(409).with_code("last_admin");
        let closed = ada.patch(&format!("/api/admin/users/{}", admin.id)).json(&json!({"is_active": true})).await;
        closed.is(409).with_code("account_closed");
        shop.runs_its_jobs().await;
    }

    async fn of_the_last_two_admins_who_close_concurrently_one_remains(shop: TestShop) {
        let admin = shop.admin().await;
        let ada = shop.creates_account("ada@example.com", cartwright::accounts::Role::Admin).await;
        let (one, other) = tokio::join!(closes(&admin), closes(&ada));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409], "{one}\n{other}");
        shop.runs_its_jobs().await;
    }

    async fn of_a_concurrent_order_and_closing_one_succeeds(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        for number in 0..6 {
            let ada = shop.customer(&format!("ada{number}@example.com")).await;
            let (closed, placed) = tokio::join!(closes(&ada), async { ada.places_order(&[(&mug, 1)]).await });
            assert!(matches!((closed.status, placed.status), (204, 401) | (409, 201)), "{closed}\n{placed}");
        }
        shop.runs_its_jobs().await;
    }

    async fn an_email_that_is_late_for_a_closed_account_is_not_sent(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        shop.runs_its_jobs().await;
        admin.sets_status(&order, "confirmed").await.is(200);
        admin.sets_status(&order, "shipped").await.is(200);
        admin.sets_status(&order, "delivered").await.is(200);
        closes(&ada).await.is(204);
        shop.runs_its_jobs().await;
        let subjects: Vec<String> = shop.mail().mails().iter().map(crate::support::smtp::Mail::subject).collect();
        assert_eq!(subjects.len(), 2, "the confirmation and the farewell: {subjects:?}");
    }
}
