//! Typed ids: numbers where rows are numbered, UUIDs where ids must not be guessable.
//!
//! In a path, text that is no valid id is parsed as an id that never exists, so the endpoint answers 404 as for any unknown
//! id.

use uuid::Uuid;

/// Ids of a type of their own, each with the value that no row has.
///
/// `typed_id! { /// Doc. pub OrderId(i64) else NO_NUMBER; pub CartId(Uuid) else NO_UUID; }`
#[macro_export]
macro_rules! typed_id {
    ($($(#[$meta:meta])* pub $name:ident($inner:ty) else $nothing:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, poem_openapi::NewType, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[oai(from_parameter = false, from_multipart = false, to_header = false)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl poem_openapi::types::ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> poem_openapi::types::ParseResult<Self> {
                // One way to write an id: no sign, no braces.
                let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && !text.starts_with('-');
                Ok(Self(text.parse().ok().filter(|_| plain).unwrap_or($nothing)))
            }
        }
    )+};
}

/// No row has this number: both engines count from 1.
pub const NO_NUMBER: i64 = 0;
/// No row has this id.
pub const NO_UUID: Uuid = Uuid::nil();

typed_id! {
    // Names one background job.
    pub JobId(i64) else NO_NUMBER;
}
