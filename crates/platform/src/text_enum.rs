//! Enums that are words: the same in the database and in JSON.

/// An enum kept as text in the database and shown as the same text in JSON.
///
/// `text_enum! { /// Doc. pub enum Role { Customer = "customer", Admin = "admin" } }`
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, poem_openapi::Enum)]
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* #[oai(rename = $text)] $variant),+ }

        impl $name {
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> std::result::Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("{other:?} is not one of {}", [$($text),+].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<D: sqlx::Database> sqlx::Type<D> for $name where String: sqlx::Type<D> {
            fn type_info() -> D::TypeInfo { <String as sqlx::Type<D>>::type_info() }
            fn compatible(ty: &D::TypeInfo) -> bool { <String as sqlx::Type<D>>::compatible(ty) }
        }

        impl<'q, D: sqlx::Database> sqlx::Encode<'q, D> for $name where String: sqlx::Encode<'q, D> {
            fn encode_by_ref(
                &self,
                buf: &mut <D as sqlx::Database>::ArgumentBuffer,
            ) -> std::result::Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                self.as_str().to_owned().encode(buf)
            }
        }

        impl<'r, D: sqlx::Database> sqlx::Decode<'r, D> for $name where String: sqlx::Decode<'r, D> {
            fn decode(
                value: <D as sqlx::Database>::ValueRef<'r>,
            ) -> std::result::Result<Self, sqlx::error::BoxDynError> {
                Ok(String::decode(value)?.parse::<Self>()?)
            }
        }
    };
}
