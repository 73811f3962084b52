//! The e-mails to buyers about their orders, and to admins about low stock. Each is sent once.

use std::time::Duration;

use serde_json::json;

use crate::{
    orders::expire_unpaid_orders,
    support::{Order, Person, TestShop, smtp::Mail},
};

on_both_engines! {
    async fn the_buyer_gets_one_email_for_each_status_of_an_order(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").at(12_00).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        shop.tampers("UPDATE users SET email_verified = TRUE WHERE email LIKE 'ada%'").await;
        let order = ada.buys(&mug).await;
        for status in ["confirmed", "shipped", "delivered"] {
            boss.sets_status(&order, status).await.is(200);
            boss.sets_status(&order, status).await.is(409);
        }
        shop.runs_its_jobs().await;
        let again =
            shop.tampers("UPDATE jobs SET state = 'pending', due_at = created_at WHERE kind = 'orders.tell_status'").await;
        shop.runs_its_jobs().await;
        assert_eq!(again, 3);

        let number = order.json["order_number"].as_str().expect("a number");
        for (kind, subject, said) in [
            ("confirmation", format!("Your order {number} at Cartwright"), "check that the address is right"),
            ("confirmed", format!("Your order {number} is confirmed"), "when it ships"),
            ("shipped", format!("Your order {number} is on its way"), "  12 St James's Square"),
            ("delivered", format!("Your order {number} has been delivered"), "Thank you for shopping at Cartwright"),
        ] {
            let mail = email_about(&shop, &order, kind);
            assert_eq!((mail.to.clone(), mail.subject()), (vec!["ada@example.com".to_owned()], subject));
            let text = mail.text().replace("\r\n", "\n");
            for said in ["Hello Ada,", said, number] {
                assert!(text.contains(said), "{kind}: {said:?} is missing:\n{text}");
            }
            assert!(mail.html().contains(number) && mail.html().contains("Hello Ada,"), "{}", mail.html());
        }
        assert_eq!(shop.mail().mails().len(), 4);
    }

    async fn nobody_is_greeted_by_a_name_that_may_be_somebody_elses_words(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").in_stock(6).await, shop.admin().await);
        shop.tampers("UPDATE users SET first_name = 'Bea' WHERE role = 'admin'").await;
        let order = shop.customer("ada@example.com").await.buys(&mug).await; // brings it low, too
        boss.sets_status(&order, "confirmed").await.is(200);
        shop.runs_its_jobs().await;
        let mails = shop.mail().mails();
        assert_eq!(mails.len(), 3);
        for mail in mails {
            let said = [mail.text(), mail.html(), mail.header("To").unwrap_or_default()].concat();
            assert_eq!(said.matches("Hello,").count(), 2, "{said}");
            assert!(!said.contains("Ada") && !said.contains("Bea"), "{said}");
        }
    }

    async fn who_did_not_verify_an_address_has_nothing_mailed_there_that_they_typed(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        let order = types_links(&shop, &ada).await;
        for mail in shop.mail().mails() {
            let said = all_of(&mail);
            assert!(!said.contains("evil") && !said.contains("prize") && !said.contains("Ada"), "{said}");
        }
        for kind in ["confirmation", "shipped"] {
            let mail = email_about(&shop, &order, kind);
            for said in [mail.text(), mail.html()] {
                assert!(said.contains("shown with your order in the store"), "{said}");
            }
        }
        assert_eq!(ada.sees(&order).await["shipping_address"], TYPED, "there it is");
    }

    async fn a_link_that_somebody_typed_is_no_link_in_an_email(shop: TestShop) {
        let ada = shop.customer("ada@example.com").await;
        shop.tampers("UPDATE users SET email_verified = TRUE WHERE email LIKE 'ada%'").await;
        let order = types_links(&shop, &ada).await;
        for mail in shop.mail().mails() {
            let said = all_of(&mail);
            assert!(!said.contains("evil.example") && !said.contains("http:"), "{said}");
            for part in [mail.text(), mail.html()] {
                assert!(part.contains("Hello Ada www[.]evil[.]example,"), "{part}");
            }
        }
        for kind in ["confirmation", "shipped"] {
            let mail = email_about(&shop, &order, kind);
            let text = mail.text().replace("\r\n", "\n");
            assert!(text.contains("  Your prize\n  http[:]//evil[.]example/win\n"), "{text}");
            assert!(!text.contains("shown with your order"), "{text}");
            assert!(mail.html().contains("Your prize<br>http[:]") && mail.html().contains("evil[.]example"), "{}", mail.html());
        }
        assert_eq!(ada.sees(&order).await["shipping_address"], TYPED, "only e-mails replace it");
    }

    async fn a_cancellation_says_whether_money_goes_back(shop: TestShop) {
        let mug = shop.sells("Mug").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        let (paid, unpaid, late) = (ada.buys_online(&mug).await, ada.buys(&mug).await, ada.buys_online(&mug).await);
        ada.pays_with("pm_card_visa", &paid).await;
        shop.runs_its_jobs().await;
        for order in [&paid, &unpaid] {
            ada.cancels(order).await.is(200);
            ada.cancels(order).await.is(200);
            ada.delete(&format!("/api/orders/{}", order.id)).await.is(204);
        }
        shop.time_passes(Duration::from_mins(30));
        expire_unpaid_orders(&shop).await;
        shop.runs_its_jobs().await;

        assert!(says(&shop, &paid, "You will be refunded") && !says(&shop, &paid, "not been charged"));
        assert!(says(&shop, &unpaid, "You have not been charged") && !says(&shop, &unpaid, "You will be refunded"));
        assert!(says(&shop, &late, "You have not been charged"));
        // Three confirmations, the paid one's second status, three cancellations.
        assert_eq!(shop.mail().mails().len(), 7);
    }

    async fn every_admin_gets_one_email_about_the_order_that_brings_a_product_low(shop: TestShop) {
        let mug = shop.sells("Blue <Mug>").in_stock(8).await;
        let scarce = shop.sells("Pin").in_stock(5).await;
        let ada = shop.customer("ada@example.com").await;
        let mut boss = shop.admin().await;
        let ben = shop.customer("ben@example.com").await;
        shop.customer("old@example.com").await;
        shop.tampers("UPDATE users SET role = 'admin' WHERE email LIKE 'ben%' OR email LIKE 'old%'").await;
        shop.tampers("UPDATE users SET is_active = FALSE WHERE email LIKE 'old%'").await;

        order(&ada, &[(&mug, 2)]).await; // 6 left
        assert_eq!(low_stock_emails(&shop).await, Vec::<(String, String)>::new());
        let crossing = order(&ada, &[(&mug, 1), (&scarce, 1)]).await; // 5 left; of pins there were never more
        let further = order(&ada, &[(&mug, 1)]).await;
        let first = low_stock_emails(&shop).await;
        assert_eq!(first.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), ["ben@example.com", "boss@example.com"]);
        assert!(first.iter().all(|(_, text)| text.contains("Blue <Mug> (product") && text.contains("In stock: 4")));
        let ids: Vec<String> = emails_about(&shop, "low-stock").iter().map(Mail::message_id).collect();
        assert!(ids.contains(&format!("<product-{}.low-stock.order-{}.admin-{}@shop.test>", mug.id, crossing, ben.id)));

        boss.signs_in().await;
        boss.patch(&format!("/api/products/{}", mug.id)).json(&json!({"stock": 7})).await.is(200);
        order(&ada, &[(&mug, 7)]).await; // the next crossing
        assert_eq!(low_stock_emails(&shop).await.len(), 4);
        assert!(further > crossing);

        let generous = shop.opens_again(|settings| settings.inventory.low_stock_threshold = 0).await;
        let pot = shop.sells("Pot").in_stock(9).await;
        order(&ada.of(&generous), &[(&pot, 8)]).await;
        assert_eq!(low_stock_emails(&shop).await.len(), 4);
        order(&ada.of(&generous), &[(&pot, 1)]).await;
        assert_eq!(low_stock_emails(&shop).await.len(), 6);

        let pan = shop.sells("Pan").in_stock(6).await;
        order(&ada, &[(&pan, 1)]).await;
        shop.tampers("UPDATE users SET is_active = FALSE WHERE email LIKE 'ben%'").await;
        assert_eq!(low_stock_emails(&shop).await.len(), 7, "a user who is inactive by then gets no e-mail");
    }

    async fn an_order_that_is_refused_sends_no_email(shop: TestShop) {
        let (mug, pot) = (shop.sells("Mug").in_stock(6).await, shop.sells("Pot").in_stock(1).await);
        shop.admin().await; // who would be told of the mug, which is taken before the pot is refused
        let ada = shop.customer("ada@example.com").await;
        ada.places_order(&[(&mug, 6), (&pot, 2)]).await.is(409).with_code("out_of_stock");
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 0);

        order(&ada, &[(&mug, 6)]).await;
        assert_eq!(low_stock_emails(&shop).await.len(), 1, "as many mugs, in an order that is not refused");
    }
}

