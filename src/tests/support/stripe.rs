//! Stripe, as far as a shop can see it: real HTTP, real state, and its promises about `Idempotency-Key`.
//!
//! The emulators to be had ignore the key, so they cannot show that nobody is charged twice. This one keeps the first
//! answer to each key as Stripe does, counts every charge, and can fail at the two moments that matter: before the
//! money moved, and after it moved but before the shop heard of it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use poem::{
    FromRequest, Request, Response, Server,
    endpoint::make,
    http::{Method, StatusCode},
    listener::{Acceptor, Listener, TcpListener},
    web::Form,
};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

const SECRET_KEY: &str = "sk_test_cartwright";
const WEBHOOK_SECRET: &str = "whsec_cartwright";

/// What goes wrong with the next call, whichever it is.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection breaks; nothing was done and nothing is kept.
    DropBeforeEffect,
    /// The work is done and its answer kept under the key, then the connection breaks.
    DropAfterEffect,
    /// An error 500 in place of the work, kept under the key and so replayed for ever.
    Stored500,
    /// The same 500, but the work was done: only a look-up shows it.
    Stored500AfterEffect,
    /// Turned away with 429; nothing was done and nothing is kept.
    TooManyRequests,
    /// The work is done, the answer comes this much later. Until then the key is taken: 409.
    Stall(Duration),
}

/// One charge that took money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub intent: String,
    pub amount: i64,
    pub currency: String,
    /// From the metadata; empty when it has none.
    pub order_id: String,
    /// From the metadata; empty when it has none.
    pub payment_id: String,
}

/// Listens until it is dropped.
pub struct StripeStandIn {
    url: String,
    account: Arc<Mutex<Account>>,
    listening: JoinHandle<()>,
}

impl StripeStandIn {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a free port on 127.0.0.1");
        let address = *acceptor.local_addr()[0].as_socket_addr().expect("the address just bound");
        let account = Arc::new(Mutex::new(Account::default()));
        let serving = Arc::clone(&account);
        let app = make(move |request| serve(Arc::clone(&serving), request));
        let listening = tokio::spawn(async move {
            Server::new_with_acceptor(acceptor).run(app).await.expect("the stand-in for Stripe serves");
        });
        Self { url: format!("http://{address}"), account, listening }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    #[expect(clippy::unused_self, reason = "a story asks the Stripe it talks to")]
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    #[expect(clippy::unused_self, reason = "a story asks the Stripe it talks to")]
    pub fn webhook_secret(&self) -> &'static str {
        WEBHOOK_SECRET
    }

    /// Every charge that took money. Two for one payment are two here.
    pub fn captures(&self) -> Vec<Capture> {
        self.account().intents.iter().filter(|intent| intent.received > 0).map(Intent::capture).collect()
    }

    /// The next call meets this fault. Said twice, it is the next two calls, in that order.
    pub fn next(&self, fault: Fault) {
        self.account().faults.push_back(fault);
    }

    /// The buyer enters a good card in the browser.
    pub fn buyer_confirms(&self, intent_id: &str) {
        let answer = self.buyer_enters("pm_card_visa", intent_id);
        assert_eq!(answer.status, 200, "the buyer could not pay {intent_id}: {}", answer.body);
    }

    /// The buyer enters a card in the browser that the bank declines.
    pub fn buyer_is_declined(&self, intent_id: &str) {
        let answer = self.buyer_enters("pm_card_chargeDeclined", intent_id);
        assert_eq!(answer.status, 402, "{intent_id} was not declined: {}", answer.body);
    }

    fn buyer_enters(&self, card: &str, intent_id: &str) -> Answer {
        let params = Params::from([("payment_method".to_owned(), card.to_owned())]);
        self.account().with_intent(intent_id, |intent| intent.confirm(&params))
    }

    /// A webhook as Stripe would send it now: the body and its `Stripe-Signature`. It carries the intent as it is, the
    /// charge for `charge.*`, the last refund for `refund.*`; an unknown intent is made up.
    pub fn webhook(&self, event_type: &str, intent_id: &str) -> (String, String) {
        self.webhook_at(event_type, intent_id, unix_now(), WEBHOOK_SECRET)
    }

    /// A webhook signed at another time or with another secret.
    pub fn webhook_at(&self, event_type: &str, intent_id: &str, unix_time: i64, secret: &str) -> (String, String) {
        let event = json!({
            "id": new_id("evt"), "object": "event", "api_version": "2026-09-30.endive", "created": unix_time,
            "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
            "type": event_type, "data": {"object": self.account().subject_of(event_type, intent_id)},
        });
        let body = event.to_string();
        let signature = signature(&body, unix_time, secret);
        (body, signature)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }
}

