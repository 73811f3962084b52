//! The errors of this feature over HTTP.

use platform::http::problem::Problem;

use super::Error;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::UnknownProduct => Self::invalid_field("product", "unknown", "must be the id of an existing product"),
            Error::NotFound => Self::not_found(),
            Error::Database(error) => error.into(),
        }
    }
}
