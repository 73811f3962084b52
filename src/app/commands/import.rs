//! `cartwright import`.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use crate::{
    app::{programs, settings::SettingArgs},
    catalog::{
        self, Part,
        import::{BATCH, Import, Rules, Summary},
        shopify::{self, Checked, Contents, ReadError, Report},
    },
    shop::Shop,
};
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::{open_with_currency, print_line, progress_bar};

#[derive(Subcommand)]
pub enum ImportCommand {
    Products(ProductsArgs),
}

/// Import products, or their stock, from the CSV files that Shopify exports
///
/// Each variant becomes a product. Its slug is the handle; the vendor becomes the brand and the type the category, found by
/// name or created; image URLs are kept. A product is identified by its SKU, or otherwise by handle and options, so
/// importing a file again updates its products. Unchanged products are not written.
///
/// The whole file is checked first: if a row is invalid, nothing is imported and the errors are printed, grouped by kind.
/// Then the products are written in small batches while the shop stays online. To resume an interrupted import, start it
/// again.
///
/// Stock: because the shop keeps selling after the export, the stock of a known product is set only if the file's value
/// differs from that of the previous import. Products that Shopify does not track (no inventory tracker, or the policy
/// `continue`) and products without a value get the stock of --stock. Negative stock becomes 0. Gift cards are inactive.
///
/// An inventory file, which has a column Location, sets the stock of existing products to the sum of what is available at
/// all locations.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  cartwright import products products_export.csv
  cartwright import products inventory_export.csv
      The stock, where the shop at Shopify has several locations
  cartwright import products products_export.csv --skip-bad
      The good rows, whatever is wrong with the others
  cartwright import products products_export.csv --keep-stock
      Texts, prices and images, but not the stock of what is in the shop
  zcat export.csv.gz | cartwright import products -

The result goes to stdout: created 12, updated 3, unchanged 85, skipped 0. Everything else goes to stderr. The status is 0
when all of the file, or with --skip-bad its good rows, is in the shop, else 1.

Needed columns: Handle, Title, Variant Price. Known ones besides: Body (HTML), Vendor, Product Category or Standard Product
Type, Type or Custom Product Type, Published, Option1 Value to Option3 Value, Variant SKU, Variant Inventory Tracker,
Variant Inventory Qty, Variant Inventory Policy, Image Src, Image Position, Variant Image, Gift Card, Status.
Of an inventory file: Handle, Option1 Value to Option3 Value, SKU, Location, Available, On hand."
)]
pub struct ProductsArgs {
    /// The CSV file; - reads standard input
    file: PathBuf,
    /// Skip invalid rows instead of importing nothing
    #[arg(long)]
    skip_bad: bool,
    /// Do not change the stock of existing products
    #[arg(long)]
    keep_stock: bool,
    /// The stock of products for which the file has no value
    #[arg(long, value_name = "N", default_value_t = 9_999, value_parser = clap::value_parser!(i64).range(0..=i64::from(i32::MAX)))]
    stock: i64,
}

pub async fn run(ImportCommand::Products(args): ImportCommand, settings: &SettingArgs) -> anyhow::Result<()> {
    let settings = programs::init(settings)?;
    let source = Source::open(&args.file)?; // before the database is opened
    let rules = shopify::Rules { decimals: settings.store.currency.decimals, stock: args.stock };
    let Checked { report, ignored_columns, contents } = source.read(|file| shopify::check(file, rules))?;
    print_report(&ignored_columns, &report);
    if !report.errors.is_empty() && !args.skip_bad {
        bail!("nothing was imported; correct the file, or skip its invalid rows with --skip-bad");
    }
    let shop = open_with_currency(settings).await?;
    let rules = Rules { currency: shop.store.currency, stock: args.stock, keep_stock: args.keep_stock };
    let result = match contents {
        Contents::Products(valid) => {
            let total = valid.count();
            let products = source.read(|file| valid.read(file))?;
            let Summary { created, updated, unchanged, .. } =
                write_all(&shop, rules, total, products, Import::products).await?;
            format!("created {created}, updated {updated}, unchanged {unchanged}, skipped {}", report.skipped)
        }
        Contents::Inventory(valid) => {
            let total = valid.count();
            let counts = source.read(|file| valid.read(file))?;
            let Summary { updated, unchanged, unknown, .. } =
                write_all(&shop, rules, total, counts, Import::counts).await?;
            format!("counted {updated}, unchanged {unchanged}, skipped {}", report.skipped + unknown.count())
        }
    };
    shop.db.close().await;
    print_line(result)
}

fn print_report(ignored_columns: &[String], report: &Report) {
    eprint!("{}{}", report.errors, report.warnings);
    if !ignored_columns.is_empty() {
        eprintln!("ignored columns: {}", ignored_columns.join(", "));
    }
}

/// Writes the valid rows, batch by batch.
async fn write_all<T>(
    shop: &Shop,
    rules: Rules,
    total: usize,
    mut rows: impl Iterator<Item = Result<T, ReadError>>,
    write: impl AsyncFn(&mut Import, Vec<T>) -> catalog::Result<()>,
) -> anyhow::Result<Summary> {
    let bar = progress_bar(total, "products")?;
    let mut import = Import::new(shop, rules);
    let written = write_batches(&mut import, &mut rows, write, &bar).await;
    shop.cache.invalidate(&[Part::Catalog]).await;
    let summary = import.summary;
    let count = summary.created + summary.updated + summary.unchanged + summary.unknown.count();
    written.with_context(|| format!("imported {count} of {total}; start the same import again to resume"))?;
    bar.finish_and_clear();
    if count != total {
        bail!("the file was changed during the import; import it again");
    }
    print_stock_notes(&summary);
    Ok(summary)
}

async fn write_batches<T>(
    import: &mut Import,
    rows: &mut impl Iterator<Item = Result<T, ReadError>>,
    write: impl AsyncFn(&mut Import, Vec<T>) -> catalog::Result<()>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    loop {
        let batch = rows.by_ref().take(BATCH).collect::<Result<Vec<T>, _>>()?;
        if batch.is_empty() {
            return Ok(());
        }
        let count = batch.len();
        write(import, batch).await?;
        bar.inc(count as u64);
    }
}

fn print_stock_notes(summary: &Summary) {
    eprint!("{}", summary.unknown);
    if summary.stock_kept > 0 {
        eprintln!(
            "the stock of {} existing products was not changed, because the value of their previous import is not \
             known. Later imports update it",
            summary.stock_kept
        );
    }
}

/// A file that is read twice. Input from a pipe is copied to an unlinked temporary file first.
struct Source {
    name: String,
    file: File,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        if name == "-" {
            return Ok(Self { file: copy_to_temporary_file(io::stdin())?, name });
        }
        let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
        let file = if file.metadata()?.is_file() { file } else { copy_to_temporary_file(file)? };
        Ok(Self { name, file })
    }

    /// Calls `read` with the file, from its start.
    fn read<'a, T>(&'a self, read: impl FnOnce(&'a File) -> Result<T, ReadError>) -> anyhow::Result<T> {
        let mut file = &self.file;
        file.rewind()?;
        read(file).map_err(|error| anyhow!("{}: {error}", self.name))
    }
}

fn copy_to_temporary_file(mut input: impl Read) -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("cartwright-import-{}", Uuid::new_v4().simple()));
    let open = || File::options().read(true).write(true).create_new(true).open(&path);
    let mut file = open().with_context(|| format!("{} cannot be written", path.display()))?;
    fs::remove_file(&path)?; // it lives as long as it is open
    io::copy(&mut input, &mut file)?;
    Ok(file)
}
