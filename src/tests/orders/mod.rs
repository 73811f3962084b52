//! Orders: the checkout, and what becomes of it.

mod confirmation;
mod expiry;
mod idempotency;
mod list;
mod placing;
mod shipping_address;
mod status;
mod unavailable_products;

pub use expiry::expire_unpaid_orders;
