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

    async fn ten_concurrent_cancellations_return_the_stock_once(shop: TestShop) {
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
        let (mug, admin) = (shop.sells("Mug").in_stock(20).await, shop.admin().await);
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
                assert_eq!(admin.sets_status(&order, step).await.is(200)["status"], step.to_lowercase());
                been.push(step.to_lowercase());
                for back in &been {
                    admin.sets_status(&order, back).await.is(409).with_code("invalid_transition");
                }
            }
            admin.sets_status(&order, "cancelled").await.is(409).with_code("invalid_transition");
            ada.cancels(&order).await.is(409).with_code("invalid_transition");
        }
        shop.runs_its_jobs().await;
        assert_eq!(shop.mail().mails().len(), 5 + ways.concat().len(), "an e-mail for each order and each step");

        let order = ada.buys(&mug).await;
        admin.sets_status(&order, "lost").await.is(422).about(&["status"]);
        ada.sets_status(&order, "confirmed").await.is(403).with_code("forbidden");
        admin.sets_status(&order, "cancelled").await.is(200);
        admin.sets_status(&order, "shipped").await.is(409).with_code("invalid_transition");
        shop.runs_its_jobs().await;
    }

    async fn cash_is_captured_on_delivery_even_if_steps_were_skipped(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys(&mug).await;
        ada.wants_to_pay(&order).await.is(202);
        admin.sets_status(&order, "shipped").await.is(200);
        admin.sets_status(&order, "delivered").await.is(200);
        shop.runs_its_jobs().await;
        assert_eq!(shop.statuses_of(&order).await, ("delivered".to_owned(), "paid".to_owned()));
    }
}
