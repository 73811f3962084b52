//! What the buyer and their bank do, and the checkout page.

use super::{BankDecision, CaptureStatus, Order, Refund, events};
use crate::{
    context::Context,
    provider_api::{BuyerAction, CheckoutPage, Redirect},
};

impl Order {
    pub(super) fn apply_buyer_action(
        &mut self,
        action: &BuyerAction,
        context: &mut Context,
    ) -> Result<Redirect, String> {
        match action {
            BuyerAction::Cancel => {
                Ok(Redirect { url: self.cancel_url.clone(), params: vec![("token", self.id.clone())] })
            }
            BuyerAction::BankClears => self.complete_capture(true, context).map(|()| Redirect::default()),
            BuyerAction::BankBounces => self.complete_capture(false, context).map(|()| Redirect::default()),
            _ if self.status == "COMPLETED" => Err(format!("{} is already captured.", self.id)),
            _ => Ok(self.approve(action, context)),
        }
    }

    /// The buyer approves the order. Whether the bank pays is seen when the shop captures it.
    fn approve(&mut self, action: &BuyerAction, context: &mut Context) -> Redirect {
        self.status = "APPROVED";
        self.bank = match action {
            _ if context.is_declined() => BankDecision::Decline,
            BuyerAction::Decline => BankDecision::Decline,
            BuyerAction::PayLater => BankDecision::Defer,
            _ => BankDecision::Approve,
        };
        let amount = context.amount_to_capture(self.amount.minor);
        self.amount_paid = Some(amount).filter(|amount| *amount != self.amount.minor);
        self.updated_at = context.now();
        let shown = self.to_json(&context.url);
        context.emit(events::event("CHECKOUT.ORDER.APPROVED", "checkout-order", &shown, context.now()));
        let params = vec![("token", self.id.clone()), ("PayerID", "SIMULATEDBUYER".to_owned())];
        Redirect { url: self.return_url.clone(), params }
    }

    pub(super) fn checkout_page(&self) -> CheckoutPage {
        let capture = self.capture.as_ref();
        CheckoutPage {
            id: self.id.clone(),
            amount: self.amount.value(),
            currency: self.amount.currency.clone(),
            status: self.status.to_owned(),
            is_open: self.status != "COMPLETED",
            is_pending: capture.is_some_and(|capture| capture.status == CaptureStatus::Pending),
            has_pending_refund: capture.is_some_and(|capture| capture.refunds.iter().any(Refund::is_pending)),
            accepts_test_cards: false,
        }
    }
}
