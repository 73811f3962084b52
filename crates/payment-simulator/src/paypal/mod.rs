//! PayPal: Orders v2, Payments v2, access tokens, and the verification of webhooks.
//!
//! A second request with the same `PayPal-Request-Id` gets what the first one created, whatever its body. Failed requests
//! are not stored.

mod amount;
mod auth;
mod buyer;
mod captures;
mod errors;
mod events;
mod orders;
mod refunds;

use std::time::Duration;

use platform::clock::Timestamp;
use poem::http::Method;
use serde_json::{Value, json};

use crate::{
    context::Context,
    faults::MoneyOperation,
    idempotency::IdempotencyKeys,
    provider_api::{BuyerAction, CheckoutPage, ProviderApi, Redirect},
    records::Records,
    request::Request,
    response::Response,
    webhooks::{Event, verify_paypal_signature},
};
use amount::PaypalAmount;

const KEY_LIFETIME: Duration = Duration::from_hours(6);
const REFUND_KEY_LIFETIME: Duration = Duration::from_hours(45 * 24);

pub(super) struct Account {
    /// Each also by the ids of its capture and refunds.
    orders: Records<Order>,
    keys: IdempotencyKeys,
    refund_keys: IdempotencyKeys,
}

#[derive(Clone)]
struct Order {
    id: String,
    /// `CREATED`, `PAYER_ACTION_REQUIRED`, `APPROVED` or `COMPLETED`.
    status: &'static str,
    reference_id: String,
    custom_id: Option<String>,
    invoice_id: Option<String>,
    amount: PaypalAmount,
    return_url: Option<String>,
    cancel_url: Option<String>,
    /// Whether it was created with a `payment_source`, which changes the name of a link.
    has_payment_source: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    bank: BankDecision,
    /// What the wallet pays, in minor units, if it is not the order's amount.
    amount_paid: Option<i64>,
    capture: Option<Capture>,
}

/// How the bank responds when the shop captures an approved order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BankDecision {
    Approve,
    Decline,
    /// The capture is pending until the bank decides.
    Defer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CaptureStatus {
    Pending,
    Completed,
    Declined,
}

#[derive(Clone)]
struct Capture {
    id: String,
    status: CaptureStatus,
    /// In minor units. A fault can make it differ from the order's.
    amount: i64,
    created_at: Timestamp,
    refunds: Vec<Refund>,
}

#[derive(Clone)]
struct Refund {
    id: String,
    /// `PENDING`, `COMPLETED` or `FAILED`.
    status: &'static str,
    /// In minor units.
    amount: i64,
    custom_id: Option<String>,
    invoice_id: Option<String>,
    note_to_payer: Option<String>,
    created_at: Timestamp,
}

impl Account {
    pub fn new() -> Self {
        Self {
            orders: Records::new(),
            keys: IdempotencyKeys::with_lifetime(KEY_LIFETIME),
            refund_keys: IdempotencyKeys::with_lifetime(REFUND_KEY_LIFETIME),
        }
    }
}

impl ProviderApi for Account {
    fn idempotency_key(&self, request: &Request) -> Option<String> {
        let is_supported = request.method == Method::POST && request.path.starts_with("/v2/");
        let id = request.header("paypal-request-id").filter(|_| is_supported)?;
        // Each endpoint has its own ids.
        Some(format!("{} {id}", request.path))
    }

    fn idempotency_keys(&mut self, key: &str) -> &mut IdempotencyKeys {
        if key.starts_with("/v2/payments/") { &mut self.refund_keys } else { &mut self.keys }
    }

    fn stores_response(&self, response: &Response) -> bool {
        response.status < 300
    }

    /// 200 instead of 201 tells that nothing new was created.
    fn replay(&self, stored: Response, _: bool) -> Response {
        Response { status: 200, ..stored }
    }

    fn key_in_use(&self) -> Response {
        errors::key_in_use()
    }

