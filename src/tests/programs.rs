//! Payments with the API and the workers as programs of their own: nothing here runs a job, delivers a webhook or moves
//! a clock.

use std::time::Duration;

use cartwright::payments::providers::ONLINE;
use futures_util::future::join_all;
use payment_simulator::Simulator;
use serde_json::{Value, json};

use crate::{
    crashes::{crash_on_both_engines, survives},
    support::{
        Engine,
        programs::{Program, Site, until},
    },
};

const CASH: &str = "cash_on_delivery";

crash_on_both_engines! {
    async fn every_flow_of_every_provider_ends_as_expected(site: Site) {
        site.expects_in_log("received money that the order cannot accept; refunding it");
        site.allows_in_log("job failed, will be retried"); // on a busy machine, for a lock
        let simulator = site.starts_simulator().await;
        let api = site.opens().await;
        let workers = ["payment-worker", "email-worker", "stock-worker"].map(|name| site.starts(name));
        let boss = site.admin().await;
        let (mug, ada) = (site.sells(&boss, "Mug", 100).await, site.customer("ada@example.com").await);
        let shop = Shop { site, simulator, boss, ada, mug };
        tokio::join!(
            shop.cash(),
            join_all(online().map(|provider| shop.is_paid(provider))),
            join_all(online().map(|provider| shop.is_declined_and_paid_with_another_card(provider))),
            join_all(online().map(|provider| shop.is_refunded_fully(provider))),
            join_all(online().map(|provider| shop.is_refunded_partially(provider))),
            join_all(online().map(|provider| shop.is_cancelled_unpaid(provider))),
            join_all(online().map(|provider| shop.is_cancelled_paid(provider))),
        );
        let stopped: Vec<_> = workers.into_iter().chain([api]).map(Program::stops).collect();
        assert_eq!(stopped, [Some(0); 4]);
    }
}

fn online() -> impl Iterator<Item = &'static str> {
    ONLINE.iter().map(|online| online.provider.as_str())
}

struct Shop {
    site: Site,
    simulator: Simulator,
    boss: String,
    ada: String,
    mug: i64,
}

/// An order and its latest payment.
struct Sale {
    order: i64,
    payment: String,
    /// The provider's id of the payment.
    transaction: String,
}

impl Shop {
    async fn is_paid(&self, provider: &str) {
        let sale = self.sells_by(provider).await;
        self.pays(&sale).await;
        assert_eq!(self.captured_and_refunded(&sale), (vec![12_50], vec![]), "{provider}");
    }

    async fn is_declined_and_paid_with_another_card(&self, provider: &str) {
        let declined = self.sells_by(provider).await;
        self.simulator.buyer_is_declined(&declined.transaction).expect("a decline");
        self.comes_to(&declined, ["failed", "pending", "failed"]).await;
        let again = self.waits_to_pay(declined.order).await;
        self.pays(&again).await;
        assert_eq!(
            (self.captured_and_refunded(&declined), self.captured_and_refunded(&again)),
            ((vec![], vec![]), (vec![12_50], vec![])),
            "{provider}"
        );
    }

    async fn is_refunded_fully(&self, provider: &str) {
        let sale = self.sells_by(provider).await;
        self.pays(&sale).await;
        self.refunds(&sale, &json!({})).await;
        self.comes_to(&sale, ["refunded", "cancelled", "refunded"]).await;
        assert_eq!(self.captured_and_refunded(&sale), (vec![12_50], vec![12_50]), "{provider}");
    }

    async fn is_refunded_partially(&self, provider: &str) {
        let sale = self.sells_by(provider).await;
        self.pays(&sale).await;
        self.refunds(&sale, &json!({"amount": "2.50"})).await;
        self.comes_to(&sale, ["partially_refunded", "confirmed", "paid"]).await;
        assert_eq!(self.captured_and_refunded(&sale), (vec![12_50], vec![2_50]), "{provider}");
    }

    async fn is_cancelled_unpaid(&self, provider: &str) {
        let sale = self.sells_by(provider).await;
        self.cancels(&sale).await;
        self.comes_to(&sale, ["cancelled", "cancelled", "unpaid"]).await;
        until("the payment is cancelled at the provider", Duration::from_secs(30), || async {
            self.site.count("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.cancel' AND state <> 'done'").await == 0
        })
        .await;
        let paid = self.simulator.buyer_pays(&sale.transaction);
        assert_eq!(
            paid.is_err(),
            provider == "stripe",
            "{provider}: only Stripe can cancel a payment, which then cannot be paid"
        );
        if provider == "razorpay" {
            self.comes_to(&sale, ["refunded", "cancelled", "refunded"]).await;
        }
        let (captured, refunded) = self.captured_and_refunded(&sale);
        assert_eq!(captured, refunded, "{provider}");
    }

    async fn is_cancelled_paid(&self, provider: &str) {
        let sale = self.sells_by(provider).await;
        self.pays(&sale).await;
        self.cancels(&sale).await;
        self.comes_to(&sale, ["refunded", "cancelled", "refunded"]).await;
        assert_eq!(self.captured_and_refunded(&sale), (vec![12_50], vec![12_50]), "{provider}");
    }