const TYPED: &str = "Your prize\nhttp://evil.example/win";

/// Buys something, with links for a name and for an address. All e-mails about it are sent.
async fn types_links(shop: &TestShop, ada: &Person) -> Order {
    let mug = shop.sells("Mug").in_stock(99).await;
    ada.patch("/api/profile").json(&json!({"first_name": "Ada", "last_name": "www.evil.example"})).await.is(200);
    let wish = json!({"items": [{"product": mug.id, "quantity": 1}], "shipping_address": TYPED});
    let order: Order = ada.post("/api/orders").json(&wish).await.is(201).json().into();
    for status in ["confirmed", "shipped", "delivered"] {
        shop.admin().await.sets_status(&order, status).await.is(200);
    }
    shop.runs_its_jobs().await;
    assert_eq!(shop.mail().mails().len(), 4);
    order
}

/// Everything of an e-mail that its reader sees.
fn all_of(mail: &Mail) -> String {
    [mail.text(), mail.html(), mail.subject(), mail.header("To").unwrap_or_default()].join("\n")
}

async fn order(buyer: &Person, items: &[(&crate::support::Product, i64)]) -> i64 {
    buyer.places_order(items).await.is(201)["id"].as_i64().expect("an id")
}

/// The recipient and text of every e-mail about low stock so far.
async fn low_stock_emails(shop: &TestShop) -> Vec<(String, String)> {
    shop.runs_its_jobs().await;
    let mut emails: Vec<_> =
        emails_about(shop, "low-stock").into_iter().map(|mail| (mail.to.join(","), mail.text())).collect();
    emails.sort();
    emails
}

fn emails_about(shop: &TestShop, kind: &str) -> Vec<Mail> {
    shop.mail().mails().into_iter().filter(|mail| mail.message_id().contains(kind)).collect()
}

fn email_about(shop: &TestShop, order: &Order, kind: &str) -> Mail {
    let id = format!("<order-{}.{kind}@shop.test>", order.id);
    let mut found = shop.mail().mails().into_iter().filter(|mail| mail.message_id() == id);
    let mail = found.next().unwrap_or_else(|| panic!("no e-mail {id}"));
    assert!(found.next().is_none(), "{id} was sent twice");
    mail
}

fn says(shop: &TestShop, order: &Order, words: &str) -> bool {
    email_about(shop, order, "cancelled").text().contains(words)
}
