//! What stands for a variant: its SKU, or where that is missing or repeats, as one SKU for a whole style does, its handle
//! and options.
//!
//! Which SKUs repeat is known only after the whole file was read. The texts are kept as hashes of 64 bits, so that a
//! million variants are some tens of megabytes; should two ever collide, a product is recognised by its handle and options.

use std::collections::HashSet;

use super::ImportedProduct;

#[derive(Default)]
pub struct Keys {
    handles: HashSet<u64>,
    skus: HashSet<u64>,
    repeated: HashSet<u64>,
}

/// What a variant's names turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    Sound,
    /// Its SKU is another variant's too.
    SkuRepeats,
    /// Its handle and options are another variant's too.
    Taken,
}

impl Keys {
    /// Of the first reading.
    pub fn claim(&mut self, variant: &ImportedProduct) -> Claim {
        let (key, sku) = (super::hash(&variant.key), super::hash(&variant.sku));
        if !self.handles.insert(key) {
            return Claim::Taken;
        }
        if self.skus.contains(&key) {
            self.repeated.insert(key);
        }
        if sku != key && (!self.skus.insert(sku) || self.handles.contains(&sku)) {
            self.repeated.insert(sku);
            return Claim::SkuRepeats;
        }
        Claim::Sound
    }

    /// Of the second reading: the variant by what stands for it, unless one before it has its names.
    pub fn settle(&mut self, mut variant: ImportedProduct) -> Option<ImportedProduct> {
        if !self.handles.remove(&super::hash(&variant.key)) {
            return None;
        }
        if self.repeated.contains(&super::hash(&variant.sku)) {
            variant.sku.clone_from(&variant.key);
        }
        Some(variant)
    }
}
