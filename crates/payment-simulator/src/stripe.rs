//! Stripe: payment intents, refunds, and its promise about `Idempotency-Key`: the first answer to a key is the answer, a
//! 500 included, for a day.

use std::{collections::VecDeque, time::Duration};

use platform::clock::Timestamp;
use poem::{
    http::Method,
    web::headers::{Authorization, HeaderMapExt, authorization::Basic},
};
use serde_json::{Value, json};

use super::{
    Capture, Provider,
    call::{Answer, Call, Params},
    cards::{self, Fate},
    credentials,
    faults::Moves,
    idempotency::Keys,
    shelf::Shelf,
    webhooks::Event,
    world::{Api, Back, Bill, Deed, World, new_id},
};

const KEY_LIFE: Duration = Duration::from_hours(24);

pub(super) struct Account {
    intents: Shelf<Intent>,
    keys: Keys,
    /// Those in processing, the first to settle first.
    settling: VecDeque<(Timestamp, String)>,
}

#[derive(Clone)]
struct Intent {
    id: String,
    client_secret: String,
    amount: i64,
    currency: String,
    metadata: Params,
    created: i64,
    status: &'static str,
    payment_method: Option<String>,
    return_url: Option<String>,
    received: i64,
    refunds: Vec<Value>,
    last_error: Value,
}

impl Api for Account {
    /// Looking has no effect to repeat, so only a POST has a key.
    fn key_of(&self, call: &Call) -> Option<String> {
        (call.method == Method::POST).then(|| call.header("idempotency-key")).flatten().map(str::to_owned)
    }

    fn keys(&mut self, _: &str) -> &mut Keys {
        &mut self.keys
    }

    /// A call that failed its checks did not begin, so its key is free again.
    fn keeps(&self, answer: &Answer) -> bool {
        !matches!(answer.status, 400 | 404)
    }

    fn repeats(&self, first: Answer, same_call: bool) -> Answer {
        if same_call {
            first.with("idempotent-replayed", "true")
        } else {
            idempotency_error(
                400,
                "Keys for idempotent requests can only be used with the parameters of the first one.",
            )
        }
    }

    fn key_is_in_use(&self) -> Answer {
        idempotency_error(409, "There is currently another in-progress request using this idempotency key.")
    }

