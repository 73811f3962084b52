//! Further products for the demo shop: any number of variations of the catalog's, always the same ones.

use platform::money::{Currency, Money};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Catalog, CatalogIds, DemoProduct, price};
use crate::{
    catalog::NewProduct,
    shop::ids::{BrandId, CategoryId},
};

const KINDS: [&str; 10] =
    ["Small", "Large", "Classic", "Everyday", "Compact", "Studio", "Slim", "Heritage", "Travel", "Family"];
const COLORS: [&str; 12] = [
    "Chalk White",
    "Moss Green",
    "Slate Grey",
    "Deep Blue",
    "Brick Red",
    "Ochre",
    "Charcoal",
    "Sand",
    "Plum",
    "Copper",
    "Pale Birch",
    "Dark Walnut",
];
const PACKS: [&str; 5] = ["", ", Set of 2", ", Set of 4", ", Gift Box", ", Second Edition"];

/// A product of the catalog, as far as its variations need it.
struct Base {
    /// `Coffee Grinder` of `Hand Coffee Grinder`.
    noun: String,
    description: String,
    price: Money,
    category: Option<CategoryId>,
    brand: Option<BrandId>,
}

/// An endless iterator. The names of the first 36,000 differ.
pub(super) fn products(
    catalog: &Catalog,
    ids: &CatalogIds,
    currency: Currency,
) -> anyhow::Result<impl Iterator<Item = NewProduct> + use<>> {
    let bases =
        catalog.products.iter().map(|product| base(product, ids, currency)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut rng = StdRng::seed_from_u64(1);
    Ok((0..).map(move |number: usize| variation(&bases, number, &mut rng)))
}

fn base(product: &DemoProduct, ids: &CatalogIds, currency: Currency) -> anyhow::Result<Base> {
    Ok(Base {
        noun: noun(&product.name),
        description: product.description.clone(),
        price: price(currency, &product.price)?,
        category: ids.category(product),
        brand: ids.brand(product),
    })
}

/// The last two words of a name, without what follows a comma and without sizes.
fn noun(name: &str) -> String {
    let name = name.split(',').next().unwrap_or(name);
    let is_size = |word: &&str| word.chars().any(|c| c.is_ascii_digit()) || ["cm", "l", "kg", "inch"].contains(word);
    let words: Vec<&str> = name.split_whitespace().filter(|word| !is_size(word)).collect();
    words[words.len().saturating_sub(2)..].join(" ")
}

/// The number picks base, color, kind and pack; kinds are shifted, so that neighbours differ in all of them.
fn variation(bases: &[Base], number: usize, rng: &mut StdRng) -> NewProduct {
    let (index, rest) = (number % bases.len(), number / bases.len());
    let (color, rest) = (rest % COLORS.len(), rest / COLORS.len());
    let base = &bases[index];
    let kind = KINDS[(rest + 7 * color + 3 * index) % KINDS.len()];
    let pack = PACKS[rest / KINDS.len() % PACKS.len()];
    NewProduct {
        name: format!("{kind} {}, {}{pack}", base.noun, COLORS[color]),
        slug: None,
        description: format!("{}. {}", COLORS[color], base.description),
        price: varied(base.price, rng),
        stock: if rng.random_ratio(1, 12) { 0 } else { rng.random_range(1..150) },
        is_active: true,
        category: base.category,
        brand: base.brand,
        sku: None,
    }
}

/// From a bit more than half to almost twice, in steps of ten: 24.90 becomes 31.10.
fn varied(price: Money, rng: &mut StdRng) -> Money {
    Money((price.0 * rng.random_range(60..=180) / 1_000 * 10).max(10))
}

#[cfg(test)]
mod tests {
    use super::noun;

    #[test]
    fn the_noun_of_a_name_has_no_size() {
        assert_eq!(noun("Hand Coffee Grinder"), "Coffee Grinder");
        assert_eq!(noun("Gooseneck Kettle 1 l"), "Gooseneck Kettle");
        assert_eq!(noun("Tea Tin, Set of 2"), "Tea Tin");
        assert_eq!(noun("Felt Laptop Sleeve 14 inch"), "Laptop Sleeve");
    }
}
