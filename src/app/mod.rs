//! The application: settings, endpoints and their document, workers, programs and commands.

pub mod aliases;
pub mod api;
pub mod commands;
pub mod context;
pub mod demo;
pub mod document;
pub mod front;
pub mod health;
pub mod jobs_api;
pub mod metrics;
pub mod problems;
pub mod programs;
pub mod settings;
mod simulator;
pub mod workers;
