//! The form of a product: its fields validated and its image stored, as far as that needs no database.

use ::images::ProcessedImage;
use platform::{
    http::{
        form::Form,
        problem::{ApiResult, Problem},
    },
    media,
    validation::FieldError,
};
use poem_openapi::types::ParseFromJSON;

use crate::{
    catalog::images::{self, StoredImage},
    shop::Shop,
};

pub struct ParsedForm<C> {
    pub fields: C,
    /// What is wrong with the form, to be returned with what the database rejects.
    pub errors: Vec<FieldError>,
    /// Stored only if there are no errors.
    pub image: Option<StoredImage>,
}

impl<C> ParsedForm<C> {
    /// Parses a form. `read` converts its fields and adds what is wrong with them.
    ///
    /// # Errors
    /// 422 when the fields do not match their schema, with what is wrong with the image. 503 when it cannot be stored.
    pub async fn parse<T: ParseFromJSON + Send + 'static>(
        shop: &Shop,
        form: &Form<T>,
        read: fn(T, &Shop, &mut Vec<FieldError>) -> C,
    ) -> ApiResult<Self> {
        let (image, mut errors) = process_image(shop, form).await?;
        let fields = form.parse().await.map_err(|problem| problem.and(&errors))?;
        let fields = read(fields, shop, &mut errors);
        let image = match image {
            Some(image) if errors.is_empty() => Some(images::store_image(shop, image).await?),
            _ => None,
        };
        Ok(Self { fields, errors, image })
    }
}

/// The form's image, or what is wrong with it.
async fn process_image<T: ParseFromJSON + Send + 'static>(
    shop: &Shop,
    form: &Form<T>,
) -> ApiResult<(Option<ProcessedImage>, Vec<FieldError>)> {
    let Some(file) = form.image()? else { return Ok((None, vec![])) };
    match shop.media.process(file).await {
        Ok(image) => Ok((Some(image), vec![])),
        Err(error @ media::Error::InvalidImage(_)) => Ok((None, Problem::from(error).errors)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the image's files if the product was rejected. After a server error it may have been created all the same, so
/// the scheduled job decides.
pub async fn delete_image_if_rejected<T>(
    shop: &Shop,
    image: Option<StoredImage>,
    outcome: ApiResult<T>,
) -> ApiResult<T> {
    if let (Some(image), Err(problem)) = (image, &outcome)
        && problem.status().is_client_error()
    {
        images::delete_rejected(shop, &image).await;
    }
    outcome
}
