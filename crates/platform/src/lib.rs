//! What any service of this shape needs, and no shop is known in: a database on two engines, background jobs, a cache, the
//! HTTP around endpoints, e-mail on its way out, files, the clock, ids, money and what operations people look at.
//!
//! Jobs are generic over the context that they are given ([`jobs::Context`]); extractors ask for the parts they need.

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
pub mod money;
pub mod settings;
pub mod telemetry;
mod text_enum;
pub mod thread_pool;
pub mod validation;
