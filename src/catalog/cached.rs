//! The parts of the catalog that the cache knows, and which of them a change must name when it is committed.
//!
//! | What changed | Parts | In code |
//! |---|---|---|
//! | A product was created | Lists, slugs | [`Part::of_new_product`] |
//! | The fields, the images or the rating of a product | The product, lists | [`Part::of_product`] |
//! | The slug of a product; a product was deleted | The product, lists, slugs | [`Part::of_product_and_slug`] |
//! | Several products: an import; a cancelled order, with which reviews are deleted | The products, lists | [`Part::of_products`] |
//! | Only the stock of products: an order, an adjustment | The products, stock | [`Part::of_stock`] |
//! | A category, a brand or its logo; all prices; orders that a job cancelled | Everything | [`Part::Catalog`] |
//!
//! Lists show stock, too. A sale does not invalidate them at once, because a busy shop would load them again for every
//! order: they may show the old stock for two seconds.

use std::time::Duration;

use platform::cache::{self, SLOTS};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, ids::ProductId};

/// What an answer shows, or a write changed.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Everything; as the part that an answer shows, a category or a brand, or their lists.
    Catalog,
    Product(ProductId),
    /// Any list of products.
    ProductLists,
    /// The stock of any product, which lists show late.
    Stock,
    /// Which product a slug leads to.
    Slugs,
}

impl Part {
    /// A product was created.
    #[must_use]
    pub fn of_new_product() -> [Self; 2] {
        [Self::ProductLists, Self::Slugs]
    }

    /// The fields, the images or the rating of a product changed.
    #[must_use]
    pub fn of_product(id: ProductId) -> [Self; 2] {
        [Self::Product(id), Self::ProductLists]
    }

    /// The slug of a product changed, or the product was deleted.
    #[must_use]
    pub fn of_product_and_slug(id: ProductId) -> [Self; 3] {
        [Self::Product(id), Self::ProductLists, Self::Slugs]
    }

    /// The same as [`of_product`](Self::of_product), of several products.
    #[must_use]
    pub fn of_products(ids: impl IntoIterator<Item = ProductId>) -> Vec<Self> {
        ids.into_iter().map(Self::Product).chain([Self::ProductLists]).collect()
    }

    /// Only the stock of these products changed.
    #[must_use]
    pub fn of_stock(ids: impl IntoIterator<Item = ProductId>) -> Vec<Self> {
        ids.into_iter().map(Self::Product).chain([Self::Stock]).collect()
    }
}

/// Products share generations, this many, so that their number does not grow with the catalog.
const SHARDS: usize = 1024;

const _: () = assert!(4 + SHARDS <= SLOTS);

impl cache::Part for Part {
    /// The catalog's at 0, then the products', that of their lists, that of slugs.
    fn slot(self) -> usize {
        match self {
            Self::Catalog => 0,
            Self::Product(id) => 1 + usize::try_from(id.0).unwrap_or_default() % SHARDS,
            Self::ProductLists => 1 + SHARDS,
            Self::Slugs => 2 + SHARDS,
            Self::Stock => 3 + SHARDS,
        }
    }

    fn late_slot(self) -> Option<usize> {
        matches!(self, Self::ProductLists).then(|| Self::Stock.slot())
    }
}

/// How often a process looks whether others have written to its SQLite file.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Invalidates everything when another process has written to the SQLite file, until `stop`. Entries live longer than a
/// second only while this runs, or while Redis tells what others change.
pub async fn follow_other_processes(shop: Shop, stop: CancellationToken) {
    let mut known = None;
    while !stop.is_cancelled() {
        match shop.db.version_by_others().await {
            Ok(None) => return,
            Ok(version) => {
                if version != known {
                    shop.cache.invalidate(&[Part::Catalog]).await;
                }
                known = version;
                shop.cache.knows_all_changes();
            }
            Err(error) => tracing::debug!(%error, "cannot ask whether other processes have written"),
        }
        tokio::select! {
            () = tokio::time::sleep(CHECK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}
