//! The bodies that say what a product is to be, and what they say to the catalog.

use platform::{
    http::body::cleared,
    money::{Amount, Money},
    validation::FieldError,
};
use poem_openapi::{Object, types::MaybeUndefined};

use crate::{
    catalog::{NewProduct, ProductChange, slugs},
    shop::{
        Shop,
        ids::{BrandId, CategoryId},
    },
};

/// A product to be made.
#[derive(Object)]
pub struct ProductInput {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// The name as it may stand in an address: words of lower-case letters and digits, joined by single dashes, of at most
    /// 200 characters. Left out: made from the name, made unique.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    /// What the shop calls it on its shelf; no other product has it.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: Option<String>,
    #[oai(nullable, validator(max_length = 10000))]
    description: Option<String>,
    price: Amount,
    /// The id of a category.
    #[oai(nullable)]
    category: Option<CategoryId>,
    /// The id of a brand.
    #[oai(nullable)]
    brand: Option<BrandId>,
    /// How many can be sold. Default 0.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    /// Whether customers see it. Default true.
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl ProductInput {
    pub fn read(self, shop: &Shop, errors: &mut Vec<FieldError>) -> NewProduct {
        errors.extend(self.slug.as_deref().and_then(|slug| slugs::check(slug).err()));
        NewProduct {
            price: price(shop, &self.price, errors),
            name: self.name,
            slug: self.slug,
            description: self.description.unwrap_or_default(),
            stock: self.stock.unwrap_or(0),
            is_active: self.is_active.unwrap_or(true),
            category: self.category,
            brand: self.brand,
            sku: self.sku,
        }
    }
}

/// A product as it is to be. Optional fields left out keep their value; `null` clears `sku`, `description`, `category` and
/// `brand`.
#[derive(Object)]
pub struct ProductReplacement {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// Another slug. The one it had goes on leading to it.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    price: Amount,
    #[oai(nullable)]
    category: MaybeUndefined<CategoryId>,
    #[oai(nullable)]
    brand: MaybeUndefined<BrandId>,
    /// How many can be sold, without those that open orders hold.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl ProductReplacement {
    pub fn read(self, shop: &Shop, errors: &mut Vec<FieldError>) -> ProductChange {
        ProductChange {
            name: Some(self.name),
            slug: self.slug,
            sku: self.sku,
            description: cleared(self.description),
            description_html: MaybeUndefined::Undefined,
            price: Some(price(shop, &self.price, errors)),
            stock: self.stock,
            is_active: self.is_active,
            category: self.category,
            brand: self.brand,
        }
    }
}

/// What is to be different about a product. Fields left out stay.
#[derive(Object)]
pub struct ProductPatch {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// Another slug. The one it had goes on leading to it.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    price: Option<Amount>,
    #[oai(nullable)]
    category: MaybeUndefined<CategoryId>,
    #[oai(nullable)]
    brand: MaybeUndefined<BrandId>,
    /// How many can be sold, without those that open orders hold.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl ProductPatch {
    pub fn read(self, shop: &Shop, errors: &mut Vec<FieldError>) -> ProductChange {
        ProductChange {
            name: self.name,
            slug: self.slug,
            sku: self.sku,
            description: cleared(self.description),
            description_html: MaybeUndefined::Undefined,
            price: self.price.map(|amount| price(shop, &amount, errors)),
            stock: self.stock,
            is_active: self.is_active,
            category: self.category,
            brand: self.brand,
        }
    }
}

/// The price, or a stand-in for one whose fault is noted.
fn price(shop: &Shop, amount: &Amount, errors: &mut Vec<FieldError>) -> Money {
    shop.store.currency.parse(amount).unwrap_or_else(|why| {
        errors.push(FieldError::new("price", "amount", why));
        Money(0)
    })
}
