//! `cartwright currency`.

use platform::money::Currency;

use crate::{
    app::{programs, settings::SettingArgs},
    catalog::currency::{self, Rate},
};
use anyhow::{Context, anyhow};
use clap::Args;

use super::{open, print_line};

/// Show the currency of the prices, or convert them to another
///
/// Converts the prices of all products at one rate, in one transaction, each rounded to the decimals of the new currency.
/// Existing orders keep their currency. Stop the programs first: they would show the old currency until they are restarted,
/// and accept no orders.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  cartwright currency
      Says which currency the prices are in
  cartwright currency EUR --rate 0.92
      From US dollars to euros: what cost 10.00 costs 9.20. Then set STORE_CURRENCY=EUR and start the programs again
  cartwright currency EUR --rate 1
      Keeps the numbers: 10.00 stays 10.00"
)]
pub struct CurrencyArgs {
    /// The currency to convert to, an ISO 4217 code
    to: Option<String>,
    /// The value of one unit of the current currency in the new one
    #[arg(long, requires = "to", allow_hyphen_values = true)]
    rate: Option<String>,
}

pub async fn run(args: CurrencyArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    let shop = open(programs::init(settings)?).await?;
    let result = match args.to {
        None => {
            let stored = currency::of_prices(&mut shop.db.read().await?).await?;
            format!("the prices are in {}", stored.unwrap_or(shop.store.currency))
        }
        Some(to) => {
            let (to, rate) = read(&to, args.rate.as_deref())?;
            let (from, converted) = currency::convert_prices(&shop, to, rate).await?;
            let prices = if converted == 1 { "price" } else { "prices" };
            format!(
                "converted {converted} {prices} from {from} to {to}, 1 {from} = {rate} {to}; set STORE_CURRENCY={to} and restart \
                 the programs"
            )
        }
    };
    shop.db.close().await;
    print_line(result)
}

fn read(to: &str, rate: Option<&str>) -> anyhow::Result<(Currency, Rate)> {
    let to: Currency = to.parse().map_err(|accepted| anyhow!("{to}: write {accepted}"))?;
    let rate = rate.with_context(|| {
        format!("--rate is required, e.g. cartwright currency {to} --rate 0.92; 1 keeps the numbers")
    })?;
    let rate = rate.parse().map_err(|accepted| anyhow!("--rate {rate}: {accepted}"))?;
    Ok((to, rate))
}
