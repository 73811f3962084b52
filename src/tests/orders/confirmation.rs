//! The e-mail that confirms an order.

use std::time::Duration;

use crate::support::{Order, TestShop};

on_both_engines! {
    async fn the_confirmation_says_what_was_ordered(shop: TestShop) {
        let mug = shop.sells("Möbel & <b>Mug</b>").at(12_00).await;
        let ada = shop.customer("ada@example.com").await;
        shop.tampers("UPDATE users SET email_verified = TRUE WHERE email LIKE 'ada%'").await;
        let order: Order = ada.places_order(&[(&mug, 2)]).await.is(201).json().into();
        shop.runs_its_jobs().await;

        let mails = shop.mail().mails();
        let [mail] = mails.as_slice() else { panic!("one mail was expected: {mails:?}") };
        let number = order.json["order_number"].as_str().expect("an order has a number");
        assert_eq!(mail.to, ["ada@example.com"]);
        assert_eq!(mail.message_id(), format!("<order-{}.confirmation@shop.test>", order.id));
        assert_eq!(mail.subject(), format!("Your order {number} at Cartwright"));
        let text = mail.text().replace("\r\n", "\n");
        for said in [
            "Hello Ada,",
            number,
            "Möbel & <b>Mug</b>\n  2 x 12.00 = 24.00",
            "Total: 24.00 USD",
            "12 St James's Square",
            "Cash on delivery",
            "15 January 2025, 06:31 UTC",
        ] {
            assert!(text.contains(said), "{said:?} is missing:\n{text}");
        }
        assert!(mail.html().contains("Möbel &amp; &lt;b&gt;Mug&lt;"), "{}", mail.html());
        assert!(!mail.html().contains("<b>Mug"));
    }

    async fn a_confirmation_is_sent_once_even_if_its_job_runs_twice(shop: TestShop) {
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.runs_its_jobs().await;
        let again = shop
            .tampers("UPDATE jobs SET state = 'pending', due_at = created_at WHERE kind = 'orders.send_confirmation'")
            .await;
        shop.runs_its_jobs().await;
        assert_eq!((again, shop.mail().mails().len()), (1, 1));
    }

    async fn a_confirmation_whose_response_was_lost_is_sent_again_with_the_same_id(shop: TestShop) {
        shop.expects_in_log("job failed, will be retried");
        shop.expects_repeated_mail();
        let mug = shop.sells("Mug").await;
        shop.customer("ada@example.com").await.buys(&mug).await;
        shop.mail().hangs_up_before_answering(1);
        shop.runs_its_jobs().await;
        shop.time_passes(Duration::from_secs(1));
        shop.runs_its_jobs().await;
        let ids: Vec<String> = shop.mail().mails().iter().map(crate::support::smtp::Mail::message_id).collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1]);
    }
}
