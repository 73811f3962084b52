//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{http::problem::Problem, problem_types};
use serde_json::json;

use super::Error;
use crate::{
    carts::problems::PRODUCT_UNAVAILABLE,
    inventory::problems::{OUT_OF_STOCK, STOCK_OUT_OF_RANGE},
};

problem_types! {
    CART_EMPTY = 409 "cart_empty",
        "The cart is empty.",
        "Add a product first, or send `items`. If the response to an earlier request was lost, the order may exist: \
         repeat that request with the same `Idempotency-Key`.";
    INVALID_TRANSITION = 409 "invalid_transition",
        "The order's status does not allow this change.",
        "Load the order again. The status moves along `pending → confirmed → shipped → delivered`, can skip steps, and \
         never moves back. Only `pending` and `confirmed` orders can be cancelled.";
    TOTAL_CHANGED = 409 "total_changed",
        "The total differs from `expected_total`, for example because a price changed.",
        "Show the customer the new `total_price` and send it as `expected_total`.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::CartEmpty => CART_EMPTY.problem(detail),
            Error::ProductUnavailable { product, .. } => PRODUCT_UNAVAILABLE.problem(detail).with("product", product.0),
            Error::TotalChanged { total } => TOTAL_CHANGED.problem(detail).with("total_price", total.to_string()),
            Error::OutOfStock { lines } => OUT_OF_STOCK.problem(detail).with("lines", json!(lines)),
            Error::StockOutOfRange { .. } => STOCK_OUT_OF_RANGE.problem(detail),
            Error::InvalidTransition { .. } => INVALID_TRANSITION.problem(detail),
            Error::Invalid(errors) => errors.into(),
            Error::Accounts(error) => error.into(),
            Error::Catalog(error) => error.into(),
            Error::Pricing(error) => error.into(),
            Error::Payments(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}
