//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{http::problem::Problem, problem_types};

use super::Error;
use crate::inventory::problems::OUT_OF_STOCK;

problem_types! {
    CART_FULL = 409 "cart_full",
        "The cart contains the maximum number of different products.",
        "Remove one first.";
    PRODUCT_UNAVAILABLE = 409 "product_unavailable",
        "A product in the cart is no longer sold.",
        "Remove it from the cart and order the rest.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound => Self::not_found(),
            Error::Full => CART_FULL.problem(detail),
            Error::UnknownProduct => Self::invalid_field("product", "unknown", "must be the id of an existing product"),
            Error::ProductUnavailable { product, .. } => PRODUCT_UNAVAILABLE.problem(detail).with("product", product.0),
            Error::TooMany { most } => {
                Self::invalid_field("quantity", "maximum", format!("must be at most {most} in total"))
            }
            Error::OutOfStock { available, .. } => OUT_OF_STOCK.problem(detail).with("available", available),
            Error::Database(error) => error.into(),
        }
    }
}
