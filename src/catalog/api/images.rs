//! The endpoints of products' images and brands' logos.
//!
//! What an upload is about is looked for before its picture is worked on, and again when it is done, which takes a while.

use platform::http::{
    body::{Body, cleared},
    problem::{ApiResult, Problem},
    reply::{Created, Done, Reply},
    upload::Upload,
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use super::showing;
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

/// What is to be different about an image. Fields left out stay.
#[derive(Object)]
#[oai(nullable_all)]
struct ImagePatch {
    /// What is to be seen on it, for who does not see it: the `alt` of an HTML image. `null` clears it.
    #[oai(validator(max_length = 1000))]
    alt: MaybeUndefined<String>,
    /// Where it stands among the product's images, from 1; the others make room. Beyond the last, it is the last.
    #[oai(validator(minimum(value = "1"), maximum(value = "20")))]
    position: Option<i64>,
}

pub struct ImagesApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl ImagesApi {
    /// Adds an image to a product.
    ///
    /// Send the file as the part `image` of a form, as a file input of a browser does. JPEG, PNG and WebP are taken, at
    /// most 8 MiB and 8,000 x 8,000 pixels, not animated; anything else: 422 `invalid_image`, and `detail` says why. The
    /// picture is turned upright, stripped of what its camera wrote into it and saved anew with a thumbnail. It comes
    /// behind the product's other images, of which the first is its `image`; with 20 of them: 409 `too_many_images`.
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
        images::check_room(&mut tx, id.0).await?;
        drop(tx);
        let kept = images::keep(&shop, shop.media.take_in(upload.image()?).await?).await?;

        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::check_room(&mut tx, id.0).await?;
        let image = images::show(&mut tx, id.0, &kept, shop.now()).await?;
        shop.commit_and_invalidate(tx, &showing(id.0)).await?;
        let image = view::image(&shop, &image);
        Ok(Created::json(&image).header("location", &image.url))
    }

    /// Moves an image of a product, or says what is on it.
    ///
    /// The images of a product are shown in the order they stand in; the first is its `image`.
    #[oai(path = "/products/:id/images/:image_id", method = "patch", operation_id = "changeProductImage")]
    async fn change_product_image(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        image_id: Path<ImageId>,
        body: Body<ImagePatch>,
    ) -> ApiResult<Reply<ImageView>> {
        let change = body.judged().await;
        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let image = store::find_image(&mut tx, id.0, image_id.0).await?.ok_or_else(Problem::not_found)?;
        let ImagePatch { alt, position } = change?;
        let image = images::change(&mut tx, image, cleared(alt), position, shop.now()).await?;
        shop.commit_and_invalidate(tx, &showing(id.0)).await?;
        Ok(Reply::json(&view::image(&shop, &image)))
    }

    /// Takes an image of a product away.
    ///
    /// Its files are deleted soon after. The next image, if there is one, takes the first one's place.
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
        images::take_down(&mut tx, id.0, image_id.0, shop.now()).await?;
        shop.commit_and_invalidate(tx, &showing(id.0)).await?;
        Ok(Done::Done)
    }

    /// Gives a brand its logo, or another one.
    ///
    /// The file is sent and judged like a product's image. The brand's `logo` is its address from then on.
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
        let mut picture = shop.media.take_in(upload.image()?).await?;
        picture.thumbnail = None;
        let kept = images::keep(&shop, picture).await?;

        let mut tx = shop.db.write().await?;
        let mut brand = store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::set_logo(&mut tx, &mut brand, Some(kept), shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Reply::json(&view::brand(&shop, brand)))
    }

    /// Takes a brand's logo away.
    ///
    /// A brand without one answers 204 as well.
    #[oai(path = "/brands/:id/logo", method = "delete", operation_id = "deleteBrandLogo")]
    async fn delete_brand_logo(&self, shop: Data<&Shop>, _by: Admin, id: Path<BrandId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let mut brand = store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        images::set_logo(&mut tx, &mut brand, None, shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Done::Done)
    }
}
