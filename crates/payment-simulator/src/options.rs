//! How a simulator is started.

use std::{net::SocketAddr, time::Duration};

use platform::clock::Clock;

/// Where the simulator listens by default.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:12111";

/// How a simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// A loopback address. Port 0 chooses a free port.
    pub bind: SocketAddr,
    /// The URL of the shop that gets the webhooks, without `/api/…`. Without one, webhooks are kept for
    /// [`Simulator::webhooks`](crate::Simulator::webhooks).
    pub webhooks_to: Option<String>,
    /// The probability of a fault in a request or webhook, from 0 to 1.
    pub fault_rate: f64,
    /// The seed of the random faults. The same seed gives the same faults.
    pub seed: u64,
    /// How long a stalled response takes. Longer than the client's timeout.
    pub stall: Duration,
    /// The delay of a late webhook.
    pub webhook_delay: Duration,
    /// The delay before a refused webhook is sent again. Doubled with each attempt.
    pub retry_after: Duration,
    /// How long payments stay in processing, and deferred refunds pending.
    pub processing_time: Duration,
    /// Tests pass the clock of the shop, so that both have the same time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: ([127, 0, 0, 1], 0).into(),
            webhooks_to: None,
            fault_rate: 0.0,
            seed: 0,
            stall: Duration::from_secs(12),
            webhook_delay: Duration::from_secs(15),
            retry_after: Duration::from_secs(1),
            processing_time: Duration::from_secs(30),
            clock: Clock::default(),
        }
    }
}
