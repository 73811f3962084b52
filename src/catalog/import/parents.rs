//! The brands and categories of an import, found by name, ignoring case, or created. Each is looked up once a transaction.

use std::collections::HashMap;

use platform::db::{self, Tx};
use poem_openapi::types::MaybeUndefined;

use crate::{
    catalog::{create_brand, create_category, store},
    shop::ids::{BrandId, CategoryId},
};

/// Valid for one transaction: after it, an admin may delete them.
#[derive(Default)]
pub struct Parents {
    brands: HashMap<String, BrandId>,
    categories: HashMap<String, CategoryId>,
}

impl Parents {
    pub async fn brand(&mut self, tx: &mut Tx, name: Option<&str>) -> db::Result<Option<BrandId>> {
        let Some(name) = name else { return Ok(None) };
        if let Some(id) = self.brands.get(&name.to_lowercase()) {
            return Ok(Some(*id));
        }
        let brand = match store::find_brand_by_name(tx, name).await? {
            Some(brand) => brand,
            None => create_brand(tx, name, None).await?,
        };
        self.brands.insert(name.to_lowercase(), brand.id);
        Ok(Some(brand.id))
    }

    pub async fn category(&mut self, tx: &mut Tx, name: Option<&str>) -> db::Result<Option<CategoryId>> {
        let Some(name) = name else { return Ok(None) };
        if let Some(id) = self.categories.get(&name.to_lowercase()) {
            return Ok(Some(*id));
        }
        let category = match store::find_category_by_name(tx, name).await? {
            Some(category) => category,
            None => create_category(tx, name, None, "").await?,
        };
        self.categories.insert(name.to_lowercase(), category.id);
        Ok(Some(category.id))
    }
}

/// An empty cell changes nothing.
pub fn or_unchanged<T>(value: Option<T>) -> MaybeUndefined<T> {
    value.map_or(MaybeUndefined::Undefined, MaybeUndefined::Value)
}
