//! Razorpay: orders, the payments that a buyer attempts for them, and refunds.
//!
//! Orders have no idempotency key: a repeated request creates a second order, and a shop finds its orders by receipt.
//! Refunds have one.

mod buyer;
mod events;
mod orders;
mod payments;
mod refunds;
mod responses;

use std::{collections::HashMap, time::Duration};

use platform::clock::Timestamp;
use poem::{
    http::Method,
    web::headers::{Authorization, HeaderMapExt, authorization::Basic},
};
use serde_json::{Value, json};

use crate::{
    context::Context,
    credentials,
    faults::MoneyOperation,
    idempotency::IdempotencyKeys,
    provider_api::{BuyerAction, CheckoutPage, ProviderApi, Redirect},
    records::Records,
    request::Request,
    response::Response,
    webhooks::Event,
};

const KEY_LIFETIME: Duration = Duration::from_hours(24);

pub(super) struct Account {
    /// Each also by the ids of its payments and refunds.
    orders: Records<Order>,
    order_ids_by_receipt: HashMap<String, Vec<String>>,
    refund_keys: IdempotencyKeys,
}

#[derive(Clone)]
struct Order {
    id: String,
    /// In minor units.
    amount: i64,
    currency: String,
    receipt: Option<String>,
    notes: Value,
    /// Unix time.
    created_at: i64,
    /// The oldest first.
    payments: Vec<Payment>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PaymentStatus {
    /// The bank has yet to confirm it, or the shop to capture it.
    Authorized,
    Captured,
    Failed,
}

/// An attempt to pay an order.
#[derive(Clone)]
struct Payment {
    id: String,
    /// In minor units. A fault can make it differ from the order's.
    amount: i64,
    status: PaymentStatus,
    /// Unix time.
    created_at: i64,
    /// The oldest first, as JSON.
    refunds: Vec<Value>,
}

impl Account {
    pub fn new() -> Self {
        Self {
            orders: Records::new(),
            order_ids_by_receipt: HashMap::new(),
            refund_keys: IdempotencyKeys::with_lifetime(KEY_LIFETIME),
        }
    }
}

impl ProviderApi for Account {
    fn idempotency_key(&self, request: &Request) -> Option<String> {
        let is_refund = matches!(request.route()[..], ["POST", "v1", "payments", _, "refund"]);
        is_refund.then(|| request.header("x-refund-idempotency")).flatten().map(str::to_owned)
    }

    fn idempotency_keys(&mut self, _: &str) -> &mut IdempotencyKeys {
        &mut self.refund_keys
    }

    fn stores_response(&self, response: &Response) -> bool {
        response.status < 300
    }

    fn replay(&self, stored: Response, is_same_request: bool) -> Response {
        if is_same_request {
            stored
        } else {
            responses::bad_request("Different request body sent with the same idempotency key.")
        }
    }

    fn key_in_use(&self) -> Response {
        let description = "Another request with the same idempotency key is in progress.";
        responses::error(409, "BAD_REQUEST_ERROR", description)
    }

    fn authenticate(&self, request: &Request, _: Timestamp) -> Result<(), Response> {
        let is_known = request.headers.typed_get::<Authorization<Basic>>().is_some_and(|basic| {
            basic.username() == credentials::RAZORPAY_KEY_ID && basic.password() == credentials::RAZORPAY_KEY_SECRET
        });
        is_known.then_some(()).ok_or_else(|| responses::error(401, "BAD_REQUEST_ERROR", "Authentication failed"))
    }

    fn server_error(&self) -> Response {
        let description = "We are facing some trouble completing your request at the moment.";
        responses::error(500, "SERVER_ERROR", description)
    }

    fn rate_limited(&self) -> Response {
        responses::rate_limited()
    }

    /// Only the buyer, in the browser, can be charged.
    fn money_operation(&self, request: &Request) -> Option<MoneyOperation> {
        matches!(request.route()[..], ["POST", "v1", "payments", _, "refund"]).then_some(MoneyOperation::Refund)
    }

    fn handle(&mut self, request: &Request, context: &mut Context) -> Response {
        let Some(body) = request.json() else { return responses::not_json() };
        if request.method == Method::POST && !request.is_json() && body != json!({}) {
            return responses::not_json();
        }
        match request.route()[..] {
            ["POST", "v1", "orders"] => self.create_order(&body, context.now()),
            ["GET", "v1", "orders"] => self.list_orders(request),
            ["GET", "v1", "orders", id] => self.retrieve_order(id),
            ["GET", "v1", "orders", id, "payments"] => self.list_payments(id),
            ["GET", "v1", "payments", id] => self.retrieve_payment(id),
            ["POST", "v1", "payments", id, "capture"] => self.capture_payment(id, &body, context),
            ["POST", "v1", "payments", id, "refund"] => self.create_refund(id, request, &body, context),
            ["GET", "v1", "payments", id, "refunds"] => self.list_refunds(id, request),
            ["GET", "v1", "refunds", id] => self.retrieve_refund(id),
            _ => responses::error(404, "BAD_REQUEST_ERROR", "The requested URL was not found on the server."),
        }
    }

    fn has(&self, id: &str) -> bool {
        self.orders.get(id).is_some()
    }

    fn apply_buyer_action(
        &mut self,
        id: &str,
        action: &BuyerAction,
        context: &mut Context,
    ) -> Result<Redirect, String> {
        let order = self.orders.get_mut(id).ok_or_else(|| format!("No such Razorpay order: {id}."))?;
        if matches!(action, BuyerAction::Cancel) {
            return Ok(Redirect::default());
        }
        let payment = order.pay(action, context)?;
        self.orders.add_alias(id, &payment.id);
        Ok(buyer::redirect(id, &payment))
    }

    fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String> {
        let order = self.orders.get_mut(id).ok_or_else(|| format!("No such Razorpay order or refund: {id}."))?;
        order.complete_refund(id, succeeds, context)
    }

    fn checkout_page(&self, id: &str) -> Option<CheckoutPage> {
        self.order(id).map(Order::checkout_page)
    }

    fn open_checkouts(&self) -> Vec<CheckoutPage> {
        let newest = self.orders.newest_first().take(200);
        newest.filter(|order| !order.has_captured_payment()).take(20).map(Order::checkout_page).collect()
    }

    fn event(&self, kind: &str, id: &str, context: &Context) -> Event {
        let mut order = self.orders.get(id).cloned().unwrap_or_else(|| Order::made_up(id, context.now()));
        if order.payments.is_empty() {
            let status = if kind == "payment.failed" { PaymentStatus::Failed } else { PaymentStatus::Captured };
            order.payments.push(Payment::new(status, order.amount, context.now()));
        }
        let last_refund = order.payments.last().and_then(|payment| payment.refunds.last());
        events::event(kind, &order, last_refund, context.now())
    }
}

/// Razorpay writes missing notes as `[]`, not `{}`.
fn notes(given: &Value) -> Value {
    if given.as_object().is_some_and(|notes| !notes.is_empty()) { given.clone() } else { json!([]) }
}

/// The page of a list: `count` and `skip`.
fn paging(request: &Request) -> (usize, usize) {
    let number = |name: &str| request.param(name).and_then(|number| number.parse::<usize>().ok());
    (number("count").unwrap_or(10).min(100), number("skip").unwrap_or(0))
}