impl Drop for StripeStandIn {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The `Stripe-Signature` header for a body, also for one that a story wrote itself.
pub fn signature(body: &str, unix_time: i64, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{unix_time}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix_time},v1={hex}")
}

type Params = BTreeMap<String, String>;

/// A request as far as it matters here. The key stands for exactly this call and no other.
#[derive(Clone, PartialEq)]
struct Call {
    endpoint: String,
    params: Params,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    body: Value,
    replayed: bool,
}

async fn serve(account: Arc<Mutex<Account>>, request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    if request.header("Authorization") != Some(&format!("Bearer {SECRET_KEY}")) {
        return Ok(error(401, &json!({"type": "invalid_request_error", "message": "Invalid API Key provided."})).into());
    }
    let Form(params) = Form::<Params>::from_request(&request, &mut body).await?;
    let call = Call { endpoint: format!("{} {}", request.method(), request.uri().path()), params };
    // Looking has no effect to repeat, so only a POST has a key.
    let key = request.header("Idempotency-Key").filter(|_| request.method() == Method::POST).map(str::to_owned);
    // A client that gives up takes this future with it, but what Stripe has begun Stripe finishes.
    let answer = tokio::spawn(answer(account, call, key)).await.expect("the stand-in for Stripe answers");
    match answer {
        Some(answer) => Ok(answer.into()),
        None => resume_unwind(Box::new("hung up")), // the one way to make the server close without a word
    }
}

/// The answer to a call, or nothing when the connection is to break.
async fn answer(account: Arc<Mutex<Account>>, call: Call, key: Option<String>) -> Option<Answer> {
    let fault = account.lock().unwrap().faults.pop_front();
    match fault {
        Some(Fault::DropBeforeEffect) => return None,
        Some(Fault::TooManyRequests) => return Some(invalid(429, "rate_limit", "Too many requests.")),
        _ => {}
    }
    let settled = key.as_ref().and_then(|key| account.lock().unwrap().claim(key, &call));
    let answer = settled.clone().unwrap_or_else(|| account.lock().unwrap().work(&call, fault));
    if let Some(Fault::Stall(pause)) = fault {
        sleep(pause).await;
    }
    if let (Some(key), None) = (key, settled) {
        account.lock().unwrap().keep(key, call, answer.clone());
    }
    if let Some(Fault::DropAfterEffect) = fault { None } else { Some(answer) }
}

#[derive(Default)]
struct Account {
    /// Oldest first, as they were created.
    intents: Vec<Intent>,
    faults: VecDeque<Fault>,
    /// Per idempotency key the call it stands for, and its answer once there is one.
    keys: HashMap<String, (Call, Option<Answer>)>,
}

impl Account {
    /// Takes the key for this call, or gives the answer that its first use settled.
    fn claim(&mut self, key: &str, call: &Call) -> Option<Answer> {
        match self.keys.get(key) {
            Some((first, _)) if first != call => {
                Some(idempotency_error(400, "The key was first used for another call."))
            }
            Some((_, None)) => Some(idempotency_error(409, "The first call with this key is still in progress.")),
            Some((_, Some(stored))) => Some(Answer { replayed: true, ..stored.clone() }),
            None => {
                self.keys.insert(key.to_owned(), (call.clone(), None));
                None
            }
        }
    }

    /// Keeps the first answer of a key. A call that failed its checks did not begin, so its key is free again.
    fn keep(&mut self, key: String, call: Call, answer: Answer) {
        match answer.status {
            400 | 404 => self.keys.remove(&key),
            _ => self.keys.insert(key, (call, Some(answer))),
        };
    }

    fn work(&mut self, call: &Call, fault: Option<Fault>) -> Answer {
        match fault {
            Some(Fault::Stored500) => {}
            Some(Fault::Stored500AfterEffect) => drop(self.route(call)),
            _ => return self.route(call),
        }
        error(500, &json!({"type": "api_error", "message": "Something went wrong on Stripe's end."}))
    }

