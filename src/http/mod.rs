//! What all endpoints share. The features bring their endpoints to [`crate::api`], which puts them together.

pub mod aliases;
pub mod body;
pub mod client_address;
pub mod connection;
mod cors;
pub mod edge;
pub mod etags;
pub mod form;
pub mod framing;
mod handler;
pub mod health;
pub mod idempotency;
mod json;
pub mod limits;
pub mod paging;
pub mod problem;
pub mod query;
pub mod reply;
pub mod schema;
pub mod server;
pub mod static_page;
pub mod tags;
pub mod upload;
