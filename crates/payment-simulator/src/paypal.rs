//! PayPal: tokens, orders, captures, refunds, and the check of its own webhooks. What a `PayPal-Request-Id` made, a second
//! call with it finds; what failed counts as never asked.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    money::{Amount, Currency, Money},
};
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
    webhooks::{Event, hmac_hex, paypal_verifies},
    world::{Api, Back, Bill, Deed, World, new_id},
};

const KEY_LIFE: Duration = Duration::from_hours(6);
const REFUND_KEY_LIFE: Duration = Duration::from_hours(45 * 24);
const TOKEN_LIFE: Duration = Duration::from_hours(9);
const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];

pub(super) struct Account {
    /// Each also by the names of its capture and refunds.
    orders: Shelf<Order>,
    keys: Keys,
    keys_of_refunds: Keys,
}

#[derive(Clone)]
struct Order {
    id: String,
    status: &'static str,
    reference_id: String,
    custom_id: Option<String>,
    invoice_id: Option<String>,
    amount: Sum,
    return_url: Option<String>,
    cancel_url: Option<String>,
    /// Asked for with a `payment_source`, which changes some names.
    by_source: bool,
    created: Timestamp,
    updated: Timestamp,
    bank: Bank,
    /// What the wallet pays, if that is not what was asked for.
    pays: Option<i64>,
    capture: Option<Taken>,
}

/// What the bank of the wallet that the buyer approved with says to a capture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bank {
    Pays,
    Declines,
    TakesItsTime,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Pending,
    Completed,
    Denied,
}

/// Money that was captured, or is to be.
#[derive(Clone)]
struct Taken {
    id: String,
    /// Minor units, which may not be those of the order.
    amount: i64,
    stands: Stands,
    at: Timestamp,
    refunds: Vec<GivenBack>,
}

#[derive(Clone)]
struct GivenBack {
    id: String,
    /// As PayPal says it: `PENDING`, `COMPLETED` or `FAILED`.
    status: &'static str,
    amount: i64,
    custom_id: Option<String>,
    invoice_id: Option<String>,
    note: Option<String>,
    at: Timestamp,
}

impl Api for Account {
    fn key_of(&self, call: &Call) -> Option<String> {
        let has_effect = call.method == Method::POST && call.path.starts_with("/v2/");
        let id = call.header("paypal-request-id").filter(|_| has_effect)?;
        // The same id for another kind of call is another id.
        Some(format!("{} {id}", call.path))
    }

    fn keys(&mut self, key: &str) -> &mut Keys {
        if key.starts_with("/v2/payments/") { &mut self.keys_of_refunds } else { &mut self.keys }
    }

    fn keeps(&self, answer: &Answer) -> bool {
        answer.status < 300
    }

    /// Whatever the second call says, it gets what the first one made; 200 and not 201 tells that nothing new was.
    fn repeats(&self, first: Answer, _: bool) -> Answer {
        Answer { status: 200, ..first }
    }

