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

/// A password to be. `passwords::weakness` says the same of it, and more.
pub enum NewPassword {}

impl Kind for NewPassword {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("password");
        schema.min_length = Some(8);
        schema.max_length = Some(128);
    }
}

/// A username to be. `check_credentials` says the same of it, and more.
pub enum Username {}

impl Kind for Username {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("username");
        schema.min_length = Some(3);
        schema.max_length = Some(150);
    }
}
