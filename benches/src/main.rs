//! Measures a shop side by side with what limits it. `benches/run` starts the shop and this.

mod bare;
mod load;
mod orders;
mod reads;
mod table;
mod writes;

use clap::Parser;

/// Measures the shop whose address and process are in `SHOP` and `SHOP_PID`.
#[derive(Parser)]
enum Command {
    /// Reads of the catalog, beside bare poem with the same bytes.
    Reads {
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 2)]
        seconds: u64,
        /// How often each is measured, in turn with its limit.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Orders of signed-in customers.
    Orders {
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Serves the content of a file at every path.
    #[command(hide = true)]
    Bare { address: String, file: String },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Reads { seconds, rounds } => reads::measure(seconds, rounds).await,
        Command::Orders { seconds, rounds } => orders::measure(seconds, rounds).await,
        Command::Bare { address, file } => bare::serve(&address, &file).await,
    }
}
