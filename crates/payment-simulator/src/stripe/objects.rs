//! The JSON of payment intents, charges, lists and events.

use serde_json::{Value, json};

use super::PaymentIntent;
use crate::{
    Provider,
    context::{Context, new_id},
    request::Params,
    webhooks::Event,
};

impl PaymentIntent {
    /// `with_charge`: whether `latest_charge` is the charge, or only its id.
    pub(super) fn to_json(&self, with_charge: bool) -> Value {
        let charge = || if with_charge { self.charge_json() } else { self.charge_id().into() };
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_received": self.amount_received, "capture_method": "automatic_async",
            "confirmation_method": "automatic", "client_secret": self.client_secret, "created": self.created,
            "currency": self.currency, "last_payment_error": self.last_payment_error,
            "latest_charge": (self.amount_received > 0).then(charge), "livemode": false, "metadata": self.metadata,
            "payment_method": self.payment_method, "payment_method_types": ["card"], "status": self.status,
        })
    }

    /// With the charge and its refunds, if the `expand` parameters ask for them.
    pub(super) fn to_expanded_json(&self, params: &Params) -> Value {
        let mut shown = self.to_json(expands_charge(params));
        if expands(params, "latest_charge.refunds") && self.amount_received > 0 {
            shown["latest_charge"]["refunds"] = self.list_refunds(&Params::new());
        }
        shown
    }

    pub(super) fn charge_json(&self) -> Value {
        let (paid, refunded) = (self.amount_received > 0, self.amount_refunded());
        json!({
            "id": self.charge_id(), "object": "charge", "amount": self.amount,
            "amount_captured": self.amount_received, "amount_refunded": refunded, "billing_details": {},
            "captured": paid, "created": self.created, "currency": self.currency, "disputed": false,
            "livemode": false, "metadata": self.metadata, "paid": paid, "payment_intent": self.id,
            "refunded": paid && refunded == self.amount_received,
            "status": if paid { "succeeded" } else { "failed" },
        })
    }

    pub(super) fn charge_id(&self) -> String {
        self.id.replacen("pi_", "ch_", 1)
    }
}

pub(super) fn event(kind: &str, object: &Value, context: &Context) -> Event {
    let id = new_id("evt_", 20);
    let body = json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": context.now().unix_seconds(),
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "type": kind, "data": {"object": object},
    });
    Event { provider: Provider::Stripe, id, kind: kind.to_owned(), body: body.to_string() }
}

pub(super) fn list(url: &str, data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "url": url, "has_more": has_more, "data": data})
}

pub(super) fn expands_charge(params: &Params) -> bool {
    ["latest_charge", "data.latest_charge", "latest_charge.refunds"].iter().any(|field| expands(params, field))
}

fn expands(params: &Params, field: &str) -> bool {
    params.iter().any(|(name, value)| name.starts_with("expand") && value == field)
}

/// The parameters `metadata[name]`, by name.
pub(super) fn metadata(params: &Params) -> Params {
    let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
    params.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
}
