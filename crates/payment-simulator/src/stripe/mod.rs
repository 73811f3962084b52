//! Stripe: payment intents, their charges, and refunds.
//!
//! The first response to an `Idempotency-Key` is repeated for a day, a 500 included.

mod buyer;
mod charging;
mod objects;
mod payment_intents;
mod refunds;
mod responses;
mod settlement;

use std::{collections::VecDeque, time::Duration};

use platform::clock::Timestamp;
use poem::{
    http::Method,
    web::headers::{Authorization, HeaderMapExt, authorization::Basic},
};
use serde_json::Value;

use crate::{
    context::Context,
    credentials,
    faults::MoneyOperation,
    idempotency::IdempotencyKeys,
    provider_api::{BuyerAction, CheckoutPage, ProviderApi, Redirect},
    records::Records,
    request::{Params, Request},
    response::Response,
    webhooks::Event,
};

const KEY_LIFETIME: Duration = Duration::from_hours(24);

pub(super) struct Account {
    /// Each also by the ids of its refunds.
    intents: Records<PaymentIntent>,
    keys: IdempotencyKeys,
    /// The ids of intents in `processing`, with the time when they succeed, the earliest first.
    settlements: VecDeque<(Timestamp, String)>,
}

#[derive(Clone)]
struct PaymentIntent {
    id: String,
    client_secret: String,
    /// In minor units.
    amount: i64,
    /// In lower case.
    currency: String,
    metadata: Params,
    /// Unix time.
    created: i64,
    status: &'static str,
    payment_method: Option<String>,
    return_url: Option<String>,
    /// In minor units. A fault can make it differ from `amount`.
    amount_received: i64,
    /// The oldest first, as JSON.
    refunds: Vec<Value>,
    last_payment_error: Value,
}

impl Account {
    pub fn new() -> Self {
        Self {
            intents: Records::new(),
            keys: IdempotencyKeys::with_lifetime(KEY_LIFETIME),
            settlements: VecDeque::new(),
        }
    }

    fn with_intent(&mut self, id: &str, act: impl FnOnce(&mut PaymentIntent) -> Response) -> Response {
        self.intents.get_mut(id).map_or_else(|| responses::not_found("payment_intent", id), act)
    }

    /// With the publishable key, a browser can retrieve and confirm the intent whose client secret it has.
    fn is_allowed_in_browser(&self, request: &Request) -> bool {
        let (["GET", "v1", "payment_intents", id] | ["POST", "v1", "payment_intents", id, "confirm"]) =
            request.route()[..]
        else {
            return false;
        };
        self.intents.get(id).is_some_and(|intent| request.param("client_secret") == Some(&intent.client_secret))
    }
}

impl ProviderApi for Account {
    fn idempotency_key(&self, request: &Request) -> Option<String> {
        (request.method == Method::POST).then(|| request.header("idempotency-key")).flatten().map(str::to_owned)
    }

    fn idempotency_keys(&mut self, _: &str) -> &mut IdempotencyKeys {
        &mut self.keys
    }

    /// A request that failed its validation was not executed, so its key can be used again.
    fn stores_response(&self, response: &Response) -> bool {
        !matches!(response.status, 400 | 404)
    }

    fn replay(&self, stored: Response, is_same_request: bool) -> Response {
        if is_same_request {
            stored.with_header("idempotent-replayed", "true")
        } else {
            let message = "Keys for idempotent requests can only be used with the parameters of the first one.";
            responses::idempotency_error(400, message)
        }
    }

    fn key_in_use(&self) -> Response {
        let message = "There is currently another in-progress request using this idempotency key.";
        responses::idempotency_error(409, message)
    }

    fn authenticate(&self, request: &Request, _: Timestamp) -> Result<(), Response> {
        let authorization = request.header("authorization");
        let bearer = authorization.and_then(|header| header.strip_prefix("Bearer ")).map(str::to_owned);
        let basic = request.headers.typed_get::<Authorization<Basic>>().map(|basic| basic.username().to_owned());
        match bearer.or(basic).as_deref().or(request.param("key")) {
            Some(credentials::STRIPE_SECRET_KEY) => Ok(()),
            Some(credentials::STRIPE_PUBLISHABLE_KEY) if self.is_allowed_in_browser(request) => Ok(()),
            Some(credentials::STRIPE_PUBLISHABLE_KEY) => {
                let message = "This call needs the secret key, or the client secret.";
                Err(responses::invalid_request(401, "secret_key_required", message))
            }
            _ => Err(responses::invalid_api_key()),
        }
    }

