//! Charging a card, with the outcome that the card has.

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::{PaymentIntent, responses};
use crate::{Provider, context::Context, ledger, response::Response, test_cards::CardOutcome};

impl PaymentIntent {
    /// `off_session`: the buyer is not there to authenticate.
    pub(super) fn charge(
        &mut self,
        card: &str,
        outcome: &CardOutcome,
        off_session: bool,
        context: &mut Context,
    ) -> Response {
        self.payment_method = Some(card.to_owned());
        match outcome {
            _ if context.is_declined() => self.decline("card_declined", "generic_decline", context),
            CardOutcome::Declined { code, decline_code } => self.decline(code, decline_code, context),
            CardOutcome::RequiresAuthentication if off_session => {
                self.decline("authentication_required", "authentication_required", context)
            }
            CardOutcome::RequiresAuthentication => self.require_action(context),
            CardOutcome::Processing => self.start_processing(context),
            CardOutcome::Succeeds => self.succeed(context),
            CardOutcome::Stalls => {
                context.stalls = true;
                self.succeed(context)
            }
        }
    }

    pub(super) fn succeed(&mut self, context: &mut Context) -> Response {
        self.status = "succeeded";
        self.amount_received = context.amount_to_capture(self.amount);
        self.last_payment_error = Value::Null;
        context.ledger.record_capture(self.ledger_capture(context.now()));
        self.emit("payment_intent.succeeded", context);
        responses::ok(&self.to_json(false))
    }

    pub(super) fn decline(&mut self, code: &str, decline_code: &str, context: &mut Context) -> Response {
        let mut error = json!({
            "type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined.",
        });
        self.status = "requires_payment_method";
        self.last_payment_error = error.clone();
        self.emit("payment_intent.payment_failed", context);
        error["payment_intent"] = self.to_json(false);
        responses::error(402, &error)
    }

    fn start_processing(&mut self, context: &mut Context) -> Response {
        self.status = "processing";
        self.last_payment_error = Value::Null;
        self.emit("payment_intent.processing", context);
        responses::ok(&self.to_json(false))
    }

    /// The buyer authenticates on the checkout page.
    fn require_action(&mut self, context: &mut Context) -> Response {
        self.status = "requires_action";
        self.last_payment_error = Value::Null;
        self.emit("payment_intent.requires_action", context);
        let mut shown = self.to_json(false);
        let redirect = json!({"url": format!("{}/pay/stripe/{}", context.url, self.id), "return_url": self.return_url});
        shown["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url": redirect});
        responses::ok(&shown)
    }

    pub(super) fn ledger_capture(&self, now: Timestamp) -> ledger::Capture {
        let metadata = |name: &str| self.metadata.get(name).cloned().unwrap_or_default();
        ledger::Capture {
            provider: Provider::Stripe,
            transaction: self.id.clone(),
            capture: self.charge_id(),
            order_id: metadata("order_id"),
            payment_id: metadata("payment_id"),
            amount: self.amount_received,
            currency: self.currency.to_uppercase(),
            captured_at: now.to_string(),
        }
    }
}
