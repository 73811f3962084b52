//! Razorpay: orders, the payments a buyer tries for them, refunds. Orders have no idempotency key there: who asks twice
//! has two, and looks for them by receipt. Refunds have one.

use std::{collections::HashMap, time::Duration};

use platform::clock::Timestamp;
use poem::{
    http::Method,
    web::headers::{Authorization, HeaderMapExt, authorization::Basic},
};
use serde_json::{Value, json};

use super::{
    Capture, Provider,
    call::{Answer, Call},
    credentials,
    faults::Moves,
    idempotency::Keys,
    shelf::Shelf,
    webhooks::{Event, hmac_hex},
    world::{Api, Back, Bill, Deed, World, new_id},
};

const KEY_LIFE: Duration = Duration::from_hours(24);
const LONGEST_RECEIPT: usize = 40;

pub(super) struct Account {
    /// Each also by the names of its payments and refunds.
    orders: Shelf<Order>,
    by_receipt: HashMap<String, Vec<String>>,
    keys: Keys,
}

#[derive(Clone)]
struct Order {
    id: String,
    amount: i64,
    currency: String,
    receipt: Option<String>,
    notes: Value,
    created: i64,
    payments: Vec<Payment>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// The bank keeps the money ready.
    Authorized,
    Captured,
    Failed,
}

/// One try of the buyer's.
#[derive(Clone)]
struct Payment {
    id: String,
    /// Minor units, which may not be those of the order.
    amount: i64,
    stands: Stands,
    created: i64,
    refunds: Vec<Value>,
}

impl Api for Account {
    fn key_of(&self, call: &Call) -> Option<String> {
        let refunds = matches!(call.steps()[..], ["POST", "v1", "payments", _, "refund"]);
        refunds.then(|| call.header("x-refund-idempotency")).flatten().map(str::to_owned)
    }

    fn keys(&mut self, _: &str) -> &mut Keys {
        &mut self.keys
    }

    fn keeps(&self, answer: &Answer) -> bool {
        answer.status < 300
    }

    fn repeats(&self, first: Answer, same_call: bool) -> Answer {
        if same_call { first } else { bad("Different request body sent with the same idempotency key.") }
    }

    fn key_is_in_use(&self) -> Answer {
        error(409, "BAD_REQUEST_ERROR", "Another request with the same idempotency key is in progress.")
    }

    fn turns_away(&self, call: &Call, _: Timestamp) -> Option<Answer> {
        let known = call.headers.typed_get::<Authorization<Basic>>().is_some_and(|basic| {
            basic.username() == credentials::RAZORPAY_KEY_ID && basic.password() == credentials::RAZORPAY_KEY_SECRET
        });
        (!known).then(|| error(401, "BAD_REQUEST_ERROR", "Authentication failed"))
    }

    fn fails(&self) -> Answer {
        error(500, "SERVER_ERROR", "We are facing some trouble completing your request at the moment.")
    }

    fn is_busy(&self) -> Answer {
        error(429, "BAD_REQUEST_ERROR", "Request throttled; try again later.")
    }

    /// Only the buyer, in the browser, moves it in.
    fn moves(&self, call: &Call) -> Option<Moves> {
        matches!(call.steps()[..], ["POST", "v1", "payments", _, "refund"]).then_some(Moves::Back)
    }

    fn answers(&mut self, call: &Call, world: &mut World) -> Answer {
        let Some(body) = call.json() else { return bad("Please provide your request in JSON format.") };
        if call.method == Method::POST && !call.is_json() && body != json!({}) {
            return bad("Please provide your request in JSON format.");
        }
        match call.steps()[..] {
            ["POST", "v1", "orders"] => self.create(&body, world.now()),
            ["GET", "v1", "orders"] => self.list(call),
            ["GET", "v1", "orders", id] => self.order(id).map_or_else(missing, |order| ok(&order.to_json())),
            ["GET", "v1", "orders", id, "payments"] => self.order(id).map_or_else(missing, |order| {
                let payments: Vec<Value> = order.payments.iter().map(|payment| payment.to_json(order)).collect();
                ok(&collection(&payments))
            }),
            ["GET", "v1", "payments", id] => {
                self.payment(id).map_or_else(missing, |(order, payment)| ok(&payment.to_json(order)))
            }
            ["POST", "v1", "payments", id, "capture"] => self.capture(id, &body, world),
            ["POST", "v1", "payments", id, "refund"] => self.refund(id, call, &body, world),
            ["GET", "v1", "payments", id, "refunds"] => {
                self.payment(id).map_or_else(missing, |(_, payment)| ok(&payment.list_refunds(call)))
            }
            ["GET", "v1", "refunds", id] => self.refund_named(id).map_or_else(missing, ok),
            _ => error(404, "BAD_REQUEST_ERROR", "The requested URL was not found on the server."),
        }
    }