    fn key_is_in_use(&self) -> Answer {
        let what = "A previous request on this resource is currently in progress.";
        problem(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS", what)
    }

    fn turns_away(&self, call: &Call, now: Timestamp) -> Option<Answer> {
        if call.path == "/v1/oauth2/token" {
            let basic = call.headers.typed_get::<Authorization<Basic>>();
            let known = basic.is_some_and(|basic| {
                basic.username() == credentials::PAYPAL_CLIENT_ID
                    && basic.password() == credentials::PAYPAL_CLIENT_SECRET
            });
            return (!known).then(|| oauth_error(401, "invalid_client", "Client Authentication failed"));
        }
        let token = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let good = token.is_some_and(|token| is_token(token, now));
        (!good).then(|| oauth_error(401, "invalid_token", "Token signature verification failed"))
    }

    fn fails(&self) -> Answer {
        let body = json!({
            "name": "INTERNAL_SERVER_ERROR", "message": "An internal server error has occurred.",
            "debug_id": new_id("", 13), "links": [],
        });
        Answer::json(500, &body)
    }

    fn is_busy(&self) -> Answer {
        let body = json!({
            "name": "RATE_LIMIT_REACHED", "message": "Too many requests. Blocked due to rate limiting.",
            "debug_id": new_id("", 13), "links": [],
        });
        Answer::json(429, &body)
    }

    fn moves(&self, call: &Call) -> Option<Moves> {
        match call.steps()[..] {
            ["POST", "v2", "checkout", "orders", _, "capture"] => Some(Moves::In),
            ["POST", "v2", "payments", "captures", _, "refund"] => Some(Moves::Back),
            _ => None,
        }
    }

    fn answers(&mut self, call: &Call, world: &mut World) -> Answer {
        if call.path == "/v1/oauth2/token" {
            return give_token(call, world.now());
        }
        if call.method == Method::POST && !call.is_json() {
            let what = "The server does not support the request payload's media type.";
            return problem(415, "UNSUPPORTED_MEDIA_TYPE", "INVALID_CONTENT_TYPE", what);
        }
        let Some(body) = call.json() else {
            return problem(400, "INVALID_REQUEST", "MALFORMED_REQUEST_JSON", "The request JSON is not well formed.");
        };
        let in_full = call.header("prefer").is_some_and(|prefer| prefer.contains("return=representation"));
        match call.steps()[..] {
            ["POST", "v2", "checkout", "orders"] => self.create(&body, in_full, world),
            ["GET", "v2", "checkout", "orders", id] => match self.orders.find(id).filter(|order| order.id == id) {
                Some(order) => Answer::json(200, &order.to_json(&world.url)),
                None => missing(),
            },
            ["POST", "v2", "checkout", "orders", id, "capture"] => self.capture(id, world),
            ["GET", "v2", "payments", "captures", id] => match self.captured(id) {
                Some((order, taken)) => Answer::json(200, &taken.to_json(order, &world.url)),
                None => missing(),
            },
            ["POST", "v2", "payments", "captures", id, "refund"] => self.refund(id, &body, in_full, world),
            ["GET", "v2", "payments", "refunds", id] => match self.refunded(id) {
                Some((order, taken, refund)) => Answer::json(200, &refund.to_json(order, taken, &world.url)),
                None => missing(),
            },
            ["POST", "v1", "notifications", "verify-webhook-signature"] => {
                let status = if paypal_verifies(call.bytes()) { "SUCCESS" } else { "FAILURE" };
                Answer::json(200, &json!({"verification_status": status}))
            }
            _ => problem(404, "RESOURCE_NOT_FOUND", "INVALID_URI", "The URI requested is invalid."),
        }
    }

    fn buyer(&mut self, id: &str, deed: &Deed, world: &mut World) -> Result<Back, String> {
        let order = self.orders.find_mut(id).ok_or_else(|| format!("there is no PayPal order {id}"))?;
        if matches!(deed, Deed::Cancel) {
            return Ok(Back { url: order.cancel_url.clone(), told: vec![("token", id.to_owned())] });
        }
        if matches!(deed, Deed::Clear | Deed::Bounce) {
            return order.bank_says(matches!(deed, Deed::Clear), world).map(|()| Back::default());
        }
        if order.status == "COMPLETED" {
            return Err(format!("{id} is captured already"));
        }
        order.status = "APPROVED";
        order.bank = match deed {
            _ if world.declines() => Bank::Declines,
            Deed::BeDeclined => Bank::Declines,
            Deed::PayLater => Bank::TakesItsTime,
            _ => Bank::Pays,
        };
        order.pays = Some(world.takes(order.amount.minor)).filter(|pays| *pays != order.amount.minor);
        order.updated = world.now();
        let approved = event("CHECKOUT.ORDER.APPROVED", "checkout-order", &order.to_json(&world.url), world.now());
        world.tell(approved);
        let told = vec![("token", id.to_owned()), ("PayerID", "SIMULATEDBUYER".to_owned())];
        Ok(Back { url: order.return_url.clone(), told })
    }

    fn refund_ends(&mut self, id: &str, succeeds: bool, world: &mut World) -> Result<(), String> {
        let order = self.orders.find_mut(id).ok_or_else(|| format!("there is no PayPal order or refund {id}"))?;
        let none = || format!("{id} has no pending refund");
        let mut taken = order.capture.take().ok_or_else(none)?;
        let is_meant = |refund: &GivenBack| refund.status == "PENDING" && (order.id == id || refund.id == id);
        let place = taken.refunds.iter().position(is_meant);
        if let Some(place) = place {
            taken.refunds[place].status = if succeeds { "COMPLETED" } else { "FAILED" };
            order.tells_of_refund(&taken, place, world);
        }
        order.capture = Some(taken);
        place.map(drop).ok_or_else(none)
    }

    fn bill(&self, id: &str) -> Option<Bill> {
        self.orders.find(id).map(Order::bill)
    }

    fn waiting(&self) -> Vec<Bill> {
        let newest = self.orders.newest_first().take(200);
        newest.filter(|order| order.status != "COMPLETED").take(20).map(Order::bill).collect()
    }

    fn event(&self, kind: &str, id: &str, world: &World) -> Event {
        let order = self.orders.find(id).cloned().unwrap_or_else(|| Order::made_up(id, world.now()));
        let taken =
            order.capture.clone().unwrap_or_else(|| Taken::new(Stands::Completed, order.amount.minor, world.now()));
        let (resource_type, resource) = match kind {
            "PAYMENT.CAPTURE.REFUNDED" => {
                let last = taken.refunds.last().map(|refund| refund.to_json(&order, &taken, &world.url));
                ("refund", last.unwrap_or_default())
            }
            capture if capture.starts_with("PAYMENT.CAPTURE.") => ("capture", taken.to_json(&order, &world.url)),
            _ => ("checkout-order", order.to_json(&world.url)),
        };
        event(kind, resource_type, &resource, world.now())
    }
}

impl Account {
    pub fn new() -> Self {
        Self { orders: Shelf::new(), keys: Keys::living(KEY_LIFE), keys_of_refunds: Keys::living(REFUND_KEY_LIFE) }
    }

