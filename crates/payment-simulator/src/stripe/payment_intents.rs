//! The endpoints of payment intents.

use platform::clock::Timestamp;
use serde_json::Value;

use super::{Account, PaymentIntent, objects, responses};
use crate::{
    context::{Context, new_id},
    request::Params,
    response::Response,
    test_cards::card_outcome,
};

impl Account {
    pub(super) fn create_intent(&mut self, params: &Params, context: &mut Context) -> Response {
        let amount = params.get("amount").and_then(|amount| amount.parse().ok()).filter(|amount| *amount > 0);
        let (Some(amount), Some(currency)) = (amount, params.get("currency")) else {
            return responses::invalid_request(400, "parameter_missing", "amount and currency are required.");
        };
        if self.intents.is_full() {
            let message = "The simulator cannot store more payments; restart it.";
            return responses::invalid_request(429, "rate_limit", message);
        }
        let metadata = objects::metadata(params);
        let mut intent = PaymentIntent::new(new_id("pi_", 20), amount, currency, metadata, context.now());
        intent.return_url = params.get("return_url").cloned();
        let response = if params.get("confirm").is_some_and(|confirm| confirm == "true") {
            intent.confirm(params, context)
        } else {
            responses::ok(&intent.to_json(objects::expands_charge(params)))
        };
        if response.status != 400 {
            let id = intent.id.clone();
            self.intents.insert(&id, intent); // a declined one, too
            self.schedule_settlement(&id, context);
        }
        response
    }

    /// The newest first, `limit` at most, after the intent `starting_after`, created from `created[gte]` to
    /// `created[lte]`.
    pub(super) fn list_intents(&self, params: &Params) -> Response {
        let number = |name: &str| params.get(name).and_then(|number| number.parse().ok());
        let (from, to) = (number("created[gte]").unwrap_or(i64::MIN), number("created[lte]").unwrap_or(i64::MAX));
        let limit = number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10).clamp(1, 100);
        let older = self.intents.older_than(params.get("starting_after").map(String::as_str));
        let mut found = older.skip_while(|intent| intent.created > to).take_while(|intent| intent.created >= from);
        let with_charge = objects::expands_charge(params);
        let page: Vec<Value> = found.by_ref().take(limit).map(|intent| intent.to_json(with_charge)).collect();
        responses::ok(&objects::list("/v1/payment_intents", &page, found.next().is_some()))
    }
}

impl PaymentIntent {
    pub(super) fn new(id: String, amount: i64, currency: &str, metadata: Params, now: Timestamp) -> Self {
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
            amount_received: 0,
            refunds: Vec::new(),
            last_payment_error: Value::Null,
        }
    }

    pub(super) fn confirm(&mut self, params: &Params, context: &mut Context) -> Response {
        if self.is_final() || self.status == "processing" {
            return responses::unexpected_state(self);
        }
        if let Some(url) = params.get("return_url") {
            self.return_url = Some(url.clone());
        }
        let off_session = params.get("off_session").is_some_and(|off_session| off_session != "false");
        let Some(card) = params.get("payment_method") else {
            return responses::invalid_request(400, "parameter_missing", "You must provide a payment method.");
        };
        let Some(outcome) = card_outcome(card) else {
            let message = format!("No such PaymentMethod: '{card}'");
            return responses::invalid_request(400, "resource_missing", &message);
        };
        self.charge(card, outcome, off_session, context)
    }

    pub(super) fn cancel(&mut self, context: &mut Context) -> Response {
        if self.is_final() || self.status == "processing" {
            return responses::unexpected_state(self);
        }
        self.status = "canceled";
        self.emit("payment_intent.canceled", context);
        responses::ok(&self.to_json(false))
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self.status, "succeeded" | "canceled")
    }

    /// Sends an event about the intent in its current state.
    pub(super) fn emit(&self, kind: &str, context: &mut Context) {
        context.emit(objects::event(kind, &self.to_json(false), context));
    }
}
