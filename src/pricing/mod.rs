//! What things come to: of carts and of orders alike, so that nobody pays another total than they saw.

pub mod problems;

use platform::money::Money;

/// Why something has no price.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The total exceeds the maximum amount. Order less at a time.")]
    OutOfRange,
}

pub type Result<T> = std::result::Result<T, Error>;

/// What a line comes to: so many pieces at this price.
///
/// # Errors
/// When that is more than an amount can be.
pub fn subtotal(price: Money, quantity: i64) -> Result<Money> {
    price.times(quantity).ok_or(Error::OutOfRange)
}

/// What lines come to together, each a price and a quantity.
///
/// # Errors
/// When that is more than an amount can be.
pub fn total(lines: impl IntoIterator<Item = (Money, i64)>) -> Result<Money> {
    lines
        .into_iter()
        .try_fold(Money(0), |sum, (price, quantity)| sum.plus(subtotal(price, quantity)?).ok_or(Error::OutOfRange))
}
