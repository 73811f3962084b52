//! A running simulator, and what tests do with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use platform::clock::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Capture, Fault, Ledger, Options, Provider, Refund, Webhook, provider_api::BuyerAction, server, state::State,
    webhook_sender::WebhookSender,
};

/// A running simulator of all three providers. It stops when it is dropped.
pub struct Simulator {
    url: String,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// What all connections share.
pub(super) struct Shared {
    state: Mutex<State>,
    pub webhooks: WebhookSender,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A panic ended its own request only; the others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Starts a simulator in the background.
    ///
    /// # Errors
    /// If the address is not a loopback address, or is in use.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bind = options.bind;
        if !bind.ip().is_loopback() {
            bail!("the payment simulator only listens on this machine: use an address like 127.0.0.1, not {bind}");
        }
        let listener = TcpListener::bind(bind).await.with_context(|| {
            format!("cannot listen on {bind}; choose another address with --bind or stop the other program")
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&url, &options)),
            webhooks: WebhookSender::new(options, stop.clone())?,
        });
        tokio::spawn(server::serve(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { url, shared, _stop: stop.drop_guard() })
    }

    /// Without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of a provider's API, as shops set it.
    #[must_use]
    pub fn base(&self, provider: Provider) -> String {
        format!("{}/{}", self.url, provider.name())
    }

    /// All captures and refunds.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.state().context.ledger.clone()
    }

    /// All captures. A payment that was captured twice has two.
    #[must_use]
    pub fn captures(&self) -> Vec<Capture> {
        self.ledger().captures
    }

    /// All refunds.
    #[must_use]
    pub fn refunds(&self) -> Vec<Refund> {
        self.ledger().refunds
    }

    /// Injects this fault into the next request or webhook that it can affect. Faults are injected in the order of the
    /// calls. Requests for an access token or for the verification of a signature do not count.
    pub fn next(&self, provider: Provider, fault: Fault) {
        self.shared.state().faults.script(Some(provider), fault, None);
    }

    /// The same, for the next request whose `METHOD /path` contains `on`, like `POST /v2/payments` or `/capture`.
    pub fn next_on(&self, provider: Provider, fault: Fault, on: &str) {
        self.shared.state().faults.script(Some(provider), fault, Some(on.to_owned()));
    }

    /// Injects faults into all requests and webhooks with this probability, chosen from `only`, or from all if empty.
    pub fn fails_at_random(&self, rate: f64, seed: u64, only: &[Fault]) {
        self.shared.state().faults.set_random(rate, seed, only.to_vec());
    }

    /// How many scripted faults were not injected yet.
    #[must_use]
    pub fn faults_waiting(&self) -> usize {
        self.shared.state().faults.scripted()
    }

    /// Removes all faults, scripted and random.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// The buyer pays in the browser: with a card that succeeds at Stripe and Razorpay; at PayPal they approve the order.
    ///
    /// # Errors
    /// If the transaction cannot be paid.
    pub fn buyer_pays(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::Pay { card: None })
    }

    /// The buyer pays at Stripe with one of the [`TEST_CARDS`](crate::TEST_CARDS).
    ///
    /// # Errors
    /// If the transaction cannot be paid, or the card is unknown.
    pub fn buyer_pays_with(&self, card: &str, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::Pay { card: Some(card.to_owned()) })
    }

    /// The buyer pays and the bank declines; at PayPal, it declines when the shop captures.
    ///
    /// # Errors
    /// If the transaction cannot be paid.
    pub fn buyer_is_declined(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::Decline)
    }

    /// The buyer pays by a method that takes time. Until [`bank_clears`](Self::bank_clears) or
    /// [`bank_bounces`](Self::bank_bounces) the payment is `processing` at Stripe, a `PENDING` capture at PayPal (once
    /// the shop captures), and `authorized` at Razorpay.
    ///
    /// # Errors
    /// If the transaction cannot be paid.
    pub fn buyer_pays_later(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::PayLater)
    }

    /// The bank confirms a pending payment.
    ///
    /// # Errors
    /// If the payment is not pending.
    pub fn bank_clears(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::BankClears)
    }

    /// The bank rejects a pending payment.
    ///
    /// # Errors
    /// If the payment is not pending.
    pub fn bank_bounces(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::BankBounces)
    }

    /// The buyer leaves without paying. No provider sends an event.
    ///
    /// # Errors
    /// If the transaction is unknown, or completed.
    pub fn buyer_cancels(&self, transaction: &str) -> anyhow::Result<()> {
        self.apply(transaction, &BuyerAction::Cancel)
    }

    /// A pending refund succeeds: that of this id, or the oldest of the transaction of this id.
    ///
    /// # Errors
    /// If none is pending.
    pub fn refund_succeeds(&self, id: &str) -> anyhow::Result<()> {
        self.apply(id, &BuyerAction::RefundSucceeds)
    }

    /// A pending refund fails. At Stripe, if none is pending, the bank returns the last one that had succeeded.
    ///
    /// # Errors
    /// If there is none.
    pub fn refund_fails(&self, id: &str) -> anyhow::Result<()> {
        self.apply(id, &BuyerAction::RefundFails)
    }

    fn apply(&self, id: &str, action: &BuyerAction) -> anyhow::Result<()> {
        let mut state = self.shared.state();
        let provider = state.provider_of(id).with_context(|| format!("no provider has {id}"))?;
        let result = state.apply_buyer_action(provider, id, action);
        let events = state.take_events();
        drop(state);
        for event in events {
            self.shared.webhooks.enqueue(event);
        }
        result.map(drop).map_err(anyhow::Error::msg)
    }

    /// A signed webhook about a transaction in its current state, which is not sent.
    ///
    /// # Panics
    /// If no provider has the transaction.
    #[must_use]
    pub fn webhook(&self, kind: &str, transaction: &str) -> Webhook {
        let provider = self.shared.state().provider_of(transaction).expect("a transaction of a provider");
        self.webhook_of(provider, kind, transaction)
    }

    /// The same, of this provider. An unknown transaction is made up.
    #[must_use]
    pub fn webhook_of(&self, provider: Provider, kind: &str, transaction: &str) -> Webhook {
        let state = self.shared.state();
        state.event(provider, kind, transaction).signed(state.context.now())
    }

    /// The same, signed at another time and with another secret.
    #[must_use]
    pub fn webhook_at(
        &self,
        provider: Provider,
        kind: &str,
        transaction: &str,
        unix_time: i64,
        secret: &str,
    ) -> Webhook {
        let event = self.shared.state().event(provider, kind, transaction);
        event.signed_with(secret, Timestamp::from_micros(unix_time * 1_000_000))
    }

    /// Removes and returns the webhooks that could not be sent because there is no
    /// [`webhooks_to`](Options::webhooks_to), as the faults leave them: duplicated, shuffled, or missing.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.shared.webhooks.take_unsent()
    }

    /// Posts a webhook to a shop. The status of its response.
    ///
    /// # Errors
    /// If the shop does not respond.
    pub async fn deliver(&self, webhook: &Webhook, shop: &str) -> anyhow::Result<u16> {
        Ok(self.shared.webhooks.post(webhook, shop).await?)
    }

    /// How many webhooks are waiting to be sent or retried.
    #[must_use]
    pub fn webhooks_under_way(&self) -> u64 {
        self.shared.webhooks.pending()
    }
}