    fn route(&mut self, call: &Call) -> Answer {
        let path: Vec<&str> = call.endpoint.split(['/', ' ']).filter(|step| !step.is_empty()).collect();
        match path[..] {
            ["POST", "v1", "payment_intents"] => self.create(&call.params),
            ["GET", "v1", "payment_intents"] => self.list(&call.params),
            ["GET", "v1", "payment_intents", id] => self.with_intent(id, |intent| ok(intent.to_json())),
            ["POST", "v1", "payment_intents", id, "confirm"] => {
                self.with_intent(id, |intent| intent.confirm(&call.params))
            }
            ["POST", "v1", "payment_intents", id, "cancel"] => self.with_intent(id, Intent::cancel),
            ["POST", "v1", "refunds"] => {
                let id = call.params.get("payment_intent").map_or("", String::as_str);
                self.with_intent(id, |intent| intent.refund(&call.params))
            }
            _ => invalid(404, "url_invalid", "Unrecognized request URL."),
        }
    }

    fn create(&mut self, params: &Params) -> Answer {
        let amount = params.get("amount").and_then(|amount| amount.parse().ok()).filter(|amount| *amount > 0);
        let (Some(amount), Some(currency)) = (amount, params.get("currency")) else {
            return invalid(400, "parameter_missing", "amount and currency are required.");
        };
        let mut intent = Intent::new(&new_id("pi"), amount, currency, metadata(params));
        let confirmed = params.get("confirm").is_some_and(|confirm| confirm == "true");
        let answer = if confirmed { intent.confirm(params) } else { ok(intent.to_json()) };
        if answer.status != 400 {
            self.intents.push(intent); // a declined one too
        }
        answer
    }

    /// The newest first, as many as `limit`, starting after the intent `starting_after`, none before `created[gte]`.
    fn list(&self, params: &Params) -> Answer {
        let number = |name: &str| params.get(name).and_then(|number| number.parse().ok());
        let mut older = self.intents.iter().rev();
        if let Some(last) = params.get("starting_after") {
            older.find(|intent| intent.id == *last);
        }
        let since = number("created[gte]").unwrap_or(i64::MIN);
        let found: Vec<Value> = older.filter(|intent| intent.created >= since).map(Intent::to_json).collect();
        let limit = number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
        let page = &found[..limit.min(found.len())];
        ok(json!({"object": "list", "url": "/v1/payment_intents", "has_more": page.len() < found.len(), "data": page}))
    }

    fn with_intent(&mut self, id: &str, act: impl FnOnce(&mut Intent) -> Answer) -> Answer {
        match self.intents.iter_mut().find(|intent| intent.id == id) {
            Some(intent) => act(intent),
            None => invalid(404, "resource_missing", &format!("No such payment_intent: '{id}'")),
        }
    }

    fn subject_of(&self, event_type: &str, intent_id: &str) -> Value {
        let known = self.intents.iter().find(|intent| intent.id == intent_id).cloned();
        let intent = known.unwrap_or_else(|| Intent::new(intent_id, 1000, "usd", Params::new()));
        match event_type.split('.').next() {
            Some("charge") => intent.charge(),
            Some("refund") => intent.refunds.last().cloned().expect("a refund was made before its webhook"),
            _ => intent.to_json(),
        }
    }
}

#[derive(Clone, Default)]
struct Intent {
    id: String,
    amount: i64,
    currency: String,
    metadata: Params,
    created: i64,
    status: &'static str,
    payment_method: Option<String>,
    received: i64,
    refunds: Vec<Value>,
    last_error: Value,
}

impl Intent {
    fn new(id: &str, amount: i64, currency: &str, metadata: Params) -> Self {
        Self {
            id: id.to_owned(),
            amount,
            currency: currency.to_owned(),
            metadata,
            created: unix_now(),
            status: "requires_payment_method",
            ..Self::default()
        }
    }

    fn confirm(&mut self, params: &Params) -> Answer {
        if self.is_over() {
            return self.unexpected_state();
        }
        match params.get("payment_method").map(String::as_str) {
            Some("pm_card_visa") => self.charge_card("pm_card_visa"),
            Some("pm_card_chargeDeclined") => self.decline("card_declined", "generic_decline"),
            Some("pm_card_chargeDeclinedInsufficientFunds") => self.decline("card_declined", "insufficient_funds"),
            Some("pm_card_authenticationRequired") => {
                self.decline("authentication_required", "authentication_required")
            }
            Some(_) => invalid(400, "resource_missing", "No such PaymentMethod."),
            None => invalid(400, "parameter_missing", "You must provide a payment method."),
        }
    }

