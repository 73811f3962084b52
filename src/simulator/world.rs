//! What the three providers stand in: one state behind one lock, and what each of them has to be able to do.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use super::{
    Options, Provider,
    call::{Answer, Call},
    faults::{Fault, Faults, Occasion},
    idempotency::{Claim, Keys},
    ledger::Ledger,
    paypal, razorpay, stripe,
    webhooks::Event,
};
use crate::clock::{Clock, Timestamp};

/// A provider, as it is seen from outside.
pub(super) trait Api {
    /// The header with the key of a repeated call, if this call may have one.
    fn key_of(&self, call: &Call) -> Option<String>;
    /// Where this key is kept.
    fn keys(&mut self, key: &str) -> &mut Keys;
    /// Whether a later call with the same key gets this answer, too.
    fn keeps(&self, answer: &Answer) -> bool;
    /// A key whose first answer is there.
    fn repeats(&self, first: Answer, same_call: bool) -> Answer;
    /// A key whose first call is still running.
    fn key_is_in_use(&self) -> Answer;
    /// The provider's 401, when the credentials are not the simulator's.
    fn turns_away(&self, call: &Call, now: Timestamp) -> Option<Answer>;
    fn fails(&self) -> Answer;
    fn is_busy(&self) -> Answer;
    fn takes_money(&self, call: &Call) -> bool;
    fn answers(&mut self, call: &Call, world: &mut World) -> Answer;

    /// What the buyer does on the provider's page.
    fn buyer(&mut self, id: &str, deed: &Deed, world: &mut World) -> Result<Back, String>;
    /// What the buyer's page shows.
    fn bill(&self, id: &str) -> Option<Bill>;
    /// The newest that wait for a buyer.
    fn waiting(&self) -> Vec<Bill>;
    /// What the provider would say of a transaction; one it does not know is made up.
    fn event(&self, kind: &str, id: &str, world: &World) -> Event;
}

pub(super) enum Deed {
    Pay {
        card: Option<String>,
    },
    /// The bank takes its time, until it clears or bounces.
    PayLater,
    Clear,
    Bounce,
    BeDeclined,
    Cancel,
}

/// The buyer's way back to the shop.
#[derive(Default)]
pub(super) struct Back {
    /// Where the shop wants them, if it said.
    pub url: Option<String>,
    /// What the provider adds to that address.
    pub told: Vec<(&'static str, String)>,
}

/// What a buyer is asked to pay.
#[derive(serde::Serialize)]
pub(super) struct Bill {
    pub id: String,
    pub amount: String,
    pub currency: String,
    pub status: String,
    pub is_open: bool,
    /// Whether a bank still has to say yes or no.
    pub is_pending: bool,
    /// Whether one of the test cards can be chosen.
    pub by_card: bool,
}

/// What all providers share.
pub(super) struct World {
    pub clock: Clock,
    pub url: String,
    pub settles_after: Duration,
    pub ledger: Ledger,
    /// Told by what is being done, not yet sent.
    outbox: Vec<Event>,
    /// The card or wallet in this call is declined, whatever it is.
    pub declines: bool,
    /// The answer to this call comes too late.
    pub stalls: bool,
}

impl World {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn tell(&mut self, event: Event) {
        self.outbox.push(event);
    }
}

pub(super) struct State {
    pub stripe: stripe::Account,
    pub paypal: paypal::Account,
    pub razorpay: razorpay::Account,
    pub world: World,
    pub faults: Faults,
    pub calls: BTreeMap<Provider, u64>,
    pub stall: Duration,
}

/// An event with what goes wrong with it.
pub(super) struct Told {
    pub event: Event,
    pub fault: Option<Fault>,
}

/// What came of a call, before anything is done to the connection.
pub(super) struct Work {
    pub answer: Answer,
    /// The key that this answer has to be kept under.
    pub claimed: Option<String>,
    pub told: Vec<Told>,
    pub stalls: bool,
}

impl State {
    pub fn new(url: &str, options: &Options) -> Self {
        let mut faults = Faults::default();
        faults.at_random(options.faults, options.seed, Vec::new());
        Self {
            stripe: stripe::Account::new(),
            paypal: paypal::Account::new(),
            razorpay: razorpay::Account::new(),
            world: World {
                clock: options.clock.clone(),
                url: url.to_owned(),
                settles_after: options.settles_after,
                ledger: Ledger::default(),
                outbox: Vec::new(),
                declines: false,
                stalls: false,
            },
            faults,
            calls: BTreeMap::new(),
            stall: options.stall,
        }
    }

