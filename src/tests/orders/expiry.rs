//! Unpaid orders whose reservation of stock has ended.

use std::time::Duration;

use cartwright::checkout::jobs::ExpireUnpaid;
use platform::jobs::Job;
use serde_json::json;

use crate::support::TestShop;

on_both_engines! {
    async fn an_unpaid_online_order_runs_out_of_time(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(2).await;
        let ada = shop.customer("ada@example.com").await;
        let online = ada.buys_online(&mug).await;
        let at_the_door = ada.buys(&mug).await;
        shop.runs_its_jobs().await;

        shop.time_passes(Duration::from_mins(29));
        expires_the_unpaid(&shop).await;
        assert_eq!(shop.stock_of(&mug).await, 0);

        shop.time_passes(Duration::from_mins(1));
        expires_the_unpaid(&shop).await;
        assert_eq!(ada.sees(&online).await["status"], "cancelled");
        assert_eq!(ada.sees(&at_the_door).await["status"], "pending");
        assert_eq!(shop.stock_of(&mug).await, 1);
        ada.wants_to_pay(&online).await.is(409).with_code("order_cancelled");
        shop.runs_its_jobs().await;
    }

    async fn an_unpaid_order_that_an_admin_sends_does_not_run_out_of_time(shop: TestShop) {
        let (mug, boss) = (shop.sells("Mug").in_stock(5).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys_online(&mug).await;
        boss.moves(&order, "shipped").await.is(200);
        shop.time_passes(Duration::from_hours(2));
        ExpireUnpaid {}.run(shop.inside()).await.expect("the time is looked at");
        assert_eq!((ada.sees(&order).await["status"].clone(), shop.stock_of(&mug).await), (json!("shipped"), 4));
        shop.runs_its_jobs().await;
    }

    async fn orders_that_cannot_expire_keep_no_other_waiting(shop: TestShop) {
        shop.expects_in_log("cannot cancel an unpaid order; will retry later");
        shop.expects_waiting_jobs(); // two hundred e-mails that nobody reads
        let (mug, pot) = (shop.sells("Mug").in_stock(101).await, shop.sells("Pot").in_stock(1).await);
        let ada = shop.customer("ada@example.com").await;
        for _ in 0..101 {
            ada.buys_online(&mug).await;
        }
        let last = ada.buys_online(&pot).await;
        shop.tampers("UPDATE products SET stock = 2147483647 WHERE name = 'Mug'").await;
        shop.time_passes(Duration::from_mins(30));
        expires_the_unpaid(&shop).await;
        assert_eq!(ada.sees(&last).await["status"], "cancelled");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM orders WHERE status = 'pending'").await, 101, "no room for a mug");

        shop.tampers("UPDATE products SET stock = 0 WHERE name = 'Mug'").await;
        expires_the_unpaid(&shop).await;
        assert_eq!((shop.stock_of(&mug).await, shop.stock_of(&pot).await), (101, 1));
    }
}

/// The scheduled job, run at this moment instead of at its tick.
pub async fn expires_the_unpaid(shop: &TestShop) {
    ExpireUnpaid {}.run(shop.inside()).await.expect("unpaid orders expire");
}
