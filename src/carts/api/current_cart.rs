//! Which cart a request to `/api/cart` is about.
//!
//! It is the user's, or without a sign-in the anonymous one of `X-Cart-Id`. With a token that header is ignored, so that a
//! page may go on sending it after its customer has signed in.

use platform::{db::Tx, http::problem::ApiResult};
use poem_openapi::param::Header;

use crate::{
    accounts::{self, Visitor},
    carts::{self, Cart},
    shop::{
        Shop,
        ids::{CartId, UserId},
    },
};

/// The cart of a request to `/api/cart`.
pub enum CurrentCart {
    User(UserId),
    Anonymous(CartId),
}

impl CurrentCart {
    /// # Errors
    /// 401 without a sign-in and without a cart id.
    pub fn of(by: Visitor, cart: &Header<Option<CartId>>) -> ApiResult<Self> {
        match (by.user(), cart.0) {
            (Some(user), _) => Ok(Self::User(user)),
            (None, Some(cart)) => Ok(Self::Anonymous(cart)),
            (None, None) => Err(accounts::unauthenticated()),
        }
    }

    /// The cart, to be shown. The transaction only reads, unless the user's cart is created now.
    ///
    /// # Errors
    /// 404 when there is no anonymous cart with this id.
    pub async fn read(self, shop: &Shop) -> ApiResult<(Tx, Cart)> {
        let mut tx = shop.db.read().await?;
        let found = match self {
            Self::User(user) => carts::find_of(&mut tx, user).await?,
            Self::Anonymous(cart) => Some(carts::find(&mut tx, cart, None).await?),
        };
        if let Some(cart) = found {
            return Ok((tx, cart));
        }
        drop(tx);
        self.lock(shop).await
    }

    /// The cart, locked to be changed.
    ///
    /// # Errors
    /// 404 when there is no anonymous cart with this id.
    pub async fn lock(self, shop: &Shop) -> ApiResult<(Tx, Cart)> {
        let mut tx = shop.db.write().await?;
        let cart = match self {
            Self::User(user) => carts::find_or_create(&mut tx, user, shop.now()).await?.0,
            Self::Anonymous(cart) => carts::lock(&mut tx, cart, None, shop.now()).await?,
        };
        Ok((tx, cart))
    }
}
