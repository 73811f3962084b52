//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{
    http::{problem::Problem, problem_types::FORBIDDEN},
    problem_types,
};

use super::Error;

problem_types! {
    NOT_PURCHASED = 403 "not_purchased",
        "The customer has not bought this product.",
        "Offer the review form only for products in the customer's orders that were not cancelled.";
    ALREADY_REVIEWED = 409 "already_reviewed",
        "The customer has already reviewed this product.",
        "Update that review with `PATCH /api/reviews/{id}`.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound => Self::not_found(),
            Error::NotPurchased => NOT_PURCHASED.problem(detail),
            Error::AlreadyReviewed => ALREADY_REVIEWED.problem(detail),
            Error::NotTheAuthor => FORBIDDEN.problem(detail),
            Error::Database(error) => error.into(),
        }
    }
}
