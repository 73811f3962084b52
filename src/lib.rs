#![doc = include_str!("../ARCHITECTURE.md")]

pub mod accounts;
pub mod app;
pub mod carts;
pub mod catalog;
pub mod checkout;
pub mod dashboard;
pub mod inventory;
pub mod orders;
pub mod payments;
pub mod pricing;
pub mod retention;
pub mod reviews;
pub mod shop;
pub mod wishlists;