    fn buyer(&mut self, id: &str, deed: &Deed, world: &mut World) -> Result<Back, String> {
        let order = self.orders.find_mut(id).ok_or_else(|| format!("there is no Razorpay order {id}"))?;
        if matches!(deed, Deed::Cancel) {
            return Ok(Back::default());
        }
        if order.is_paid() {
            return Err(format!("{id} is paid already"));
        }
        let now = world.now();
        let mut payment = order.payment_for(deed, now)?;
        let (stands, kinds): (_, &[&str]) = match deed {
            _ if world.declines() => (Stands::Failed, &["payment.failed"]),
            Deed::Pay { .. } => (Stands::Captured, &["payment.authorized", "payment.captured", "order.paid"]),
            Deed::PayLater => (Stands::Authorized, &["payment.authorized"]),
            Deed::Clear => (Stands::Captured, &["payment.captured", "order.paid"]),
            _ => (Stands::Failed, &["payment.failed"]),
        };
        payment.stands = stands;
        payment.amount = world.takes(order.amount);
        let name = payment.id.clone();
        if stands == Stands::Captured {
            world.ledger.took(order.as_capture(&payment, now));
        }
        order.payments.push(payment);
        for kind in kinds.iter().filter(|kind| **kind != "order.paid" || order.paid() >= order.amount) {
            world.tell(event(kind, order, None, now));
        }
        let told = match stands {
            Stands::Failed => vec![("error", "payment_failed".to_owned())],
            _ => handover(id, &name),
        };
        self.orders.also_called(id, &name);
        Ok(Back { url: None, told })
    }

    fn refund_ends(&mut self, id: &str, succeeds: bool, world: &mut World) -> Result<(), String> {
        let order = self.orders.find_mut(id).ok_or_else(|| format!("there is no Razorpay order or refund {id}"))?;
        let is_meant = |refund: &Value| refund["status"] == "pending" && (order.id == id || refund["id"] == id);
        let found = order
            .payments
            .iter()
            .enumerate()
            .find_map(|(place, payment)| payment.refunds.iter().position(is_meant).map(|refund| (place, refund)));
        let (place, refund) = found.ok_or_else(|| format!("{id} has no pending refund"))?;
        order.payments[place].refunds[refund]["status"] = if succeeds { "processed" } else { "failed" }.into();
        let (now, made) = (world.now(), order.payments[place].refunds[refund].clone());
        if succeeds {
            order.gave_back(place, &made, world);
        }
        world.tell(event(if succeeds { "refund.processed" } else { "refund.failed" }, order, Some(&made), now));
        Ok(())
    }

    fn bill(&self, id: &str) -> Option<Bill> {
        self.order(id).map(Order::bill)
    }

    fn waiting(&self) -> Vec<Bill> {
        let newest = self.orders.newest_first().take(200);
        newest.filter(|order| !order.is_paid()).take(20).map(Order::bill).collect()
    }

    fn event(&self, kind: &str, id: &str, world: &World) -> Event {
        let mut order = self.orders.find(id).cloned().unwrap_or_else(|| Order::made_up(id, world.now()));
        if order.payments.is_empty() {
            let stands = if kind == "payment.failed" { Stands::Failed } else { Stands::Captured };
            order.payments.push(Payment::new(stands, order.amount, world.now()));
        }
        let last = order.payments.last().and_then(|payment| payment.refunds.last());
        event(kind, &order, last, world.now())
    }
}

impl Account {
    pub fn new() -> Self {
        Self { orders: Shelf::new(), by_receipt: HashMap::new(), keys: Keys::living(KEY_LIFE) }
    }

