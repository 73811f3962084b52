//! Refunds of a payment.

use serde_json::{Value, json};

use super::{Account, Order, Payment, PaymentStatus, events, notes, paging, responses};
use crate::{
    Provider,
    context::{Context, new_id},
    request::Request,
    response::Response,
};

impl Account {
    pub(super) fn create_refund(
        &mut self,
        payment_id: &str,
        request: &Request,
        body: &Value,
        context: &mut Context,
    ) -> Response {
        if request.header("x-refund-idempotency").is_some_and(|key| !is_valid_key(key)) {
            return responses::bad_request(
                "The idempotency key must be at least 10 characters of letters, digits, - and _.",
            );
        }
        let Some(order) = self.orders.get_mut(payment_id) else { return responses::not_found() };
        let Some(index) = order.payment_index(payment_id) else { return responses::not_found() };
        let amount = match order.payments[index].amount_to_refund(&body["amount"]) {
            Ok(amount) => amount,
            Err(description) => return responses::bad_request(description),
        };
        let now = context.now();
        let id = new_id("rfnd_", 14);
        let is_pending = context.defers_refund(Provider::Razorpay, &id);
        let refund = json!({
            "id": id, "entity": "refund", "amount": amount, "currency": order.currency,
            "payment_id": payment_id, "notes": notes(&body["notes"]), "receipt": body["receipt"],
            "acquirer_data": {"arn": null}, "created_at": now.unix_seconds(), "batch_id": null,
            "status": if is_pending { "pending" } else { "processed" },
            "speed_processed": "normal", "speed_requested": "normal",
        });
        order.payments[index].refunds.push(refund.clone());
        context.emit(events::event("refund.created", order, Some(&refund), now));
        if !is_pending {
            order.record_refund(index, &refund, context);
            context.emit(events::event("refund.processed", order, Some(&refund), now));
        }
        self.orders.add_alias(payment_id, &id);
        responses::ok(&refund)
    }

    /// The newest first.
    pub(super) fn list_refunds(&self, payment_id: &str, request: &Request) -> Response {
        let Some((_, payment)) = self.payment(payment_id) else { return responses::not_found() };
        let (count, skip) = paging(request);
        let page: Vec<Value> = payment.refunds.iter().rev().skip(skip).take(count).cloned().collect();
        responses::ok(&responses::collection(&page))
    }

    pub(super) fn retrieve_refund(&self, id: &str) -> Response {
        let mut refunds =
            self.orders.get(id).into_iter().flat_map(|order| &order.payments).flat_map(|payment| &payment.refunds);
        refunds.find(|refund| refund["id"] == id).map_or_else(responses::not_found, responses::ok)
    }
}

impl Order {
    /// Completes a pending refund: that of this id, or the oldest if it is the order's id.
    pub(super) fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String> {
        let matches = |refund: &Value| refund["status"] == "pending" && (self.id == id || refund["id"] == id);
        let mut payments = self.payments.iter().enumerate();
        let found =
            payments.find_map(|(payment, of)| of.refunds.iter().position(matches).map(|refund| (payment, refund)));
        let (payment, refund) = found.ok_or_else(|| format!("{id} has no pending refund."))?;
        let (status, kind) = if succeeds { ("processed", "refund.processed") } else { ("failed", "refund.failed") };
        self.payments[payment].refunds[refund]["status"] = status.into();
        let refund = self.payments[payment].refunds[refund].clone();
        if succeeds {
            self.record_refund(payment, &refund, context);
        }
        context.emit(events::event(kind, self, Some(&refund), context.now()));
        Ok(())
    }

    /// Records a refund of the payment at `index` in the ledger.
    fn record_refund(&self, index: usize, refund: &Value, context: &mut Context) {
        let (now, capture) = (context.now(), self.ledger_capture(&self.payments[index], context.now()));
        let (id, amount) = (refund["id"].as_str().unwrap_or_default(), refund["amount"].as_i64().unwrap_or_default());
        context.ledger.record_refund(&capture, id, amount, now.to_string());
    }
}

impl Payment {
    /// The processed and pending refunds, in minor units.
    pub(super) fn amount_refunded(&self) -> i64 {
        let counted = self.refunds.iter().filter(|refund| refund["status"] != "failed");
        counted.filter_map(|refund| refund["amount"].as_i64()).sum()
    }

    pub(super) fn has_pending_refund(&self) -> bool {
        self.refunds.iter().any(|refund| refund["status"] == "pending")
    }

    /// How much a new refund is, in minor units. Without a requested amount, everything that is left.
    ///
    /// # Errors
    /// The description of Razorpay's error, if it is not possible.
    fn amount_to_refund(&self, requested: &Value) -> Result<i64, &'static str> {
        if self.status != PaymentStatus::Captured {
            return Err("The payment status should be captured for action to be taken");
        }
        let left = self.amount - self.amount_refunded();
        if left == 0 {
            return Err("The payment has been fully refunded already");
        }
        let amount = if requested.is_null() { left } else { requested.as_i64().unwrap_or_default() };
        if amount < 1 {
            return Err("The amount must be at least 1.");
        }
        if amount > left {
            return Err("The refund amount provided is greater than amount captured");
        }
        Ok(amount)
    }
}

fn is_valid_key(key: &str) -> bool {
    key.len() >= 10 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
