//! What the cached answers about the catalog show, and so what a change of it must say.

use platform::cache::{self, SLOTS};

use crate::shop::ids::ProductId;

/// What an answer shows, or a write changed.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Everything; as the part that an answer shows, a category or a brand, or their lists.
    Catalog,
    Product(ProductId),
    /// Any list of products.
    ProductLists,
    /// Which product a slug leads to.
    Slugs,
}

/// Products share generations, this many, so that their number does not grow with the catalog.
const SHARDS: usize = 1024;

const _: () = assert!(3 + SHARDS <= SLOTS);

impl cache::Part for Part {
    /// The catalog's at 0, then the products', that of their lists, that of slugs.
    fn slot(self) -> usize {
        match self {
            Self::Catalog => 0,
            Self::Product(id) => 1 + usize::try_from(id.0).unwrap_or_default() % SHARDS,
            Self::ProductLists => 1 + SHARDS,
            Self::Slugs => 2 + SHARDS,
        }
    }
}
