//! The catalog as the API shows it.

use std::collections::HashMap;

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    money::Amount,
};
use poem_openapi::Object;

use super::{Brand, Category, Product, images::Image, store};
use crate::shop::{
    Shop,
    ids::{BrandId, CategoryId, ImageId, ProductId},
};

/// A group of products.
#[derive(Object)]
#[oai(rename = "Category")]
pub struct CategoryView {
    pub id: CategoryId,
    pub name: String,
    /// The name as it may stand in an address.
    pub slug: String,
    pub description: String,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        Self { id: category.id, name: category.name, slug: category.slug, description: category.description }
    }
}

/// Who makes a product.
#[derive(Object)]
#[oai(rename = "Brand")]
pub struct BrandView {
    pub id: BrandId,
    pub name: String,
    /// The name as it may stand in an address.
    pub slug: String,
    /// The address of its logo; `null` without one.
    pub logo: Option<String>,
}

#[must_use]
pub fn brand(shop: &Shop, brand: Brand) -> BrandView {
    let logo = brand.logo.map(|file| shop.media.url(&file));
    BrandView { id: brand.id, name: brand.name, slug: brand.slug, logo }
}

/// A product.
#[derive(Object)]
#[oai(rename = "Product")]
pub struct ProductView {
    #[oai(flatten)]
    pub summary: ProductSummary,
    /// The description as safe HTML, if it was imported as HTML; otherwise null. Changing `description` clears it.
    pub description_html: Option<String>,
}

/// A product as lists show it.
#[derive(Object)]
pub struct ProductSummary {
    pub id: ProductId,
    pub name: String,
    /// The name as it may stand in an address.
    pub slug: String,
    /// What the shop calls it on its shelf; `null` without one.
    pub sku: Option<String>,
    pub description: String,
    pub price: Amount,
    /// The id of its category.
    pub category: Option<CategoryId>,
    /// The id of its brand.
    pub brand: Option<BrandId>,
    /// How many can be ordered. What orders hold that are `pending` or `confirmed` is off already, so more than this may
    /// lie on the shelf: `GET /api/admin/inventory` shows those as `reserved`. In lists it may be two seconds old; placing
    /// an order always asks anew.
    pub stock: i64,
    /// Inactive products are seen by admins only.
    pub is_active: bool,
    /// The address of its first image.
    pub image: Option<String>,
    /// In the order to show them in.
    pub images: Vec<ImageView>,
    /// The average of its reviews, 1 to 5 with one decimal; `null` without any.
    pub rating: Option<f64>,
    pub review_count: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An image of a product.
#[derive(Object)]
#[oai(rename = "Image")]
pub struct ImageView {
    pub id: ImageId,
    /// Where it is. What is there never changes and may be kept for ever.
    pub url: String,
    /// Where a small copy is, which fits in 400 x 400 pixels. The same as `url` when the image is no larger.
    pub thumbnail_url: String,
    /// What is to be seen on it, for who does not see it; empty when nobody said.
    pub alt: String,
}

/// One product with its images.
pub async fn product(tx: &mut Tx, shop: &Shop, product: Product) -> Result<ProductView> {
    let images = store::images_of(tx, product.id).await?;
    let description_html = store::find_description_html(tx, product.id).await?;
    let summary = summary(shop, product, images.iter().map(|shown| image(shop, shown)).collect());
    Ok(ProductView { summary, description_html })
}

/// A page of products with their images.
pub async fn products(tx: &mut Tx, shop: &Shop, products: Vec<Product>) -> Result<Vec<ProductSummary>> {
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    let mut images: HashMap<ProductId, Vec<ImageView>> = HashMap::new();
    for shown in store::images_of_all(tx, &ids).await? {
        images.entry(shown.product_id).or_default().push(image(shop, &shown));
    }
    Ok(products
        .into_iter()
        .map(|product| {
            let images = images.remove(&product.id).unwrap_or_default();
            summary(shop, product, images)
        })
        .collect())
}

#[must_use]
pub fn image(shop: &Shop, image: &Image) -> ImageView {
    let thumbnail = image.thumbnail.as_ref().unwrap_or(&image.file);
    ImageView {
        id: image.id,
        url: shop.media.url(&image.file),
        thumbnail_url: shop.media.url(thumbnail),
        alt: image.alt.clone(),
    }
}

fn summary(shop: &Shop, product: Product, images: Vec<ImageView>) -> ProductSummary {
    ProductSummary {
        id: product.id,
        name: product.name,
        slug: product.slug,
        sku: product.sku,
        description: product.description,
        price: shop.store.currency.format(product.price),
        category: product.category_id,
        brand: product.brand_id,
        stock: product.stock,
        is_active: product.is_active,
        image: images.first().map(|image| image.url.clone()),
        images,
        rating: rating(product.rating_sum, product.review_count),
        review_count: product.review_count,
        created_at: product.created_at,
        updated_at: product.updated_at,
    }
}

/// The average to one decimal, half up.
#[expect(clippy::cast_precision_loss, reason = "tenths between 10 and 50")]
fn rating(sum: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| ((sum * 20 + count) / (count * 2)) as f64 / 10.0)
}

#[cfg(test)]
mod tests {
    use super::rating;

    #[test]
    fn ratings_have_one_decimal() {
        assert_eq!(rating(0, 0), None);
        assert_eq!(rating(9, 2), Some(4.5));
        assert_eq!(rating(14, 3), Some(4.7));
        assert_eq!(rating(5, 1), Some(5.0));
    }
}
