//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{http::problem::Problem, problem_types};

use super::Error;

problem_types! {
    COUNT_BELOW_RESERVED = 409 "count_below_reserved",
        "Fewer were counted than open orders hold.",
        "Count again with what is packed for those orders, or cancel orders that cannot be sent. `reserved` says how \
         many they hold.";
    OUT_OF_STOCK = 409 "out_of_stock",
        "There is less in stock than was asked for.",
        "Show what is `available`, and let the customer take that or nothing.";
    STOCK_OUT_OF_RANGE = 409 "stock_out_of_range",
        "Stock would be more than 2,147,483,647 or less than nothing.",
        "Adjust it by less, or set it to what was counted.";
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
