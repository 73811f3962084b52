//! Refunds of a capture.

use serde_json::{Value, json};

use super::{
    Account, Capture, CaptureStatus, Order, Refund, add_strings, amount::PaypalAmount, errors, events, format_time,
    string,
};
use crate::{
    Provider,
    context::{Context, new_id},
    response::Response,
};

impl Account {
    /// `representation`: whether the response has the whole refund, or only its id, status and links.
    pub(super) fn create_refund(
        &mut self,
        capture_id: &str,
        body: &Value,
        representation: bool,
        context: &mut Context,
    ) -> Response {
        let Some(order) = self.orders.get_mut(capture_id) else { return errors::not_found() };
        let Some(mut capture) = order.capture.clone().filter(|capture| capture.id == capture_id) else {
            return errors::not_found();
        };
        let amount = match capture.amount_to_refund(&body["amount"], &order.amount.currency) {
            Ok(amount) => amount,
            Err(response) => return response,
        };
        let id = new_id("", 17).to_uppercase();
        let is_pending = context.defers_refund(Provider::Paypal, &id);
        capture.refunds.push(Refund {
            id: id.clone(),
            status: if is_pending { "PENDING" } else { "COMPLETED" },
            amount,
            custom_id: string(&body["custom_id"]),
            invoice_id: string(&body["invoice_id"]),
            note_to_payer: string(&body["note_to_payer"]),
            created_at: context.now(),
        });
        let (order_id, index) = (order.id.clone(), capture.refunds.len() - 1);
        let shown = capture.refunds[index].to_json(order, &capture, &context.url);
        order.report_refund(&capture, index, context);
        order.updated_at = context.now();
        order.capture = Some(capture);
        self.orders.add_alias(&order_id, &id);
        let minimal = json!({"id": shown["id"], "status": shown["status"], "links": shown["links"]});
        Response::json(201, if representation { &shown } else { &minimal })
    }

    pub(super) fn retrieve_refund(&self, id: &str, context: &Context) -> Response {
        let found = self.orders.get(id).and_then(|order| {
            let capture = order.capture.as_ref()?;
            let refund = capture.refunds.iter().find(|refund| refund.id == id)?;
            Some(refund.to_json(order, capture, &context.url))
        });
        found.map_or_else(errors::not_found, |refund| Response::json(200, &refund))
    }
}

impl Order {
    /// Completes a pending refund: that of this id, or the oldest if it is the order's id.
    pub(super) fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String> {
        let not_pending = || format!("{id} has no pending refund.");
        let mut capture = self.capture.take().ok_or_else(not_pending)?;
        let matches = |refund: &Refund| refund.is_pending() && (self.id == id || refund.id == id);
        let index = capture.refunds.iter().position(matches);
        if let Some(index) = index {
            capture.refunds[index].status = if succeeds { "COMPLETED" } else { "FAILED" };
            self.report_refund(&capture, index, context);
        }
        self.capture = Some(capture);
        index.map(drop).ok_or_else(not_pending)
    }

    /// Records a refund once it is completed, and sends the event.
    fn report_refund(&self, capture: &Capture, index: usize, context: &mut Context) {
        let (refund, now) = (&capture.refunds[index], context.now());
        let kind = match refund.status {
            "PENDING" => "PAYMENT.REFUND.PENDING",
            "FAILED" => "PAYMENT.REFUND.FAILED",
            _ => {
                let captured = self.ledger_capture(capture);
                context.ledger.record_refund(&captured, &refund.id, refund.amount, now.to_string());
                "PAYMENT.CAPTURE.REFUNDED"
            }
        };
        let shown = refund.to_json(self, capture, &context.url);
        context.emit(events::event(kind, "refund", &shown, now));
    }
}

impl Capture {
    /// The completed and pending refunds, in minor units.
    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.status != "FAILED").map(|refund| refund.amount).sum()
    }

    /// How much a new refund is, in minor units. Without a requested amount, everything that is left.
    ///
    /// # Errors
    /// PayPal's error response, if it is not possible.
    fn amount_to_refund(&self, requested: &Value, currency: &str) -> Result<i64, Response> {
        match self.status {
            CaptureStatus::Pending => {
                return Err(errors::unprocessable("PENDING_CAPTURE", "The capture is pending."));
            }
            CaptureStatus::Declined => {
                return Err(errors::unprocessable("CAPTURE_DECLINED", "The capture was declined."));
            }
            CaptureStatus::Completed => {}
        }
        let left = self.amount - self.refunded();
        if left == 0 {
            let description = "The capture has already been fully refunded.";
            return Err(errors::unprocessable("CAPTURE_FULLY_REFUNDED", description));
        }
        if requested.is_null() {
            return Ok(left);
        }
        let requested = PaypalAmount::parse(requested)?;
        if requested.currency != currency {
            let description = "Refund must be in the same currency as the capture.";
            return Err(errors::unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH", description));
        }
        if requested.minor > left {
            let description = "The refund amount must be less than or equal to the rest.";
            return Err(errors::unprocessable("REFUND_AMOUNT_EXCEEDED", description));
        }
        Ok(requested.minor)
    }
}

impl Refund {
    pub(super) fn is_pending(&self) -> bool {
        self.status == "PENDING"
    }

    pub(super) fn to_json(&self, order: &Order, capture: &Capture, url: &str) -> Value {
        let amount = order.amount.with_minor(self.amount);
        let mut shown = json!({
            "id": self.id, "status": self.status, "amount": amount.to_json(),
            "create_time": format_time(self.created_at), "update_time": format_time(self.created_at),
            "links": [
                {"href": format!("{url}/paypal/v2/payments/refunds/{}", self.id), "rel": "self", "method": "GET"},
                {"href": format!("{url}/paypal/v2/payments/captures/{}", capture.id), "rel": "up", "method": "GET"},
            ],
        });
        add_strings(
            &mut shown,
            [("custom_id", &self.custom_id), ("invoice_id", &self.invoice_id), ("note_to_payer", &self.note_to_payer)],
        );
        shown
    }
}
