//! The endpoints of carts: the caller's under `/api/cart`, and any that the caller may access under `/api/carts/{cart_id}`.
//! Both change a cart in the same way once they have locked it.

mod by_id;
mod current;
mod current_cart;
mod view;

use platform::{
    db::Tx,
    http::{
        problem::ApiResult,
        reply::{Created, Done, Reply},
    },
};

use self::view::{CartView, ItemChange, NewItem, cart_view};
use crate::{
    carts::{self, Cart},
    shop::{Shop, ids::CartItemId},
};

pub use by_id::CartsApi;
pub use current::CurrentCartApi;

async fn add(mut tx: Tx, shop: &Shop, cart: Cart, new: ApiResult<NewItem>) -> ApiResult<Created<CartView>> {
    let new = new?;
    carts::add(&mut tx, shop, cart.id, new.product, new.quantity.unwrap_or(1)).await?;
    let shown = cart_view(&mut tx, shop, cart).await?;
    tx.commit().await?;
    Ok(Created::json(&shown))
}

async fn change_quantity(
    mut tx: Tx,
    shop: &Shop,
    cart: Cart,
    item: CartItemId,
    change: ApiResult<ItemChange>,
) -> ApiResult<Reply<CartView>> {
    let item = carts::find_item(&mut tx, cart.id, item).await?;
    carts::set_quantity(&mut tx, shop, cart.id, &item, change?.quantity).await?;
    let shown = cart_view(&mut tx, shop, cart).await?;
    tx.commit().await?;
    Ok(Reply::json(&shown))
}

async fn remove(mut tx: Tx, cart: &Cart, item: CartItemId) -> ApiResult<Done> {
    let item = carts::find_item(&mut tx, cart.id, item).await?;
    carts::remove(&mut tx, cart.id, item.id).await?;
    tx.commit().await?;
    Ok(Done::Done)
}
