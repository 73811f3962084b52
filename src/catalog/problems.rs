//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::{
    http::{problem::Problem, problem_types::OVERLOADED},
    problem_types,
};

use super::Error;

problem_types! {
    IN_USE = 409 "in_use",
        "The category or brand still has products.",
        "Move or delete the products first.";
    SKU_TAKEN = 409 "sku_taken",
        "Another product has this SKU.",
        "Find that product with `GET /api/products?sku=` and change one of the SKUs.";
    SLUG_TAKEN = 409 "slug_taken",
        "Another product has this slug.",
        "Choose another, or leave it out to generate one from the name.";
    TOO_MANY_IMAGES = 409 "too_many_images",
        "The product already has 20 images, the maximum.",
        "Delete one of them first.";
    TOO_SLOW = 503 "too_slow",
        "The query took longer than two seconds and was aborted.",
        "Search for fewer or rarer words, or filter by category or brand; or try again after `Retry-After` seconds.";
    CURRENCY_CHANGED = 503 "currency_changed",
        "The prices were converted to another currency while the shop was running. No order was placed.",
        "Try again after the shop has restarted, and show the new prices.";
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
