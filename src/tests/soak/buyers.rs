//! What the buyers do, and how they ask the shop.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::World;
use crate::support::programs::until;

/// What a buyer does. Each provider has its happy ones and its unhappy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// Pays with a card that was saved.
    Card,
    /// Is declined, then pays with another card.
    SecondCard,
    /// Pays in the browser.
    Browser(&'static str),
    /// Is declined in the browser and goes away.
    Declined(&'static str),
    /// Goes away without a word.
    Away(&'static str),
    /// Pays when the order has expired.
    TooLate(&'static str),
    /// Pays, and cancels the order at that moment.
    Regrets(&'static str),
    /// Pays from an account: the bank takes its time, and then says yes or no.
    FromTheBank(&'static str, bool),
}

pub const TEMPERS: [Temper; 18] = [
    Temper::Card,
    Temper::SecondCard,
    Temper::Browser("stripe"),
    Temper::Browser("paypal"),
    Temper::Browser("razorpay"),
    Temper::Declined("stripe"),
    Temper::Declined("paypal"),
    Temper::Declined("razorpay"),
    Temper::Away("paypal"),
    Temper::TooLate("stripe"),
    Temper::TooLate("razorpay"),
    Temper::Regrets("stripe"),
    Temper::Regrets("paypal"),
    Temper::Regrets("razorpay"),
    Temper::FromTheBank("stripe", true),
    Temper::FromTheBank("paypal", true),
    Temper::FromTheBank("razorpay", true),
    Temper::FromTheBank("stripe", false),
];

impl Temper {
    fn provider(self) -> &'static str {
        match self {
            Self::Card | Self::SecondCard => "stripe",
            Self::Browser(name)
            | Self::Declined(name)
            | Self::Away(name)
            | Self::TooLate(name)
            | Self::Regrets(name)
            | Self::FromTheBank(name, _) => name,
        }
    }
}

impl World {
    pub async fn visits(&self, temper: Temper, number: usize) {
        let order = json!({
            "items": [{"product": self.mug, "quantity": 1 + number % 3}], "payment_method": temper.provider(),
        });
        let order = self.post("/api/orders", &format!("order-{number}"), &order).await;
        let order = order["id"].as_i64().expect("an order");
        match temper {
            Temper::Card => drop(self.pays_by_card(order, "pm_card_visa", number).await),
            Temper::SecondCard => {
                let first = self.pays_by_card(order, "pm_card_chargeDeclined", number).await;
                self.until_not(&first, &["queued", "processing"]).await;
                self.pays_by_card(order, "pm_card_visa", number + 1_000_000).await;
            }
            Temper::Browser(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays(&transaction); // a fault may decline the card
                }
            }
            Temper::Declined(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_is_declined(&transaction);
                }
            }
            Temper::Away(_) => drop(self.waits_to_pay(order, number).await),
            Temper::TooLate(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    self.until_cancelled(order).await;
                    let _ = self.simulator.buyer_pays(&transaction); // Stripe was told and takes no money any more
                }
            }
            Temper::Regrets(_) => {
                if let Some((_, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays(&transaction);
                    sleep(Duration::from_millis(u64::try_from(number % 40).unwrap_or(0) * 25)).await;
                    self.site.post(&format!("/api/orders/{order}/cancel"), &self.customer, None, &json!({})).await;
                }
            }
            Temper::FromTheBank(_, says_yes) => {
                if let Some((payment, transaction)) = self.waits_to_pay(order, number).await {
                    let _ = self.simulator.buyer_pays_later(&transaction);
                    self.until_a_bank_has_it(&payment).await;
                    if !says_yes {
                        let _ = self.simulator.bank_bounces(&transaction);
                    } else if self.simulator.bank_clears(&transaction).is_ok() {
                        self.cleared.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// The answer, however often it takes.
    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        for _ in 0..20 {
            if let Some((201 | 202, answer)) = self.site.post(path, &self.customer, Some(key), body).await {
                return answer;
            }
            sleep(Duration::from_millis(200)).await;
        }
        panic!("no answer to {path} {body}");
    }

    async fn pays_by_card(&self, order: i64, card: &str, number: usize) -> String {
        // Declined at random, the order may have expired before the second try: that one is refused.
        let payment = json!({"order": order, "payment_method": card});
        let asked = self.site.post("/api/payments", &self.customer, Some(&format!("pay-{number}")), &payment).await;
        asked.and_then(|(_, payment)| payment["id"].as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// Asks to pay in the browser: our name of the payment and the provider's, unless it failed before.
    async fn waits_to_pay(&self, order: i64, number: usize) -> Option<(String, String)> {
        let payment = self.post("/api/payments", &format!("pay-{number}"), &json!({"order": order})).await;
        let id = payment["id"].as_str().expect("a payment").to_owned();
        let payment = self.until_not(&id, &["queued"]).await?;
        Some((id, payment["transaction_id"].as_str()?.to_owned()))
    }

    /// The payment once it has another status; nothing when it takes longer than any buyer has patience.
    async fn until_not(&self, payment: &str, statuses: &[&str]) -> Option<Value> {
        let came = Instant::now();
        while came.elapsed() < Duration::from_mins(1) {
            if let Some((200, now)) = self.site.get(&format!("/api/payments/{payment}"), &self.customer).await
                && !statuses.contains(&now["status"].as_str()?)
            {
                return Some(now);
            }
            sleep(self.glance).await;
        }
        None
    }

    /// Its order waits for the bank, unless it ended before: PayPal's bank is asked by the capture.
    async fn until_a_bank_has_it(&self, payment: &str) {
        until("a bank has the payment", Duration::from_mins(5), || async {
            let payment = self.site.get(&format!("/api/payments/{payment}"), &self.customer).await;
            sleep(self.glance).await;
            payment.is_some_and(|(code, payment)| {
                code == 200 && (payment["processing_since"].is_string() || payment["status"] != "requires_action")
            })
        })
        .await;
    }

    async fn until_cancelled(&self, order: i64) {
        until("the order expires", Duration::from_mins(5), || async {
            let order = self.site.get(&format!("/api/orders/{order}"), &self.customer).await;
            sleep(Duration::from_millis(250)).await;
            order.is_some_and(|(_, order)| order["status"] == "cancelled")
        })
        .await;
    }
}
