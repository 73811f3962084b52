//! Orders that come to nothing: nobody has to be asked for money.

use std::time::Duration;

use cartwright::shop::Provider;
use serde_json::{Value, json};

use crate::{
    orders::expire_unpaid_orders,
    support::{Order, TestShop},
};

const METHODS: [&str; 4] = ["cash_on_delivery", "stripe", "paypal", "razorpay"];

on_both_engines! {
    async fn an_order_of_nothing_is_paid_when_it_is_placed(shop: TestShop) {
        let sample = shop.sells("Sample").at(0).in_stock(99).await;
        let ada = shop.customer("ada@example.com").await;
        for method in METHODS {
            let order = json!({"items": [{"product": sample.id, "quantity": 2}], "payment_method": method});
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
        assert_eq!(shop.stock_of(&sample).await, 91);
        let subjects: Vec<String> = shop.mail().mails().iter().map(crate::support::smtp::Mail::subject).collect();
        assert_eq!(subjects.len(), 2 * METHODS.len(), "received and confirmed: {subjects:?}");
    }

    async fn an_order_of_nothing_needs_no_providers_keys(shop: TestShop) {
        let sample = shop.sells("Sample").at(0).await;
        let mug = shop.sells("Mug").at(12_00).await;
        let without = shop.opens_again(|settings| drop(settings.payments.providers.remove(&Provider::Stripe))).await;
        let ada = shop.customer("ada@example.com").await.of(&without);
        assert_eq!(ada.buys_online(&sample).await.json["payment_status"], "paid");
        let order = json!({"items": [{"product": mug.id, "quantity": 1}], "payment_method": "stripe"});
        ada.post("/api/orders").json(&order).await.is(422).with_code("provider_not_configured");
        shop.runs_its_jobs().await;
    }

    async fn an_order_of_nothing_is_sent_or_cancelled_as_any_paid_one(shop: TestShop) {
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
        assert_eq!(told, 1, "there is nothing to give back");
    }
}
