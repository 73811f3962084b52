//! What any service of this kind needs, independent of the shop: a database on two engines, background jobs, a cache, HTTP,
//! e-mail, files, the clock, ids, money, logs and metrics.
//!
//! Jobs are generic over the context they run with ([`jobs::Context`]).

pub mod allocator;
pub mod cache;
pub mod clock;
pub mod day;
pub mod db;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod mail;
pub mod media;
pub mod metrics;
pub mod money;
pub mod settings;
pub mod telemetry;
mod text_enum;
pub mod thread_pool;
pub mod validation;
