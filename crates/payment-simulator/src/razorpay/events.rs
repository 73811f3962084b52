//! Webhook events.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::Order;
use crate::{Provider, context::new_id, webhooks::Event};

/// About a refund and its payment, or about the last payment of an order.
pub(super) fn event(kind: &str, order: &Order, refund: Option<&Value>, now: Timestamp) -> Event {
    let mut contains = vec!["payment"];
    let mut payload = json!({});
    let refunded =
        refund.and_then(|refund| order.payments.iter().find(|payment| refund["payment_id"] == payment.id.as_str()));
    if let Some(payment) = refunded.or(order.payments.last()) {
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
