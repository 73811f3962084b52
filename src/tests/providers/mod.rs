//! Every online provider, from the first call to the last refund.

mod lost_messages;
mod paying;
mod reconciliation;
mod refunds;
mod webhooks;

use cartwright::payments::{jobs::CheckPending, reconciliation::jobs::Reconcile};
use payment_simulator::Provider;
use platform::jobs::Job;
use serde_json::{Value, json};

use crate::support::{
    Order, Person, Product, TestShop,
    answer::{Answer, Ask},
    people::Payment,
};

/// Somebody new.
async fn customer(shop: &TestShop) -> Person {
    shop.customer(&format!("{}@example.com", uuid::Uuid::new_v4().simple())).await
}

async fn orders(buyer: &Person, product: &Product, provider: Provider) -> Order {
    let order = json!({"items": [{"product": product.id, "quantity": 1}], "payment_method": provider.name()});
    buyer.post("/api/orders").json(&order).await.is(201).json().into()
}

pub async fn somebody_who_ordered(shop: &TestShop, provider: Provider) -> (Person, Order) {
    let mug = shop.sells("Mug").at(12_00).in_stock(1).await;
    let ada = customer(shop).await;
    let order = orders(&ada, &mug, provider).await;
    (ada, order)
}

/// Somebody who ordered, asked to pay and now has to do so in their browser.
pub async fn somebody_waits_to_pay(shop: &TestShop, provider: Provider) -> (Person, Order, Payment) {
    let (ada, order) = somebody_who_ordered(shop, provider).await;
    let payment = waits_to_pay(shop, &ada, &order).await;
    (ada, order, payment)
}

pub async fn waits_to_pay(shop: &TestShop, buyer: &Person, order: &Order) -> Payment {
    let payment: Payment = buyer.wants_to_pay(order).await.is(202).json().into();
    shop.runs_its_jobs().await;
    let waiting: Payment = buyer.looks_at(&payment).await.into();
    assert_eq!(waiting.json["status"], "requires_action", "{}", waiting.json);
    waiting
}

/// The provider's name of a payment.
pub fn transaction(payment: &Payment) -> &str {
    payment.json["transaction_id"].as_str().expect("the provider's name of it")
}

/// The buyer pays in the browser, and the shop hears of it.
pub async fn pays(shop: &TestShop, payment: &Payment) {
    shop.simulator().buyer_pays(transaction(payment)).expect("the buyer can pay");
    deliver_webhooks(shop).await;
}

/// The scheduled question about what hangs.
pub async fn check_pending_payments(shop: &TestShop) {
    CheckPending {}.run(shop.inside()).await.expect("a check");
}

/// The scheduled comparison with the providers' books.
pub async fn reconcile_payments(shop: &TestShop) {
    Reconcile::default().run(shop.inside()).await.expect("a comparison");
}

/// The shop does its work and hears everything the providers have to tell of it.
pub async fn deliver_webhooks(shop: &TestShop) {
    shop.runs_its_jobs().await;
    loop {
        let told = shop.simulator().webhooks();
        if told.is_empty() {
            break;
        }
        for webhook in told {
            shop.receives_webhook(&webhook).await.is(200);
        }
        shop.runs_its_jobs().await;
    }
}

fn refund(by: &Person, payment: &Payment, body: &Value) -> Ask {
    by.post(&format!("/api/payments/{}/refund", payment.id)).json(body)
}

pub async fn refunds(by: &Person, payment: &Payment, body: &Value) -> Answer {
    refund(by, payment, body).await
}

/// What was taken for a payment, in minor units.
pub fn amounts_captured(shop: &TestShop, payment: &Payment) -> Vec<i64> {
    let captures = shop.simulator().captures();
    captures.iter().filter(|capture| capture.payment_id == payment.id).map(|capture| capture.amount).collect()
}

/// What of a payment went back, in minor units.
pub fn amounts_refunded(shop: &TestShop, payment: &Payment) -> Vec<i64> {
    let refunds = shop.simulator().refunds();
    refunds.iter().filter(|refund| refund.payment_id == payment.id).map(|refund| refund.amount).collect()
}