    fn turns_away(&self, call: &Call, _: Timestamp) -> Option<Answer> {
        let bearer = call.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).map(str::to_owned);
        let basic = call.headers.typed_get::<Authorization<Basic>>().map(|basic| basic.username().to_owned());
        match bearer.or(basic).as_deref().or(call.param("key")) {
            Some(credentials::STRIPE_SECRET_KEY) => None,
            Some(credentials::STRIPE_PUBLISHABLE_KEY) if self.is_the_buyers(call) => None,
            Some(credentials::STRIPE_PUBLISHABLE_KEY) => {
                Some(invalid(401, "secret_key_required", "This call needs the secret key, or the client secret."))
            }
            _ => Some(error(401, &json!({"type": "invalid_request_error", "message": "Invalid API Key provided."}))),
        }
    }

    fn fails(&self) -> Answer {
        error(500, &json!({"type": "api_error", "message": "Something went wrong on Stripe's end."}))
    }

    fn is_busy(&self) -> Answer {
        invalid(429, "rate_limit", "Too many requests hit the API too quickly.")
    }

    fn moves(&self, call: &Call) -> Option<Moves> {
        match call.steps()[..] {
            ["POST", "v1", "payment_intents", _, "confirm"] => Some(Moves::In),
            ["POST", "v1", "payment_intents"] if call.param("confirm") == Some("true") => Some(Moves::In),
            ["POST", "v1", "refunds"] => Some(Moves::Back),
            _ => None,
        }
    }

    fn answers(&mut self, call: &Call, world: &mut World) -> Answer {
        self.settle_what_is_due(world);
        let params = &call.params;
        match call.steps()[..] {
            ["POST", "v1", "payment_intents"] => self.create(params, world),
            ["GET", "v1", "payment_intents"] => self.list(params),
            ["GET", "v1", "payment_intents", id] => self.with_intent(id, |intent| ok(&intent.expanded(params))),
            ["POST", "v1", "payment_intents", id, "confirm"] => {
                let answer = self.with_intent(id, |intent| intent.confirm(params, world));
                self.note_settling(id, world);
                answer
            }
            ["POST", "v1", "payment_intents", id, "cancel"] => self.with_intent(id, |intent| intent.cancel(world)),
            ["GET", "v1", "charges", id] => {
                self.with_intent(&id.replacen("ch_", "pi_", 1), |intent| ok(&intent.charge()))
            }
            ["POST", "v1", "refunds"] => self.refund(params, world),
            ["GET", "v1", "refunds"] => {
                let id = params.get("payment_intent").map_or("", String::as_str);
                self.with_intent(id, |intent| ok(&intent.list_refunds(params)))
            }
            ["GET", "v1", "refunds", id] => {
                let refund = self.intents.find(id).and_then(|intent| intent.refund_named(id));
                refund.map_or_else(|| missing("refund", id), ok)
            }
            _ => invalid(404, "url_invalid", "Unrecognized request URL."),
        }
    }

    fn buyer(&mut self, id: &str, deed: &Deed, world: &mut World) -> Result<Back, String> {
        let intent = self.intents.find_mut(id).ok_or_else(|| format!("there is no payment intent {id}"))?;
        match deed {
            Deed::Clear | Deed::Bounce if intent.status != "processing" => {
                return Err(format!("{id} is {}, and waits for no bank", intent.status));
            }
            Deed::Clear => {
                intent.take_the_money(world);
                return Ok(Back::default());
            }
            Deed::Bounce => {
                intent.decline("card_declined", "generic_decline", world);
                return Ok(Back::default());
            }
            _ => {}
        }
        let card = match deed {
            Deed::PayLater => "pm_card_processing",
            Deed::Pay { card } => card.as_deref().unwrap_or("pm_card_visa"),
            Deed::BeDeclined => "pm_card_chargeDeclined",
            _ => return Ok(intent.back_to_the_shop("failed")),
        };
        if intent.is_over() || intent.status == "processing" {
            return Err(format!("{id} is {}", intent.status));
        }
        match cards::fate_of(card) {
            None => return Err(format!("there is no card {card}; known are\n{}", cards::table())),
            // Here is the buyer who was asked for.
            Some(Fate::NeedsTheBuyer) => drop(intent.meet(card, &Fate::Pays, false, world)),
            Some(fate) => drop(intent.meet(card, fate, false, world)),
        }
        world.stalls = false; // no client waits for this
        let paid = matches!(intent.status, "succeeded" | "processing");
        let back = intent.back_to_the_shop(if paid { "succeeded" } else { "failed" });
        if !matches!(deed, Deed::PayLater) {
            self.note_settling(id, world); // else the bank says when
        }
        Ok(back)
    }

    fn refund_ends(&mut self, id: &str, succeeds: bool, world: &mut World) -> Result<(), String> {
        let intent = self.intents.find_mut(id).ok_or_else(|| format!("there is no payment intent or refund {id}"))?;
        let is_meant = |refund: &Value| refund["status"] == "pending" && (intent.id == id || refund["id"] == id);
        let place = intent.refunds.iter().position(is_meant).ok_or_else(|| format!("{id} has no pending refund"))?;
        intent.refund_becomes(place, if succeeds { "succeeded" } else { "failed" }, world);
        Ok(())
    }

    fn refund_bounces(&mut self, id: &str, world: &mut World) -> Result<(), String> {
        let intent = self.intents.find_mut(id).ok_or_else(|| format!("there is no payment intent or refund {id}"))?;
        let is_meant = |refund: &Value| refund["status"] == "succeeded" && (intent.id == id || refund["id"] == id);
        let place = intent.refunds.iter().rposition(is_meant).ok_or_else(|| format!("{id} has no refund to fail"))?;
        intent.refund_becomes(place, "failed", world);
        Ok(())
    }

    fn bill(&self, id: &str) -> Option<Bill> {
        self.intents.find(id).map(Intent::bill)
    }

    fn waiting(&self) -> Vec<Bill> {
        let newest = self.intents.newest_first().take(200);
        newest.filter(|intent| !intent.is_over()).take(20).map(Intent::bill).collect()
    }

    fn event(&self, kind: &str, id: &str, world: &World) -> Event {
        let made_up = || Intent::new(id.to_owned(), 1000, "usd", Params::new(), world.now());
        let intent = self.intents.find(id).cloned().unwrap_or_else(made_up);
        let object = match kind.split('.').next() {
            Some("charge") => intent.charge(),
            Some("refund") => intent.refunds.last().cloned().unwrap_or_default(),
            _ => intent.to_json(false),
        };
        event(kind, &object, world)
    }
}