    fn authenticate(&self, request: &Request, now: Timestamp) -> Result<(), Response> {
        auth::authenticate(request, now)
    }

    fn server_error(&self) -> Response {
        errors::server_error()
    }

    fn rate_limited(&self) -> Response {
        errors::rate_limited()
    }

    fn money_operation(&self, request: &Request) -> Option<MoneyOperation> {
        match request.route()[..] {
            ["POST", "v2", "checkout", "orders", _, "capture"] => Some(MoneyOperation::Charge),
            ["POST", "v2", "payments", "captures", _, "refund"] => Some(MoneyOperation::Refund),
            _ => None,
        }
    }

    fn handle(&mut self, request: &Request, context: &mut Context) -> Response {
        if request.path == "/v1/oauth2/token" {
            return auth::create_token(request, context.now());
        }
        if request.method == Method::POST && !request.is_json() {
            return errors::unsupported_media_type();
        }
        let Some(body) = request.json() else { return errors::malformed_json() };
        let representation = request.header("prefer").is_some_and(|prefer| prefer.contains("return=representation"));
        match request.route()[..] {
            ["POST", "v2", "checkout", "orders"] => self.create_order(&body, representation, context),
            ["GET", "v2", "checkout", "orders", id] => self.retrieve_order(id, context),
            ["POST", "v2", "checkout", "orders", id, "capture"] => self.capture_order(id, context),
            ["GET", "v2", "payments", "captures", id] => self.retrieve_capture(id, context),
            ["POST", "v2", "payments", "captures", id, "refund"] => {
                self.create_refund(id, &body, representation, context)
            }
            ["GET", "v2", "payments", "refunds", id] => self.retrieve_refund(id, context),
            ["POST", "v1", "notifications", "verify-webhook-signature"] => {
                let status = if verify_paypal_signature(request.bytes()) { "SUCCESS" } else { "FAILURE" };
                Response::json(200, &json!({"verification_status": status}))
            }
            _ => errors::invalid_uri(),
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
        let order = self.orders.get_mut(id).ok_or_else(|| format!("No such PayPal order: {id}."))?;
        order.apply_buyer_action(action, context)
    }

    fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String> {
        let order = self.orders.get_mut(id).ok_or_else(|| format!("No such PayPal order or refund: {id}."))?;
        order.complete_refund(id, succeeds, context)
    }

    fn checkout_page(&self, id: &str) -> Option<CheckoutPage> {
        self.orders.get(id).map(Order::checkout_page)
    }

    fn open_checkouts(&self) -> Vec<CheckoutPage> {
        let newest = self.orders.newest_first().take(200);
        newest.filter(|order| order.status != "COMPLETED").take(20).map(Order::checkout_page).collect()
    }

    fn event(&self, kind: &str, id: &str, context: &Context) -> Event {
        let now = context.now();
        let order = self.orders.get(id).cloned().unwrap_or_else(|| Order::made_up(id, now));
        let capture =
            order.capture.clone().unwrap_or_else(|| Capture::new(CaptureStatus::Completed, order.amount.minor, now));
        let (resource_type, resource) = match kind {
            "PAYMENT.CAPTURE.REFUNDED" => {
                let last = capture.refunds.last().map(|refund| refund.to_json(&order, &capture, &context.url));
                ("refund", last.unwrap_or_default())
            }
            kind if kind.starts_with("PAYMENT.CAPTURE.") => ("capture", capture.to_json(&order, &context.url)),
            _ => ("checkout-order", order.to_json(&context.url)),
        };
        events::event(kind, resource_type, &resource, now)
    }
}

/// `2025-01-15T06:31:38Z`
fn format_time(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Adds the fields that have a value.
fn add_strings<const N: usize>(object: &mut Value, fields: [(&str, &Option<String>); N]) {
    for (name, value) in fields {
        if let Some(value) = value {
            object[name] = value.as_str().into();
        }
    }
}
