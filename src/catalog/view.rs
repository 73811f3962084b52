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

/// A category of products.
#[derive(Object)]
#[oai(rename = "Category")]
pub struct CategoryView {
    /// The id of the category.
    pub id: CategoryId,
    /// The name.
    pub name: String,
    /// A unique, URL-friendly form of the name.
    pub slug: String,
    /// The description. Empty if not set.
    pub description: String,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        Self { id: category.id, name: category.name, slug: category.slug, description: category.description }
    }
}

/// A brand of products.
#[derive(Object)]
#[oai(rename = "Brand")]
pub struct BrandView {
    /// The id of the brand.
    pub id: BrandId,
    /// The name.
    pub name: String,
    /// A unique, URL-friendly form of the name.
    pub slug: String,
    /// The URL of the logo; `null` if there is none.
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
    /// The id of the product.
    pub id: ProductId,
    /// The name. Need not be unique.
    pub name: String,
    /// A unique, URL-friendly form of the name.
    pub slug: String,
    /// The stock keeping unit; `null` if there is none.
    pub sku: Option<String>,
    /// The description. Empty if not set.
    pub description: String,
    /// The description as HTML that is safe to show, if it was imported as HTML; otherwise `null`. Changing `description`
    /// clears it.
    pub description_html: Option<String>,
    /// The price of one unit, in the store's currency.
    pub price: Amount,
    /// The id of the category; `null` if there is none.
    pub category: Option<CategoryId>,
    /// The id of the brand; `null` if there is none.
    pub brand: Option<BrandId>,
    /// The number of units that can be ordered. Units reserved by `pending` or `confirmed` orders are not included;
    /// `GET /api/admin/inventory` shows them as `reserved`. Lists may be up to two seconds out of date; placing an
    /// order always checks the current stock.
    pub stock: i64,
    /// Whether the product is active. Inactive products are visible to admins only.
    pub is_active: bool,
    /// The URL of the first image; `null` if there is none.
    pub image: Option<String>,
    /// The images, in display order.
    pub images: Vec<ImageView>,
    /// The average rating of the reviews, 1 to 5 with one decimal; `null` if there are none.
    pub rating: Option<f64>,
    /// The number of reviews.
    pub review_count: i64,
    /// When the product was created.
    pub created_at: Timestamp,
    /// When the product was last changed.
    pub updated_at: Timestamp,
}

/// An image of a product.
#[derive(Object)]
#[oai(rename = "Image")]
pub struct ImageView {
    /// The id of the image.
    pub id: ImageId,
    /// The URL of the image. Its content never changes, so it can be cached indefinitely.
    pub url: String,
    /// The URL of a copy that fits in 400 x 400 pixels. The same as `url` if the image is no larger.
    pub thumbnail_url: String,
    /// The alternative text for people who cannot see the image. Empty if not set.
    pub alt: String,
}

/// One product with its images.
///
/// # Errors
/// When the database is unavailable.
pub async fn product(tx: &mut Tx, shop: &Shop, product: Product) -> Result<ProductView> {
    let images = store::images_of(tx, product.id).await?;
    Ok(view(shop, product, images.iter().map(|shown| image(shop, shown)).collect()))
}

/// A page of products with their images.
///
/// # Errors
/// When the database is unavailable.
pub async fn products(tx: &mut Tx, shop: &Shop, products: Vec<Product>) -> Result<Vec<ProductView>> {
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    let mut images: HashMap<ProductId, Vec<ImageView>> = HashMap::new();
    for shown in store::images_of_all(tx, &ids).await? {
        images.entry(shown.product_id).or_default().push(image(shop, &shown));
    }
    Ok(products
        .into_iter()
        .map(|product| {
            let images = images.remove(&product.id).unwrap_or_default();
            view(shop, product, images)
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

fn view(shop: &Shop, product: Product, images: Vec<ImageView>) -> ProductView {
    ProductView {
        id: product.id,
        name: product.name,
        slug: product.slug,
        sku: product.sku,
        description: product.description,
        description_html: product.description_html,
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

/// The [rating](Product::rating_sum) as it is shown: half up.
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