    /// Cash cannot be declined; it is received at delivery and refunded by hand.
    async fn cash(&self) {
        let [kept, part, whole, cancelled] = [
            self.sells_for_cash().await,
            self.sells_for_cash().await,
            self.sells_for_cash().await,
            self.sells_for_cash().await,
        ];
        self.cancels(&cancelled).await;
        self.comes_to(&cancelled, ["cancelled", "cancelled", "unpaid"]).await;
        for sale in [&kept, &part, &whole] {
            self.comes_to(sale, ["processing", "confirmed", "processing"]).await;
            for status in ["shipped", "delivered"] {
                let path = format!("/api/orders/{}/status", sale.order);
                let (code, answer) =
                    self.site.put(&path, &self.boss, &json!({"status": status})).await.expect("an answer");
                assert_eq!(code, 200, "{answer}");
            }
            self.comes_to(sale, ["captured", "delivered", "paid"]).await;
        }
        self.refunds(&part, &json!({"amount": "2.50"})).await;
        self.refunds(&whole, &json!({})).await;
        self.comes_to(&part, ["partially_refunded", "delivered", "paid"]).await;
        self.comes_to(&whole, ["refunded", "delivered", "refunded"]).await;
    }

    async fn sells_for_cash(&self) -> Sale {
        let order = self.takes_an_order(CASH).await;
        let payment = self.asks_to_pay(order).await;
        Sale { order, payment, transaction: String::new() }
    }

    /// An order whose buyer now has to pay in the browser.
    async fn sells_by(&self, provider: &str) -> Sale {
        let order = self.takes_an_order(provider).await;
        self.waits_to_pay(order).await
    }

    async fn takes_an_order(&self, provider: &str) -> i64 {
        let order = json!({"items": [{"product": self.mug, "quantity": 1}], "payment_method": provider});
        self.post("/api/orders", &order, 201).await["id"].as_i64().expect("an order")
    }

    async fn asks_to_pay(&self, order: i64) -> String {
        let payment = self.post("/api/payments", &json!({"order": order}), 202).await;
        payment["id"].as_str().expect("a payment").to_owned()
    }

    async fn waits_to_pay(&self, order: i64) -> Sale {
        let mut sale = Sale { order, payment: self.asks_to_pay(order).await, transaction: String::new() };
        self.comes_to(&sale, ["requires_action", "pending", "processing"]).await;
        sale.transaction = self.payment(&sale).await["transaction_id"].as_str().expect("the provider's").to_owned();
        sale
    }

    async fn pays(&self, sale: &Sale) {
        self.simulator.buyer_pays(&sale.transaction).expect("the buyer can pay");
        self.comes_to(sale, ["captured", "confirmed", "paid"]).await;
    }

    async fn cancels(&self, sale: &Sale) {
        self.post(&format!("/api/orders/{}/cancel", sale.order), &json!({}), 200).await;
    }

    async fn refunds(&self, sale: &Sale, body: &Value) {
        let path = format!("/api/payments/{}/refund", sale.payment);
        let (status, answer) = answered(async || self.site.post(&path, &self.boss, None, body).await).await;
        assert_eq!(status, 202, "{answer}");
    }

    async fn post(&self, path: &str, body: &Value, expected: u16) -> Value {
        let (status, answer) = answered(async || self.site.post(path, &self.ada, None, body).await).await;
        assert_eq!(status, expected, "{answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = answered(async || self.site.get(path, &self.ada).await).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn payment(&self, sale: &Sale) -> Value {
        self.get(&format!("/api/payments/{}", sale.payment)).await
    }

    /// Waits until the payment's status, the order's and the order's payment status are as expected.
    async fn comes_to(&self, sale: &Sale, expected: [&str; 3]) {
        let what = format!("payment {} comes to {expected:?}", sale.payment);
        until(&what, Duration::from_secs(30), || async {
            let (payment, order) = (self.payment(sale).await, self.get(&format!("/api/orders/{}", sale.order)).await);
            [&payment["status"], &order["status"], &order["payment_status"]] == expected
        })
        .await;
    }

    /// What the provider captured of a payment, and what it refunded, in minor units.
    fn captured_and_refunded(&self, sale: &Sale) -> (Vec<i64>, Vec<i64>) {
        let ledger = self.simulator.ledger();
        let captures = ledger.captures.iter().filter(|capture| capture.payment_id == sale.payment);
        let refunds = ledger.refunds.iter().filter(|refund| refund.payment_id == sale.payment);
        (captures.map(|capture| capture.amount).collect(), refunds.map(|refund| refund.amount).collect())
    }
}

/// The response, repeating the request while the shop is overloaded: then nothing was done.
async fn answered(ask: impl AsyncFn() -> Option<(u16, Value)>) -> (u16, Value) {
    loop {
        match ask().await.expect("an answer") {
            (503, _) => tokio::time::sleep(Duration::from_millis(200)).await,
            answer => return answer,
        }
    }
}

crash_on_both_engines! {
    async fn a_shop_with_nothing_to_do_warns_of_nothing(site: Site) {
        let _api = site.opens().await;
        let _workers = ["payment-worker", "email-worker", "stock-worker"].map(|name| site.starts(name));
        // Long enough for every schedule to check several times whether its job was already enqueued.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let ticks = "SELECT COUNT(*) FROM jobs WHERE kind = 'inventory.reconcile' AND state = 'done'";
        assert!(site.count(ticks).await > 0, "the schedules are running");
    }
}