    fn create(&mut self, body: &Value, in_full: bool, world: &mut World) -> Answer {
        if body["intent"] != "CAPTURE" {
            return problem(400, "INVALID_REQUEST", "INVALID_PARAMETER_VALUE", "intent: the simulator knows CAPTURE.");
        }
        let unit = &body["purchase_units"][0];
        let amount = match Sum::read(&unit["amount"]) {
            Ok(amount) => amount,
            Err(refusal) => return refusal,
        };
        if self.orders.is_full() {
            return self.is_busy();
        }
        let source = body["payment_source"].as_object().and_then(|source| source.values().next());
        let context = source.map_or(&body["application_context"], |source| &source["experience_context"]);
        let now = world.now();
        let order = Order {
            id: new_id("", 17).to_uppercase(),
            status: if source.is_some() { "PAYER_ACTION_REQUIRED" } else { "CREATED" },
            reference_id: text(&unit["reference_id"]).unwrap_or_else(|| "default".to_owned()),
            custom_id: text(&unit["custom_id"]),
            invoice_id: text(&unit["invoice_id"]),
            amount,
            return_url: text(&context["return_url"]),
            cancel_url: text(&context["cancel_url"]),
            by_source: source.is_some(),
            created: now,
            updated: now,
            bank: Bank::Pays,
            pays: None,
            capture: None,
        };
        let answer = if in_full { order.to_json(&world.url) } else { order.in_brief(&world.url) };
        let id = order.id.clone();
        self.orders.put(&id, order);
        // An order that only waits for its buyer was not fully made, PayPal says.
        Answer::json(if source.is_some() { 200 } else { 201 }, &answer)
    }