impl Account {
    pub fn new() -> Self {
        Self { intents: Shelf::new(), keys: Keys::living(KEY_LIFE), settling: VecDeque::new() }
    }

    /// With the publishable key a browser may look at, and confirm, the intent whose client secret it has.
    fn is_the_buyers(&self, call: &Call) -> bool {
        let (["GET", "v1", "payment_intents", id] | ["POST", "v1", "payment_intents", id, "confirm"]) =
            call.steps()[..]
        else {
            return false;
        };
        self.intents.find(id).is_some_and(|intent| call.param("client_secret") == Some(&intent.client_secret))
    }

    fn create(&mut self, params: &Params, world: &mut World) -> Answer {
        let amount = params.get("amount").and_then(|amount| amount.parse().ok()).filter(|amount| *amount > 0);
        let (Some(amount), Some(currency)) = (amount, params.get("currency")) else {
            return invalid(400, "parameter_missing", "amount and currency are required.");
        };
        if self.intents.is_full() {
            return invalid(429, "rate_limit", "The simulator is full of payments; start it again.");
        }
        let mut intent = Intent::new(new_id("pi_", 20), amount, currency, metadata(params), world.now());
        intent.return_url = params.get("return_url").cloned();
        let confirmed = params.get("confirm").is_some_and(|confirm| confirm == "true");
        let answer =
            if confirmed { intent.confirm(params, world) } else { ok(&intent.to_json(expands_charge(params))) };
        if answer.status != 400 {
            let id = intent.id.clone();
            self.intents.put(&id, intent); // a declined one, too
            self.note_settling(&id, world);
        }
        answer
    }

    /// The newest first, as many as `limit`, starting after the intent `starting_after`, none before `created[gte]` and none
    /// after `created[lte]`.
    fn list(&self, params: &Params) -> Answer {
        let number = |name: &str| params.get(name).and_then(|number| number.parse().ok());
        let (since, until) = (number("created[gte]").unwrap_or(i64::MIN), number("created[lte]").unwrap_or(i64::MAX));
        let limit = number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10).clamp(1, 100);
        let older = self.intents.older_than(params.get("starting_after").map(String::as_str));
        let mut found = older.skip_while(|intent| intent.created > until).take_while(|intent| intent.created >= since);
        let page: Vec<Value> =
            found.by_ref().take(limit).map(|intent| intent.to_json(expands_charge(params))).collect();
        ok(&list("/v1/payment_intents", &page, found.next().is_some()))
    }

    fn with_intent(&mut self, id: &str, act: impl FnOnce(&mut Intent) -> Answer) -> Answer {
        self.intents.find_mut(id).map_or_else(|| missing("payment_intent", id), act)
    }

    fn refund(&mut self, params: &Params, world: &mut World) -> Answer {
        let charge = params.get("charge").map(|charge| charge.replacen("ch_", "pi_", 1));
        let Some(id) = params.get("payment_intent").cloned().or(charge) else {
            return invalid(400, "parameter_missing", "One of payment_intent and charge is required.");
        };
        let answer = self.with_intent(&id, |intent| intent.refund(params, world));
        if let Some(refund) = self.intents.find(&id).and_then(|intent| intent.refunds.last()) {
            let name = refund["id"].as_str().unwrap_or_default().to_owned();
            self.intents.also_called(&id, &name);
        }
        answer
    }

    fn note_settling(&mut self, id: &str, world: &World) {
        if self.intents.find(id).is_some_and(|intent| intent.status == "processing") {
            self.settling.push_back((world.now() + world.settles_after, id.to_owned()));
        }
    }

    fn settle_what_is_due(&mut self, world: &mut World) {
        let fault = world.fault.take(); // it is meant for the call, not for these
        while self.settling.front().is_some_and(|(due, _)| *due <= world.now()) {
            let Some((_, id)) = self.settling.pop_front() else { break };
            if let Some(intent) = self.intents.find_mut(&id).filter(|intent| intent.status == "processing") {
                intent.take_the_money(world);
            }
        }
        world.fault = fault;
    }
}

