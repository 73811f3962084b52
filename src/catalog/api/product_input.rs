//! The bodies that say what a product is to be, and what they say to the catalog.

use platform::{
    http::body::null_as_empty,
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

/// The fields of a new product.
#[derive(Object)]
pub struct ProductInput {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// The part of a URL that identifies the product: words of lower-case letters and digits, joined by single dashes,
    /// at most 200 characters. Unique. Default: generated from the name.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    /// The stock keeping unit, 1 to 255 characters. Unique.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: Option<String>,
    /// A description, at most 10,000 characters.
    #[oai(nullable, validator(max_length = 10000))]
    description: Option<String>,
    /// The price of one unit, in the store's currency. A decimal string or a number.
    price: Amount,
    /// The id of the category.
    #[oai(nullable)]
    category: Option<CategoryId>,
    /// The id of the brand.
    #[oai(nullable)]
    brand: Option<BrandId>,
    /// The number of units that can be sold. Default: 0.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    /// Whether customers can see the product. Default: `true`.
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

/// All fields of a product. An optional field left out keeps its value; `null` clears `sku`, `description`, `category`
/// and `brand`.
#[derive(Object)]
pub struct ProductReplacement {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// A new slug. The previous one redirects to it.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    /// The stock keeping unit, 1 to 255 characters. Unique.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: MaybeUndefined<String>,
    /// A description, at most 10,000 characters.
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    /// The price of one unit, in the store's currency. A decimal string or a number.
    price: Amount,
    /// The id of the category.
    #[oai(nullable)]
    category: MaybeUndefined<CategoryId>,
    /// The id of the brand.
    #[oai(nullable)]
    brand: MaybeUndefined<BrandId>,
    /// The number of units that can be sold, not counting those that open orders reserve.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    /// Whether customers can see the product.
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl ProductReplacement {
    pub fn read(self, shop: &Shop, errors: &mut Vec<FieldError>) -> ProductChange {
        ProductChange {
            name: Some(self.name),
            slug: self.slug,
            sku: self.sku,
            description: null_as_empty(self.description),
            description_html: MaybeUndefined::Undefined,
            price: Some(price(shop, &self.price, errors)),
            stock: self.stock,
            is_active: self.is_active,
            category: self.category,
            brand: self.brand,
        }
    }
}

/// The fields of the product to change. A field left out keeps its value.
#[derive(Object)]
pub struct ProductPatch {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// A new slug. The previous one redirects to it.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    slug: Option<String>,
    /// The stock keeping unit, 1 to 255 characters. Unique.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    sku: MaybeUndefined<String>,
    /// A description, at most 10,000 characters.
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    /// The price of one unit, in the store's currency. A decimal string or a number.
    price: Option<Amount>,
    /// The id of the category.
    #[oai(nullable)]
    category: MaybeUndefined<CategoryId>,
    /// The id of the brand.
    #[oai(nullable)]
    brand: MaybeUndefined<BrandId>,
    /// The number of units that can be sold, not counting those that open orders reserve.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    /// Whether customers can see the product.
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl ProductPatch {
    pub fn read(self, shop: &Shop, errors: &mut Vec<FieldError>) -> ProductChange {
        ProductChange {
            name: self.name,
            slug: self.slug,
            sku: self.sku,
            description: null_as_empty(self.description),
            description_html: MaybeUndefined::Undefined,
            price: self.price.map(|amount| price(shop, &amount, errors)),
            stock: self.stock,
            is_active: self.is_active,
            category: self.category,
            brand: self.brand,
        }
    }
}

/// The price, or a placeholder after recording its error.
fn price(shop: &Shop, amount: &Amount, errors: &mut Vec<FieldError>) -> Money {
    shop.store.currency.parse(amount).unwrap_or_else(|why| {
        errors.push(FieldError::new("price", "amount", why));
        Money(0)
    })
}