    fn capture(&mut self, id: &str, world: &mut World) -> Answer {
        let Some(order) = self.orders.find_mut(id).filter(|order| order.id == id) else { return missing() };
        match order.status {
            "COMPLETED" => return unprocessable("ORDER_ALREADY_CAPTURED", "Order already captured."),
            "APPROVED" if order.bank == Bank::Declines || world.declines() => {
                let what = "The instrument presented was either declined by the processor or bank.";
                return unprocessable("INSTRUMENT_DECLINED", what);
            }
            "APPROVED" => {}
            _ => return unprocessable("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment."),
        }
        let stands = if order.bank == Bank::TakesItsTime { Stands::Pending } else { Stands::Completed };
        let amount = order.pays.unwrap_or_else(|| world.takes(order.amount.minor));
        let taken = Taken::new(stands, amount, world.now());
        let name = taken.id.clone();
        order.status = "COMPLETED";
        order.takes(taken, world);
        let answer = order.to_json(&world.url);
        self.orders.also_called(id, &name);
        Answer::json(201, &answer)
    }

    fn refund(&mut self, id: &str, body: &Value, in_full: bool, world: &mut World) -> Answer {
        let Some(order) = self.orders.find_mut(id) else { return missing() };
        let Some(taken) = order.capture.as_ref().filter(|taken| taken.id == id) else { return missing() };
        match taken.stands {
            Stands::Pending => return unprocessable("PENDING_CAPTURE", "The capture is pending."),
            Stands::Denied => return unprocessable("CAPTURE_DECLINED", "The capture was declined."),
            Stands::Completed => {}
        }
        let rest = taken.amount - taken.given_back();
        if rest == 0 {
            return unprocessable("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded.");
        }
        let amount = match &body["amount"] {
            Value::Null => rest,
            given => match Sum::read(given) {
                Ok(sum) if sum.currency != order.amount.currency => {
                    let what = "Refund must be in the same currency as the capture.";
                    return unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH", what);
                }
                Ok(sum) => sum.minor,
                Err(refusal) => return refusal,
            },
        };
        if amount > rest {
            return unprocessable(
                "REFUND_AMOUNT_EXCEEDED",
                "The refund amount must be less than or equal to the rest.",
            );
        }
        let name = new_id("", 17).to_uppercase();
        let pending = world.leaves_pending(Provider::Paypal, &name);
        let mut taken = taken.clone();
        taken.refunds.push(GivenBack {
            id: name.clone(),
            status: if pending { "PENDING" } else { "COMPLETED" },
            amount,
            custom_id: text(&body["custom_id"]),
            invoice_id: text(&body["invoice_id"]),
            note: text(&body["note_to_payer"]),
            at: world.now(),
        });
        let (of, place) = (order.id.clone(), taken.refunds.len() - 1);
        let shown = taken.refunds[place].to_json(order, &taken, &world.url);
        order.tells_of_refund(&taken, place, world);
        order.updated = world.now();
        order.capture = Some(taken);
        self.orders.also_called(&of, &name);
        let brief = json!({"id": shown["id"], "status": shown["status"], "links": shown["links"]});
        Answer::json(201, if in_full { &shown } else { &brief })
    }

    fn captured(&self, id: &str) -> Option<(&Order, &Taken)> {
        let order = self.orders.find(id)?;
        Some((order, order.capture.as_ref().filter(|taken| taken.id == id)?))
    }

    fn refunded(&self, id: &str) -> Option<(&Order, &Taken, &GivenBack)> {
        let order = self.orders.find(id)?;
        let taken = order.capture.as_ref()?;
        Some((order, taken, taken.refunds.iter().find(|refund| refund.id == id)?))
    }
}

impl Order {
    fn made_up(id: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            status: "APPROVED",
            reference_id: "default".to_owned(),
            custom_id: None,
            invoice_id: None,
            amount: Sum { minor: 1000, currency: "USD".to_owned() },
            return_url: None,
            cancel_url: None,
            by_source: false,
            created: now,
            updated: now,
            bank: Bank::Pays,
            pays: None,
            capture: None,
        }
    }

