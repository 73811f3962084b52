//! The endpoints of products' images and brands' logos.
//!
//! The product or brand of an upload is looked up before its image is processed, and again afterwards: that takes a while.

use platform::http::{
    body::{Body, null_as_empty},
    problem::{ApiResult, Problem},
    reply::{Created, Done, Reply},
    upload::Upload,
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use crate::{
    accounts::Admin,
    catalog::{
        Part, images, store,
        view::{self, BrandView, ImageView},
    },
    shop::{
        Shop,
        ids::{BrandId, ImageId, ProductId},
        tags::Tag,
    },
};

/// The fields of the image to change. A field left out keeps its value.
#[derive(Object)]
#[oai(nullable_all)]
struct ImagePatch {
    /// The alternative text for people who cannot see the image, as in the `alt` attribute of HTML. `null` clears it.
    #[oai(validator(max_length = 1000))]
    alt: MaybeUndefined<String>,
    /// The position among the product's images, starting at 1; the others are shifted. A position after the last image
    /// means the last.
    #[oai(validator(minimum(value = "1"), maximum(value = "20")))]
    position: Option<i64>,
}

pub struct ImagesApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl ImagesApi {
    /// Adds an image to a product.
    ///
    /// Send the file as the part `image` of a form, as a file input of a browser does. Accepts JPEG, PNG and WebP files
    /// of at most 8 MiB and 8,000 x 8,000 pixels that are not animated; anything else returns 422 `invalid_image`, with
    /// the reason in `detail`. The image is rotated upright, stripped of its metadata, and re-encoded together with a
    /// thumbnail. It is added after the product's other images, of which the first is the product's `image`. A product
    /// that already has 20 images returns 409 `too_many_images`.
    ///
    /// Problems: `invalid_image`, `malformed_body`, `media_unavailable`, `too_many_images`, `unsupported_media_type`,
    /// `validation_failed`.
    #[oai(path = "/products/:id/images", method = "post", operation_id = "addProductImage")]
    async fn add_product_image(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        upload: Upload,
    ) -> ApiResult<Created<ImageView>> {
        let mut tx = shop.db.read().await?;
        store::find_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::check_limit(&mut tx, id.0).await?;
        drop(tx);
        let stored = images::store_image(&shop, shop.media.process(upload.image()?).await?).await?;

        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::check_limit(&mut tx, id.0).await?;
        let image = images::show(&mut tx, id.0, &stored, shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_product(id.0)).await?;
        let image = view::image(&shop, &image);
        Ok(Created::json(&image).header("location", &image.url))
    }

    /// Updates the position or the alternative text of a product's image.
    ///
    /// Images are listed by position; the first one is the product's `image`.
    #[oai(path = "/products/:id/images/:image_id", method = "patch", operation_id = "changeProductImage")]
    async fn change_product_image(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        image_id: Path<ImageId>,
        body: Body<ImagePatch>,
    ) -> ApiResult<Reply<ImageView>> {
        let change = body.parse().await;
        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let image = store::find_image(&mut tx, id.0, image_id.0).await?.ok_or_else(Problem::not_found)?;
        let ImagePatch { alt, position } = change?;
        let image = images::change(&mut tx, image, null_as_empty(alt), position, shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_product(id.0)).await?;
        Ok(Reply::json(&view::image(&shop, &image)))
    }

    /// Deletes an image of a product.
    ///
    /// Its files are deleted soon after. If it was the first image, the next one takes its place.
    #[oai(path = "/products/:id/images/:image_id", method = "delete", operation_id = "deleteProductImage")]
    async fn delete_product_image(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        image_id: Path<ImageId>,
    ) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::remove(&mut tx, id.0, image_id.0, shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_product(id.0)).await?;
        Ok(Done::Done)
    }

    /// Sets or replaces the logo of a brand.
    ///
    /// The file is uploaded like a product's image, with the same limits. The brand's `logo` is then its URL.
    ///
    /// Problems: `invalid_image`, `malformed_body`, `media_unavailable`, `unsupported_media_type`, `validation_failed`.
    #[oai(path = "/brands/:id/logo", method = "put", operation_id = "setBrandLogo")]
    async fn set_brand_logo(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        upload: Upload,
    ) -> ApiResult<Reply<BrandView>> {
        store::find_brand(&mut shop.db.read().await?, id.0).await?.ok_or_else(Problem::not_found)?;
        let mut image = shop.media.process(upload.image()?).await?;
        image.thumbnail = None;
        let logo = images::store_image(&shop, image).await?;

        let mut tx = shop.db.write().await?;
        let mut brand = store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::set_logo(&mut tx, &mut brand, Some(logo), shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Reply::json(&view::brand(&shop, brand)))
    }

    /// Deletes the logo of a brand.
    ///
    /// Returns 204 even if the brand has no logo.
    #[oai(path = "/brands/:id/logo", method = "delete", operation_id = "deleteBrandLogo")]
    async fn delete_brand_logo(&self, shop: Data<&Shop>, _by: Admin, id: Path<BrandId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let mut brand = store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::set_logo(&mut tx, &mut brand, None, shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Done::Done)
    }
}
