//! How the API document describes the fields of accounts, for forms that check them before they are sent. The values are
//! validated elsewhere, with all errors at once. A sign-in accepts any text, so its fields have no such types.

use platform::http::described::Kind;
use poem_openapi::registry::MetaSchema;

/// An e-mail address.
pub enum Email {}

impl Kind for Email {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("email");
    }
}

/// A new password. `passwords::weakness` checks the same, and more.
pub enum NewPassword {}

impl Kind for NewPassword {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("password");
        schema.min_length = Some(8);
        schema.max_length = Some(128);
    }
}

/// A new username. `check_credentials` checks the same, and more.
pub enum Username {}

impl Kind for Username {
    fn describe(schema: &mut MetaSchema) {
        schema.format = Some("username");
        schema.min_length = Some(3);
        schema.max_length = Some(150);
    }
}