    /// Keeps a capture as it now stands, and tells of it.
    fn takes(&mut self, taken: Taken, world: &mut World) {
        self.updated = world.now();
        let kind = match taken.stands {
            Stands::Pending => "PAYMENT.CAPTURE.PENDING",
            Stands::Completed => "PAYMENT.CAPTURE.COMPLETED",
            Stands::Denied => "PAYMENT.CAPTURE.DENIED",
        };
        if taken.stands == Stands::Completed {
            world.ledger.took(self.as_capture(&taken));
        }
        world.tell(event(kind, "capture", &taken.to_json(self, &world.url), world.now()));
        self.capture = Some(taken);
    }

    /// Tells how a refund of what was taken stands; money that has gone back is written down.
    fn tells_of_refund(&self, taken: &Taken, place: usize, world: &mut World) {
        let (refund, now) = (&taken.refunds[place], world.now());
        let kind = match refund.status {
            "PENDING" => "PAYMENT.REFUND.PENDING",
            "FAILED" => "PAYMENT.REFUND.FAILED",
            _ => {
                world.ledger.gave_back(&self.as_capture(taken), &refund.id, refund.amount, now.to_string());
                "PAYMENT.CAPTURE.REFUNDED"
            }
        };
        world.tell(event(kind, "refund", &refund.to_json(self, taken, &world.url), now));
    }

    fn bank_says(&mut self, yes: bool, world: &mut World) -> Result<(), String> {
        match self.capture.take_if(|taken| taken.stands == Stands::Pending) {
            None => Err(format!("{} waits for no bank", self.id)),
            Some(taken) => {
                let stands = if yes { Stands::Completed } else { Stands::Denied };
                self.takes(Taken { stands, ..taken }, world);
                Ok(())
            }
        }
    }

    fn is_pending(&self) -> bool {
        self.capture.as_ref().is_some_and(|taken| taken.stands == Stands::Pending)
    }

    fn as_capture(&self, taken: &Taken) -> Capture {
        Capture {
            provider: Provider::Paypal,
            transaction: self.id.clone(),
            capture: taken.id.clone(),
            order_id: self.invoice_id.clone().unwrap_or_default(),
            payment_id: self.custom_id.clone().unwrap_or_default(),
            amount: taken.amount,
            currency: self.amount.currency.clone(),
            captured_at: taken.at.to_string(),
        }
    }

    fn bill(&self) -> Bill {
        Bill {
            id: self.id.clone(),
            amount: self.amount.in_words(),
            currency: self.amount.currency.clone(),
            status: self.status.to_owned(),
            is_open: self.status != "COMPLETED",
            is_pending: self.is_pending(),
            refund_is_pending: self.capture.iter().flat_map(|taken| &taken.refunds).any(GivenBack::is_pending),
            by_card: false,
        }
    }

    fn links(&self, url: &str) -> Value {
        let own = format!("{url}/paypal/v2/checkout/orders/{}", self.id);
        let mut links = vec![json!({"href": own, "rel": "self", "method": "GET"})];
        if self.status != "COMPLETED" {
            let rel = if self.by_source { "payer-action" } else { "approve" };
            links.push(json!({"href": format!("{url}/pay/paypal/{}", self.id), "rel": rel, "method": "GET"}));
            links.push(json!({"href": format!("{own}/capture"), "rel": "capture", "method": "POST"}));
        }
        links.into()
    }

    fn in_brief(&self, url: &str) -> Value {
        json!({"id": self.id, "status": self.status, "links": self.links(url)})
    }

