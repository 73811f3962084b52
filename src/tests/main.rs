//! Stories: what happens in a shop, told through its HTTP API, each on SQLite and on PostgreSQL.
//!
//! `.ci/test` runs both halves; without `TEST_DATABASE_URL` the PostgreSQL half is skipped and `the_postgres_half` says
//! so. After each story the shop has to keep the promises of [`support::invariants`].

#[macro_use]
mod support;

mod accounts;
mod addresses;
mod authorisation;
mod browser;
mod cache;
mod carts;
mod catalog;
mod crashes;
mod dashboard;
mod document;
mod errors;
mod events;
mod http;
mod imports;
mod inventory;
mod jobs;
mod letters;
mod limits;
mod media;
mod order_letters;
mod orders;
mod payment_edges;
mod payments;
mod programs;
mod providers;
mod races;
mod retention;
mod reviews;
mod schema;
mod seeds;
mod simulator;
mod soak;
mod users;
mod wishlists;
