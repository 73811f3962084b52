//! Orders with a total of 0.00: they need no payment.

use std::time::Duration;

use cartwright::{payments::providers::ONLINE, shop::Provider};
use serde_json::{Value, json};

use crate::{
    orders::expire_unpaid_orders,
    support::{Order, TestShop},
};

on_both_engines! {
    async fn an_order_of_0_00_is_paid_when_it_is_placed(shop: TestShop) {
        let sample = shop.sells("Sample").at(0).in_stock(99).await;
        let ada = shop.customer("ada@example.com").await;
        let methods: Vec<Provider> =
            [Provider::CashOnDelivery].into_iter().chain(ONLINE.iter().map(|online| online.provider)).collect();
        for method in &methods {
            let order = json!({"items": [{"product": sample.id, "quantity": 2}], "payment_method": method.as_str()});
            let placed = ada.post("/api/orders").json(&order).await.is(201);
            let stands = ["status", "payment_status", "total_price"].map(|name| placed[name].clone());
            assert_eq!(stands, ["confirmed", "paid", "0.00"].map(Value::from), "{method}");
            let order: Order = placed.json().into();
            ada.wants_to_pay(&order).await.is(409).with_code("already_paid");
            assert_eq!(ada.get(&format!("/api/payments?order={}", order.id)).await.is(200).list(), Vec::<Value>::new());
        }
        shop.time_passes(Duration::from_mins(31));
        expire_unpaid_orders(&shop).await;
        shop.runs_its_jobs().await;
        assert!(ada.orders().await.iter().all(|order| order["status"] == "confirmed"));
        let orders = ada.orders().await.len();
        assert_eq!(orders, methods.len());
        assert_eq!(shop.stock_of(&sample).await, 99 - 2 * i64::try_from(orders).expect("a few"));
        let subjects: Vec<String> = shop.mail().mails().iter().map(crate::support::smtp::Mail::subject).collect();
        assert_eq!(subjects.len(), 2 * orders, "received and confirmed: {subjects:?}");
    }

    async fn an_order_of_0_00_needs_no_keys_of_a_provider(shop: TestShop) {
        let sample = shop.sells("Sample").at(0).await;
        let mug = shop.sells("Mug").at(12_00).await;
        let without = shop.opens_again(|settings| drop(settings.payments.providers.remove(&Provider::Stripe))).await;
        let ada = shop.customer("ada@example.com").await.of(&without);
        assert_eq!(ada.buys_online(&sample).await.json["payment_status"], "paid");
        let order = json!({"items": [{"product": mug.id, "quantity": 1}], "payment_method": "stripe"});
        ada.post("/api/orders").json(&order).await.is(422).with_code("provider_not_configured");
        shop.runs_its_jobs().await;
    }

    async fn an_order_of_0_00_is_shipped_or_cancelled_like_any_paid_order(shop: TestShop) {
        let sample = shop.sells("Sample").at(0).in_stock(2).await;
        let (ada, boss) = (shop.customer("ada@example.com").await, shop.admin().await);
        let (sent, cancelled) = (ada.buys_online(&sample).await, ada.buys(&sample).await);
        for status in ["shipped", "delivered"] {
            boss.sets_status(&sent, status).await.is(200);
        }
        assert_eq!(shop.statuses_of(&sent).await, ("delivered".into(), "paid".into()));
        ada.cancels(&cancelled).await.is(200);
        assert_eq!(shop.statuses_of(&cancelled).await, ("cancelled".into(), "refunded".into()));
        assert_eq!(shop.stock_of(&sample).await, 1);
        shop.runs_its_jobs().await;
        let mails = shop.mail().mails();
        let told = mails.iter().filter(|mail| mail.text().contains("You have not been charged")).count();
        assert_eq!(told, 1, "there is nothing to refund");
    }
}