    fn to_json(&self, url: &str) -> Value {
        let mut unit = json!({"reference_id": self.reference_id, "amount": self.amount.to_json()});
        for (name, value) in [("custom_id", &self.custom_id), ("invoice_id", &self.invoice_id)] {
            if let Some(value) = value {
                unit[name] = value.as_str().into();
            }
        }
        if let Some(taken) = &self.capture {
            unit["payments"] = json!({"captures": [taken.to_json(self, url)]});
            if !taken.refunds.is_empty() {
                let refunds = taken.refunds.iter().map(|refund| refund.to_json(self, taken, url)).collect();
                unit["payments"]["refunds"] = Value::Array(refunds);
            }
        }
        json!({
            "id": self.id, "intent": "CAPTURE", "status": self.status, "purchase_units": [unit],
            "create_time": seconds(self.created), "update_time": seconds(self.updated), "links": self.links(url),
        })
    }
}

impl Taken {
    fn new(stands: Stands, amount: i64, now: Timestamp) -> Self {
        Self { id: new_id("", 17).to_uppercase(), amount, stands, at: now, refunds: Vec::new() }
    }

    /// What has gone back or is on its way.
    fn given_back(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.status != "FAILED").map(|refund| refund.amount).sum()
    }

    fn to_json(&self, of: &Order, url: &str) -> Value {
        let status = match (self.stands, self.given_back()) {
            (Stands::Pending, _) => "PENDING",
            (Stands::Denied, _) => "DECLINED",
            (Stands::Completed, 0) => "COMPLETED",
            (Stands::Completed, all) if all == self.amount => "REFUNDED",
            (Stands::Completed, _) => "PARTIALLY_REFUNDED",
        };
        let own = format!("{url}/paypal/v2/payments/captures/{}", self.id);
        let mut shown = json!({
            "id": self.id, "status": status, "amount": of.amount.with(self.amount).to_json(), "final_capture": true,
            "supplementary_data": {"related_ids": {"order_id": of.id}},
            "create_time": seconds(self.at), "update_time": seconds(of.updated),
            "links": [
                {"href": own, "rel": "self", "method": "GET"},
                {"href": format!("{own}/refund"), "rel": "refund", "method": "POST"},
                {"href": format!("{url}/paypal/v2/checkout/orders/{}", of.id), "rel": "up", "method": "GET"},
            ],
        });
        for (name, value) in [("custom_id", &of.custom_id), ("invoice_id", &of.invoice_id)] {
            if let Some(value) = value {
                shown[name] = value.as_str().into();
            }
        }
        shown
    }
}

impl GivenBack {
    fn is_pending(&self) -> bool {
        self.status == "PENDING"
    }

    fn to_json(&self, of: &Order, taken: &Taken, url: &str) -> Value {
        let amount = of.amount.with(self.amount);
        let mut shown = json!({
            "id": self.id, "status": self.status, "amount": amount.to_json(),
            "create_time": seconds(self.at), "update_time": seconds(self.at),
            "links": [
                {"href": format!("{url}/paypal/v2/payments/refunds/{}", self.id), "rel": "self", "method": "GET"},
                {"href": format!("{url}/paypal/v2/payments/captures/{}", taken.id), "rel": "up", "method": "GET"},
            ],
        });
        let told = [("custom_id", &self.custom_id), ("invoice_id", &self.invoice_id), ("note_to_payer", &self.note)];
        for (name, value) in told {
            if let Some(value) = value {
                shown[name] = value.as_str().into();
            }
        }
        shown
    }
}

/// An amount as PayPal writes it: `{"currency_code": "USD", "value": "12.00"}`.
#[derive(Clone)]
struct Sum {
    minor: i64,
    currency: String,
}

