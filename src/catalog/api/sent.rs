//! A product as it was sent: its fields judged and its picture kept, as far as the database need not be asked.

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
    catalog::images::{self, Kept},
    shop::Shop,
};

pub struct Sent<C> {
    pub said: C,
    /// What is wrong with it, to be told with what else may be. The picture is kept when there is nothing.
    pub errors: Vec<FieldError>,
    pub image: Option<Kept>,
}

impl<C> Sent<C> {
    /// Judges a body. `read` makes of the fields what they say, and notes what is wrong with them.
    ///
    /// # Errors
    /// 422 when the fields are not what the document says, with what is wrong with the picture. 503 when it cannot be kept.
    pub async fn of<T: ParseFromJSON + Send + 'static>(
        shop: &Shop,
        form: &Form<T>,
        read: fn(T, &Shop, &mut Vec<FieldError>) -> C,
    ) -> ApiResult<Self> {
        let (picture, mut errors) = picture_of(shop, form).await?;
        let fields = form.parse().await.map_err(|problem| problem.and(&errors))?;
        let said = read(fields, shop, &mut errors);
        let image = match picture {
            Some(picture) if errors.is_empty() => Some(images::keep(shop, picture).await?),
            _ => None,
        };
        Ok(Self { said, errors, image })
    }
}

/// The picture that came with the fields, or what is wrong with it.
async fn picture_of<T: ParseFromJSON + Send + 'static>(
    shop: &Shop,
    form: &Form<T>,
) -> ApiResult<(Option<ProcessedImage>, Vec<FieldError>)> {
    let Some(file) = form.image()? else { return Ok((None, vec![])) };
    match shop.media.process(file).await {
        Ok(picture) => Ok((Some(picture), vec![])),
        Err(error @ media::Error::InvalidImage(_)) => Ok((None, Problem::from(error).errors)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a picture's files again when what was to show it was refused. When nobody knows what became of it, the job that
/// was announced asks later.
pub async fn or_give_up<T>(shop: &Shop, image: Option<Kept>, outcome: ApiResult<T>) -> ApiResult<T> {
    if let (Some(image), Err(problem)) = (image, &outcome)
        && problem.status().is_client_error()
    {
        images::give_up(shop, &image).await;
    }
    outcome
}