    pub fn provider(&self, provider: Provider) -> &dyn Api {
        match provider {
            Provider::Stripe => &self.stripe,
            Provider::Paypal => &self.paypal,
            Provider::Razorpay => &self.razorpay,
        }
    }

    fn acting(&mut self, provider: Provider) -> (&mut dyn Api, &mut World) {
        let api: &mut dyn Api = match provider {
            Provider::Stripe => &mut self.stripe,
            Provider::Paypal => &mut self.paypal,
            Provider::Razorpay => &mut self.razorpay,
        };
        (api, &mut self.world)
    }

    /// What goes wrong with a call, or the 401 that is all it gets.
    pub fn receive(&mut self, provider: Provider, call: &Call) -> Result<Option<Fault>, Answer> {
        *self.calls.entry(provider).or_default() += 1;
        let now = self.world.now();
        let api = self.provider(provider);
        if let Some(refusal) = api.turns_away(call, now) {
            return Err(refusal);
        }
        let takes_money = api.takes_money(call);
        Ok(self.faults.deal(provider, Occasion::Call { call, takes_money }))
    }

    /// Does what a call asks for, or finds what it got before.
    pub fn work(&mut self, provider: Provider, call: &Call, fault: Option<Fault>) -> Work {
        let now = self.world.now();
        let (api, world) = self.acting(provider);
        let key = api.key_of(call);
        if let Some(key) = &key {
            let before = match api.keys(key).claim(key, call.fingerprint(), now) {
                Claim::New => None,
                Claim::Running => Some(api.key_is_in_use()),
                Claim::Settled { answer, same } => Some(api.repeats(answer, same)),
            };
            if let Some(answer) = before {
                return Work { answer, claimed: None, told: Vec::new(), stalls: false };
            }
        }
        world.declines = fault == Some(Fault::Declined);
        let answer = match fault {
            Some(Fault::ErrorBefore) => api.fails(),
            Some(Fault::ErrorAfter) => {
                api.answers(call, world);
                api.fails()
            }
            _ => api.answers(call, world),
        };
        let stalls = std::mem::take(&mut world.stalls);
        world.declines = false;
        Work { answer, claimed: key, told: self.told(), stalls }
    }

    /// Keeps the first answer of a key, or lets the key go.
    pub fn settle(&mut self, provider: Provider, key: &str, answer: &Answer) {
        let (api, _) = self.acting(provider);
        let keeps = api.keeps(answer);
        if keeps {
            api.keys(key).keep(key, answer);
        } else {
            api.keys(key).free(key);
        }
    }

    pub fn buyer(&mut self, provider: Provider, id: &str, deed: &Deed) -> Result<Back, String> {
        let pays = matches!(deed, Deed::Pay { .. });
        self.world.declines = pays && self.faults.deal(provider, Occasion::Buyer).is_some();
        let (api, world) = self.acting(provider);
        let done = api.buyer(id, deed, world);
        self.world.declines = false;
        done
    }

    /// What there is to send, each with its fault.
    pub fn told(&mut self) -> Vec<Told> {
        let events = std::mem::take(&mut self.world.outbox);
        let with_fault = |event: Event| {
            let fault = self.faults.deal(event.provider, Occasion::Webhook);
            Told { event, fault }
        };
        events.into_iter().map(with_fault).collect()
    }

    pub fn event(&self, provider: Provider, kind: &str, id: &str) -> Event {
        self.provider(provider).event(kind, id, &self.world)
    }
}

/// A name that nothing else has: the prefix and so many letters and digits.
pub(super) fn new_id(prefix: &str, length: usize) -> String {
    let random = Uuid::new_v4().simple().to_string();
    // The version and variant of a UUID are always the same; they stand in the middle.
    format!("{prefix}{}{}", &random[..8], &random[20..])[..prefix.len() + length].to_owned()
}
