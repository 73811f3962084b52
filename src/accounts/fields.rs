//! What the document says of the fields of accounts, for forms that like to know it beforehand. They are judged by readers
//! of their own, all faults at once. At the sign-in anything may be tried, so its fields are plain text.

use platform::http::described::Kind;
use poem_openapi::registry::MetaSchema;

/// An e-mail address.
pub enum Email {}

impl Kind for Email {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("email");
    }
}
