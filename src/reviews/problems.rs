//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{
    http::{problem::Problem, problem_types::FORBIDDEN},
    problem_types,
};

use super::Error;

problem_types! {
    NOT_PURCHASED = 403 "not_purchased",
        "Only who bought a product may review it.",
        "Offer the review form for products of the customer's own orders that were not cancelled.";
    ALREADY_REVIEWED = 409 "already_reviewed",
        "This customer has reviewed this product.",
        "Change the review with `PATCH /api/reviews/{id}`.";
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
