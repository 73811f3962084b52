//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::{
    http::{problem::Problem, problem_types::OVERLOADED},
    problem_types,
};

use super::Error;

problem_types! {
    IN_USE = 409 "in_use",
        "There are still products in this category or of this brand.",
        "Move or delete the products first.";
    SKU_TAKEN = 409 "sku_taken",
        "Another product has this SKU.",
        "Find it with `GET /api/products?sku=`, and give one of them another SKU.";
    SLUG_TAKEN = 409 "slug_taken",
        "Another product has this slug.",
        "Choose another, or leave it out and one is made from the name.";
    TOO_MANY_IMAGES = 409 "too_many_images",
        "The product has as many images as a product may have: 20.",
        "Delete one of them first.";
    TOO_SLOW = 503 "too_slow",
        "The list took longer than two seconds to find and was given up.",
        "Search for fewer or rarer words, or filter by category or brand; or try again after `Retry-After` seconds.";
    CURRENCY_CHANGED = 503 "currency_changed",
        "The prices were converted to another currency while the shop was running; nothing was ordered.",
        "Try again when the shop was started again, and show the new prices.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::SkuTaken => SKU_TAKEN.problem(detail),
            Error::SlugTaken => SLUG_TAKEN.problem(detail),
            Error::InUse(_) => IN_USE.problem(detail),
            Error::TooManyImages => TOO_MANY_IMAGES.problem(detail),
            Error::ImageNotFound => Self::not_found(),
            Error::UploadExpired | Error::DeletedDuringImport => OVERLOADED.problem(detail),
            Error::CurrencyChanged => CURRENCY_CHANGED.problem(detail),
            Error::Invalid(errors) => errors.into(),
            Error::Media(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}