impl Sum {
    fn read(amount: &Value) -> Result<Self, Answer> {
        let (Some(code), Some(value)) = (amount["currency_code"].as_str(), amount["value"].as_str()) else {
            let what = "amount: a required field is missing.";
            return Err(problem(400, "INVALID_REQUEST", "MISSING_REQUIRED_PARAMETER", what));
        };
        let Some(currency) = code.parse::<Currency>().ok().filter(|_| CURRENCIES.contains(&code)) else {
            return Err(unprocessable("CURRENCY_NOT_SUPPORTED", "Currency code is not currently supported."));
        };
        if value.contains('.') && has_no_decimals(code) {
            return Err(unprocessable("DECIMALS_NOT_SUPPORTED", "Currency does not support decimals."));
        }
        match currency.parse(&Amount::new(value)) {
            Ok(Money(minor)) if minor > 0 => Ok(Self { minor, currency: code.to_owned() }),
            Ok(_) => Err(unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.")),
            Err(_) => Err(unprocessable("INVALID_CURRENCY_VALUE", "The value of a field is not a valid amount.")),
        }
    }

    /// So many of the same currency.
    fn with(&self, minor: i64) -> Self {
        Self { minor, currency: self.currency.clone() }
    }

    fn to_json(&self) -> Value {
        json!({"currency_code": self.currency, "value": self.in_words()})
    }

    fn in_words(&self) -> String {
        let words = in_words(self.minor, &self.currency);
        match words.split_once('.') {
            Some((whole, _)) if has_no_decimals(&self.currency) => whole.to_owned(),
            _ => words,
        }
    }
}

/// PayPal's own list, which is not ISO 4217's.
fn has_no_decimals(currency: &str) -> bool {
    matches!(currency, "HUF" | "JPY" | "TWD")
}

/// An amount for people: `12.00`.
pub(super) fn in_words(minor: i64, currency: &str) -> String {
    let known = currency.parse::<Currency>();
    known.map_or_else(|_| minor.to_string(), |currency| currency.format(Money(minor)).to_string())
}

/// A token says when it ends, and is signed, so that none has to be remembered.
fn give_token(call: &Call, now: Timestamp) -> Answer {
    if call.param("grant_type") != Some("client_credentials") {
        return oauth_error(400, "unsupported_grant_type", "unsupported grant_type");
    }
    let ends = (now + TOKEN_LIFE).unix_seconds();
    let body = json!({
        "scope": "https://uri.paypal.com/services/payments/payment", "token_type": "Bearer", "app_id": "APP-SIMULATOR",
        "access_token": token(ends), "expires_in": TOKEN_LIFE.as_secs(), "nonce": now.to_string(),
    });
    Answer::json(200, &body)
}

fn token(ends: i64) -> String {
    format!("A21AA{ends}-{}", hmac_hex(credentials::PAYPAL_CLIENT_SECRET, &ends.to_string()))
}

fn is_token(given: &str, now: Timestamp) -> bool {
    let ends = given.strip_prefix("A21AA").and_then(|rest| rest.split_once('-')?.0.parse::<i64>().ok());
    ends.is_some_and(|ends| ends > now.unix_seconds() && token(ends) == given)
}

fn event(kind: &str, resource_type: &str, resource: &Value, now: Timestamp) -> Event {
    let id = format!("WH-{}", new_id("", 17).to_uppercase());
    let body = json!({
        "id": id, "event_version": "1.0", "create_time": seconds(now), "resource_type": resource_type,
        "resource_version": "2.0", "event_type": kind, "summary": kind, "resource": resource, "links": [],
    });
    Event { provider: Provider::Paypal, id, kind: kind.to_owned(), body: body.to_string() }
}

/// `2025-01-15T06:31:38Z`
fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn problem(status: u16, name: &str, issue: &str, description: &str) -> Answer {
    let body = json!({
        "name": name, "message": description, "debug_id": new_id("", 13),
        "details": [{"issue": issue, "description": description}], "links": [],
    });
    Answer::json(status, &body)
}

fn unprocessable(issue: &str, description: &str) -> Answer {
    problem(422, "UNPROCESSABLE_ENTITY", issue, description)
}

fn missing() -> Answer {
    let what = "Specified resource ID does not exist. Please check the resource ID and try again.";
    problem(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", what)
}

fn oauth_error(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": error, "error_description": description}))
}
