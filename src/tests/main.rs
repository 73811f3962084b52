//! Stories: what happens in a shop, told through its HTTP API, each on SQLite and on PostgreSQL.
//!
//! `.ci/test` runs both halves; without `TEST_DATABASE_URL` the PostgreSQL half is skipped and `the_postgres_half` says
//! so. After each story the shop has to keep the promises of [`support::invariants`].

#[macro_use]
mod support;

mod accounts;
mod addresses;
mod amounts;
mod authorisation;
mod browser;
mod cache;
mod cached_responses;
mod card_testing;
mod carts;
mod catalog;
mod closing;
mod crashes;
mod dashboard;
mod document;
mod email_changes;
mod emails;
mod errors;
mod events;
mod fields;
mod floors;
mod free_orders;
mod front;
mod fuzz;
mod http;
mod imports;
mod inventory;
mod jobs;
mod limits;
mod lost_answers;
mod media;
mod memory;
mod metrics;
mod order_emails;
mod orders;
mod payment_comparison;
mod payment_edges;
mod payments;
mod paypal_webhooks;
mod preconditions;
mod product_forms;
mod programs;
mod providers;
mod races;
mod received;
mod refunds;
mod retention;
mod reviews;
mod schema;
mod searches;
mod security;
mod seeds;
mod sessions;
mod settings;
mod simulator;
mod slow_banks;
mod slugs;
mod soak;
mod statements;
mod store_currency;
mod templates;
mod unsent_payments;
mod upgrade;
mod users;
mod wishlists;
