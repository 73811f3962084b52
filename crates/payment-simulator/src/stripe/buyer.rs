//! What the buyer and their bank do, and the checkout page.

use super::PaymentIntent;
use crate::{
    context::Context,
    provider_api::{BuyerAction, CheckoutPage, Redirect, format_amount},
    test_cards::{CardOutcome, card_outcome, test_card_table},
};

impl PaymentIntent {
    pub(super) fn apply_buyer_action(
        &mut self,
        action: &BuyerAction,
        context: &mut Context,
    ) -> Result<Redirect, String> {
        match action {
            BuyerAction::BankClears | BuyerAction::BankBounces => self.complete(action, context),
            BuyerAction::Pay { card } => self.pay(card.as_deref().unwrap_or("pm_card_visa"), context),
            BuyerAction::PayLater => self.pay("pm_card_processing", context),
            BuyerAction::Decline => self.pay("pm_card_chargeDeclined", context),
            _ => Ok(self.redirect("failed")),
        }
    }

    /// The bank confirms or rejects a payment in `processing`.
    fn complete(&mut self, action: &BuyerAction, context: &mut Context) -> Result<Redirect, String> {
        if self.status != "processing" {
            return Err(format!("The status of {} is {}, not processing.", self.id, self.status));
        }
        if matches!(action, BuyerAction::BankClears) {
            self.succeed(context);
        } else {
            self.decline("card_declined", "generic_decline", context);
        }
        Ok(Redirect::default())
    }

    /// The buyer pays with a test card.
    fn pay(&mut self, card: &str, context: &mut Context) -> Result<Redirect, String> {
        if self.is_final() || self.status == "processing" {
            return Err(format!("The status of {} is {}.", self.id, self.status));
        }
        let outcome = match card_outcome(card) {
            None => return Err(format!("No such test card: {card}. The test cards are\n{}", test_card_table())),
            // The buyer authenticates now.
            Some(CardOutcome::RequiresAuthentication) => &CardOutcome::Succeeds,
            Some(outcome) => outcome,
        };
        self.charge(card, outcome, false, context);
        context.stalls = false; // no client waits for a response
        let paid = matches!(self.status, "succeeded" | "processing");
        Ok(self.redirect(if paid { "succeeded" } else { "failed" }))
    }

    fn redirect(&self, status: &str) -> Redirect {
        let params = vec![
            ("payment_intent", self.id.clone()),
            ("payment_intent_client_secret", self.client_secret.clone()),
            ("redirect_status", status.to_owned()),
        ];
        Redirect { url: self.return_url.clone(), params }
    }

    pub(super) fn checkout_page(&self) -> CheckoutPage {
        let currency = self.currency.to_uppercase();
        CheckoutPage {
            id: self.id.clone(),
            amount: format_amount(self.amount, &currency),
            currency,
            status: self.status.to_owned(),
            is_open: !self.is_final() && self.status != "processing",
            is_pending: self.status == "processing",
            has_pending_refund: self.refunds.iter().any(|refund| refund["status"] == "pending"),
            accepts_test_cards: true,
        }
    }
}
