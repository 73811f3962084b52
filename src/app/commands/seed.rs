//! `cartwright seed`.

use crate::app::{demo, programs, settings::SettingArgs};
use anyhow::bail;
use clap::Args;

use super::{open_with_currency, progress_bar, serve::print_sign_ins};

/// Fill an empty database with the demo shop
///
/// A small shop of household things: 60 products with pictures, 8 categories, 9 brands, four weeks of orders and reviews,
/// two customers and an admin, whose sign-ins are printed. A database that has products is left as it is.
#[derive(Args, Clone, Copy)]
#[command(verbatim_doc_comment)]
pub struct SeedArgs {
    /// Load the demo shop, the only data there is to seed with
    #[arg(long)]
    demo: bool,
    /// Add so many generated products, e.g. to measure speed
    #[arg(long, value_name = "N")]
    products: Option<usize>,
}

pub async fn run(args: SeedArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    if !args.demo {
        bail!("there is only demo data to seed with: cartwright seed --demo");
    }
    let shop = open_with_currency(programs::init(settings)?).await?;
    let bar = progress_bar(demo::size()? + args.products.unwrap_or(0), "products")?;
    let loaded = demo::load(&shop, args.products, |written| bar.set_position(written as u64)).await?;
    bar.finish_and_clear();
    shop.db.close().await;
    print_sign_ins(loaded)
}
