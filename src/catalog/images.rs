//! Pictures of products and logos of brands.
//!
//! A file and the row that refers to it are in two places, and a program may die between them. So a file is announced
//! before it is written, by a job that will delete it unless something refers to it; the transaction that does refer to it
//! takes the job back. The transaction that ends a reference enqueues the deletion itself. No file is left behind for ever,
//! and none that is shown is deleted: a name is never used twice, so what nothing refers to any more nothing will again.

use std::time::Duration;

use images::{EncodedImage, ProcessedImage};
use platform::{
    clock::Timestamp,
    db::{self, Tx},
    jobs::{self, Job},
    media,
};
use serde::{Deserialize, Serialize};

use super::{Brand, Error, Result, jobs::DeletePictures, store};
use crate::shop::{
    Shop,
    ids::{ImageId, ProductId},
};

/// How many images a product may have.
pub(super) const MOST: i64 = 20;
/// Far longer than any upload takes from its first byte in our store to its row.
const ANNOUNCED: Duration = Duration::from_hours(1);

/// An image of a product.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Image {
    pub product_id: ProductId,
    pub id: ImageId,
    /// A file of ours, or an address from an import.
    pub file: String,
    pub thumbnail: Option<String>,
    /// What is to be seen on it.
    pub alt: String,
    /// Where it stands: behind those with less, and with as much and a smaller id.
    pub position: i64,
}

/// A picture's files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub file: String,
    pub thumbnail: Option<String>,
}

impl Kept {
    pub fn files(&self) -> impl Iterator<Item = &str> {
        [Some(self.file.as_str()), self.thumbnail.as_deref()].into_iter().flatten()
    }

    fn key(&self) -> String {
        format!("{}:{}", DeletePictures::NAME, self.file)
    }
}

impl From<Image> for Kept {
    fn from(image: Image) -> Self {
        Self { file: image.file, thumbnail: image.thumbnail }
    }
}

/// Writes a picture's files. Nothing shows them yet: [`show`] or [`set_logo`] must follow, or they are deleted again.
///
/// # Errors
/// When the files cannot be written.
pub async fn keep(shop: &Shop, picture: ProcessedImage) -> Result<Kept> {
    let name = |file: &EncodedImage| media::new_name(file.format.extension());
    let kept = Kept { file: name(&picture.image), thumbnail: picture.thumbnail.as_ref().map(name) };
    announce(shop, &kept).await?;
    let encoded = [Some(picture.image), picture.thumbnail].into_iter().flatten();
    for (name, file) in kept.files().zip(encoded) {
        shop.media.put(name, file).await?;
    }
    Ok(kept)
}

async fn announce(shop: &Shop, kept: &Kept) -> db::Result<()> {
    let mut tx = shop.db.write().await?;
    let deletion = DeletePictures { pictures: vec![kept.clone()] };
    deletion.enqueue_later(&mut tx, kept.key(), ANNOUNCED, shop.now()).await?;
    tx.commit().await
}

/// What is about to be shown is no longer to be deleted.
async fn settle(tx: &mut Tx, kept: &Kept) -> Result<()> {
    if jobs::cancel(tx, &kept.key()).await? { Ok(()) } else { Err(Error::UploadExpired) }
}

/// Deletes a picture's files again, because what was to show it was refused.
pub async fn give_up(shop: &Shop, kept: &Kept) {
    let deleted = async {
        for file in kept.files() {
            shop.media.delete(file).await?;
        }
        let mut tx = shop.db.write().await?;
        jobs::cancel(&mut tx, &kept.key()).await?;
        tx.commit().await?;
        Ok::<_, anyhow::Error>(())
    };
    if let Err(error) = deleted.await {
        tracing::debug!(%error, file = kept.file, "a rejected image will be deleted later");
    }
}

/// # Errors
/// When the product has as many images as it may have.
pub async fn check_room(tx: &mut Tx, product: ProductId) -> Result<()> {
    if store::count_images(tx, product).await? < MOST { Ok(()) } else { Err(Error::TooManyImages) }
}

/// Shows a product by a picture, behind those it has. The product is locked.
///
/// # Errors
/// When the files are gone by now.
pub async fn show(tx: &mut Tx, product: ProductId, kept: &Kept, now: Timestamp) -> Result<Image> {
    settle(tx, kept).await?;
    store::touch_product(tx, product, now).await?;
    Ok(store::insert_image(tx, product, &kept.file, kept.thumbnail.as_deref(), now).await?)
}

/// The same, before those it has.
///
/// # Errors
/// When the files are gone by now.
pub async fn show_first(tx: &mut Tx, product: ProductId, kept: &Kept, now: Timestamp) -> Result<()> {
    let image = show(tx, product, kept, now).await?;
    Ok(place(tx, &image, 1).await?)
}

/// Says what is to be seen on an image, or where it stands among its product's, from 1; beyond the last it is the last. The
/// product is locked.
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
        place(tx, &image, position).await?;
    }
    store::touch_product(tx, image.product_id, now).await?;
    Ok(image)
}

async fn place(tx: &mut Tx, image: &Image, position: i64) -> db::Result<()> {
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

/// Takes an image of a product away. The product is locked.
///
/// # Errors
/// When the product has no such image.
pub async fn take_down(tx: &mut Tx, product: ProductId, image: ImageId, now: Timestamp) -> Result<()> {
    let image = store::delete_image(tx, product, image).await?.ok_or(Error::ImageNotFound)?;
    store::touch_product(tx, product, now).await?;
    Ok(discard(tx, vec![image.into()], now).await?)
}

/// Gives a brand another logo, or none. The brand is locked.
///
/// # Errors
/// When the files are gone by now.
pub async fn set_logo(tx: &mut Tx, brand: &mut Brand, logo: Option<Kept>, now: Timestamp) -> Result<()> {
    if let Some(kept) = &logo {
        settle(tx, kept).await?;
    }
    let logo = logo.map(|kept| kept.file);
    store::set_logo(tx, brand.id, logo.as_deref()).await?;
    let before = std::mem::replace(&mut brand.logo, logo);
    let before = before.into_iter().map(|file| Kept { file, thumbnail: None }).collect();
    Ok(discard(tx, before, now).await?)
}

/// Has files deleted that nothing refers to any more, once this is committed. What an import refers to is not ours.
pub async fn discard(tx: &mut Tx, mut pictures: Vec<Kept>, now: Timestamp) -> db::Result<()> {
    pictures.retain(|kept| !kept.file.contains("://"));
    if pictures.is_empty() {
        return Ok(());
    }
    DeletePictures { pictures }.enqueue(tx, now).await
}

/// Deletes a picture's files, unless something shows it.
///
/// # Errors
/// When the database or the files are out of reach.
pub async fn delete_unless_shown(shop: &Shop, kept: &Kept) -> anyhow::Result<()> {
    if store::is_shown(&mut shop.db.read().await?, &kept.file).await? {
        return Ok(());
    }
    for file in kept.files() {
        shop.media.delete(file).await?;
    }
    Ok(())
}