    fn server_error(&self) -> Response {
        responses::server_error()
    }

    fn rate_limited(&self) -> Response {
        responses::invalid_request(429, "rate_limit", "Too many requests hit the API too quickly.")
    }

    fn money_operation(&self, request: &Request) -> Option<MoneyOperation> {
        match request.route()[..] {
            ["POST", "v1", "payment_intents", _, "confirm"] => Some(MoneyOperation::Charge),
            ["POST", "v1", "payment_intents"] if request.param("confirm") == Some("true") => {
                Some(MoneyOperation::Charge)
            }
            ["POST", "v1", "refunds"] => Some(MoneyOperation::Refund),
            _ => None,
        }
    }

    fn handle(&mut self, request: &Request, context: &mut Context) -> Response {
        self.settle_due_intents(context);
        let params = &request.params;
        match request.route()[..] {
            ["POST", "v1", "payment_intents"] => self.create_intent(params, context),
            ["GET", "v1", "payment_intents"] => self.list_intents(params),
            ["GET", "v1", "payment_intents", id] => {
                self.with_intent(id, |intent| responses::ok(&intent.to_expanded_json(params)))
            }
            ["POST", "v1", "payment_intents", id, "confirm"] => {
                let response = self.with_intent(id, |intent| intent.confirm(params, context));
                self.schedule_settlement(id, context);
                response
            }
            ["POST", "v1", "payment_intents", id, "cancel"] => self.with_intent(id, |intent| intent.cancel(context)),
            ["GET", "v1", "charges", id] => {
                self.with_intent(&intent_id(id), |intent| responses::ok(&intent.charge_json()))
            }
            ["POST", "v1", "refunds"] => self.create_refund(params, context),
            ["GET", "v1", "refunds"] => self.list_refunds(params),
            ["GET", "v1", "refunds", id] => self.retrieve_refund(id),
            _ => responses::invalid_request(404, "url_invalid", "Unrecognized request URL."),
        }
    }

    fn has(&self, id: &str) -> bool {
        self.intents.get(id).is_some()
    }

    fn apply_buyer_action(
        &mut self,
        id: &str,
        action: &BuyerAction,
        context: &mut Context,
    ) -> Result<Redirect, String> {
        let intent = self.intents.get_mut(id).ok_or_else(|| format!("No such payment intent: {id}."))?;
        let redirect = intent.apply_buyer_action(action, context)?;
        if matches!(action, BuyerAction::Pay { .. } | BuyerAction::Decline) {
            self.schedule_settlement(id, context);
        }
        Ok(redirect)
    }

    fn complete_refund(&mut self, id: &str, succeeds: bool, context: &mut Context) -> Result<(), String> {
        self.update_pending_refund(id, succeeds, context)
    }

    fn return_refund(&mut self, id: &str, context: &mut Context) -> Result<(), String> {
        self.fail_last_refund(id, context)
    }

    fn checkout_page(&self, id: &str) -> Option<CheckoutPage> {
        self.intents.get(id).map(PaymentIntent::checkout_page)
    }

    fn open_checkouts(&self) -> Vec<CheckoutPage> {
        let newest = self.intents.newest_first().take(200);
        newest.filter(|intent| !intent.is_final()).take(20).map(PaymentIntent::checkout_page).collect()
    }

    fn event(&self, kind: &str, id: &str, context: &Context) -> Event {
        let made_up = || PaymentIntent::new(id.to_owned(), 1000, "usd", Params::new(), context.now());
        let intent = self.intents.get(id).cloned().unwrap_or_else(made_up);
        let object = match kind.split('.').next() {
            Some("charge") => intent.charge_json(),
            Some("refund") => intent.refunds.last().cloned().unwrap_or_default(),
            _ => intent.to_json(false),
        };
        objects::event(kind, &object, context)
    }
}

/// A payment intent has one charge at most, whose id has the same characters.
fn intent_id(charge_id: &str) -> String {
    charge_id.replacen("ch_", "pi_", 1)
}
