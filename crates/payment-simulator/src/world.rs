//! What the three providers stand in: one state behind one lock, and what each of them has to be able to do.

use std::{collections::BTreeMap, time::Duration};

use platform::clock::{Clock, Timestamp};
use uuid::Uuid;

use super::{
    Options, Provider,
    call::{Answer, Call},
    faults::{Fault, Faults, Moves, Occasion},
    idempotency::{Claim, Keys},
    ledger::Ledger,
    paypal, razorpay, stripe,
    webhooks::Event,
};

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
    /// Which way a call moves money, if it does.
    fn moves(&self, call: &Call) -> Option<Moves>;
    fn answers(&mut self, call: &Call, world: &mut World) -> Answer;

    /// What the buyer does on the provider's page.
    fn buyer(&mut self, id: &str, deed: &Deed, world: &mut World) -> Result<Back, String>;
    /// A pending refund succeeds or fails: the one of this name, or the oldest of the transaction of this name.
    fn refund_ends(&mut self, id: &str, succeeds: bool, world: &mut World) -> Result<(), String>;

    /// The bank sends back what had been refunded, the last of the transaction, where a provider tells of that.
    fn refund_bounces(&mut self, id: &str, _: &mut World) -> Result<(), String> {
        Err(format!("{id} has no refund that is pending"))
    }

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
    /// What a bank says of a refund that is pending.
    RefundSucceeds,
    /// The same; where none is pending, it sends the last one back.
    RefundFails,
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
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the page that is shown or not")]
#[derive(serde::Serialize)]
pub(super) struct Bill {
    pub id: String,
    pub amount: String,
    pub currency: String,
    pub status: String,
    pub is_open: bool,
    /// Whether a bank still has to say yes or no.
    pub is_pending: bool,
    /// Whether money is on its way back.
    pub refund_is_pending: bool,
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
    /// What goes wrong with the money in this call.
    pub fault: Option<Fault>,
    /// Refunds that end by themselves, with the moment and the outcome.
    refunds_due: Vec<RefundDue>,
    /// The answer to this call comes too late.
    pub stalls: bool,
}

struct RefundDue {
    at: Timestamp,
    provider: Provider,
    refund: String,
    succeeds: bool,
}

impl World {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the card or wallet in this call is declined, whatever it is.
    pub fn declines(&self) -> bool {
        self.fault == Some(Fault::Declined)
    }

    /// What is taken of what was asked for.
    pub fn takes(&self, asked: i64) -> i64 {
        let tenth = (asked / 10).max(1);
        match self.fault {
            Some(Fault::CapturesLess) => asked - tenth,
            Some(Fault::CapturesMore) => asked + tenth,
            _ => asked,
        }
    }

    /// Whether the refund that this call makes is pending; then it ends by itself later.
    pub fn leaves_pending(&mut self, provider: Provider, refund: &str) -> bool {
        let pending = self.fault.is_some_and(Fault::is_about_refunds);
        if pending {
            let (at, succeeds) = (self.now() + self.settles_after, self.fault == Some(Fault::RefundPending));
            self.refunds_due.push(RefundDue { at, provider, refund: refund.to_owned(), succeeds });
        }
        pending
    }

    fn next_refund_due(&mut self, provider: Provider) -> Option<RefundDue> {
        let now = self.now();
        let place = self.refunds_due.iter().position(|due| due.provider == provider && due.at <= now)?;
        Some(self.refunds_due.remove(place))
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
                fault: None,
                refunds_due: Vec::new(),
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
        let moves = api.moves(call);
        Ok(self.faults.deal(provider, Occasion::Call { call, moves }))
    }

    /// Does what a call asks for, or finds what it got before.
    pub fn work(&mut self, provider: Provider, call: &Call, fault: Option<Fault>) -> Work {
        let now = self.world.now();
        self.end_refunds(provider);
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
        world.fault = fault;
        let answer = match fault {
            Some(Fault::ErrorBefore) => api.fails(),
            Some(Fault::ErrorAfter) => {
                api.answers(call, world);
                api.fails()
            }
            _ => api.answers(call, world),
        };
        let stalls = std::mem::take(&mut world.stalls);
        world.fault = None;
        Work { answer, claimed: key, told: self.told(), stalls }
    }

    /// Those whose time has come.
    fn end_refunds(&mut self, provider: Provider) {
        while let Some(due) = self.world.next_refund_due(provider) {
            let (api, world) = self.acting(provider);
            let _ = api.refund_ends(&due.refund, due.succeeds, world); // a script may have ended it before
        }
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
        self.world.fault = if pays { self.faults.deal(provider, Occasion::Buyer) } else { None };
        let (api, world) = self.acting(provider);
        let done = match deed {
            Deed::RefundSucceeds => api.refund_ends(id, true, world).map(|()| Back::default()),
            Deed::RefundFails => {
                api.refund_ends(id, false, world).or_else(|_| api.refund_bounces(id, world)).map(|()| Back::default())
            }
            _ => api.buyer(id, deed, world),
        };
        self.world.fault = None;
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
