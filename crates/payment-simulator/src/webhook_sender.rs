//! Delivers webhooks to the shop, with retries and with the faults that were asked for.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use platform::clock::Clock;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    faults::Fault,
    webhooks::{Event, Webhook},
};

/// How often a webhook is sent before the simulator gives up.
const MAX_ATTEMPTS: u32 = 7;
/// How many webhooks are sent at a time.
const MAX_CONCURRENT: usize = 32;
/// How many webhooks can be pending. If the shop is down for so long that there are more, new ones are dropped.
const MAX_PENDING: u64 = 20_000;
/// How many events are kept when there is no shop to send them to.
const MAX_UNSENT: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a shuffled webhook waits for a later one to go first.
const SHUFFLE_TIMEOUT: Duration = Duration::from_secs(2);

/// An event to send, and what goes wrong with its delivery.
pub(super) struct OutgoingEvent {
    pub event: Event,
    pub fault: Option<Fault>,
}

#[derive(Clone)]
pub(super) struct WebhookSender(Arc<Inner>);

struct Inner {
    /// Without it, events are kept in `unsent`.
    shop_url: Option<String>,
    http: reqwest::Client,
    permits: Semaphore,
    clock: Clock,
    webhook_delay: Duration,
    retry_after: Duration,
    stop: CancellationToken,
    /// A shuffled event that waits for a later one to go first.
    held_back: Mutex<Option<Event>>,
    unsent: Mutex<VecDeque<OutgoingEvent>>,
    pending: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
}

