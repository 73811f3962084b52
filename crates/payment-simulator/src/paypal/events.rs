//! Webhook events.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::format_time;
use crate::{Provider, context::new_id, webhooks::Event};

pub(super) fn event(kind: &str, resource_type: &str, resource: &Value, now: Timestamp) -> Event {
    let id = format!("WH-{}", new_id("", 17).to_uppercase());
    let body = json!({
        "id": id, "event_version": "1.0", "create_time": format_time(now), "resource_type": resource_type,
        "resource_version": "2.0", "event_type": kind, "summary": kind, "resource": resource, "links": [],
    });
    Event { provider: Provider::Paypal, id, kind: kind.to_owned(), body: body.to_string() }
}
