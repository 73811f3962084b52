//! What is wrong with the fields of a request, gathered so that the client learns of all of it at once.

use std::fmt::{Display, Formatter};

use poem_openapi::Object;
use serde::Serialize;

/// How many errors an answer holds: as many as anybody corrects at a time.
pub const MOST_ERRORS: usize = 50;

/// An invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
pub struct FieldError {
    /// The field: `quantity`, `items[0].quantity`, or the name of a query parameter.
    pub field: String,
    /// The type of error: `required`, `type`, `minimum`, `maxLength`, `unknown`, …
    pub code: String,
    /// What is wrong with the field, as a text for people.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }
}

/// Everything that is wrong with a request, or with what a command was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationErrors(pub Vec<FieldError>);

impl ValidationErrors {
    pub fn one(field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![FieldError::new(field, code, message)])
    }

    /// # Errors
    /// Itself, unless it is empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Vec<FieldError>> for ValidationErrors {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors)
    }
}

/// Each field with its message, in one line.
impl Display for ValidationErrors {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", error.field, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ValidationErrors {}
