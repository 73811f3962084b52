//! Refunds of a payment intent.

use serde_json::{Value, json};

use super::{Account, PaymentIntent, intent_id, objects, responses};
use crate::{
    Provider,
    context::{Context, new_id},
    request::Params,
    response::Response,
};

impl Account {
    pub(super) fn create_refund(&mut self, params: &Params, context: &mut Context) -> Response {
        let of_charge = params.get("charge").map(|charge| intent_id(charge));
        let Some(id) = params.get("payment_intent").cloned().or(of_charge) else {
            let message = "One of payment_intent and charge is required.";
            return responses::invalid_request(400, "parameter_missing", message);
        };
        let response = self.with_intent(&id, |intent| intent.create_refund(params, context));
        if let Some(refund) = self.intents.get(&id).and_then(|intent| intent.refunds.last()) {
            let refund_id = refund["id"].as_str().unwrap_or_default().to_owned();
            self.intents.add_alias(&id, &refund_id);
        }
        response
    }

    pub(super) fn list_refunds(&mut self, params: &Params) -> Response {
        let id = params.get("payment_intent").map_or("", String::as_str);
        self.with_intent(id, |intent| responses::ok(&intent.list_refunds(params)))
    }

    pub(super) fn retrieve_refund(&self, id: &str) -> Response {
        let intent = self.intents.get(id);
        let refund = intent.and_then(|intent| intent.refunds.iter().find(|refund| refund["id"] == id));
        refund.map_or_else(|| responses::not_found("refund", id), responses::ok)
    }

    /// Completes a pending refund: that of this id, or the oldest if it is the intent's id.
    pub(super) fn update_pending_refund(
        &mut self,
        id: &str,
        succeeds: bool,
        context: &mut Context,
    ) -> Result<(), String> {
        let intent = self.intent_of(id)?;
        let matches = |refund: &Value| refund["status"] == "pending" && (intent.id == id || refund["id"] == id);
        let index = intent.refunds.iter().position(matches).ok_or_else(|| format!("{id} has no pending refund."))?;
        intent.update_refund(index, if succeeds { "succeeded" } else { "failed" }, context);
        Ok(())
    }

    /// The bank returns a refund that had succeeded: that of this id, or the last if it is the intent's id.
    pub(super) fn fail_last_refund(&mut self, id: &str, context: &mut Context) -> Result<(), String> {
        let intent = self.intent_of(id)?;
        let matches = |refund: &Value| refund["status"] == "succeeded" && (intent.id == id || refund["id"] == id);
        let index = intent.refunds.iter().rposition(matches).ok_or_else(|| format!("{id} has no refund to fail."))?;
        intent.update_refund(index, "failed", context);
        Ok(())
    }

    fn intent_of(&mut self, id: &str) -> Result<&mut PaymentIntent, String> {
        self.intents.get_mut(id).ok_or_else(|| format!("No such payment intent or refund: {id}."))
    }
}

impl PaymentIntent {
    /// Refunds `amount`, or everything that is left.
    fn create_refund(&mut self, params: &Params, context: &mut Context) -> Response {
        let left = self.amount_received - self.amount_refunded();
        let amount = params.get("amount").map_or(left, |amount| amount.parse().unwrap_or_default());
        if left == 0 {
            let message = "There is nothing left to refund.";
            return responses::invalid_request(400, "charge_already_refunded", message);
        }
        if !(1..=left).contains(&amount) {
            let message = "The refund is greater than what is left.";
            return responses::invalid_request(400, "amount_too_large", message);
        }
        let now = context.now();
        let id = new_id("re_", 20);
        let is_pending = context.defers_refund(Provider::Stripe, &id);
        let refund = json!({
            "id": id, "object": "refund", "amount": amount, "currency": self.currency,
            "created": now.unix_seconds(), "charge": self.charge_id(), "payment_intent": self.id,
            "metadata": objects::metadata(params), "status": if is_pending { "pending" } else { "succeeded" },
        });
        if !is_pending {
            context.ledger.record_refund(&self.ledger_capture(now), &id, amount, now.to_string());
        }
        self.refunds.push(refund.clone());
        context.emit(objects::event("charge.refunded", &self.charge_json(), context));
        context.emit(objects::event("refund.created", &refund, context));
        responses::ok(&refund)
    }

    /// A pending refund succeeds or fails, or one that had succeeded fails.
    fn update_refund(&mut self, index: usize, status: &str, context: &mut Context) {
        let (now, capture) = (context.now(), self.ledger_capture(context.now()));
        let refund = &mut self.refunds[index];
        let (id, amount) = (refund["id"].as_str().unwrap_or_default(), refund["amount"].as_i64().unwrap_or_default());
        match (refund["status"].as_str(), status) {
            (_, "succeeded") => context.ledger.record_refund(&capture, id, amount, now.to_string()),
            (Some("succeeded"), _) => context.ledger.record_refund(&capture, id, -amount, now.to_string()),
            _ => {}
        }
        refund["status"] = status.into();
        let mut kinds = vec!["refund.updated", "charge.refund.updated"];
        if status == "failed" {
            refund["failure_reason"] = "expired_or_canceled_card".into();
            kinds.push("refund.failed");
        }
        for kind in kinds {
            context.emit(objects::event(kind, &self.refunds[index], context));
        }
    }

    /// The newest first, `limit` at most, after the refund `starting_after`.
    pub(super) fn list_refunds(&self, params: &Params) -> Value {
        let limit = params.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10).clamp(1, 100);
        let mut found: Vec<Value> = self.refunds.iter().rev().cloned().collect();
        if let Some(after) = params.get("starting_after") {
            let index = found.iter().position(|refund| refund["id"] == after.as_str());
            found.drain(..index.map_or(found.len(), |index| index + 1));
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        objects::list("/v1/refunds", &found, has_more)
    }

    /// The succeeded and pending refunds, in minor units.
    pub(super) fn amount_refunded(&self) -> i64 {
        let counted = self.refunds.iter().filter(|refund| refund["status"] != "failed");
        counted.filter_map(|refund| refund["amount"].as_i64()).sum()
    }
}
