//! What each error of this feature is over HTTP: status, code, what happened and what to do. The answers, the document and
//! `/problems/{code}` are made from this table.

use platform::{http::problem::Problem, problem_types};

use super::Error;

problem_types! {
    AMOUNT_OUT_OF_RANGE = 422 "amount_out_of_range",
        "The total exceeds the maximum amount: 9,999,999,999.99 in a currency with two decimals.",
        "Order less at a time.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::OutOfRange => AMOUNT_OUT_OF_RANGE.problem(detail),
        }
    }
}
