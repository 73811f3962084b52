//! Limits per buyer, against robots that buy everything or order without end.

use platform::settings::{Checked, number};

use crate::carts::{self, MAX_QUANTITY};

#[allow(clippy::doc_markdown)]
/// How much one buyer may take.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Limits per customer")]
pub struct BuyingArgs {
    /// Units of one product in a cart or an order, 1 to 9999
    #[arg(long, env = "MAX_PER_PRODUCT", default_value = "9999", global = true)]
    max_per_product: String,
    /// Orders per user and hour, 1 to 10000
    #[arg(long, env = "ORDERS_PER_HOUR", default_value = "60", global = true)]
    orders_per_hour: String,
    /// Anonymous carts per IP address and minute, 1 to 10000
    #[arg(long, env = "CARTS_PER_MINUTE", default_value = "60", global = true)]
    carts_per_minute: String,
    /// Payments per user and hour, and three times as many per IP address, 1 to 10000
    #[arg(long, env = "PAYMENTS_PER_HOUR", default_value = "20", global = true)]
    payments_per_hour: String,
}

impl BuyingArgs {
    pub(super) fn carts(&self) -> Checked<carts::Settings> {
        Ok(carts::Settings {
            max_per_product: number("MAX_PER_PRODUCT", &self.max_per_product, (1, MAX_QUANTITY))?,
            carts_per_minute: number("CARTS_PER_MINUTE", &self.carts_per_minute, (1, 10_000))?,
        })
    }

    pub(super) fn orders_per_hour(&self) -> Checked<usize> {
        number("ORDERS_PER_HOUR", &self.orders_per_hour, (1, 10_000))
    }

    pub(super) fn payments_per_hour(&self) -> Checked<usize> {
        number("PAYMENTS_PER_HOUR", &self.payments_per_hour, (1, 10_000))
    }
}
