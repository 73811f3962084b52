//! Orders: created by the shop, approved by the buyer, captured by the shop.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::{Account, BankDecision, Order, add_strings, amount::PaypalAmount, errors, format_time, string};
use crate::{
    context::{Context, new_id},
    response::Response,
};

impl Account {
    /// `representation`: whether the response has the whole order, or only its id, status and links.
    pub(super) fn create_order(&mut self, body: &Value, representation: bool, context: &Context) -> Response {
        if body["intent"] != "CAPTURE" {
            return errors::invalid_request("INVALID_PARAMETER_VALUE", "intent: the simulator supports only CAPTURE.");
        }
        let unit = &body["purchase_units"][0];
        let amount = match PaypalAmount::parse(&unit["amount"]) {
            Ok(amount) => amount,
            Err(response) => return response,
        };
        if self.orders.is_full() {
            return errors::rate_limited();
        }
        let order = Order::new(body, unit, amount, context.now());
        let shown = if representation { order.to_json(&context.url) } else { order.to_minimal_json(&context.url) };
        // PayPal answers 200 if the order needs its payer first.
        let status = if order.has_payment_source { 200 } else { 201 };
        let id = order.id.clone();
        self.orders.insert(&id, order);
        Response::json(status, &shown)
    }

    pub(super) fn retrieve_order(&self, id: &str, context: &Context) -> Response {
        match self.orders.get(id).filter(|order| order.id == id) {
            Some(order) => Response::json(200, &order.to_json(&context.url)),
            None => errors::not_found(),
        }
    }
}

impl Order {
    fn new(body: &Value, unit: &Value, amount: PaypalAmount, now: Timestamp) -> Self {
        let source = body["payment_source"].as_object().and_then(|source| source.values().next());
        let context = source.map_or(&body["application_context"], |source| &source["experience_context"]);
        Self {
            id: new_id("", 17).to_uppercase(),
            status: if source.is_some() { "PAYER_ACTION_REQUIRED" } else { "CREATED" },
            reference_id: string(&unit["reference_id"]).unwrap_or_else(|| "default".to_owned()),
            custom_id: string(&unit["custom_id"]),
            invoice_id: string(&unit["invoice_id"]),
            amount,
            return_url: string(&context["return_url"]),
            cancel_url: string(&context["cancel_url"]),
            has_payment_source: source.is_some(),
            created_at: now,
            updated_at: now,
            bank: BankDecision::Approve,
            amount_paid: None,
            capture: None,
        }
    }

    /// For an event about an order that does not exist.
    pub(super) fn made_up(id: &str, now: Timestamp) -> Self {
        let amount = PaypalAmount { minor: 1000, currency: "USD".to_owned() };
        Self { id: id.to_owned(), status: "APPROVED", ..Self::new(&Value::Null, &Value::Null, amount, now) }
    }

    fn links(&self, url: &str) -> Value {
        let own = format!("{url}/paypal/v2/checkout/orders/{}", self.id);
        let mut links = vec![json!({"href": own, "rel": "self", "method": "GET"})];
        if self.status != "COMPLETED" {
            let rel = if self.has_payment_source { "payer-action" } else { "approve" };
            links.push(json!({"href": format!("{url}/pay/paypal/{}", self.id), "rel": rel, "method": "GET"}));
            links.push(json!({"href": format!("{own}/capture"), "rel": "capture", "method": "POST"}));
        }
        links.into()
    }

    fn to_minimal_json(&self, url: &str) -> Value {
        json!({"id": self.id, "status": self.status, "links": self.links(url)})
    }

    pub(super) fn to_json(&self, url: &str) -> Value {
        let mut unit = json!({"reference_id": self.reference_id, "amount": self.amount.to_json()});
        add_strings(&mut unit, [("custom_id", &self.custom_id), ("invoice_id", &self.invoice_id)]);
        if let Some(capture) = &self.capture {
            unit["payments"] = json!({"captures": [capture.to_json(self, url)]});
            if !capture.refunds.is_empty() {
                let refunds = capture.refunds.iter().map(|refund| refund.to_json(self, capture, url)).collect();
                unit["payments"]["refunds"] = Value::Array(refunds);
            }
        }
        json!({
            "id": self.id, "intent": "CAPTURE", "status": self.status, "purchase_units": [unit],
            "create_time": format_time(self.created_at), "update_time": format_time(self.updated_at),
            "links": self.links(url),
        })
    }
}
