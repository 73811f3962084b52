//! How many payments one user and one address may create within an hour: `PAYMENTS_PER_HOUR`, by the
//! [rate limits](platform::http::limits). A permit is taken before anything is done, and released when the attempt
//! creates no payment. Several people may share an address, so it has three times as many.

use std::time::Duration;

use platform::http::{
    client_address::ClientAddress,
    limits::{Limit, Permit},
    problem::ApiResult,
};

use super::{attempts::count_limited, settings::Settings};
use crate::shop::{Shop, ids::UserId};

/// The permits of one attempt.
pub struct Permits {
    of_user: Permit,
    of_address: Permit,
}

/// Takes the permits of one attempt.
///
/// # Errors
/// 429 when there are none.
pub async fn acquire(shop: &Shop, by: UserId, from: ClientAddress) -> ApiResult<Permits> {
    let of_user = shop.limits.take(&of_one_user(shop), &by.to_string()).await.inspect_err(|_| count_limited(None))?;
    match shop.limits.take(&from_one_address(shop), &from.network()).await {
        Ok(of_address) => Ok(Permits { of_user, of_address }),
        Err(refused) => {
            count_limited(None);
            shop.limits.release(of_user).await;
            Err(refused)
        }
    }
}

impl Permits {
    /// Releases the permits of an attempt that created no payment.
    pub async fn release(self, shop: &Shop) {
        shop.limits.release(self.of_user).await;
        shop.limits.release(self.of_address).await;
    }
}

fn of_one_user(shop: &Shop) -> Limit {
    Limit::new(
        "payments_of_user",
        shop.get::<Settings>().payments_per_hour,
        Duration::from_hours(1),
        "Too many payments from this account.",
    )
}

fn from_one_address(shop: &Shop) -> Limit {
    Limit::new(
        "payments_of_address",
        3 * shop.get::<Settings>().payments_per_hour,
        Duration::from_hours(1),
        "Too many payments from this IP address.",
    )
}
