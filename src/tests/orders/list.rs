//! Lists of orders: filters, order, pages, and who sees what.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Order, Person, TestShop};

on_both_engines! {
    async fn orders_are_filtered_and_ordered(shop: TestShop) {
        let (pin, pot) = (shop.sells("Pin").at(1_00).await, shop.sells("Pot").at(30_00).await);
        let admin = shop.admin().await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let mut placed = Vec::new();
        for (buyer, product) in [(&ada, &pot), (&ada, &pin), (&bob, &pot), (&bob, &pin)] {
            shop.time_passes(Duration::from_secs(1));
            placed.push(buyer.buys(product).await);
        }
        let [first, second, third, fourth] = placed.try_into().expect("four orders");
        admin.sets_status(&first, "confirmed").await.is(200);
        ada.wants_to_pay(&second).await.is(202);
        bob.cancels(&fourth).await.is(200);

        let user = |person: &Person| format!("?user={}", person.id);
        for (person, query, wanted) in [
            (&admin, "?status=pending".to_owned(), vec![&third, &second]),
            (&admin, "?status=cancelled&payment_status=unpaid".to_owned(), vec![&fourth]),
            (&admin, "?payment_status=processing".to_owned(), vec![&second]),
            (&admin, user(&ada), vec![&second, &first]),
            (&admin, "?user=987654".to_owned(), vec![]),
            (&admin, "?status=&user=".to_owned(), vec![&fourth, &third, &second, &first]),
            (&admin, "?ordering=created_at".to_owned(), vec![&first, &second, &third, &fourth]),
            (&admin, "?ordering=-created_at".to_owned(), vec![&fourth, &third, &second, &first]),
            (&admin, "?ordering=total_price".to_owned(), vec![&second, &fourth, &first, &third]),
            (&admin, "?ordering=-total_price,-created_at".to_owned(), vec![&third, &first, &fourth, &second]),
            (&ada, user(&ada), vec![&second, &first]),
            (&ada, user(&bob), vec![]),
            (&ada, "?status=confirmed".to_owned(), vec![&first]),
        ] {
            let page = person.get(&format!("/api/orders{query}")).await.is(200);
            let wanted: Vec<i64> = wanted.into_iter().map(|order| order.id).collect();
            assert_eq!(ids(&page.list()), wanted, "{query}");
            assert_eq!(page.header("x-total-count"), wanted.len().to_string(), "{query}");
        }
        let page = admin.get("/api/orders?status=pending&ordering=total_price&per_page=1&page=2").await.is(200);
        assert_eq!((ids(&page.list()), page.header("x-total-count")), (vec![third.id], "2"));
        let prev = "</api/orders?status=pending&ordering=total_price&per_page=1&page=1>; rel=\"prev\"";
        assert!(page.header("link").contains(prev), "{}", page.header("link"));

        admin.get("/api/orders?ordering=user").await.is(422).with_code("invalid_ordering");
        let wrong = "?status=lost&payment_status=lent&user=me&ordering=created_at,price&page=0";
        let wrong = admin.get(&format!("/api/orders{wrong}")).await.is(422);
        wrong.about(&["status", "payment_status", "user", "ordering", "page"]);
        shop.runs_its_jobs().await;
    }

    async fn orders_are_filtered_by_number_email_and_day(shop: TestShop) {
        let shop = shop.opens_again(|settings| settings.accounts.access_token_ttl = Duration::from_hours(72)).await;
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let first = ada.buys(&mug).await; // on 15 January 2025
        shop.time_passes(Duration::from_hours(24));
        let second = bob.buys(&mug).await;
        shop.time_passes(Duration::from_hours(24));
        let third = ada.buys(&mug).await;
        let number = |order: &Order| order.json["order_number"].as_str().expect("a number").to_owned();

        for (person, query, wanted) in [
            (&admin, format!("number={}", number(&second)), vec![&second]),
            (&admin, format!("number=%20{}", number(&second).to_lowercase()), vec![&second]),
            (&admin, "number=20250115".to_owned(), vec![]),
            (&admin, "email=ADA@example.com".to_owned(), vec![&third, &first]),
            (&admin, "email=ada".to_owned(), vec![]),
            (&admin, "from=2025-01-16".to_owned(), vec![&third, &second]),
            (&admin, "to=2025-01-16".to_owned(), vec![&second, &first]),
            (&admin, "from=2025-01-16&to=2025-01-16".to_owned(), vec![&second]),
            (&admin, "from=2025-01-17&to=2025-01-15".to_owned(), vec![]),
            (&admin, "email=ada@example.com&to=2025-01-15".to_owned(), vec![&first]),
            (&ada, format!("number={}", number(&first)), vec![&first]),
            (&ada, format!("number={}", number(&second)), vec![]),
            (&ada, "email=bob@example.com".to_owned(), vec![]),
            (&ada, "from=2025-01-16".to_owned(), vec![&third]),
            (&ada, "number=&email=&from=&to=".to_owned(), vec![&third, &first]),
        ] {
            let page = person.get(&format!("/api/orders?{query}")).await.is(200);
            let wanted: Vec<i64> = wanted.into_iter().map(|order| order.id).collect();
            assert_eq!(ids(&page.list()), wanted, "{query}");
            assert_eq!(page.header("x-total-count"), wanted.len().to_string(), "{query}");
        }
        admin.get("/api/orders?from=yesterday&to=2025-13-01").await.is(422).about(&["from", "to"]);
        shop.runs_its_jobs().await;
    }

    async fn orders_of_others_are_not_found(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, eve) = (shop.customer("ada@example.com").await, shop.customer("eve@example.com").await);
        let order = ada.buys(&mug).await;

        let theirs = eve.get(&format!("/api/orders/{}", order.id)).await.is(404).with_code("not_found");
        let nobodys = eve.get("/api/orders/987654").await.is(404);
        assert_eq!(theirs["detail"], nobodys["detail"]);
        eve.cancels(&order).await.is(404);
        eve.delete(&format!("/api/orders/{}", order.id)).await.is(404);
        assert_eq!(eve.orders().await, Vec::<Value>::new());
        assert_eq!(shop.admin().await.sees(&order).await["user"], ada.id);
        assert_eq!(ada.sees(&order).await["status"], "pending");
        shop.runs_its_jobs().await;
    }

    async fn orders_are_listed_newest_first_in_pages(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        let mut placed = Vec::new();
        for _ in 0..3 {
            shop.time_passes(Duration::from_secs(1));
            placed.insert(0, ada.buys(&mug).await.id);
        }
        bob.buys(&mug).await;

        let page = ada.get("/api/orders?per_page=2").await.is(200);
        assert_eq!(ids(&page.list()), placed[..2]);
        assert_eq!(page.header("x-total-count"), "3");
        assert!(
            page.header("link").contains("</api/orders?per_page=2&page=2>; rel=\"next\""),
            "{}",
            page.header("link")
        );
        assert_eq!(ids(&ada.get("/api/orders?per_page=2&page=2").await.list()), placed[2..]);
        assert_eq!(shop.admin().await.get("/api/orders").await.is(200).header("x-total-count"), "4");
        shop.runs_its_jobs().await;
    }
}

fn ids(list: &[Value]) -> Vec<i64> {
    list.iter().filter_map(|thing| thing["id"].as_i64()).collect()
}
