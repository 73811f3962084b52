//! The payment providers in a box: Stripe, PayPal and Razorpay as far as a shop can see them, without their networks and
//! without money.
//!
//! A frontend developer runs a whole checkout with it offline; the stories prove with it that nobody is charged twice. It
//! keeps state, keeps each provider's promises about repeated calls, signs webhooks as each signs them, and fails on
//! purpose at the moments that matter: before the money moved, and after it moved but before the shop heard of it.
//!
//! Each provider is one file: `stripe`, `paypal`, `razorpay`. Around them stand what they share: the `server`, the keys of
//! `idempotency`, the `faults`, the `webhooks` with their `courier`, the `ledger` of what was really taken, and the buyer's
//! `pages`.

mod call;
mod cards;
mod control;
mod courier;
mod credentials;
mod faults;
mod idempotency;
mod ledger;
mod pages;
mod paypal;
mod razorpay;
mod server;
mod shelf;
mod stripe;
mod webhooks;
mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use courier::Courier;
use world::{Deed, State};

pub use cards::{CARDS, Card, table as card_table};
pub use credentials::{
    PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, PAYPAL_WEBHOOK_ID, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET,
    RAZORPAY_WEBHOOK_SECRET, STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, refuse_beside_live_keys,
    settings,
};
pub use faults::Fault;
pub use ledger::{Capture, Ledger, Refund};
pub use webhooks::{Webhook, stripe_signature};

/// Where it listens unless told otherwise.
pub const ADDRESS: &str = "127.0.0.1:12111";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Stripe,
    Paypal,
    Razorpay,
}

impl Provider {
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Paypal, Self::Razorpay];

    /// As it stands in addresses, and in the names of a shop's payments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Razorpay => "razorpay",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// Whose transaction this is; their names look so different that nobody needs to say.
    fn of(transaction: &str) -> Self {
        match transaction.split_once('_') {
            Some(("pi" | "re", _)) => Self::Stripe,
            Some(("order" | "rfnd", _)) => Self::Razorpay,
            _ => Self::Paypal,
        }
    }
}

/// How a simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// An address of this machine that others cannot reach; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The shop whose webhooks are sent: its address, without `/api/…`. Without one they wait for
    /// [`Simulator::webhooks`].
    pub webhooks_to: Option<String>,
    /// The probability that a call or a webhook meets a fault.
    pub faults: f64,
    /// What the faults are drawn with.
    pub seed: u64,
    /// How much longer than a client waits a stalled answer takes.
    pub stall: Duration,
    /// How late a late webhook is.
    pub late: Duration,
    /// How long after a webhook was refused it is sent again; each time twice as long.
    pub retry_after: Duration,
    /// How long `pm_card_processing` stays in processing.
    pub settles_after: Duration,
    /// Stories give the shop's clock, so that both live at the same time.
    pub clock: platform::clock::Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: ([127, 0, 0, 1], 0).into(),
            webhooks_to: None,
            faults: 0.0,
            seed: 0,
            stall: Duration::from_secs(12),
            late: Duration::from_secs(15),
            retry_after: Duration::from_secs(1),
            settles_after: Duration::from_secs(30),
            clock: platform::clock::Clock::default(),
        }
    }
}

/// The three providers, for as long as it lives.
pub struct Simulator {
    url: String,
    inside: Arc<Inside>,
    _open: DropGuard,
}

/// What every connection works with.
struct Inside {
    state: Mutex<State>,
    courier: Courier,
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        // A handler that panicked ended its own call; the others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// # Errors
    /// When the address is not of this machine alone, or somebody else listens there.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bind = options.bind;
        if !bind.ip().is_loopback() {
            bail!("the payment simulator listens on this machine only, so bind it to 127.0.0.1 and not to {bind}");
        }
        let listener = TcpListener::bind(bind).await.with_context(|| {
            format!("cannot listen at {bind}; choose another address with --bind or stop the other program")
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let inside = Arc::new(Inside {
            state: Mutex::new(State::new(&url, &options)),
            courier: Courier::start(options, stop.clone())?,
        });
        tokio::spawn(server::serve(listener, Arc::clone(&inside), stop.clone()));
        Ok(Self { url, inside, _open: stop.drop_guard() })
    }

    /// Without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a shop sets as the provider's base address.
    #[must_use]
    pub fn base(&self, provider: Provider) -> String {
        format!("{}/{}", self.url, provider.name())
    }

    /// Everything that was taken and given back.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.inside.state().world.ledger.clone()
    }

    /// Every time that money was taken. Twice for one payment is twice here.
    #[must_use]
    pub fn captures(&self) -> Vec<Capture> {
        self.ledger().captures
    }

    #[must_use]
    pub fn refunds(&self) -> Vec<Refund> {
        self.ledger().refunds
    }

    /// The next call, or the next webhook, meets this fault. Said twice, it is the next two, in that order. A call for a
    /// token or a signature is not meant.
    pub fn next(&self, provider: Provider, fault: Fault) {
        self.inside.state().faults.next(Some(provider), fault, None);
    }