    fn create(&mut self, body: &Value, now: Timestamp) -> Answer {
        let (Some(amount), Some(currency)) = (body["amount"].as_i64(), body["currency"].as_str()) else {
            return bad("The amount and currency fields are required.");
        };
        if amount < 1 || (currency == "INR" && amount < 100) {
            return bad("Order amount less than minimum amount allowed");
        }
        let receipt = body["receipt"].as_str().map(str::to_owned);
        if receipt.as_ref().is_some_and(|receipt| receipt.len() > LONGEST_RECEIPT) {
            return bad("The receipt may not be greater than 40 characters.");
        }
        if self.orders.is_full() {
            return self.is_busy();
        }
        let order = Order {
            id: new_id("order_", 14),
            amount,
            currency: currency.to_owned(),
            receipt,
            notes: notes(&body["notes"]),
            created: now.unix_seconds(),
            payments: Vec::new(),
        };
        let (id, shown) = (order.id.clone(), order.to_json());
        if let Some(receipt) = &order.receipt {
            self.by_receipt.entry(receipt.clone()).or_default().push(id.clone());
        }
        self.orders.put(&id, order);
        ok(&shown)
    }

    /// The newest first, `count` from `skip` on; with a receipt only the orders that have it.
    fn list(&self, call: &Call) -> Answer {
        let number = |name: &str| call.param(name).and_then(|number| number.parse::<usize>().ok());
        let (count, skip) = (number("count").unwrap_or(10).min(100), number("skip").unwrap_or(0));
        let found: Vec<Value> = match call.param("receipt") {
            Some(receipt) => {
                let named = self.by_receipt.get(receipt).map_or(&[][..], Vec::as_slice);
                let orders = named.iter().rev().filter_map(|id| self.orders.find(id));
                orders.skip(skip).take(count).map(Order::to_json).collect()
            }
            None => self.orders.newest_first().skip(skip).take(count).map(Order::to_json).collect(),
        };
        ok(&collection(&found))
    }

    /// Takes what the bank keeps ready, before it says so itself.
    fn capture(&mut self, id: &str, body: &Value, world: &mut World) -> Answer {
        let Some(order) = self.orders.find_mut(id) else { return missing() };
        let Some(place) = order.payments.iter().position(|payment| payment.id == id) else { return missing() };
        match order.payments[place].stands {
            Stands::Authorized => {}
            Stands::Captured => return bad("This payment has already been captured"),
            Stands::Failed => return bad("The payment status should be authorized for action to be taken"),
        }
        if body["amount"] != order.amount || body["currency"] != order.currency.as_str() {
            return bad("Capture amount must be equal to the amount authorized");
        }
        order.payments[place].stands = Stands::Captured;
        let now = world.now();
        world.ledger.took(order.as_capture(&order.payments[place], now));
        for kind in ["payment.captured", "order.paid"] {
            world.tell(event(kind, order, None, now));
        }
        ok(&order.payments[place].to_json(order))
    }

    fn refund(&mut self, id: &str, call: &Call, body: &Value, world: &mut World) -> Answer {
        if call.header("x-refund-idempotency").is_some_and(|key| !is_key(key)) {
            return bad("The idempotency key must be at least 10 characters of letters, digits, - and _.");
        }
        let Some(order) = self.orders.find_mut(id) else { return missing() };
        let Some(place) = order.payments.iter().position(|payment| payment.id == id) else { return missing() };
        let payment = &order.payments[place];
        if payment.stands != Stands::Captured {
            return bad("The payment status should be captured for action to be taken");
        }
        let rest = payment.amount - payment.refunded();
        if rest == 0 {
            return bad("The payment has been fully refunded already");
        }
        let amount = match &body["amount"] {
            Value::Null => rest,
            given => given.as_i64().unwrap_or_default(),
        };
        if amount < 1 {
            return bad("The amount must be at least 1.");
        }
        if amount > rest {
            return bad("The refund amount provided is greater than amount captured");
        }
        let now = world.now();
        let name = new_id("rfnd_", 14);
        let pending = world.leaves_pending(Provider::Razorpay, &name);
        let refund = json!({
            "id": name, "entity": "refund", "amount": amount, "currency": order.currency,
            "payment_id": id, "notes": notes(&body["notes"]), "receipt": body["receipt"],
            "acquirer_data": {"arn": null}, "created_at": now.unix_seconds(), "batch_id": null,
            "status": if pending { "pending" } else { "processed" },
            "speed_processed": "normal", "speed_requested": "normal",
        });
        order.payments[place].refunds.push(refund.clone());
        world.tell(event("refund.created", order, Some(&refund), now));
        if !pending {
            order.gave_back(place, &refund, world);
            world.tell(event("refund.processed", order, Some(&refund), now));
        }
        self.orders.also_called(id, &name);
        ok(&refund)
    }

    fn order(&self, id: &str) -> Option<&Order> {
        self.orders.find(id).filter(|order| order.id == id)
    }

