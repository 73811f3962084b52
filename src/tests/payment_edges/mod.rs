//! Paying, at its edges: the bank takes its time, messages repeat themselves, the merchant acts behind the shop's back, the
//! buyer cancels while the provider is being asked.

mod banks;
mod cancelling;
mod checks;
mod refunds;
mod retries;
mod webhooks;

pub use refunds::refund_in_dashboard;
