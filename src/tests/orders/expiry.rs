//! Unpaid orders whose reservation of stock has ended.

use std::{collections::BTreeMap, time::Duration};

use cartwright::{
    checkout::{self, Checkout, jobs::ExpireUnpaid},
    shop::{
        Provider,
        ids::{ProductId, UserId},
    },
};
use platform::jobs::Job;
use serde_json::json;

use crate::support::{Person, Product, TestShop};

on_both_engines! {
    async fn an_unpaid_online_order_expires(shop: TestShop) {
        let mug = shop.sells("Mug").in_stock(2).await;
        let ada = shop.customer("ada@example.com").await;
        let online = ada.buys_online(&mug).await;
        let at_the_door = ada.buys(&mug).await;
        shop.runs_its_jobs().await;

        shop.time_passes(Duration::from_mins(29));
        expire_unpaid_orders(&shop).await;
        assert_eq!(shop.stock_of(&mug).await, 0);

        shop.time_passes(Duration::from_mins(1));
        expire_unpaid_orders(&shop).await;
        assert_eq!(ada.sees(&online).await["status"], "cancelled");
        assert_eq!(ada.sees(&at_the_door).await["status"], "pending");
        assert_eq!(shop.stock_of(&mug).await, 1);
        ada.wants_to_pay(&online).await.is(409).with_code("order_cancelled");
        shop.runs_its_jobs().await;
    }

    async fn an_unpaid_order_that_was_shipped_does_not_expire(shop: TestShop) {
        let (mug, admin) = (shop.sells("Mug").in_stock(5).await, shop.admin().await);
        let ada = shop.customer("ada@example.com").await;
        let order = ada.buys_online(&mug).await;
        admin.sets_status(&order, "shipped").await.is(200);
        shop.time_passes(Duration::from_hours(2));
        ExpireUnpaid {}.run(shop.inside()).await.expect("the time is looked at");
        assert_eq!((ada.sees(&order).await["status"].clone(), shop.stock_of(&mug).await), (json!("shipped"), 4));
        shop.runs_its_jobs().await;
    }

    async fn orders_that_cannot_expire_do_not_delay_others(shop: TestShop) {
        shop.expects_in_log("cannot cancel an unpaid order; will retry later");
        shop.expects_waiting_jobs(); // two hundred e-mails that nobody reads
        let (mug, pot) = (shop.sells("Mug").in_stock(101).await, shop.sells("Pot").in_stock(1).await);
        let ada = shop.customer("ada@example.com").await;
        place_online_orders(&shop, &ada, &mug, 101).await;
        let last = ada.buys_online(&pot).await;
        shop.tampers("UPDATE stock SET units = 2147483647 WHERE product_id = (SELECT id FROM products WHERE name = 'Mug')").await;
        shop.time_passes(Duration::from_mins(30));
        expire_unpaid_orders(&shop).await;
        assert_eq!(ada.sees(&last).await["status"], "cancelled");
        assert_eq!(shop.counts("SELECT COUNT(*) FROM orders WHERE status = 'pending'").await, 101, "no room for a mug");

        shop.tampers("UPDATE stock SET units = 0 WHERE product_id = (SELECT id FROM products WHERE name = 'Mug')").await;
        expire_unpaid_orders(&shop).await;
        assert_eq!((shop.stock_of(&mug).await, shop.stock_of(&pot).await), (101, 1));
    }
}

/// Orders of one piece each, not paid. All in one transaction, because they are many.
async fn place_online_orders(shop: &TestShop, buyer: &Person, product: &Product, count: usize) {
    let mut tx = shop.db().write().await.expect("a transaction");
    for _ in 0..count {
        let checkout = Checkout {
            shipping_address: None,
            payment_method: Provider::Stripe,
            items: Some(BTreeMap::from([(ProductId(product.id), 1)])),
            expected_total: None,
        };
        checkout::place(&mut tx, shop.inside(), UserId(buyer.id), checkout).await.expect("an order");
    }
    tx.commit().await.expect("the orders are kept");
}

/// The scheduled job, run at this moment instead of at its tick.
pub async fn expire_unpaid_orders(shop: &TestShop) {
    ExpireUnpaid {}.run(shop.inside()).await.expect("unpaid orders expire");
}
