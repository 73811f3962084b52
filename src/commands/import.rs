//! `cartwright import`.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use cartwright::{
    cache::Part,
    catalog::{
        import::{self, Imported},
        shopify::{self, Fault, ImportedProduct, Reading},
    },
    programs,
    settings::SettingArgs,
    shop::Shop,
};
use clap::{Args, Subcommand};

use super::{open_to_sell, progress_bar, say, told};

/// How many faults are told; the rest is counted.
const MOST_FAULTS: usize = 50;

#[derive(Subcommand)]
pub enum ImportCommand {
    Products(ProductsArgs),
}

/// Import products from the CSV that Shopify exports
///
/// Each variant becomes a product. The vendor becomes its brand and the type its category; they are found by name or
/// made. A product is recognised by its SKU, or else by handle and options, so importing a file again updates what it
/// brought. All rows are written together or not at all: a bad row is named with its line and column.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  cartwright import products products_export.csv
  cartwright import products products_export.csv --skip-bad
      The good rows, whatever is wrong with the others
  zcat export.csv.gz | cartwright import products -

Needed columns: Handle, Title, Variant Price. Known ones besides: Body (HTML), Vendor, Product Category, Type, Published,
Option1 Value to Option3 Value, Variant SKU, Variant Inventory Qty, Image Src, Variant Image, Status."
)]
pub struct ProductsArgs {
    /// The CSV file; - reads standard input
    file: PathBuf,
    /// Leave bad rows out instead of writing nothing
    #[arg(long)]
    skip_bad: bool,
}

pub async fn run(ImportCommand::Products(args): ImportCommand, settings: &SettingArgs) -> anyhow::Result<()> {
    let settings = programs::begin(settings)?;
    let Reading { products, faults } = read(&args.file, settings.currency.decimals)?; // before any database is asked
    tell(&faults);
    if !faults.is_empty() && !args.skip_bad {
        bail!("nothing was imported; correct the file, or leave its bad rows out with --skip-bad");
    }
    let shop = open_to_sell(settings).await?;
    let Imported { created, updated } = write(&shop, products).await?;
    shop.db.close().await;
    say(format!("created {created}, updated {updated}, skipped {}", rows(&faults)))
}

fn read(file: &Path, decimals: u8) -> anyhow::Result<Reading> {
    let input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?),
    };
    shopify::read(input, decimals).map_err(|error| anyhow!("{}: {error}", file.display()))
}

fn tell(faults: &[Fault]) {
    for fault in faults.iter().take(MOST_FAULTS) {
        eprintln!("{fault}");
    }
    if faults.len() > MOST_FAULTS {
        eprintln!("and {} more", faults.len() - MOST_FAULTS);
    }
}

/// How many rows have faults; one row may have several.
fn rows(faults: &[Fault]) -> usize {
    faults.iter().map(|fault| fault.line).collect::<HashSet<_>>().len()
}

async fn write(shop: &Shop, products: Vec<ImportedProduct>) -> anyhow::Result<Imported> {
    let bar = progress_bar(products.len(), "products")?;
    let mut tx = shop.db.write().await?;
    let imported =
        import::import(&mut tx, shop.settings.currency, products, shop.now(), || bar.inc(1)).await.map_err(told)?;
    tx.commit().await?;
    shop.cache.forget(&[Part::Catalog]).await;
    bar.finish_and_clear();
    Ok(imported)
}
