//! What goes wrong, on purpose: the next call as a script says, or any call at random.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};

use super::{Provider, call::Call};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing is done, and the connection breaks only after the client has given up.
    TimeoutBefore,
    /// The work is done; the answer comes after the client has given up. Until then the key is taken.
    TimeoutAfter,
    /// The connection breaks; nothing was done and nothing is kept.
    CutBefore,
    /// The work is done and its answer kept under the key, then the connection breaks.
    CutAfter,
    /// An error 500 in place of the work. Stripe keeps it under the key and repeats it.
    ErrorBefore,
    /// The same 500, but the work was done. Stripe repeats the 500: only a look-up shows the truth.
    ErrorAfter,
    /// Turned away with 429; nothing was done and nothing is kept.
    RateLimited,
    /// The next card or wallet that is to pay is declined.
    Declined,
    /// The work is done, but every amount in this one answer is off.
    WrongAmount,
    /// The next card or wallet pays a tenth less than it was asked for.
    CapturesLess,
    /// The next card or wallet pays a tenth more than it was asked for.
    CapturesMore,
    /// The next refund is pending at first, and has succeeded when asked after 30 seconds.
    RefundPending,
    /// The next refund is pending at first, and has failed when asked after 30 seconds.
    RefundFails,
    /// A webhook is sent twice.
    WebhookDuplicated,
    /// A webhook is overtaken by the one after it.
    WebhookShuffled,
    WebhookLate,
    /// A webhook comes before the answer to the call that caused it.
    WebhookEarly,
    /// A webhook comes with a bad signature first; then, as it is refused, with a good one.
    WebhookBadlySigned,
    /// A webhook is never sent.
    WebhookLost,
}

impl Fault {
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

    /// As scripts write it: `cut_after`.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn is_about_webhooks(self) -> bool {
        self >= Self::WebhookDuplicated
    }

    fn is_about_the_money_taken(self) -> bool {
        matches!(self, Self::Declined | Self::CapturesLess | Self::CapturesMore)
    }

    pub(super) fn is_about_refunds(self) -> bool {
        matches!(self, Self::RefundPending | Self::RefundFails)
    }
}

/// Which way a call moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    In,
    Back,
}

/// What a fault may meet.
#[derive(Clone, Copy)]
pub(super) enum Occasion<'a> {
    Call {
        call: &'a Call,
        moves: Option<Moves>,
    },
    /// The buyer pays on the simulator's page.
    Buyer,
    Webhook,
}

impl Occasion<'_> {
    fn suits(self, fault: Fault) -> bool {
        match self {
            Self::Webhook => fault.is_about_webhooks(),
            Self::Buyer => fault.is_about_the_money_taken(),
            Self::Call { moves, .. } if fault.is_about_the_money_taken() => moves == Some(Moves::In),
            Self::Call { moves, .. } if fault.is_about_refunds() => moves == Some(Moves::Back),
            Self::Call { .. } => !fault.is_about_webhooks(),
        }
    }

    /// A call that is only made to be able to make others meets a script only when the script names it.
    fn is_named(self, on: Option<&str>) -> bool {
        let Self::Call { call, .. } = self else { return on.is_none() };
        match on {
            Some(part) => format!("{} {}", call.method, call.path).contains(part),
            None => !call.path.starts_with("/v1/oauth2/") && !call.path.starts_with("/v1/notifications/"),
        }
    }
}

struct Scripted {
    provider: Option<Provider>,
    fault: Fault,
    on: Option<String>,
}

struct AtRandom {
    rate: f64,
    only: Vec<Fault>,
    dice: StdRng,
}

#[derive(Default)]
pub(super) struct Faults {
    script: VecDeque<Scripted>,
    at_random: Option<AtRandom>,
    pub dealt: BTreeMap<Fault, u64>,
}

impl Faults {
    pub fn waiting(&self) -> usize {
        self.script.len()
    }

    /// `on`: the fault waits for a call whose `METHOD /path` has this in it.
    pub fn next(&mut self, provider: Option<Provider>, fault: Fault, on: Option<String>) {
        self.script.push_back(Scripted { provider, fault, on });
    }

    /// From now on each call and each webhook meets a fault with this probability, one of `only` or of all.
    pub fn at_random(&mut self, rate: f64, seed: u64, only: Vec<Fault>) {
        let only = if only.is_empty() { Fault::ALL.to_vec() } else { only };
        let dice = StdRng::seed_from_u64(seed);
        self.at_random = (rate > 0.0).then(|| AtRandom { rate: rate.min(1.0), only, dice });
    }

    pub fn clear(&mut self) {
        self.script.clear();
        self.at_random = None;
    }

    pub fn scripted(&self) -> usize {
        self.script.len()
    }

    pub fn rate(&self) -> f64 {
        self.at_random.as_ref().map_or(0.0, |random| random.rate)
    }

    pub fn deal(&mut self, provider: Provider, occasion: Occasion) -> Option<Fault> {
        let fault = self.of_script(provider, occasion).or_else(|| self.at_random.as_mut()?.draw(occasion))?;
        *self.dealt.entry(fault).or_default() += 1;
        Some(fault)
    }

    fn of_script(&mut self, provider: Provider, occasion: Occasion) -> Option<Fault> {
        let fits = |next: &Scripted| {
            next.provider.is_none_or(|meant| meant == provider)
                && occasion.suits(next.fault)
                && occasion.is_named(next.on.as_deref())
        };
        let place = self.script.iter().position(fits)?;
        self.script.remove(place).map(|next| next.fault)
    }
}

impl AtRandom {
    fn draw(&mut self, occasion: Occasion) -> Option<Fault> {
        if !self.dice.random_bool(self.rate) {
            return None;
        }
        let fitting: Vec<Fault> = self.only.iter().copied().filter(|fault| occasion.suits(*fault)).collect();
        fitting.choose(&mut self.dice).copied()
    }
}
