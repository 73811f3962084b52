//! A simulator of Stripe, PayPal and Razorpay, for tests and for development without accounts, network or money.
//!
//! It implements as much of each provider's HTTP API as a shop uses, keeps state, follows each provider's rules for
//! idempotent requests, and signs webhooks as each provider signs them. It injects [`Fault`]s at the moments that matter:
//! before money moves, and after it moved but before the shop learns of it. The [`Ledger`] has what was really captured
//! and refunded.
//!
//! [`Simulator::start`] runs it inside another program; `payment-simulator` is the program of its own.
//!
//! `stripe`, `paypal` and `razorpay` implement `provider_api`. A request takes this way: `server`, `state` (with
//! `faults` and `idempotency`), the provider, and `webhook_sender`.

mod context;
mod control;
mod credentials;
mod faults;
mod idempotency;
mod ledger;
mod options;
mod pages;
mod paypal;
mod provider;
mod provider_api;
mod razorpay;
mod records;
mod request;
mod response;
mod server;
mod simulator;
mod state;
mod stripe;
mod test_cards;
mod webhook_sender;
mod webhooks;

pub use credentials::{
    PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET, PAYPAL_WEBHOOK_ID, RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET,
    RAZORPAY_WEBHOOK_SECRET, STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, reject_live_keys,
    settings,
};
pub use faults::Fault;
pub use ledger::{Capture, Ledger, Refund};
pub use options::{DEFAULT_ADDRESS, Options};
pub use provider::Provider;
pub use simulator::Simulator;
pub use test_cards::{TEST_CARDS, TestCard, test_card_table};
pub use webhooks::{Webhook, stripe_signature};
