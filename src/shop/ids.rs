//! The types of ids.

use platform::{
    ids::{NO_NUMBER, NO_UUID},
    typed_id,
};
use uuid::Uuid;

typed_id! {
    /// Names one user, customer or admin.
    pub UserId(i64) else NO_NUMBER;
    /// Names one sign-in; every token it hands out carries it.
    pub SessionId(Uuid) else NO_UUID;
    pub CategoryId(i64) else NO_NUMBER;
    pub BrandId(i64) else NO_NUMBER;
    pub ProductId(i64) else NO_NUMBER;
    pub ImageId(i64) else NO_NUMBER;
    /// Names one cart. It is the secret by which an anonymous cart is reached, so it is random.
    pub CartId(Uuid) else NO_UUID;
    /// Names one line of a cart.
    pub CartItemId(i64) else NO_NUMBER;
    pub OrderId(i64) else NO_NUMBER;
    pub OrderLineId(i64) else NO_NUMBER;
    pub ReviewId(i64) else NO_NUMBER;
    /// Names one change of a product's stock.
    pub MovementId(i64) else NO_NUMBER;
    pub PaymentId(Uuid) else NO_UUID;
    pub RefundId(Uuid) else NO_UUID;
    pub WebhookId(i64) else NO_NUMBER;
    pub JobId(i64) else NO_NUMBER;
}

impl SessionId {
    /// No session has this id.
    pub const NONE: Self = Self(NO_UUID);

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
    pub const NONE: Self = Self(NO_UUID);

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