    /// The next call whose `METHOD /path` has this in it, like `POST /v2/payments` or `/capture`.
    pub fn next_on(&self, provider: Provider, fault: Fault, on: &str) {
        self.inside.state().faults.next(Some(provider), fault, Some(on.to_owned()));
    }

    /// From now on each call and each webhook meets one of these faults (of all, when none is named) with this probability.
    pub fn fails_at_random(&self, rate: f64, seed: u64, only: &[Fault]) {
        self.inside.state().faults.at_random(rate, seed, only.to_vec());
    }

    /// How many scripted faults have met nothing yet.
    #[must_use]
    pub fn faults_waiting(&self) -> usize {
        self.inside.state().faults.waiting()
    }

    /// Nothing fails any more.
    pub fn clear_faults(&self) {
        self.inside.state().faults.clear();
    }

    /// The buyer pays in the browser: with a good card at Stripe and Razorpay; at PayPal they approve.
    ///
    /// # Errors
    /// When it cannot be paid, and why.
    pub fn buyer_pays(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::Pay { card: None })
    }

    /// The buyer pays at Stripe with one of the test cards.
    ///
    /// # Errors
    /// When it cannot be paid, and why.
    pub fn buyer_pays_with(&self, card: &str, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::Pay { card: Some(card.to_owned()) })
    }

    /// The bank says no. At PayPal it says so when the shop captures.
    ///
    /// # Errors
    /// When it cannot be paid at all, and why.
    pub fn buyer_is_declined(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::BeDeclined)
    }

    /// The buyer pays, but the bank takes its time: until [`bank_clears`](Self::bank_clears) or
    /// [`bank_bounces`](Self::bank_bounces) it is `processing` at Stripe, a `PENDING` capture at PayPal (once the shop
    /// captures) and `authorized` at Razorpay.
    ///
    /// # Errors
    /// When it cannot be paid, and why.
    pub fn buyer_pays_later(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::PayLater)
    }

    /// # Errors
    /// When it waits for no bank.
    pub fn bank_clears(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::Clear)
    }

    /// # Errors
    /// When it waits for no bank.
    pub fn bank_bounces(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::Bounce)
    }

    /// The buyer goes away without paying; no provider tells anybody.
    ///
    /// # Errors
    /// When there is nothing to go away from.
    pub fn buyer_cancels(&self, transaction: &str) -> anyhow::Result<()> {
        self.buyer(transaction, &Deed::Cancel)
    }

    /// A pending refund has arrived: the one of this name, or the oldest of the transaction of this name.
    ///
    /// # Errors
    /// When none is pending.
    pub fn refund_succeeds(&self, name: &str) -> anyhow::Result<()> {
        self.buyer(name, &Deed::RefundSucceeds)
    }

    /// A pending refund fails. At Stripe, where none is pending, the bank sends back the last one that had arrived.
    ///
    /// # Errors
    /// When there is none.
    pub fn refund_fails(&self, name: &str) -> anyhow::Result<()> {
        self.buyer(name, &Deed::RefundFails)
    }

    fn buyer(&self, transaction: &str, deed: &Deed) -> anyhow::Result<()> {
        let mut state = self.inside.state();
        let done = state.buyer(Provider::of(transaction), transaction, deed);
        let told = state.told();
        drop(state);
        for event in told {
            self.inside.courier.take(event);
        }
        done.map(drop).map_err(anyhow::Error::msg)
    }

    /// What the provider would tell of a transaction now, signed and not sent. One it does not know is made up.
    #[must_use]
    pub fn webhook(&self, kind: &str, transaction: &str) -> Webhook {
        let state = self.inside.state();
        let provider = Provider::of(transaction);
        state.event(provider, kind, transaction).signed(state.world.now())
    }

    /// The same, signed at another time or with another secret.
    #[must_use]
    pub fn webhook_at(&self, kind: &str, transaction: &str, unix_time: i64, secret: &str) -> Webhook {
        let event = self.inside.state().event(Provider::of(transaction), kind, transaction);
        event.signed_with(secret, platform::clock::Timestamp::from_micros(unix_time * 1_000_000))
    }

    /// The webhooks that wait because there is no shop to send them to, with what faults make of them: doubled, swapped,
    /// missing. Asking takes them.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.inside.courier.waiting()
    }

    /// Posts a webhook to a shop as the provider would. The shop's status.
    ///
    /// # Errors
    /// When the shop gives no answer.
    pub async fn deliver(&self, webhook: &Webhook, shop: &str) -> anyhow::Result<u16> {
        Ok(self.inside.courier.post(webhook, shop).await?)
    }

    /// How many webhooks are still to be sent, with those that wait to be sent again.
    #[must_use]
    pub fn webhooks_under_way(&self) -> u64 {
        self.inside.courier.under_way()
    }
}