impl Intent {
    fn new(id: String, amount: i64, currency: &str, metadata: Params, now: Timestamp) -> Self {
        Self {
            client_secret: new_id(&format!("{id}_secret_"), 20),
            id,
            amount,
            currency: currency.to_lowercase(),
            metadata,
            created: now.unix_seconds(),
            status: "requires_payment_method",
            payment_method: None,
            return_url: None,
            received: 0,
            refunds: Vec::new(),
            last_error: Value::Null,
        }
    }

    fn confirm(&mut self, params: &Params, world: &mut World) -> Answer {
        if self.is_over() || self.status == "processing" {
            return self.unexpected_state();
        }
        if let Some(url) = params.get("return_url") {
            self.return_url = Some(url.clone());
        }
        let alone = params.get("off_session").is_some_and(|off| off != "false");
        match params.get("payment_method") {
            None => invalid(400, "parameter_missing", "You must provide a payment method."),
            Some(card) => match cards::fate_of(card) {
                None => invalid(400, "resource_missing", &format!("No such PaymentMethod: '{card}'")),
                Some(fate) => self.meet(card, fate, alone, world),
            },
        }
    }

    /// `alone`: the buyer is not there to be asked.
    fn meet(&mut self, card: &str, fate: &Fate, alone: bool, world: &mut World) -> Answer {
        self.payment_method = Some(card.to_owned());
        match fate {
            _ if world.declines() => self.decline("card_declined", "generic_decline", world),
            Fate::Declined { code, decline_code } => self.decline(code, decline_code, world),
            Fate::NeedsTheBuyer if alone => self.decline("authentication_required", "authentication_required", world),
            Fate::NeedsTheBuyer => self.wait("requires_action", world),
            Fate::Settles => self.wait("processing", world),
            Fate::Pays => self.take_the_money(world),
            Fate::Stalls => {
                world.stalls = true;
                self.take_the_money(world)
            }
        }
    }

    fn take_the_money(&mut self, world: &mut World) -> Answer {
        self.status = "succeeded";
        self.received = world.takes(self.amount);
        self.last_error = Value::Null;
        world.ledger.took(self.capture(world.now()));
        self.tell("payment_intent.succeeded", world);
        ok(&self.to_json(false))
    }