    fn payment(&self, id: &str) -> Option<(&Order, &Payment)> {
        let order = self.orders.find(id)?;
        Some((order, order.payments.iter().find(|payment| payment.id == id)?))
    }

    fn refund_named(&self, id: &str) -> Option<&Value> {
        let order = self.orders.find(id)?;
        order.payments.iter().flat_map(|payment| &payment.refunds).find(|refund| refund["id"] == id)
    }
}

impl Order {
    fn made_up(id: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            amount: 1000,
            currency: "INR".to_owned(),
            receipt: None,
            notes: json!([]),
            created: now.unix_seconds(),
            payments: Vec::new(),
        }
    }

    fn is_paid(&self) -> bool {
        self.payments.iter().any(|payment| payment.stands == Stands::Captured)
    }

    /// How much was captured.
    fn paid(&self) -> i64 {
        let captured = self.payments.iter().filter(|payment| payment.stands == Stands::Captured);
        captured.map(|payment| payment.amount).sum()
    }

    /// Writes down a refund of one of the payments that has arrived.
    fn gave_back(&self, place: usize, refund: &Value, world: &mut World) {
        let (now, of) = (world.now(), self.as_capture(&self.payments[place], world.now()));
        let (name, amount) = (refund["id"].as_str().unwrap_or_default(), refund["amount"].as_i64().unwrap_or_default());
        world.ledger.gave_back(&of, name, amount, now.to_string());
    }

    fn is_pending(&self) -> bool {
        self.payments.last().is_some_and(|payment| payment.stands == Stands::Authorized)
    }

    /// The payment that waits for the bank when the bank speaks, else a new one.
    fn payment_for(&mut self, deed: &Deed, now: Timestamp) -> Result<Payment, String> {
        let pending = self.payments.pop_if(|payment| payment.stands == Stands::Authorized);
        match (deed, pending) {
            (Deed::Clear | Deed::Bounce, Some(payment)) => Ok(payment),
            (Deed::Clear | Deed::Bounce, None) => Err(format!("{} waits for no bank", self.id)),
            (_, None) => Ok(Payment::new(Stands::Failed, self.amount, now)),
            (_, Some(payment)) => {
                self.payments.push(payment);
                Err(format!("{} waits for the bank", self.id))
            }
        }
    }

    fn as_capture(&self, payment: &Payment, now: Timestamp) -> Capture {
        Capture {
            provider: Provider::Razorpay,
            transaction: self.id.clone(),
            capture: payment.id.clone(),
            order_id: self.notes["order_id"].as_str().map_or_else(
                || self.notes["order_id"].as_i64().map(|id| id.to_string()).unwrap_or_default(),
                str::to_owned,
            ),
            payment_id: self.receipt.clone().unwrap_or_default(),
            amount: payment.amount,
            currency: self.currency.clone(),
            captured_at: now.to_string(),
        }
    }

    fn status(&self) -> &'static str {
        match (self.is_paid() && self.paid() >= self.amount, self.payments.is_empty()) {
            (true, _) => "paid",
            (false, false) => "attempted",
            (false, true) => "created",
        }
    }

    fn bill(&self) -> Bill {
        Bill {
            id: self.id.clone(),
            amount: super::paypal::in_words(self.amount, &self.currency),
            currency: self.currency.clone(),
            status: self.status().to_owned(),
            is_open: !self.is_paid() && !self.is_pending(),
            is_pending: self.is_pending(),
            refund_is_pending: self.payments.iter().any(Payment::is_going_back),
            by_card: false,
        }
    }

    fn to_json(&self) -> Value {
        let paid = self.paid();
        json!({
            "id": self.id, "entity": "order", "amount": self.amount, "amount_paid": paid,
            "amount_due": (self.amount - paid).max(0), "currency": self.currency, "receipt": self.receipt, "offer_id": null,
            "status": self.status(), "attempts": self.payments.len(), "notes": self.notes, "created_at": self.created,
        })
    }
}

impl Payment {
    fn new(stands: Stands, amount: i64, now: Timestamp) -> Self {
        Self { id: new_id("pay_", 14), amount, stands, created: now.unix_seconds(), refunds: Vec::new() }
    }

    /// What has gone back or is on its way.
    fn refunded(&self) -> i64 {
        let counts = self.refunds.iter().filter(|refund| refund["status"] != "failed");
        counts.filter_map(|refund| refund["amount"].as_i64()).sum()
    }

