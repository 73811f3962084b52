//! `cartwright seed`.

use crate::app::{demo, programs, settings::SettingArgs};
use anyhow::bail;
use clap::Args;

use super::{open_with_currency, progress_bar, serve::print_sign_ins};

/// Fill an empty database with the demo shop
///
/// A small shop of household goods: 60 products with images, 8 categories, 9 brands, four weeks of orders and reviews, two
/// customers and an admin, whose passwords are printed. A database that already has products is not changed.
#[derive(Args, Clone, Copy)]
#[command(verbatim_doc_comment)]
pub struct SeedArgs {
    /// Load the demo shop (required)
    #[arg(long)]
    demo: bool,
    /// Add this number of generated products, e.g. for benchmarks
    #[arg(long, value_name = "N")]
    products: Option<usize>,
}

pub async fn run(args: SeedArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    if !args.demo {
        bail!("only demo data is available: cartwright seed --demo");
    }
    let shop = open_with_currency(programs::init(settings)?).await?;
    let bar = progress_bar(demo::size()? + args.products.unwrap_or(0), "products")?;
    let loaded = demo::load(&shop, args.products, |written| bar.set_position(written as u64)).await?;
    bar.finish_and_clear();
    shop.db.close().await;
    print_sign_ins(loaded)
}
