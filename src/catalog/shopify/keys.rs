//! What identifies a variant: its SKU, or its handle and options if the SKU is missing or a duplicate, such as one SKU for
//! a whole style.
//!
//! Which SKUs are duplicates is known only after the whole file was read. The texts are stored as hashes of 64 bits, so that
//! a million variants take some tens of megabytes; if two collide, a product is identified by its handle and options.

use std::collections::HashSet;

use super::ImportedProduct;

#[derive(Default)]
pub struct Keys {
    handles: HashSet<u64>,
    skus: HashSet<u64>,
    duplicate_skus: HashSet<u64>,
}

/// Whether a variant's SKU and key are unique in the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Uniqueness {
    Unique,
    /// Another variant has the same SKU.
    DuplicateSku,
    /// Another variant has the same handle and options.
    DuplicateKey,
}

impl Keys {
    /// Of the first pass.
    pub fn add(&mut self, variant: &ImportedProduct) -> Uniqueness {
        let (key, sku) = (super::hash(&variant.key), super::hash(&variant.sku));
        if !self.handles.insert(key) {
            return Uniqueness::DuplicateKey;
        }
        if self.skus.contains(&key) {
            self.duplicate_skus.insert(key);
        }
        if sku != key && (!self.skus.insert(sku) || self.handles.contains(&sku)) {
            self.duplicate_skus.insert(sku);
            return Uniqueness::DuplicateSku;
        }
        Uniqueness::Unique
    }

    /// Of the second pass: the variant with what identifies it as its SKU; `None` if an earlier one has the same key.
    pub fn resolve(&mut self, mut variant: ImportedProduct) -> Option<ImportedProduct> {
        if !self.handles.remove(&super::hash(&variant.key)) {
            return None;
        }
        if self.duplicate_skus.contains(&super::hash(&variant.sku)) {
            variant.sku.clone_from(&variant.key);
        }
        Some(variant)
    }
}
