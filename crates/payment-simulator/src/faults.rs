//! Fault injection: scripted for the next request, or at random for all.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use crate::{Provider, request::Request};

/// What can go wrong with an API request, a payment or a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request is not processed. The connection is closed after the client's timeout.
    TimeoutBefore,
    /// The request is processed. The response comes after the client's timeout, and until then the idempotency key is
    /// in use.
    TimeoutAfter,
    /// The connection is closed. The request is not processed.
    CutBefore,
    /// The request is processed and its response stored under the idempotency key, then the connection is closed.
    CutAfter,
    /// A 500, and the request is not processed. Stripe stores the 500 under the idempotency key and repeats it.
    ErrorBefore,
    /// A 500, although the request was processed. Stripe repeats the 500, so only retrieving the object shows the truth.
    ErrorAfter,
    /// A 429. The request is not processed, and nothing is stored under the idempotency key.
    RateLimited,
    /// The next card or wallet that is charged is declined.
    Declined,
    /// The request is processed, but all amounts in the response are wrong.
    WrongAmount,
    /// The next card or wallet pays a tenth less than requested.
    CapturesLess,
    /// The next card or wallet pays a tenth more than requested.
    CapturesMore,
    /// The next refund is pending, and succeeds after 30 seconds.
    RefundPending,
    /// The next refund is pending, and fails after 30 seconds.
    RefundFails,
    /// A webhook is sent twice.
    WebhookDuplicated,
    /// A webhook is sent after the one that follows it.
    WebhookShuffled,
    /// A webhook is sent seconds later.
    WebhookLate,
    /// A webhook is sent before the response to the request that caused it.
    WebhookEarly,
    /// A webhook is sent with an invalid signature first, and with a valid one when it was refused.
    WebhookBadlySigned,
    /// A webhook is never sent.
    WebhookLost,
}

impl Fault {
    /// In the order in which the control API lists them.
    pub const ALL: [Self; 19] = [
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::CutBefore,
        Self::CutAfter,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::RateLimited,
        Self::Declined,
        Self::WrongAmount,
        Self::CapturesLess,
        Self::CapturesMore,
        Self::RefundPending,
        Self::RefundFails,
        Self::WebhookDuplicated,
        Self::WebhookShuffled,
        Self::WebhookLate,
        Self::WebhookEarly,
        Self::WebhookBadlySigned,
        Self::WebhookLost,
    ];

    /// As in the control API: `cut_after`.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn affects_webhooks(self) -> bool {
        self >= Self::WebhookDuplicated
    }

    fn affects_charges(self) -> bool {
        matches!(self, Self::Declined | Self::CapturesLess | Self::CapturesMore)
    }

    pub(super) fn affects_refunds(self) -> bool {
        matches!(self, Self::RefundPending | Self::RefundFails)
    }
}

/// What an API request does with money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoneyOperation {
    Charge,
    Refund,
}

/// Where a fault can be injected.
#[derive(Clone, Copy)]
pub(super) enum InjectionPoint<'a> {
    ApiRequest {
        request: &'a Request,
        operation: Option<MoneyOperation>,
    },
    /// The buyer pays on the checkout page.
    Checkout,
    Webhook,
}

impl InjectionPoint<'_> {
    fn allows(self, fault: Fault) -> bool {
        match self {
            Self::Webhook => fault.affects_webhooks(),
            Self::Checkout => fault.affects_charges(),
            Self::ApiRequest { operation, .. } if fault.affects_charges() => operation == Some(MoneyOperation::Charge),
            Self::ApiRequest { operation, .. } if fault.affects_refunds() => operation == Some(MoneyOperation::Refund),
            Self::ApiRequest { .. } => !fault.affects_webhooks(),
        }
    }

    /// Whether `on` is part of the request's `METHOD /path`. Without `on`, requests for an access token or for the
    /// verification of a signature do not match.
    fn matches(self, on: Option<&str>) -> bool {
        let Self::ApiRequest { request, .. } = self else { return on.is_none() };
        match on {
            Some(part) => format!("{} {}", request.method, request.path).contains(part),
            None => !request.path.starts_with("/v1/oauth2/") && !request.path.starts_with("/v1/notifications/"),
        }
    }
}

struct ScriptedFault {
    /// If `None`, any provider.
    provider: Option<Provider>,
    fault: Fault,
    on: Option<String>,
}

struct RandomFaults {
    rate: f64,
    only: Vec<Fault>,
    rng: StdRng,
}

/// The scripted and random faults, and how many were injected.
#[derive(Default)]
pub(super) struct FaultInjector {
    script: VecDeque<ScriptedFault>,
    random: Option<RandomFaults>,
    pub injected: BTreeMap<Fault, u64>,
}

impl FaultInjector {
    /// Injects a fault into the next request or webhook that it can affect. With `on`, only into a request whose
    /// `METHOD /path` contains that.
    pub fn script(&mut self, provider: Option<Provider>, fault: Fault, on: Option<String>) {
        self.script.push_back(ScriptedFault { provider, fault, on });
    }

    /// Injects faults into all requests and webhooks with this probability, chosen from `only`, or from all if empty.
    pub fn set_random(&mut self, rate: f64, seed: u64, only: Vec<Fault>) {
        let only = if only.is_empty() { Fault::ALL.to_vec() } else { only };
        let rng = StdRng::seed_from_u64(seed);
        self.random = (rate > 0.0).then(|| RandomFaults { rate: rate.min(1.0), only, rng });
    }

    pub fn clear(&mut self) {
        self.script.clear();
        self.random = None;
    }

    /// How many scripted faults were not injected yet.
    pub fn scripted(&self) -> usize {
        self.script.len()
    }

    pub fn rate(&self) -> f64 {
        self.random.as_ref().map_or(0.0, |random| random.rate)
    }

    /// Chooses the fault to inject, and counts it. Scripted faults come first.
    pub fn choose(&mut self, provider: Provider, point: InjectionPoint) -> Option<Fault> {
        let fault = self.next_scripted(provider, point).or_else(|| self.random.as_mut()?.choose(point))?;
        *self.injected.entry(fault).or_default() += 1;
        Some(fault)
    }

    fn next_scripted(&mut self, provider: Provider, point: InjectionPoint) -> Option<Fault> {
        let matches = |scripted: &ScriptedFault| {
            scripted.provider.is_none_or(|expected| expected == provider)
                && point.allows(scripted.fault)
                && point.matches(scripted.on.as_deref())
        };
        let index = self.script.iter().position(matches)?;
        self.script.remove(index).map(|scripted| scripted.fault)
    }
}

impl RandomFaults {
    fn choose(&mut self, point: InjectionPoint) -> Option<Fault> {
        if !self.rng.random_bool(self.rate) {
            return None;
        }
        let allowed: Vec<Fault> = self.only.iter().copied().filter(|fault| point.allows(*fault)).collect();
        allowed.choose(&mut self.rng).copied()
    }
}
