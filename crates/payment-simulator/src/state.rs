//! The state of the simulator: the providers, and the way of a request through them.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Options, Provider,
    context::Context,
    faults::{Fault, FaultInjector, InjectionPoint},
    idempotency::Claim,
    paypal,
    provider_api::{BuyerAction, ProviderApi, Redirect},
    razorpay,
    request::Request,
    response::Response,
    stripe,
    webhook_sender::OutgoingEvent,
    webhooks::Event,
};

pub(super) struct State {
    pub context: Context,
    pub faults: FaultInjector,
    pub request_counts: BTreeMap<Provider, u64>,
    /// How long a stalled response takes.
    pub stall: Duration,
    stripe: stripe::Account,
    paypal: paypal::Account,
    razorpay: razorpay::Account,
}

/// A request that was processed, before the response is sent.
pub(super) struct Processed {
    pub response: Response,
    /// The idempotency key that this request was the first to use.
    pub new_key: Option<String>,
    pub events: Vec<OutgoingEvent>,
    /// Whether the response comes after the client's timeout.
    pub stalls: bool,
}

impl State {
    pub fn new(url: &str, options: &Options) -> Self {
        let mut faults = FaultInjector::default();
        faults.set_random(options.fault_rate, options.seed, Vec::new());
        Self {
            context: Context::new(url, options),
            faults,
            request_counts: BTreeMap::new(),
            stall: options.stall,
            stripe: stripe::Account::new(),
            paypal: paypal::Account::new(),
            razorpay: razorpay::Account::new(),
        }
    }

    pub fn provider(&self, provider: Provider) -> &dyn ProviderApi {
        match provider {
            Provider::Stripe => &self.stripe,
            Provider::Paypal => &self.paypal,
            Provider::Razorpay => &self.razorpay,
        }
    }

    /// The provider that has a transaction or refund with this id.
    pub fn provider_of(&self, id: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| self.provider(*provider).has(id))
    }

    /// The provider together with the context, which it changes.
    fn provider_mut(&mut self, provider: Provider) -> (&mut dyn ProviderApi, &mut Context) {
        let api: &mut dyn ProviderApi = match provider {
            Provider::Stripe => &mut self.stripe,
            Provider::Paypal => &mut self.paypal,
            Provider::Razorpay => &mut self.razorpay,
        };
        (api, &mut self.context)
    }

    /// Counts a request and chooses its fault.
    ///
    /// # Errors
    /// The provider's 401.
    pub fn receive(&mut self, provider: Provider, request: &Request) -> Result<Option<Fault>, Response> {
        *self.request_counts.entry(provider).or_default() += 1;
        let api = self.provider(provider);
        api.authenticate(request, self.context.now())?;
        let operation = api.money_operation(request);
        Ok(self.faults.choose(provider, InjectionPoint::ApiRequest { request, operation }))
    }

    /// Processes a request, or finds the response to the first one with its idempotency key.
    pub fn process(&mut self, provider: Provider, request: &Request, fault: Option<Fault>) -> Processed {
        self.complete_due_refunds(provider);
        let (api, context) = self.provider_mut(provider);
        let key = api.idempotency_key(request);
        if let Some(key) = &key
            && let Some(response) = response_of_key(api, key, request, context)
        {
            return Processed { response, new_key: None, events: Vec::new(), stalls: false };
        }
        context.fault = fault;
        let response = match fault {
            Some(Fault::ErrorBefore) => api.server_error(),
            Some(Fault::ErrorAfter) => {
                api.handle(request, context);
                api.server_error()
            }
            _ => api.handle(request, context),
        };
        let stalls = std::mem::take(&mut context.stalls);
        context.fault = None;
        Processed { response, new_key: key, events: self.take_events(), stalls }
    }

    fn complete_due_refunds(&mut self, provider: Provider) {
        while let Some(refund) = self.context.next_due_refund(provider) {
            let (api, context) = self.provider_mut(provider);
            let _ = api.complete_refund(&refund.id, refund.succeeds, context); // a script may have completed it
        }
    }

    /// Stores the first response of an idempotency key, or releases the key.
    pub fn finish(&mut self, provider: Provider, key: &str, response: &Response) {
        let (api, _) = self.provider_mut(provider);
        if api.stores_response(response) {
            api.idempotency_keys(key).store(key, response);
        } else {
            api.idempotency_keys(key).release(key);
        }
    }

    /// # Errors
    /// Why the action is not possible.
    pub fn apply_buyer_action(
        &mut self,
        provider: Provider,
        id: &str,
        action: &BuyerAction,
    ) -> Result<Redirect, String> {
        let pays = matches!(action, BuyerAction::Pay { .. });
        self.context.fault = if pays { self.faults.choose(provider, InjectionPoint::Checkout) } else { None };
        let (api, context) = self.provider_mut(provider);
        let result = match action {
            BuyerAction::RefundSucceeds => api.complete_refund(id, true, context).map(|()| Redirect::default()),
            BuyerAction::RefundFails => api
                .complete_refund(id, false, context)
                .or_else(|_| api.return_refund(id, context))
                .map(|()| Redirect::default()),
            _ => api.apply_buyer_action(id, action, context),
        };
        self.context.fault = None;
        result
    }

    /// Removes the events that are to be sent, and chooses the fault of each.
    pub fn take_events(&mut self) -> Vec<OutgoingEvent> {
        let events = std::mem::take(&mut self.context.events);
        let with_fault = |event: Event| {
            let fault = self.faults.choose(event.provider, InjectionPoint::Webhook);
            OutgoingEvent { event, fault }
        };
        events.into_iter().map(with_fault).collect()
    }

    /// An event about a transaction in its current state. An unknown transaction is made up.
    pub fn event(&self, provider: Provider, kind: &str, id: &str) -> Event {
        self.provider(provider).event(kind, id, &self.context)
    }
}

/// The response to a request whose idempotency key is not new. Claims a new key.
fn response_of_key(api: &mut dyn ProviderApi, key: &str, request: &Request, context: &Context) -> Option<Response> {
    match api.idempotency_keys(key).claim(key, request.fingerprint(), context.now()) {
        Claim::New => None,
        Claim::InProgress => Some(api.key_in_use()),
        Claim::Completed { response, is_same_request } => Some(api.replay(response, is_same_request)),
    }
}