impl WebhookSender {
    pub fn new(options: Options, stop: CancellationToken) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("cartwright-payment-simulator")
            .build()?;
        Ok(Self(Arc::new(Inner {
            shop_url: options.webhooks_to.map(|url| url.trim_end_matches('/').to_owned()),
            http,
            permits: Semaphore::new(MAX_CONCURRENT),
            clock: options.clock,
            webhook_delay: options.webhook_delay,
            retry_after: options.retry_after,
            stop,
            held_back: Mutex::new(None),
            unsent: Mutex::default(),
            pending: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        })))
    }

    /// Delivers an event in the background. Needs a tokio runtime if there is a shop to send it to.
    pub fn enqueue(&self, outgoing: OutgoingEvent) {
        if self.0.shop_url.is_none() {
            let mut unsent = self.0.unsent.lock().unwrap_or_else(PoisonError::into_inner);
            if unsent.len() == MAX_UNSENT {
                unsent.pop_front();
            }
            unsent.push_back(outgoing);
            return;
        }
        if self.pending() >= MAX_PENDING {
            self.0.given_up.fetch_add(1, SeqCst);
            return;
        }
        let sender = self.clone();
        self.0.pending.fetch_add(1, SeqCst);
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            sender.deliver(outgoing).await;
            sender.0.pending.fetch_sub(1, SeqCst);
        }));
    }

    /// Sends an event before this returns. If the shop refuses it, it is sent again in the background.
    pub async fn send_now(&self, event: Event) {
        if self.0.shop_url.is_none() || !self.attempt(&event.signed(self.0.clock.now())).await {
            self.enqueue(OutgoingEvent { event, fault: None });
        }
    }

    async fn deliver(&self, OutgoingEvent { event, fault }: OutgoingEvent) {
        match fault {
            Some(Fault::WebhookLost) => {}
            Some(Fault::WebhookShuffled) => self.hold_back(event).await,
            Some(Fault::WebhookLate) => {
                sleep(self.0.webhook_delay).await;
                self.send(&event).await;
            }
            Some(Fault::WebhookDuplicated) => {
                self.send(&event).await;
                self.send(&event).await;
            }
            Some(Fault::WebhookBadlySigned) => {
                if !self.attempt(&event.badly_signed(self.0.clock.now())).await {
                    sleep(self.0.retry_after).await;
                }
                self.send(&event).await;
            }
            _ => self.send(&event).await,
        }
    }

    /// Waits for the next event to go first, and sends this one if none comes.
    async fn hold_back(&self, event: Event) {
        let previous = self.held_back().replace(event.clone());
        if let Some(previous) = previous {
            self.send(&previous).await;
        }
        sleep(SHUFFLE_TIMEOUT).await;
        let still_held = self.held_back().take_if(|held| held.id == event.id);
        if let Some(event) = still_held {
            self.send(&event).await;
        }
    }

    fn held_back(&self) -> MutexGuard<'_, Option<Event>> {
        self.0.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event until the shop accepts it, and then the one that was held back.
    async fn send(&self, event: &Event) {
        self.send_until_accepted(event).await;
        let held_back = self.held_back().take_if(|held| held.id != event.id);
        if let Some(held_back) = held_back {
            self.send_until_accepted(&held_back).await;
        }
    }

    async fn send_until_accepted(&self, event: &Event) {
        let mut delay = self.0.retry_after;
        for _ in 0..MAX_ATTEMPTS {
            if self.attempt(&event.signed(self.0.clock.now())).await {
                return;
            }
            sleep(delay).await;
            delay *= 2;
        }
        tracing::warn!(
            provider = event.provider.name(),
            kind = event.kind,
            "the shop did not accept a webhook; it will not be sent again"
        );
        self.0.given_up.fetch_add(1, SeqCst);
    }

    /// Sends a webhook once. Whether the shop accepted it.
    async fn attempt(&self, webhook: &Webhook) -> bool {
        let Some(shop_url) = &self.0.shop_url else { return false };
        let Ok(_permit) = self.0.permits.acquire().await else { return false };
        let status = self.post(webhook, shop_url).await.ok();
        let accepted = status.is_some_and(|status| (200..300).contains(&status));
        tracing::debug!(provider = webhook.provider.name(), kind = webhook.kind, status, "webhook sent");
        let counter = if accepted { &self.0.accepted } else { &self.0.refused };
        counter.fetch_add(1, SeqCst);
        accepted
    }

    /// Posts a webhook once. The status of the shop's response.
    pub async fn post(&self, webhook: &Webhook, shop_url: &str) -> reqwest::Result<u16> {
        let url = format!("{}/api/payments/webhooks/{}", shop_url.trim_end_matches('/'), webhook.provider.name());
        let request = self.0.http.post(url).header("content-type", webhook.media_type).body(webhook.body.clone());
        let request = webhook.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        Ok(request.send().await?.status().as_u16())
    }

    /// Removes and returns the unsent events, as they would have been sent.
    pub fn take_unsent(&self) -> Vec<Webhook> {
        let unsent = std::mem::take(&mut *self.0.unsent.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.0.clock.now();
        let (mut sent, mut held_back, mut late) = (Vec::new(), None, Vec::new());
        for OutgoingEvent { event, fault } in unsent {
            let webhook = event.signed(now);
            match fault {
                Some(Fault::WebhookLost) => continue,
                Some(Fault::WebhookLate) => {
                    late.push(webhook);
                    continue;
                }
                Some(Fault::WebhookShuffled) => {
                    sent.extend(held_back.replace(webhook));
                    continue;
                }
                Some(Fault::WebhookDuplicated) => sent.extend([webhook.clone(), webhook]),
                Some(Fault::WebhookBadlySigned) => sent.extend([event.badly_signed(now), webhook]),
                _ => sent.push(webhook),
            }
            sent.extend(held_back.take());
        }
        sent.extend(held_back);
        sent.extend(late);
        sent
    }

    /// How many webhooks are waiting to be sent or retried.
    pub fn pending(&self) -> u64 {
        self.0.pending.load(SeqCst)
    }

    /// The counters of the ledger's `webhooks`.
    pub fn counts(&self) -> Value {
        json!({
            "accepted": self.0.accepted.load(SeqCst),
            "refused": self.0.refused.load(SeqCst),
            "given_up": self.0.given_up.load(SeqCst),
            "under_way": self.pending(),
        })
    }
}