    fn charge_card(&mut self, payment_method: &str) -> Answer {
        self.payment_method = Some(payment_method.to_owned());
        self.status = "succeeded";
        self.received = self.amount;
        self.last_error = Value::Null;
        ok(self.to_json())
    }

    fn decline(&mut self, code: &str, decline_code: &str) -> Answer {
        let mut error = json!({
            "type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined.",
        });
        self.last_error = error.clone();
        error["payment_intent"] = self.to_json();
        self::error(402, &error)
    }

    fn cancel(&mut self) -> Answer {
        if self.is_over() {
            return self.unexpected_state();
        }
        self.status = "canceled";
        ok(self.to_json())
    }

    /// Gives back an amount, or the rest when none is named.
    fn refund(&mut self, params: &Params) -> Answer {
        let rest = self.received - self.refunded();
        let amount = params.get("amount").map_or(rest, |amount| amount.parse().unwrap_or_default());
        if rest == 0 {
            return invalid(400, "charge_already_refunded", "There is nothing left to refund.");
        }
        if !(1..=rest).contains(&amount) {
            return invalid(400, "amount_too_large", "The refund is greater than what is left.");
        }
        let refund = json!({
            "id": new_id("re"), "object": "refund", "amount": amount, "currency": self.currency, "created": unix_now(),
            "charge": self.charge_id(), "payment_intent": self.id, "metadata": metadata(params), "status": "succeeded",
        });
        self.refunds.push(refund.clone());
        ok(refund)
    }

    fn is_over(&self) -> bool {
        matches!(self.status, "succeeded" | "canceled")
    }

    fn refunded(&self) -> i64 {
        self.refunds.iter().filter_map(|refund| refund["amount"].as_i64()).sum()
    }

    fn charge_id(&self) -> String {
        self.id.replacen("pi_", "ch_", 1)
    }

    fn unexpected_state(&self) -> Answer {
        let message = format!("This PaymentIntent's status is {}.", self.status);
        let mut answer = invalid(400, "payment_intent_unexpected_state", &message);
        answer.body["error"]["payment_intent"] = self.to_json();
        answer
    }

    fn capture(&self) -> Capture {
        let tag = |name: &str| self.metadata.get(name).cloned().unwrap_or_default();
        Capture {
            intent: self.id.clone(),
            amount: self.received,
            currency: self.currency.clone(),
            order_id: tag("order_id"),
            payment_id: tag("payment_id"),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_received": self.received, "capture_method": "automatic_async", "confirmation_method": "automatic",
            "client_secret": format!("{}_secret_buyer", self.id), "created": self.created, "currency": self.currency,
            "last_payment_error": self.last_error, "livemode": false, "metadata": self.metadata,
            "latest_charge": (self.received > 0).then(|| self.charge_id()),
            "payment_method": self.payment_method, "payment_method_types": ["card"], "status": self.status,
        })
    }

    fn charge(&self) -> Value {
        let paid = self.received > 0;
        json!({
            "id": self.charge_id(), "object": "charge", "amount": self.amount, "amount_captured": self.received,
            "amount_refunded": self.refunded(), "billing_details": {}, "captured": paid, "created": self.created,
            "currency": self.currency, "disputed": false, "livemode": false, "metadata": self.metadata, "paid": paid,
            "payment_intent": self.id, "refunded": paid && self.refunded() == self.received,
            "status": if paid { "succeeded" } else { "failed" },
        })
    }
}

fn metadata(params: &Params) -> Params {
    let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
    params.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let response = Response::builder()
            .status(StatusCode::from_u16(answer.status).expect("a status of HTTP"))
            .content_type("application/json");
        let response = if answer.replayed { response.header("Idempotent-Replayed", "true") } else { response };
        response.header("Request-Id", new_id("req")).body(answer.body.to_string())
    }
}

fn ok(body: Value) -> Answer {
    Answer { status: 200, body, replayed: false }
}

fn error(status: u16, error: &Value) -> Answer {
    Answer { status, body: json!({"error": error}), replayed: false }
}

fn invalid(status: u16, code: &str, message: &str) -> Answer {
    error(status, &json!({"type": "invalid_request_error", "code": code, "message": message}))
}

fn idempotency_error(status: u16, message: &str) -> Answer {
    error(status, &json!({"type": "idempotency_error", "message": message}))
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_secs()).expect("a time within an i64")
}
