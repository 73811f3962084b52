//! Images of products and logos of brands.
//!
//! A program may die after it wrote a file and before it committed the row that refers to it. So before a file is written, a
//! job is enqueued that deletes it later, unless a row refers to it by then; the transaction that inserts the row cancels
//! the job. A transaction that deletes the last reference to a file enqueues its deletion itself. So no file stays without a
//! row, and none that is shown is deleted: file names are never reused, so a file without a row never gets one again.

use std::time::Duration;

use images::{EncodedImage, ProcessedImage};
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::{self, Job},
    media,
};
use serde::{Deserialize, Serialize};

use super::{Brand, Error, Result, jobs::DeleteImages, store};
use crate::shop::{
    Shop,
    ids::{ImageId, ProductId},
};

/// How many images a product may have.
pub(super) const MAX_IMAGES: i64 = 20;
/// After how long the files of an upload without a row are deleted: far longer than any upload takes.
const UPLOAD_LIFETIME: Duration = Duration::from_hours(1);

/// An image of a product.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Image {
    pub product_id: ProductId,
    pub id: ImageId,
    /// The name of a stored file, or the URL of an imported image.
    pub file: String,
    pub thumbnail: Option<String>,
    /// The alternative text; empty if it has none.
    pub alt: String,
    /// Images are sorted by position, then by id.
    pub position: i64,
}

/// The names of an image's stored files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredImage {
    pub file: String,
    pub thumbnail: Option<String>,
}

impl StoredImage {
    /// The image, and its thumbnail if it has one.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        [Some(self.file.as_str()), self.thumbnail.as_deref()].into_iter().flatten()
    }

    /// The key of the job that deletes the files.
    fn deletion_key(&self) -> String {
        format!("{}:{}", DeleteImages::NAME, self.file)
    }
}

impl From<Image> for StoredImage {
    fn from(image: Image) -> Self {
        Self { file: image.file, thumbnail: image.thumbnail }
    }
}

/// Writes an image's files. [`show`] or [`set_logo`] must follow, or they are deleted after an hour.
///
/// # Errors
/// When the files cannot be written.
pub async fn store_image(shop: &Shop, image: ProcessedImage) -> Result<StoredImage> {
    let name = |file: &EncodedImage| media::new_name(file.format.extension());
    let stored = StoredImage { file: name(&image.image), thumbnail: image.thumbnail.as_ref().map(name) };
    schedule_deletion(shop, &stored).await?;
    let encoded = [Some(image.image), image.thumbnail].into_iter().flatten();
    for (name, file) in stored.files().zip(encoded) {
        shop.media.put(name, file).await?;
    }
    Ok(stored)
}

async fn schedule_deletion(shop: &Shop, image: &StoredImage) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let deletion = DeleteImages { images: vec![image.clone()] };
    deletion.enqueue_later(&mut tx, image.deletion_key(), UPLOAD_LIFETIME, shop.now()).await?;
    tx.commit().await
}

/// Cancels the scheduled deletion, in the transaction that refers to the files.
async fn cancel_deletion(tx: &mut Tx, image: &StoredImage) -> Result<()> {
    if jobs::cancel(tx, &image.deletion_key()).await? { Ok(()) } else { Err(Error::UploadExpired) }
}

/// Deletes the files of an image whose product was rejected. If that fails, the scheduled job deletes them.
pub async fn delete_rejected(shop: &Shop, image: &StoredImage) {
    let deleted = async {
        for file in image.files() {
            shop.media.delete(file).await?;
        }
        let mut tx = shop.db.write().await?;
        jobs::cancel(&mut tx, &image.deletion_key()).await?;
        tx.commit().await?;
        Ok::<_, anyhow::Error>(())
    };
    if let Err(error) = deleted.await {
        tracing::debug!(%error, file = image.file, "a rejected image will be deleted later");
    }
}

/// # Errors
/// When the product has as many images as it may have.
pub async fn check_limit(tx: &mut Tx, product: ProductId) -> Result<()> {
    if store::count_images(tx, product).await? < MAX_IMAGES { Ok(()) } else { Err(Error::TooManyImages) }
}

