//! What things come to: of carts and of orders alike, so that nobody pays another total than they saw.

use platform::{
    http::problem::{ApiResult, Problem},
    money::Money,
};
use poem::http::StatusCode;

/// What a line comes to: so many pieces at this price.
///
/// # Errors
/// 422 when that is more than an amount can be.
pub fn subtotal(price: Money, quantity: i64) -> ApiResult<Money> {
    price.times(quantity).ok_or_else(amount_out_of_range)
}

/// What lines come to together, each a price and a quantity.
///
/// # Errors
/// 422 when that is more than an amount can be.
pub fn total(lines: impl IntoIterator<Item = (Money, i64)>) -> ApiResult<Money> {
    lines.into_iter().try_fold(Money(0), |sum, (price, quantity)| {
        sum.plus(subtotal(price, quantity)?).ok_or_else(amount_out_of_range)
    })
}

fn amount_out_of_range() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "amount_out_of_range",
        "This comes to more than an amount can be; order less at once.",
    )
}
