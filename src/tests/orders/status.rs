//! The statuses of an order, and cancelling it.

use futures_util::future::join_all;

use crate::support::TestShop;

on_both_engines! {
    async fn cancelling_an_order_returns_its_stock_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(1).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;

        let cancelled = ada.cancels(&order).await.is(200);
        let again = ada.cancels(&order).await.is(200);
        ada.delete(&format!("/api/orders/{}", order.id)).await.is(204);

        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(again.bytes(), cancelled.bytes());
        assert_eq!(shop.stock_of(&mug).await, 1);
        shop.runs_its_jobs().await;
    }

    async fn ten_cancellations_at_once_return_the_stock_once(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(1).await;
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        for answer in join_all((0..10).map(|_| ada.cancels(&order))).await {
            assert_eq!(answer.is(200)["status"], "cancelled");
        }
        assert_eq!(shop.stock_of(&mug).await, 1);
        shop.runs_its_jobs().await;
    }

    async fn an_order_moves_forward_over_any_steps_and_never_back(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").in_stock(20).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let ways: [&[&str]; 5] = [
            &["Confirmed", "SHIPPED", "delivered"],
            &["shipped", "delivered"],
            &["confirmed", "delivered"],
            &["delivered"],
            &["shipped"],
        ];
        for way in ways {
            let order = ada.buys(&mug).await;
            let mut been = vec!["pending".to_owned()];
            for step in way {
                assert_eq!(boss.moves(&order, step).await.is(200)["status"], step.to_lowercase());
                been.push(step.to_lowercase());
                for back in &been {
                    boss.moves(&order, back).await.is(409).with_code("invalid_transition");
                }
            }
            boss.moves(&order, "cancelled").await.is(409).with_code("invalid_transition");
            ada.cancels(&order).await.is(409).with_code("invalid_transition");
        }
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 5 + ways.concat().len(), "an e-mail for each order and each step");

        let order = ada.buys(&mug).await;
        boss.moves(&order, "lost").await.is(422).about(&["status"]);
        ada.moves(&order, "confirmed").await.is(403).with_code("forbidden");
        boss.moves(&order, "cancelled").await.is(200);
        boss.moves(&order, "shipped").await.is(409).with_code("invalid_transition");
        shop.runs_its_jobs().await;
    }

    async fn cash_is_taken_at_the_door_also_of_an_order_that_skipped_steps(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        ada.wants_to_pay(&order).await.is(202);
        boss.moves(&order, "shipped").await.is(200);
        boss.moves(&order, "delivered").await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.standing_of(&order).await, ("delivered".to_owned(), "paid".to_owned()));
    }
}
