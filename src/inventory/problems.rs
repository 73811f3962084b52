//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{http::problem::Problem, problem_types};

use super::Error;

problem_types! {
    COUNT_BELOW_RESERVED = 409 "count_below_reserved",
        "Fewer units were counted than open orders reserve.",
        "Count again, including the units packed for those orders, or cancel orders that cannot be fulfilled. \
         `reserved` has the number of units they reserve.";
    OUT_OF_STOCK = 409 "out_of_stock",
        "There are fewer units in stock than requested.",
        "Show how many are `available`, and let the customer reduce the quantity or remove the product.";
    STOCK_OUT_OF_RANGE = 409 "stock_out_of_range",
        "The stock would be negative or exceed 2,147,483,647.",
        "Adjust it by less, or set it from a stock count.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound => Self::not_found(),
            Error::OutOfStock { available, .. } => OUT_OF_STOCK.problem(detail).with("available", available),
            Error::OutOfRange { .. } => STOCK_OUT_OF_RANGE.problem(detail),
            Error::CountBelowReserved { reserved, .. } => {
                COUNT_BELOW_RESERVED.problem(detail).with("reserved", reserved)
            }
            Error::Database(error) => error.into(),
        }
    }
}
