//! Takes webhooks to the shop: again and again until it says yes, and in the disorder that faults ask for.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use platform::clock::Clock;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Options,
    faults::Fault,
    webhooks::{Event, Webhook},
    world::Told,
};

/// How often a webhook is sent before the provider gives up.
const TRIES: u32 = 7;
const AT_A_TIME: usize = 32;
/// So many may be under way; with more, the shop has been away for too long and the oldest news is lost.
const MOST_UNDER_WAY: u64 = 20_000;
/// So many are kept where there is no shop to send them to.
const MOST_KEPT: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an overtaken webhook waits for the one that overtakes it.
const OVERTAKEN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Courier(Arc<Office>);

struct Office {
    to: Option<String>,
    http: reqwest::Client,
    seats: Semaphore,
    clock: Clock,
    late: Duration,
    retry_after: Duration,
    stop: CancellationToken,
    /// Waits to be overtaken.
    held: Mutex<Option<Event>>,
    kept: Mutex<VecDeque<Told>>,
    under_way: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
}

impl Courier {
    pub fn start(options: Options, stop: CancellationToken) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("cartwright-payment-simulator")
            .build()?;
        Ok(Self(Arc::new(Office {
            to: options.webhooks_to.map(|url| url.trim_end_matches('/').to_owned()),
            http,
            seats: Semaphore::new(AT_A_TIME),
            clock: options.clock,
            late: options.late,
            retry_after: options.retry_after,
            stop,
            held: Mutex::new(None),
            kept: Mutex::default(),
            under_way: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        })))
    }

    /// Takes an event on its way; needs a runtime when there is a shop to send it to.
    pub fn take(&self, told: Told) {
        if self.0.to.is_none() {
            let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == MOST_KEPT {
                kept.pop_front();
            }
            kept.push_back(told);
            return;
        }
        if self.under_way() >= MOST_UNDER_WAY {
            self.0.given_up.fetch_add(1, SeqCst);
            return;
        }
        let courier = self.clone();
        self.0.under_way.fetch_add(1, SeqCst);
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            courier.carry(told).await;
            courier.0.under_way.fetch_sub(1, SeqCst);
        }));
    }

    /// Sends an event before anything else happens, and leaves the rest to [`take`](Self::take) if that fails.
    pub async fn hurry(&self, event: Event) {
        if self.0.to.is_none() || !self.try_once(&event.signed(self.0.clock.now())).await {
            self.take(Told { event, fault: None });
        }
    }

    async fn carry(&self, Told { event, fault }: Told) {
        match fault {
            Some(Fault::WebhookLost) => {}
            Some(Fault::WebhookShuffled) => self.hold(event).await,
            Some(Fault::WebhookLate) => {
                sleep(self.0.late).await;
                self.send(&event).await;
            }
            Some(Fault::WebhookDuplicated) => {
                self.send(&event).await;
                self.send(&event).await;
            }
            Some(Fault::WebhookBadlySigned) => {
                if !self.try_once(&event.badly_signed(self.0.clock.now())).await {
                    sleep(self.0.retry_after).await;
                }
                self.send(&event).await;
            }
            _ => self.send(&event).await,
        }
    }

    /// Lets the next one go first, unless none comes.
    async fn hold(&self, event: Event) {
        let before = self.held().replace(event.clone());
        if let Some(before) = before {
            self.send(&before).await;
        }
        sleep(OVERTAKEN).await;
        let still_there = self.held().take_if(|held| held.id == event.id);
        if let Some(event) = still_there {
            self.send(&event).await;
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Event>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until the shop says yes, and then the one that was overtaken.
    async fn send(&self, event: &Event) {
        self.send_until_accepted(event).await;
        let overtaken = self.held().take_if(|held| held.id != event.id);
        if let Some(overtaken) = overtaken {
            self.send_until_accepted(&overtaken).await;
        }
    }

    async fn send_until_accepted(&self, event: &Event) {
        let mut pause = self.0.retry_after;
        for _ in 0..TRIES {
            if self.try_once(&event.signed(self.0.clock.now())).await {
                return;
            }
            sleep(pause).await;
            pause *= 2;
        }
        tracing::warn!(
            provider = event.provider.name(),
            kind = event.kind,
            "the shop never accepted a webhook; it will not be sent again"
        );
        self.0.given_up.fetch_add(1, SeqCst);
    }

    async fn try_once(&self, webhook: &Webhook) -> bool {
        let Some(to) = &self.0.to else { return false };
        let Ok(_seat) = self.0.seats.acquire().await else { return false };
        let status = self.post(webhook, to).await.ok();
        let accepted = status.is_some_and(|status| (200..300).contains(&status));
        tracing::debug!(provider = webhook.provider.name(), kind = webhook.kind, status, "a webhook");
        let counter = if accepted { &self.0.accepted } else { &self.0.refused };
        counter.fetch_add(1, SeqCst);
        accepted
    }

    /// Posts a webhook once. The shop's status.
    pub async fn post(&self, webhook: &Webhook, shop: &str) -> reqwest::Result<u16> {
        let url = format!("{}/api/payments/webhooks/{}", shop.trim_end_matches('/'), webhook.provider.name());
        let request = self.0.http.post(url).header("content-type", "application/json").body(webhook.body.clone());
        let request = webhook.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        Ok(request.send().await?.status().as_u16())
    }

    /// What was kept where there is no shop, as it would have been sent.
    pub fn waiting(&self) -> Vec<Webhook> {
        let kept = std::mem::take(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.0.clock.now();
        let (mut sent, mut overtaken, mut late) = (Vec::new(), None, Vec::new());
        for Told { event, fault } in kept {
            let webhook = event.signed(now);
            match fault {
                Some(Fault::WebhookLost) => continue,
                Some(Fault::WebhookLate) => {
                    late.push(webhook);
                    continue;
                }
                Some(Fault::WebhookShuffled) => {
                    sent.extend(overtaken.replace(webhook));
                    continue;
                }
                Some(Fault::WebhookDuplicated) => sent.extend([webhook.clone(), webhook]),
                Some(Fault::WebhookBadlySigned) => sent.extend([event.badly_signed(now), webhook]),
                _ => sent.push(webhook),
            }
            sent.extend(overtaken.take());
        }
        sent.extend(overtaken);
        sent.extend(late);
        sent
    }

    pub fn under_way(&self) -> u64 {
        self.0.under_way.load(SeqCst)
    }

    pub fn counts(&self) -> Value {
        json!({
            "accepted": self.0.accepted.load(SeqCst),
            "refused": self.0.refused.load(SeqCst),
            "given_up": self.0.given_up.load(SeqCst),
            "under_way": self.under_way(),
        })
    }
}
