//! What each simulated provider implements.

use platform::{
    clock::Timestamp,
    money::{Currency, Money},
};

use crate::{
    context::Context, faults::MoneyOperation, idempotency::IdempotencyKeys, request::Request, response::Response,
    webhooks::Event,
};

/// A provider's HTTP API, its rules for repeated requests, and what a buyer can do.
pub(super) trait ProviderApi {
    /// The request's idempotency key, if it has one and the provider supports it on this endpoint.
    fn idempotency_key(&self, request: &Request) -> Option<String>;
    /// Where this key is stored.
    fn idempotency_keys(&mut self, key: &str) -> &mut IdempotencyKeys;
    /// Whether later requests with the same key get this response, too.
    fn stores_response(&self, response: &Response) -> bool;
    /// The response to a request whose key has a stored response.
    fn replay(&self, stored: Response, is_same_request: bool) -> Response;
    /// The response while the first request with the key is in progress.
    fn key_in_use(&self) -> Response;

    /// # Errors
    /// The provider's 401, if the credentials are not the simulator's.
    fn authenticate(&self, request: &Request, now: Timestamp) -> Result<(), Response>;
    /// The provider's 500.
    fn server_error(&self) -> Response;
    /// The provider's 429.
    fn rate_limited(&self) -> Response;
    fn money_operation(&self, request: &Request) -> Option<MoneyOperation>;
    fn handle(&mut self, request: &Request, context: &mut Context) -> Response;

    /// Whether it has a transaction with this id, or with a refund of this id.
    fn has(&self, id: &str) -> bool;

    /// # Errors
    /// Why it is not possible.
    fn apply_buyer_action(&mut self, id: &str, action: &BuyerAction, context: &mut Context)
    -> Result<Redirect, String>;
    /// Completes a pending refund: that of this id, or the oldest of the transaction of this id.
    ///
    /// # Errors
    /// If there is none.
    fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String>;
    /// The bank returns a refund that had succeeded, the last of the transaction. Only Stripe reports that.
    ///
    /// # Errors
    /// If there is none.
    fn return_refund(&mut self, id: &str, _context: &mut Context) -> Result<(), String> {
        Err(format!("{id} has no pending refund."))
    }

    fn checkout_page(&self, id: &str) -> Option<CheckoutPage>;
    /// The newest payments that are not completed.
    fn open_checkouts(&self) -> Vec<CheckoutPage>;
    /// An event about a transaction in its current state. An unknown transaction is made up.
    fn event(&self, kind: &str, id: &str, context: &Context) -> Event;
}

/// What the buyer, or their bank, does outside of the shop.
pub(super) enum BuyerAction {
    Pay {
        card: Option<String>,
    },
    /// Pays by a method that the bank confirms or rejects later.
    PayLater,
    BankClears,
    BankBounces,
    /// Pays, and the bank declines at once.
    Decline,
    Cancel,
    /// A pending refund succeeds.
    RefundSucceeds,
    /// A pending refund fails. If none is pending, the bank returns the last one.
    RefundFails,
}

/// Where the provider sends the buyer afterwards.
#[derive(Default)]
pub(super) struct Redirect {
    /// The return URL that the shop set, if any.
    pub url: Option<String>,
    /// The query parameters that the provider adds.
    pub params: Vec<(&'static str, String)>,
}

/// What the checkout page of a payment shows.
#[expect(clippy::struct_excessive_bools, reason = "each shows or hides a part of the page")]
#[derive(serde::Serialize)]
pub(super) struct CheckoutPage {
    pub id: String,
    pub amount: String,
    pub currency: String,
    pub status: String,
    pub is_open: bool,
    /// Whether a bank has yet to confirm the payment.
    pub is_pending: bool,
    pub has_pending_refund: bool,
    pub accepts_test_cards: bool,
}

/// An amount for people: `12.00`.
pub(super) fn format_amount(minor: i64, currency: &str) -> String {
    let parsed = currency.parse::<Currency>();
    parsed.map_or_else(|_| minor.to_string(), |currency| currency.format(Money(minor)).to_string())
}