    fn wait(&mut self, status: &'static str, world: &mut World) -> Answer {
        self.status = status;
        self.last_error = Value::Null;
        self.tell(&format!("payment_intent.{status}"), world);
        let mut shown = self.to_json(false);
        if status == "requires_action" {
            let page = json!({"url": format!("{}/pay/stripe/{}", world.url, self.id), "return_url": self.return_url});
            shown["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url": page});
        }
        ok(&shown)
    }

    fn decline(&mut self, code: &str, decline_code: &str, world: &mut World) -> Answer {
        let mut error = json!({
            "type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined.",
        });
        self.status = "requires_payment_method";
        self.last_error = error.clone();
        self.tell("payment_intent.payment_failed", world);
        error["payment_intent"] = self.to_json(false);
        self::error(402, &error)
    }

    fn cancel(&mut self, world: &mut World) -> Answer {
        if self.is_over() || self.status == "processing" {
            return self.unexpected_state();
        }
        self.status = "canceled";
        self.tell("payment_intent.canceled", world);
        ok(&self.to_json(false))
    }

    /// Gives back an amount, or the rest when none is named.
    fn refund(&mut self, params: &Params, world: &mut World) -> Answer {
        let rest = self.received - self.refunded();
        let amount = params.get("amount").map_or(rest, |amount| amount.parse().unwrap_or_default());
        if rest == 0 {
            return invalid(400, "charge_already_refunded", "There is nothing left to refund.");
        }
        if !(1..=rest).contains(&amount) {
            return invalid(400, "amount_too_large", "The refund is greater than what is left.");
        }
        let now = world.now();
        let name = new_id("re_", 20);
        let pending = world.leaves_pending(Provider::Stripe, &name);
        let refund = json!({
            "id": name, "object": "refund", "amount": amount, "currency": self.currency,
            "created": now.unix_seconds(), "charge": self.charge_id(), "payment_intent": self.id,
            "metadata": metadata(params), "status": if pending { "pending" } else { "succeeded" },
        });
        if !pending {
            world.ledger.gave_back(&self.capture(now), &name, amount, now.to_string());
        }
        self.refunds.push(refund.clone());
        let (charge, told) = (event("charge.refunded", &self.charge(), world), event("refund.created", &refund, world));
        world.tell(charge);
        world.tell(told);
        ok(&refund)
    }

    /// A refund that was pending has arrived or failed, or one that had arrived is sent back.
    fn refund_becomes(&mut self, place: usize, status: &str, world: &mut World) {
        let (now, of) = (world.now(), self.capture(world.now()));
        let refund = &mut self.refunds[place];
        let (name, amount) = (refund["id"].as_str().unwrap_or_default(), refund["amount"].as_i64().unwrap_or_default());
        match (refund["status"].as_str(), status) {
            (_, "succeeded") => world.ledger.gave_back(&of, name, amount, now.to_string()),
            (Some("succeeded"), _) => world.ledger.gave_back(&of, name, -amount, now.to_string()),
            _ => {}
        }
        refund["status"] = status.into();
        let mut kinds = vec!["refund.updated", "charge.refund.updated"];
        if status == "failed" {
            refund["failure_reason"] = "expired_or_canceled_card".into();
            kinds.push("refund.failed");
        }
        for kind in kinds {
            let event = event(kind, &self.refunds[place], world);
            world.tell(event);
        }
    }

    /// The newest first, as many as `limit`, after the refund `starting_after`.
    fn list_refunds(&self, params: &Params) -> Value {
        let limit = params.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10).clamp(1, 100);
        let mut found: Vec<Value> = self.refunds.iter().rev().cloned().collect();
        if let Some(after) = params.get("starting_after") {
            let place = found.iter().position(|refund| refund["id"] == after.as_str());
            found.drain(..place.map_or(found.len(), |place| place + 1));
        }
        let more = found.len() > limit;
        found.truncate(limit);
        list("/v1/refunds", &found, more)
    }

    fn is_over(&self) -> bool {
        matches!(self.status, "succeeded" | "canceled")
    }

    /// What has gone back or is on its way.
    fn refunded(&self) -> i64 {
        let counts = self.refunds.iter().filter(|refund| refund["status"] != "failed");
        counts.filter_map(|refund| refund["amount"].as_i64()).sum()
    }

    fn refund_named(&self, id: &str) -> Option<&Value> {
        self.refunds.iter().find(|refund| refund["id"] == id)
    }

    fn charge_id(&self) -> String {
        self.id.replacen("pi_", "ch_", 1)
    }

    fn unexpected_state(&self) -> Answer {
        let message = format!("This PaymentIntent's status is {}.", self.status);
        let error = json!({
            "type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": message,
            "payment_intent": self.to_json(false),
        });
        self::error(400, &error)
    }

    fn capture(&self, now: Timestamp) -> Capture {
        let tag = |name: &str| self.metadata.get(name).cloned().unwrap_or_default();
        Capture {
            provider: Provider::Stripe,
            transaction: self.id.clone(),
            capture: self.charge_id(),
            order_id: tag("order_id"),
            payment_id: tag("payment_id"),
            amount: self.received,
            currency: self.currency.to_uppercase(),
            captured_at: now.to_string(),
        }
    }

    fn tell(&self, kind: &str, world: &mut World) {
        let event = event(kind, &self.to_json(false), world);
        world.tell(event);
    }

    fn back_to_the_shop(&self, status: &str) -> Back {
        let told = vec![
            ("payment_intent", self.id.clone()),
            ("payment_intent_client_secret", self.client_secret.clone()),
            ("redirect_status", status.to_owned()),
        ];
        Back { url: self.return_url.clone(), told }
    }

    fn bill(&self) -> Bill {
        Bill {
            id: self.id.clone(),
            amount: super::paypal::in_words(self.amount, &self.currency.to_uppercase()),
            currency: self.currency.to_uppercase(),
            status: self.status.to_owned(),
            is_open: !self.is_over() && self.status != "processing",
            is_pending: self.status == "processing",
            refund_is_pending: self.refunds.iter().any(|refund| refund["status"] == "pending"),
            by_card: true,
        }
    }

    fn to_json(&self, with_charge: bool) -> Value {
        let charge = (self.received > 0).then(|| if with_charge { self.charge() } else { self.charge_id().into() });
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_received": self.received, "capture_method": "automatic_async", "confirmation_method": "automatic",
            "client_secret": self.client_secret, "created": self.created, "currency": self.currency,
            "last_payment_error": self.last_error, "latest_charge": charge, "livemode": false,
            "metadata": self.metadata, "payment_method": self.payment_method, "payment_method_types": ["card"],
            "status": self.status,
        })
    }

    /// With its charge, and the refunds of that, where they are asked for.
    fn expanded(&self, params: &Params) -> Value {
        let mut shown = self.to_json(expands_charge(params));
        if expands(params, "latest_charge.refunds") && self.received > 0 {
            shown["latest_charge"]["refunds"] = self.list_refunds(&Params::new());
        }
        shown
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

fn event(kind: &str, object: &Value, world: &World) -> Event {
    let id = new_id("evt_", 20);
    let body = json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": world.now().unix_seconds(),
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "type": kind, "data": {"object": object},
    });
    Event { provider: Provider::Stripe, id, kind: kind.to_owned(), body: body.to_string() }
}

fn expands_charge(params: &Params) -> bool {
    ["latest_charge", "data.latest_charge", "latest_charge.refunds"].iter().any(|what| expands(params, what))
}

fn expands(params: &Params, what: &str) -> bool {
    params.iter().any(|(name, value)| name.starts_with("expand") && value == what)
}

fn metadata(params: &Params) -> Params {
    let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
    params.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
}

fn list(url: &str, data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "url": url, "has_more": has_more, "data": data})
}

fn ok(body: &Value) -> Answer {
    Answer::json(200, body).with("request-id", new_id("req_", 14))
}

fn error(status: u16, error: &Value) -> Answer {
    Answer::json(status, &json!({"error": error})).with("request-id", new_id("req_", 14))
}

fn invalid(status: u16, code: &str, message: &str) -> Answer {
    error(status, &json!({"type": "invalid_request_error", "code": code, "message": message}))
}

fn missing(what: &str, id: &str) -> Answer {
    invalid(404, "resource_missing", &format!("No such {what}: '{id}'"))
}

fn idempotency_error(status: u16, message: &str) -> Answer {
    error(status, &json!({"type": "idempotency_error", "message": message}))
}
