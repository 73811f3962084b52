//! Ids that cannot be swapped. Numbers where the seeds number things, UUIDs for what a stranger must not guess.
//!
//! In a path, text that is no valid id names nothing, so it is read as an id that never exists: the endpoint then
//! answers as it does for any id it does not know, with 404 and one body for all.

use poem_openapi::{
    NewType,
    types::{ParseFromParameter, ParseResult},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$meta:meta])* $name:ident($inner:ty) else $nothing:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, NewType, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[oai(from_parameter = false, from_multipart = false, to_header = false)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                // One way to write an id: no sign, no braces.
                let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && !text.starts_with('-');
                Ok(Self(text.parse().ok().filter(|_| plain).unwrap_or($nothing)))
            }
        }
    )+};
}

/// No row has this number: both engines count from 1.
const NO_NUMBER: i64 = 0;

typed_id! {
    /// Names one user, customer or admin.
    UserId(i64) else NO_NUMBER;
    /// Names one sign-in; every token it hands out carries it.
    SessionId(Uuid) else Uuid::nil();
    CategoryId(i64) else NO_NUMBER;
    BrandId(i64) else NO_NUMBER;
    ProductId(i64) else NO_NUMBER;
    ImageId(i64) else NO_NUMBER;
    /// Names one cart. It is the secret by which an anonymous cart is reached, so it is random.
    CartId(Uuid) else Uuid::nil();
    /// Names one line of a cart.
    CartItemId(i64) else NO_NUMBER;
    OrderId(i64) else NO_NUMBER;
    OrderLineId(i64) else NO_NUMBER;
    ReviewId(i64) else NO_NUMBER;
    /// Names one change of a product's stock.
    MovementId(i64) else NO_NUMBER;
    PaymentId(Uuid) else Uuid::nil();
    RefundId(Uuid) else Uuid::nil();
    WebhookId(i64) else NO_NUMBER;
    JobId(i64) else NO_NUMBER;
}

impl SessionId {
    /// No session has this id.
    pub const NONE: Self = Self(Uuid::nil());

    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl CartId {
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl PaymentId {
    /// No payment has this id, and every one comes after it.
    pub const NONE: Self = Self(Uuid::nil());

    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl RefundId {
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}
