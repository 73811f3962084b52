//! Payments: the buyer's attempts to pay an order.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::{Account, Order, Payment, PaymentStatus, events, responses};
use crate::{
    Provider,
    context::{Context, new_id},
    ledger,
    response::Response,
};

impl Account {
    pub(super) fn retrieve_payment(&self, id: &str) -> Response {
        let found = self.payment(id);
        found.map_or_else(responses::not_found, |(order, payment)| responses::ok(&payment.to_json(order)))
    }

    /// Captures an authorized payment.
    pub(super) fn capture_payment(&mut self, id: &str, body: &Value, context: &mut Context) -> Response {
        let Some(order) = self.orders.get_mut(id) else { return responses::not_found() };
        let Some(index) = order.payment_index(id) else { return responses::not_found() };
        match order.payments[index].status {
            PaymentStatus::Authorized => {}
            PaymentStatus::Captured => return responses::bad_request("This payment has already been captured"),
            PaymentStatus::Failed => {
                return responses::bad_request("The payment status should be authorized for action to be taken");
            }
        }
        if body["amount"] != order.amount || body["currency"] != order.currency.as_str() {
            return responses::bad_request("Capture amount must be equal to the amount authorized");
        }
        order.payments[index].status = PaymentStatus::Captured;
        let now = context.now();
        context.ledger.record_capture(order.ledger_capture(&order.payments[index], now));
        for kind in ["payment.captured", "order.paid"] {
            context.emit(events::event(kind, order, None, now));
        }
        responses::ok(&order.payments[index].to_json(order))
    }

    pub(super) fn payment(&self, id: &str) -> Option<(&Order, &Payment)> {
        let order = self.orders.get(id)?;
        Some((order, order.payments.iter().find(|payment| payment.id == id)?))
    }
}

impl Order {
    pub(super) fn payment_index(&self, id: &str) -> Option<usize> {
        self.payments.iter().position(|payment| payment.id == id)
    }

    pub(super) fn ledger_capture(&self, payment: &Payment, now: Timestamp) -> ledger::Capture {
        let order_id = &self.notes["order_id"];
        let order_id = order_id.as_str().map(str::to_owned).or_else(|| order_id.as_i64().map(|id| id.to_string()));
        ledger::Capture {
            provider: Provider::Razorpay,
            transaction: self.id.clone(),
            capture: payment.id.clone(),
            order_id: order_id.unwrap_or_default(),
            payment_id: self.receipt.clone().unwrap_or_default(),
            amount: payment.amount,
            currency: self.currency.clone(),
            captured_at: now.to_string(),
        }
    }
}

impl Payment {
    pub(super) fn new(status: PaymentStatus, amount: i64, now: Timestamp) -> Self {
        Self { id: new_id("pay_", 14), amount, status, created_at: now.unix_seconds(), refunds: Vec::new() }
    }

    pub(super) fn to_json(&self, order: &Order) -> Value {
        let refunded = self.amount_refunded();
        let (status, refund_status) = match (self.status, refunded) {
            (PaymentStatus::Failed, _) => ("failed", Value::Null),
            (PaymentStatus::Authorized, _) => ("authorized", Value::Null),
            (PaymentStatus::Captured, 0) => ("captured", Value::Null),
            (PaymentStatus::Captured, refunded) if refunded == self.amount => ("refunded", "full".into()),
            (PaymentStatus::Captured, _) => ("captured", "partial".into()),
        };
        let if_failed = |text: &str| if self.status == PaymentStatus::Failed { text.into() } else { Value::Null };
        json!({
            "id": self.id, "entity": "payment", "amount": self.amount, "currency": order.currency, "status": status,
            "order_id": order.id, "invoice_id": null, "international": false, "method": "card",
            "amount_refunded": refunded, "refund_status": refund_status,
            "captured": self.status == PaymentStatus::Captured,
            "description": null, "card_id": null, "bank": null, "wallet": null, "vpa": null,
            "email": "buyer@example.com", "contact": "+919999999999", "notes": [], "fee": 0, "tax": 0,
            "error_code": if_failed("BAD_REQUEST_ERROR"),
            "error_description": if_failed("Your payment was declined by the bank."),
            "error_source": if_failed("bank"), "error_step": if_failed("payment_authorization"),
            "error_reason": if_failed("payment_failed"), "acquirer_data": {}, "created_at": self.created_at,
        })
    }
}
