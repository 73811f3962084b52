//! The errors of this feature over HTTP: status, code, what happened and what to do. The responses, the API document and
//! `/problems/{code}` are generated from this table.

use platform::{http::problem::Problem, problem_types};
use poem::http::header;

use super::Error;

problem_types! {
    ORDER_ALREADY_SHIPPED = 409 "order_already_shipped",
        "The order has shipped, so its address can no longer be changed.",
        "Load the order again, and offer the change only while it is `pending` or `confirmed`.";
    ORDER_CANCELLED = 409 "order_cancelled",
        "The order was cancelled.",
        "Place a new order.";
    TOO_MANY_STREAMS = 429 "too_many_streams",
        "The user already has 20 open event streams.",
        "Close unused streams, share one stream within a page, and try again after `Retry-After` seconds.";
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound => Self::not_found(),
            Error::AlreadyShipped { .. } => ORDER_ALREADY_SHIPPED.problem(detail),
            Error::Cancelled => ORDER_CANCELLED.problem(detail),
            Error::TooManyStreams => TOO_MANY_STREAMS.problem(detail).header(header::RETRY_AFTER, "15"),
            Error::Database(error) => error.into(),
        }
    }
}
