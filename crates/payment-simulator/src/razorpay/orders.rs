//! Orders.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::{Account, Order, Payment, PaymentStatus, notes, paging, responses};
use crate::{context::new_id, request::Request, response::Response};

const MAX_RECEIPT_LENGTH: usize = 40;

impl Account {
    pub(super) fn create_order(&mut self, body: &Value, now: Timestamp) -> Response {
        let (Some(amount), Some(currency)) = (body["amount"].as_i64(), body["currency"].as_str()) else {
            return responses::bad_request("The amount and currency fields are required.");
        };
        if amount < 1 || (currency == "INR" && amount < 100) {
            return responses::bad_request("Order amount less than minimum amount allowed");
        }
        let receipt = body["receipt"].as_str().map(str::to_owned);
        if receipt.as_ref().is_some_and(|receipt| receipt.len() > MAX_RECEIPT_LENGTH) {
            return responses::bad_request("The receipt may not be greater than 40 characters.");
        }
        if self.orders.is_full() {
            return responses::rate_limited();
        }
        let order = Order {
            id: new_id("order_", 14),
            amount,
            currency: currency.to_owned(),
            receipt,
            notes: notes(&body["notes"]),
            created_at: now.unix_seconds(),
            payments: Vec::new(),
        };
        let (id, shown) = (order.id.clone(), order.to_json());
        if let Some(receipt) = &order.receipt {
            self.order_ids_by_receipt.entry(receipt.clone()).or_default().push(id.clone());
        }
        self.orders.insert(&id, order);
        responses::ok(&shown)
    }

    /// The newest first. With `receipt`, only the orders that have it.
    pub(super) fn list_orders(&self, request: &Request) -> Response {
        let (count, skip) = paging(request);
        let page: Vec<Value> = match request.param("receipt") {
            Some(receipt) => {
                let ids = self.order_ids_by_receipt.get(receipt).map_or(&[][..], Vec::as_slice);
                let orders = ids.iter().rev().filter_map(|id| self.orders.get(id));
                orders.skip(skip).take(count).map(Order::to_json).collect()
            }
            None => self.orders.newest_first().skip(skip).take(count).map(Order::to_json).collect(),
        };
        responses::ok(&responses::collection(&page))
    }

    pub(super) fn retrieve_order(&self, id: &str) -> Response {
        self.order(id).map_or_else(responses::not_found, |order| responses::ok(&order.to_json()))
    }

    pub(super) fn list_payments(&self, order_id: &str) -> Response {
        let Some(order) = self.order(order_id) else { return responses::not_found() };
        let payments: Vec<Value> = order.payments.iter().map(|payment| payment.to_json(order)).collect();
        responses::ok(&responses::collection(&payments))
    }

    /// The order of this id. Ids of payments and refunds find none.
    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.get(id).filter(|order| order.id == id)
    }
}

impl Order {
    /// For an event about an order that does not exist.
    pub(super) fn made_up(id: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            amount: 1000,
            currency: "INR".to_owned(),
            receipt: None,
            notes: json!([]),
            created_at: now.unix_seconds(),
            payments: Vec::new(),
        }
    }

    fn captured_payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.iter().filter(|payment| payment.status == PaymentStatus::Captured)
    }

    pub(super) fn has_captured_payment(&self) -> bool {
        self.captured_payments().next().is_some()
    }

    /// In minor units.
    pub(super) fn amount_paid(&self) -> i64 {
        self.captured_payments().map(|payment| payment.amount).sum()
    }

    pub(super) fn is_paid(&self) -> bool {
        self.has_captured_payment() && self.amount_paid() >= self.amount
    }

    pub(super) fn status(&self) -> &'static str {
        match (self.is_paid(), self.payments.is_empty()) {
            (true, _) => "paid",
            (false, false) => "attempted",
            (false, true) => "created",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let paid = self.amount_paid();
        json!({
            "id": self.id, "entity": "order", "amount": self.amount, "amount_paid": paid,
            "amount_due": (self.amount - paid).max(0), "currency": self.currency, "receipt": self.receipt,
            "offer_id": null, "status": self.status(), "attempts": self.payments.len(), "notes": self.notes,
            "created_at": self.created_at,
        })
    }
}
