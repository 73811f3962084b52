//! Reviews: who may write them, and what they do to a product's rating.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    orders::expire_unpaid_orders,
    providers::{deliver_webhooks, refunds},
    support::{Order, Person, Product, TestShop},
};

on_both_engines! {
    async fn buyers_review_a_product(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.buys(&mug).await;
        assert_eq!(rating_of(&shop, &mug).await, (json!(null), json!(0)));

        let stars = json!({"rating": 4, "comment": "Holds <b>tea</b>.", "user": 1, "created_at": "1999-01-01"});
        let review = ada.post(&reviews_of(&mug)).json(&stars).await.is(201);

        let wanted = json!({
            "id": review["id"], "product": mug.id, "user": ada.id, "user_name": "Ada", "rating": 4,
            "comment": "Holds <b>tea</b>.", "created_at": shop.now().to_string(), "updated_at": shop.now().to_string(),
        });
        assert_eq!(review.json(), wanted);
        assert_eq!(review.header("location"), format!("/api/reviews/{}", review["id"]));
        let list = shop.visitor().get(&reviews_of(&mug)).await.is(200);
        assert_eq!((list.list(), list.header("x-total-count")), (vec![wanted], "1"));
        assert_eq!(rating_of(&shop, &mug).await, (json!(4.0), json!(1)), "the caches forgot what they knew");
        shop.runs_its_jobs().await;
    }

    async fn the_rating_is_the_average_to_one_decimal(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        let mut written = Vec::new();
        for (name, rating) in [("ada", 5), ("bob", 5), ("eve", 4)] {
            let person = shop.customer(&format!("{name}@example.com")).await;
            person.buys(&mug).await;
            let review = person.reviews(&mug, rating).await.is(201);
            written.push((person, format!("/api/reviews/{}", review["id"])));
        }
        assert_eq!(rating_of(&shop, &mug).await, (json!(4.7), json!(3)));
        let (eve, path) = &written[2];
        eve.patch(path).json(&json!({"rating": 1})).await.is(200);
        assert_eq!(rating_of(&shop, &mug).await, (json!(3.7), json!(3)));
        for (person, path) in &written {
            person.delete(path).await.is(204);
            person.delete(path).await.is(404).with_code("not_found");
        }
        assert_eq!(rating_of(&shop, &mug).await, (json!(null), json!(0)));
        eve.reviews(&mug, 2).await.is(201);
        assert_eq!(rating_of(&shop, &mug).await, (json!(2.0), json!(1)), "who took a review back may write another");
        shop.runs_its_jobs().await;
    }

    async fn only_buyers_review_a_product(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").await, shop.sells("Pot").await);
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        bob.buys(&mug).await;
        let order = ada.buys(&mug).await;
        ada.reviews(&pot, 5).await.is(403).with_code("not_purchased");
        ada.cancels(&order).await.is(200);
        ada.reviews(&mug, 5).await.is(403).with_code("not_purchased");
        shop.admin().await.reviews(&mug, 5).await.is(403).with_code("not_purchased");
        ada.buys(&mug).await;
        ada.reviews(&mug, 5).await.is(201);
        shop.runs_its_jobs().await;
    }

    async fn a_review_is_deleted_with_the_last_order_that_allowed_it(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").in_stock(9).await, shop.sells("Pot").in_stock(9).await);
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        bob.buys(&mug).await;
        bob.reviews(&mug, 5).await.is(201);
        let first: Order = ada.places_order(&[(&mug, 1), (&pot, 1)]).await.is(201).json().into();
        let second = ada.buys(&mug).await;
        let path = format!("/api/reviews/{}", ada.reviews(&mug, 2).await.is(201)["id"]);
        ada.reviews(&pot, 3).await.is(201);
        assert_eq!(rating_of(&shop, &mug).await, (json!(3.5), json!(2)));

        ada.cancels(&first).await.is(200);
        assert_eq!(rating_of(&shop, &mug).await, (json!(3.5), json!(2)), "the second order is still hers");
        assert_eq!(rating_of(&shop, &pot).await, (json!(null), json!(0)));
        ada.cancels(&second).await.is(200);
        ada.cancels(&second).await.is(200);
        assert_eq!(rating_of(&shop, &mug).await, (json!(5.0), json!(1)), "what others say stays");
        ada.patch(&path).json(&json!({"rating": 1})).await.is(404);
        ada.reviews(&mug, 1).await.is(403).with_code("not_purchased");

        ada.buys(&mug).await;
        ada.reviews(&mug, 4).await.is(201);
        assert_eq!(rating_of(&shop, &mug).await, (json!(4.5), json!(2)), "who buys again reviews again");
        shop.runs_its_jobs().await;
    }

    async fn a_review_is_deleted_however_its_order_is_cancelled(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).in_stock(9).await;
        let (ada, admin) = (shop.customer("ada@example.com").await, shop.admin().await);
        for way in ["by an admin", "deleted", "out of time", "refunded"] {
            let order = ada.buys_online(&mug).await;
            ada.reviews(&mug, 1).await.is(201);
            assert_eq!(rating_of(&shop, &mug).await, (json!(1.0), json!(1)), "{way}");
            match way {
                "by an admin" => drop(admin.sets_status(&order, "cancelled").await.is(200)),
                "deleted" => drop(ada.delete(&format!("/api/orders/{}", order.id)).await.is(204)),
                "out of time" => {
                    shop.time_passes(std::time::Duration::from_mins(30));
                    expire_unpaid_orders(&shop).await;
                }
                _ => {
                    let payment = ada.pays_with("pm_card_visa", &order).await;
                    deliver_webhooks(&shop).await;
                    refunds(&admin, &payment, &json!({})).await.is(202);
                    deliver_webhooks(&shop).await;
                }
            }
            assert_eq!(ada.sees(&order).await["status"], "cancelled", "{way}");
            assert_eq!(rating_of(&shop, &mug).await, (json!(null), json!(0)), "{way}");
        }
        let order = ada.buys_online(&mug).await;
        let payment = ada.pays_with("pm_card_visa", &order).await;
        deliver_webhooks(&shop).await;
        admin.sets_status(&order, "delivered").await.is(200);
        ada.reviews(&mug, 2).await.is(201);
        refunds(&admin, &payment, &json!({})).await.is(202);
        deliver_webhooks(&shop).await;
        assert_eq!(shop.statuses_of(&order).await, ("delivered".into(), "refunded".into()));
        assert_eq!(rating_of(&shop, &mug).await, (json!(2.0), json!(1)), "it was in her hands");
    }

    async fn concurrent_reviews_and_cancellations_leave_no_review_without_order(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").in_stock(99).await, shop.sells("Pot").in_stock(99).await);
        let ada = shop.customer("ada@example.com").await;
        for _ in 0..5 {
            let items = [(&mug, 1), (&pot, 1)];
            let both: [Order; 2] = [
                ada.places_order(&items).await.is(201).json().into(),
                ada.places_order(&items).await.is(201).json().into(),
            ];
            ada.reviews(&pot, 3).await.is(201);
            let (one, other, review) =
                tokio::join!(ada.cancels(&both[0]), ada.cancels(&both[1]), ada.reviews(&mug, 3));
            one.is(200);
            other.is(200);
            assert!([201, 403].contains(&review.status), "{review}");
            for product in [&mug, &pot] {
                assert_eq!(rating_of(&shop, product).await, (json!(null), json!(0)));
            }
        }
        shop.runs_its_jobs().await;
    }

    async fn a_product_is_reviewed_once_by_each_buyer(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.buys(&mug).await;
        let at_once = join_all((1..=5).map(|rating| ada.reviews(&mug, rating))).await;
        let statuses = |wanted: u16| at_once.iter().filter(|answer| answer.status == wanted).count();
        assert_eq!((statuses(201), statuses(409)), (1, 4));
        ada.reviews(&mug, 5).await.is(409).with_code("already_reviewed");
        shop.runs_its_jobs().await;
    }

    async fn concurrent_ratings_all_count(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        let mut buyers = Vec::new();
        for number in 0..4 {
            let buyer = shop.customer(&format!("buyer{number}@example.com")).await;
            buyer.buys(&mug).await;
            buyers.push(buyer);
        }
        for review in join_all(buyers.iter().map(|buyer| buyer.reviews(&mug, 3))).await {
            review.is(201);
        }
        assert_eq!(rating_of(&shop, &mug).await, (json!(3.0), json!(4)));
        shop.runs_its_jobs().await;
    }

    async fn a_review_is_validated_in_the_documented_order(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        ada.buys(&mug).await;
        let nonsense = json!({"rating": 6, "comment": "x".repeat(5_001)});
        let writes = |who: &Person, path: &str| who.post(path).json(&nonsense);

        writes(&shop.visitor(), &reviews_of(&mug)).await.is(401);
        writes(&ada, "/api/products/99999/reviews").await.is(404);
        writes(&ada, "/api/products/mug/reviews").await.is(404);
        writes(&bob, &reviews_of(&mug)).await.is(403).with_code("not_purchased");
        writes(&ada, &reviews_of(&mug)).await.is(422).about(&["rating", "comment"]);
        for rating in [json!(0), json!(-1), json!(4.5), json!("5"), json!(null), json!(1e9)] {
            ada.post(&reviews_of(&mug)).json(&json!({"rating": rating})).await.is(422).about(&["rating"]);
        }
        ada.post(&reviews_of(&mug)).json(&json!({})).await.is(422).about(&["rating"]);
        shop.runs_its_jobs().await;
    }

    async fn a_review_is_changed_by_its_author(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada@example.com").await;
        ada.buys(&mug).await;
        let words = json!({"rating": 4, "comment": "Fine."});
        let review = ada.post(&reviews_of(&mug)).json(&words).await.is(201);
        let path = format!("/api/reviews/{}", review["id"]);
        shop.time_passes(std::time::Duration::from_secs(5));

        let stands = |answer: &Value| (answer["rating"].clone(), answer["comment"].clone());
        let changes = |method: Method, body: Value| {
            let ask = ada.asks(method, &path).json(&body);
            async move { ask.await.is(200).json() }
        };
        assert_eq!(stands(&changes(Method::PUT, json!({"rating": 2})).await), (json!(2), json!("Fine.")));
        assert_eq!(stands(&changes(Method::PATCH, json!({"comment": "Broke."})).await), (json!(2), json!("Broke.")));
        assert_eq!(stands(&changes(Method::PATCH, json!({})).await), (json!(2), json!("Broke.")));
        let cleared = changes(Method::PUT, json!({"rating": 3, "comment": null})).await;
        assert_eq!(stands(&cleared), (json!(3), json!("")));
        assert_eq!((&cleared["created_at"], &cleared["updated_at"]), (&review["created_at"], &json!(shop.now().to_string())));
        ada.put(&path).json(&json!({"comment": "No stars"})).await.is(422).about(&["rating"]);
        ada.patch(&path).json(&json!({"rating": 0})).await.is(422).about(&["rating"]);
        shop.runs_its_jobs().await;
    }

    async fn only_the_author_changes_a_review(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        ada.buys(&mug).await;
        let path = format!("/api/reviews/{}", ada.reviews(&mug, 5).await.is(201)["id"]);
        let admin = shop.admin().await;
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            shop.visitor().asks(method.clone(), &path).await.is(401);
            bob.asks(method.clone(), &path).json(&json!({"rating": 9})).await.is(403).with_code("forbidden");
            bob.asks(method.clone(), "/api/reviews/99999").json(&json!({"rating": 9})).await.is(404);
            bob.asks(method, "/api/reviews/five").json(&json!({"rating": 9})).await.is(404);
        }
        admin.put(&path).json(&json!({"rating": 1})).await.is(403).with_code("forbidden");
        admin.patch(&path).json(&json!({"rating": 1})).await.is(403).with_code("forbidden");
        assert_eq!(rating_of(&shop, &mug).await, (json!(5.0), json!(1)));
        admin.delete(&path).await.is(204);
        assert_eq!(rating_of(&shop, &mug).await, (json!(null), json!(0)));
        shop.runs_its_jobs().await;
    }

    async fn the_reviews_of_a_hidden_product_are_hidden_with_it(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let (ada, bob) = (shop.customer("ada@example.com").await, shop.customer("bob@example.com").await);
        ada.buys(&mug).await;
        let path = format!("/api/reviews/{}", ada.reviews(&mug, 5).await.is(201)["id"]);
        let admin = shop.admin().await;
        admin.delete(&format!("/api/products/{}", mug.id)).await.is(204);

        shop.visitor().get(&reviews_of(&mug)).await.is(404);
        ada.get(&reviews_of(&mug)).await.is(404);
        ada.reviews(&mug, 5).await.is(404);
        assert_eq!(admin.get(&reviews_of(&mug)).await.is(200).list().len(), 1);
        bob.patch(&path).json(&json!({"rating": 1})).await.is(404);
        ada.patch(&path).json(&json!({"rating": 1})).await.is(200);
        shop.runs_its_jobs().await;
    }

    async fn reviews_come_in_pages_and_in_any_order(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(9).await;
        for (name, rating) in [("ada", 3), ("bob", 5), ("eve", 3)] {
            let buyer = shop.customer(&format!("{name}@example.com")).await;
            buyer.patch("/api/profile").json(&json!({"first_name": name})).await.is(200);
            buyer.buys(&mug).await;
            shop.time_passes(std::time::Duration::from_secs(1));
            buyer.reviews(&mug, rating).await.is(201);
        }
        let visitor = shop.visitor();
        for (ordering, wanted) in [
            ("", ["eve", "bob", "ada"]),
            ("-created_at", ["eve", "bob", "ada"]),
            ("created_at", ["ada", "bob", "eve"]),
            ("rating", ["ada", "eve", "bob"]),
            ("-rating", ["bob", "ada", "eve"]),
            ("-rating,-created_at", ["bob", "eve", "ada"]),
        ] {
            let list = visitor.get(&format!("{}?ordering={ordering}", reviews_of(&mug))).await.is(200).list();
            let names: Vec<&str> = list.iter().filter_map(|review| review["user_name"].as_str()).collect();
            assert_eq!(names, wanted, "{ordering}");
        }
        let page = visitor.get(&format!("{}?per_page=2&page=2", reviews_of(&mug))).await.is(200);
        assert_eq!((page.list().len(), page.header("x-total-count")), (1, "3"));
        assert!(page.header("link").contains("rel=\"prev\""));

        let path = reviews_of(&mug);
        visitor.get(&format!("{path}?ordering=comment")).await.is(422).with_code("invalid_ordering");
        visitor.get(&format!("{path}?ordering=user&page=0")).await.is(422).about(&["ordering", "page"]);
        visitor.get("/api/products/99999/reviews?page=0").await.is(404);
        shop.runs_its_jobs().await;
    }

    async fn admins_list_all_reviews(shop: TestShop) {
        let admin = shop.admin().await;
        let (mug, pot) = (shop.sells("Mug").in_stock(9).await, shop.sells("Pot").in_stock(9).await);
        let mut buyers = Vec::new();
        for (name, of_mug, of_pot) in [("ada", 5, 2), ("bob", 3, 5)] {
            let buyer = shop.customer(&format!("{name}@example.com")).await;
            for (product, rating) in [(&mug, of_mug), (&pot, of_pot)] {
                buyer.buys(product).await;
                shop.time_passes(std::time::Duration::from_secs(1));
                buyer.reviews(product, rating).await.is(201);
            }
            buyers.push(buyer);
        }
        admin.delete(&format!("/api/products/{}", pot.id)).await.is(204); // hidden: it was ordered
        let (mug, pot, ada, bob) = (mug.id, pot.id, buyers[0].id, buyers[1].id);
        for (query, wanted) in [
            (String::new(), vec![(bob, pot, 5), (bob, mug, 3), (ada, pot, 2), (ada, mug, 5)]),
            ("ordering=created_at".to_owned(), vec![(ada, mug, 5), (ada, pot, 2), (bob, mug, 3), (bob, pot, 5)]),
            ("ordering=-rating,created_at".to_owned(), vec![(ada, mug, 5), (bob, pot, 5), (bob, mug, 3), (ada, pot, 2)]),
            (format!("product={pot}"), vec![(bob, pot, 5), (ada, pot, 2)]),
            (format!("user={ada}&ordering=rating"), vec![(ada, pot, 2), (ada, mug, 5)]),
            ("rating=5".to_owned(), vec![(bob, pot, 5), (ada, mug, 5)]),
            (format!("rating=5&user={ada}&product={mug}"), vec![(ada, mug, 5)]),
            (format!("rating=1&user={ada}"), vec![]),
            ("product=99999".to_owned(), vec![]),
        ] {
            let list = admin.get(&format!("/api/admin/reviews?{query}")).await.is(200);
            let number = |review: &Value, field: &str| review[field].as_i64().expect("a number");
            let found: Vec<_> =
                list.list().iter().map(|review| (number(review, "user"), number(review, "product"), number(review, "rating"))).collect();
            assert_eq!((found, list.header("x-total-count")), (wanted.clone(), &*wanted.len().to_string()), "{query}");
        }
        let page = admin.get("/api/admin/reviews?per_page=3&page=2").await.is(200);
        assert_eq!((page.list().len(), page.header("x-total-count")), (1, "4"));
        assert!(page.header("link").contains("rel=\"prev\""));
        let wrong = "/api/admin/reviews?product=mug&user=ada&rating=6&ordering=comment&page=0";
        admin.get(wrong).await.is(422).about(&["product", "user", "rating", "ordering", "page"]);
        shop.visitor().get("/api/admin/reviews?page=0").await.is(401);
        buyers[0].get("/api/admin/reviews?page=0").await.is(403);
        shop.runs_its_jobs().await;
    }

    async fn a_review_does_not_reveal_its_author(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        let ada = shop.customer("ada.of.ockham@example.com").await;
        ada.buys(&mug).await;
        ada.reviews(&mug, 5).await.is(201);
        for (first, last, wanted) in
            [("Ada", "Lovelace", "Ada L."), ("Ada", "", "Ada"), ("", "", "A customer")]
        {
            ada.patch("/api/profile").json(&json!({"first_name": first, "last_name": last})).await.is(200);
            let list = shop.visitor().get(&reviews_of(&mug)).await.is(200);
            assert_eq!(list.list()[0]["user_name"], wanted);
            assert!(!list.text().contains("ockham") && !list.text().contains("Lovelace"), "{}", list.text());
        }
        shop.runs_its_jobs().await;
    }
}

fn reviews_of(product: &Product) -> String {
    format!("/api/products/{}/reviews", product.id)
}

/// The rating and the number of reviews, which have to be the same where the product is shown and where it is listed.
async fn rating_of(shop: &TestShop, product: &Product) -> (Value, Value) {
    let shown = shop.visitor().get(&format!("/api/products/{}", product.id)).await.is(200).json();
    let listed = shop.visitor().get("/api/products").await.is(200).list();
    let listed = listed.into_iter().find(|listed| listed["id"] == product.id).expect("the product is listed");
    let rating = |seen: &Value| (seen["rating"].clone(), seen["review_count"].clone());
    assert_eq!(rating(&shown), rating(&listed));
    rating(&shown)
}