/// Adds an image to a product, as the last one. The product is locked.
///
/// # Errors
/// [`Error::UploadExpired`] when the files have been deleted.
pub async fn show(tx: &mut Tx, product: ProductId, image: &StoredImage, now: Timestamp) -> Result<Image> {
    cancel_deletion(tx, image).await?;
    store::touch_product(tx, product, now).await?;
    Ok(store::insert_image(tx, product, &image.file, image.thumbnail.as_deref(), now).await?)
}

/// The same, as the first one.
///
/// # Errors
/// [`Error::UploadExpired`] when the files have been deleted.
pub async fn show_first(tx: &mut Tx, product: ProductId, image: &StoredImage, now: Timestamp) -> Result<()> {
    let image = show(tx, product, image, now).await?;
    Ok(move_to(tx, &image, 1).await?)
}

/// Sets the alternative text of an image, or its position among its product's images, from 1; one after the last means the
/// last. The product is locked.
///
/// # Errors
/// When the database is unavailable.
pub async fn change(
    tx: &mut Tx,
    mut image: Image,
    alt: Option<String>,
    position: Option<i64>,
    now: Timestamp,
) -> db::Result<Image> {
    if let Some(alt) = alt {
        store::set_alt(tx, image.id, &alt).await?;
        image.alt = alt;
    }
    if let Some(position) = position {
        move_to(tx, &image, position).await?;
    }
    store::touch_product(tx, image.product_id, now).await?;
    Ok(image)
}

async fn move_to(tx: &mut Tx, image: &Image, position: i64) -> db::Result<()> {
    let mut order = store::images_of(tx, image.product_id).await?;
    order.retain(|other| other.id != image.id);
    let index = usize::try_from(position - 1).unwrap_or_default().min(order.len());
    order.insert(index, image.clone());
    for (image, position) in order.iter().zip(1..) {
        if image.position != position {
            store::set_position(tx, image.id, position).await?;
        }
    }
    Ok(())
}

/// Removes an image from a product, and enqueues the deletion of its files. The product is locked.
///
/// # Errors
/// When the product has no such image.
pub async fn remove(tx: &mut Tx, product: ProductId, image: ImageId, now: Timestamp) -> Result<()> {
    let image = store::delete_image(tx, product, image).await?.ok_or(Error::ImageNotFound)?;
    store::touch_product(tx, product, now).await?;
    Ok(enqueue_deletion(tx, vec![image.into()], now).await?)
}

/// Sets or removes the logo of a brand. The brand is locked.
///
/// # Errors
/// [`Error::UploadExpired`] when the files have been deleted.
pub async fn set_logo(tx: &mut Tx, brand: &mut Brand, logo: Option<StoredImage>, now: Timestamp) -> Result<()> {
    if let Some(image) = &logo {
        cancel_deletion(tx, image).await?;
    }
    let logo = logo.map(|image| image.file);
    store::set_logo(tx, brand.id, logo.as_deref()).await?;
    let before = std::mem::replace(&mut brand.logo, logo);
    let before = before.into_iter().map(|file| StoredImage { file, thumbnail: None }).collect();
    Ok(enqueue_deletion(tx, before, now).await?)
}

/// Enqueues the deletion of files to which no row refers any more. Imported images are URLs, so they have no files.
///
/// # Errors
/// When the database is unavailable.
pub async fn enqueue_deletion(tx: &mut Tx, mut images: Vec<StoredImage>, now: Timestamp) -> db::Result<()> {
    images.retain(|image| !image.file.contains("://"));
    if images.is_empty() {
        return Ok(());
    }
    DeleteImages { images }.enqueue(tx, now).await
}

/// Deletes an image's files, unless a row refers to them.
///
/// # Errors
/// When the database or the storage is unavailable.
pub async fn delete_unless_shown(shop: &Shop, image: &StoredImage) -> anyhow::Result<()> {
    if store::is_shown(&mut shop.db.read().await?, &image.file).await? {
        return Ok(());
    }
    for file in image.files() {
        shop.media.delete(file).await?;
    }
    Ok(())
}