    fn is_going_back(&self) -> bool {
        self.refunds.iter().any(|refund| refund["status"] == "pending")
    }

    /// The newest first, `count` from `skip` on.
    fn list_refunds(&self, call: &Call) -> Value {
        let number = |name: &str| call.param(name).and_then(|number| number.parse::<usize>().ok());
        let (count, skip) = (number("count").unwrap_or(10).min(100), number("skip").unwrap_or(0));
        let page: Vec<Value> = self.refunds.iter().rev().skip(skip).take(count).cloned().collect();
        collection(&page)
    }

    fn to_json(&self, of: &Order) -> Value {
        let refunded = self.refunded();
        let (status, refund_status) = match (self.stands, refunded) {
            (Stands::Failed, _) => ("failed", Value::Null),
            (Stands::Authorized, _) => ("authorized", Value::Null),
            (Stands::Captured, 0) => ("captured", Value::Null),
            (Stands::Captured, all) if all == self.amount => ("refunded", "full".into()),
            (Stands::Captured, _) => ("captured", "partial".into()),
        };
        let failure = |text: &str| if self.stands == Stands::Failed { text.into() } else { Value::Null };
        json!({
            "id": self.id, "entity": "payment", "amount": self.amount, "currency": of.currency, "status": status,
            "order_id": of.id, "invoice_id": null, "international": false, "method": "card",
            "amount_refunded": refunded, "refund_status": refund_status, "captured": self.stands == Stands::Captured,
            "description": null, "card_id": null, "bank": null, "wallet": null, "vpa": null,
            "email": "buyer@example.com", "contact": "+919999999999", "notes": [], "fee": 0, "tax": 0,
            "error_code": failure("BAD_REQUEST_ERROR"),
            "error_description": failure("Your payment was declined by the bank."),
            "error_source": failure("bank"), "error_step": failure("payment_authorization"),
            "error_reason": failure("payment_failed"), "acquirer_data": {}, "created_at": self.created,
        })
    }
}

/// What Razorpay's checkout hands to the shop's page after a payment, for the shop's server to check.
fn handover(order: &str, payment: &str) -> Vec<(&'static str, String)> {
    let signature = hmac_hex(credentials::RAZORPAY_KEY_SECRET, &format!("{order}|{payment}"));
    vec![
        ("razorpay_payment_id", payment.to_owned()),
        ("razorpay_order_id", order.to_owned()),
        ("razorpay_signature", signature),
    ]
}

/// About a refund and its payment, or about the last payment of an order.
fn event(kind: &str, order: &Order, refund: Option<&Value>, now: Timestamp) -> Event {
    let mut contains = vec!["payment"];
    let mut payload = json!({});
    let of =
        refund.and_then(|refund| order.payments.iter().find(|payment| refund["payment_id"] == payment.id.as_str()));
    if let Some(payment) = of.or(order.payments.last()) {
        let mut entity = payment.to_json(order);
        if kind == "payment.authorized" {
            (entity["status"], entity["captured"]) = ("authorized".into(), false.into());
        }
        payload["payment"] = json!({"entity": entity});
        if kind.starts_with("refund.") {
            contains.insert(0, "refund");
            payload["refund"] = json!({"entity": refund});
        }
    }
    if kind.starts_with("order.") {
        contains.push("order");
        payload["order"] = json!({"entity": order.to_json()});
    }
    let body = json!({
        "entity": "event", "account_id": "acc_simulator", "event": kind, "contains": contains, "payload": payload,
        "created_at": now.unix_seconds(),
    });
    Event { provider: Provider::Razorpay, id: new_id("evt_", 14), kind: kind.to_owned(), body: body.to_string() }
}

/// Without notes Razorpay says `[]`, not `{}`.
fn notes(given: &Value) -> Value {
    if given.as_object().is_some_and(|notes| !notes.is_empty()) { given.clone() } else { json!([]) }
}

fn is_key(key: &str) -> bool {
    key.len() >= 10 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn collection(items: &[Value]) -> Value {
    json!({"entity": "collection", "count": items.len(), "items": items})
}

fn ok(body: &Value) -> Answer {
    Answer::json(200, body)
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    let error = json!({
        "code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA", "metadata": {},
    });
    Answer::json(status, &json!({"error": error}))
}

fn bad(description: &str) -> Answer {
    error(400, "BAD_REQUEST_ERROR", description)
}

fn missing() -> Answer {
    bad("The id provided does not exist")
}
