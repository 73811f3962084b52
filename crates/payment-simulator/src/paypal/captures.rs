//! Captures: the money of an approved order.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::{Account, BankDecision, Capture, CaptureStatus, Order, add_strings, errors, events, format_time};
use crate::{
    Provider,
    context::{Context, new_id},
    ledger,
    response::Response,
};

impl Account {
    pub(super) fn capture_order(&mut self, id: &str, context: &mut Context) -> Response {
        let Some(order) = self.orders.get_mut(id).filter(|order| order.id == id) else { return errors::not_found() };
        match order.status {
            "COMPLETED" => return errors::unprocessable("ORDER_ALREADY_CAPTURED", "Order already captured."),
            "APPROVED" if order.bank == BankDecision::Decline || context.is_declined() => {
                let description = "The instrument presented was either declined by the processor or bank.";
                return errors::unprocessable("INSTRUMENT_DECLINED", description);
            }
            "APPROVED" => {}
            _ => {
                let description = "Payer has not yet approved the Order for payment.";
                return errors::unprocessable("ORDER_NOT_APPROVED", description);
            }
        }
        let is_deferred = order.bank == BankDecision::Defer;
        let status = if is_deferred { CaptureStatus::Pending } else { CaptureStatus::Completed };
        let amount = order.amount_paid.unwrap_or_else(|| context.amount_to_capture(order.amount.minor));
        let capture = Capture::new(status, amount, context.now());
        let capture_id = capture.id.clone();
        order.status = "COMPLETED";
        order.set_capture(capture, context);
        let shown = order.to_json(&context.url);
        self.orders.add_alias(id, &capture_id);
        Response::json(201, &shown)
    }

    pub(super) fn retrieve_capture(&self, id: &str, context: &Context) -> Response {
        let order = self.orders.get(id);
        let capture = order.and_then(|order| Some((order, order.capture.as_ref().filter(|capture| capture.id == id)?)));
        match capture {
            Some((order, capture)) => Response::json(200, &capture.to_json(order, &context.url)),
            None => errors::not_found(),
        }
    }
}

impl Order {
    /// Sets the capture, records it once it is completed, and sends the event.
    fn set_capture(&mut self, capture: Capture, context: &mut Context) {
        self.updated_at = context.now();
        let kind = match capture.status {
            CaptureStatus::Pending => "PAYMENT.CAPTURE.PENDING",
            CaptureStatus::Completed => "PAYMENT.CAPTURE.COMPLETED",
            CaptureStatus::Declined => "PAYMENT.CAPTURE.DENIED",
        };
        if capture.status == CaptureStatus::Completed {
            context.ledger.record_capture(self.ledger_capture(&capture));
        }
        let shown = capture.to_json(self, &context.url);
        context.emit(events::event(kind, "capture", &shown, context.now()));
        self.capture = Some(capture);
    }

    /// The bank confirms or rejects a pending capture.
    pub(super) fn complete_capture(&mut self, succeeds: bool, context: &mut Context) -> Result<(), String> {
        let pending = self.capture.take_if(|capture| capture.status == CaptureStatus::Pending);
        let capture = pending.ok_or_else(|| format!("{} has no pending capture.", self.id))?;
        let status = if succeeds { CaptureStatus::Completed } else { CaptureStatus::Declined };
        self.set_capture(Capture { status, ..capture }, context);
        Ok(())
    }

    pub(super) fn ledger_capture(&self, capture: &Capture) -> ledger::Capture {
        ledger::Capture {
            provider: Provider::Paypal,
            transaction: self.id.clone(),
            capture: capture.id.clone(),
            order_id: self.invoice_id.clone().unwrap_or_default(),
            payment_id: self.custom_id.clone().unwrap_or_default(),
            amount: capture.amount,
            currency: self.amount.currency.clone(),
            captured_at: capture.created_at.to_string(),
        }
    }
}

impl Capture {
    pub(super) fn new(status: CaptureStatus, amount: i64, now: Timestamp) -> Self {
        Self { id: new_id("", 17).to_uppercase(), status, amount, created_at: now, refunds: Vec::new() }
    }

    pub(super) fn to_json(&self, order: &Order, url: &str) -> Value {
        let status = match (self.status, self.refunded()) {
            (CaptureStatus::Pending, _) => "PENDING",
            (CaptureStatus::Declined, _) => "DECLINED",
            (CaptureStatus::Completed, 0) => "COMPLETED",
            (CaptureStatus::Completed, refunded) if refunded == self.amount => "REFUNDED",
            (CaptureStatus::Completed, _) => "PARTIALLY_REFUNDED",
        };
        let own = format!("{url}/paypal/v2/payments/captures/{}", self.id);
        let mut shown = json!({
            "id": self.id, "status": status, "amount": order.amount.with_minor(self.amount).to_json(),
            "final_capture": true, "supplementary_data": {"related_ids": {"order_id": order.id}},
            "create_time": format_time(self.created_at), "update_time": format_time(order.updated_at),
            "links": [
                {"href": own, "rel": "self", "method": "GET"},
                {"href": format!("{own}/refund"), "rel": "refund", "method": "POST"},
                {"href": format!("{url}/paypal/v2/checkout/orders/{}", order.id), "rel": "up", "method": "GET"},
            ],
        });
        add_strings(&mut shown, [("custom_id", &order.custom_id), ("invoice_id", &order.invoice_id)]);
        shown
    }
}
