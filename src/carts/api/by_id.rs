//! The endpoints of any cart that the caller may access, under `/api/carts/{cart_id}`.

use std::time::Duration;

use platform::http::{
    body::Body,
    client_address::ClientAddress,
    limits::Limit,
    problem::ApiResult,
    reply::{Created, CreatedOrFound, Done, Reply},
};
use poem::web::Data;
use poem_openapi::{OpenApi, param::Path};

use super::{
    add, change_quantity, remove,
    view::{CartView, ItemChange, NewItem, cart_view},
};
use crate::{
    accounts::Visitor,
    carts::{self, Settings},
    shop::{
        Shop,
        ids::{CartId, CartItemId},
        tags::Tag,
    },
};

/// Per network address.
fn new_carts(shop: &Shop) -> Limit {
    Limit::new(
        "new_carts",
        shop.get::<Settings>().carts_per_minute,
        Duration::from_mins(1),
        "Too many carts were created from this IP address.",
    )
}

pub struct CartsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Cart")]
impl CartsApi {
    /// Creates an anonymous cart.
    ///
    /// Its id is a secret that gives access to the cart. With a token, returns the user's own cart instead: 201 if it
    /// was created, otherwise 200. The number of anonymous carts that an IP address can create per minute is limited.
    ///
    /// Problems: `amount_out_of_range`, `rate_limited`.
    #[oai(path = "/carts", method = "post", operation_id = "createCart")]
    async fn create(&self, shop: Data<&Shop>, by: Visitor, from: ClientAddress) -> ApiResult<CreatedOrFound<CartView>> {
        if by.0.is_none() {
            shop.limits.take(&new_carts(&shop), &from.network()).await?;
        }
        let mut tx = shop.db.write().await?;
        let (cart, made) = match by.0 {
            Some(user) => carts::find_or_create(&mut tx, user.id, shop.now()).await?,
            None => (carts::create_anonymous(&mut tx, shop.now()).await?, true),
        };
        let shown = cart_view(&mut tx, &shop, cart).await?;
        tx.commit().await?;
        Ok(CreatedOrFound::json(&shown, made))
    }

    /// Returns an anonymous cart, or the user's own, by its id.
    ///
    /// Anyone who knows the id of an anonymous cart can read and change it, so store it like a password. A user's cart
    /// is accessible with that user's token only.
    ///
    /// Problems: `amount_out_of_range`.
    #[oai(path = "/carts/:cart_id", method = "get", operation_id = "getAnonymousCart")]
    async fn get_anonymous(&self, shop: Data<&Shop>, by: Visitor, cart_id: Path<CartId>) -> ApiResult<Reply<CartView>> {
        let mut tx = shop.db.read().await?;
        let cart = carts::find(&mut tx, cart_id.0, by.user()).await?;
        Ok(Reply::json(&cart_view(&mut tx, &shop, cart).await?))
    }

    /// Deletes an anonymous cart, or the user's own, by its id.
    ///
    /// Its items are deleted too. A new cart for the user is created when it is needed.
    #[oai(path = "/carts/:cart_id", method = "delete", operation_id = "deleteAnonymousCart")]
    async fn delete_anonymous(&self, shop: Data<&Shop>, by: Visitor, cart_id: Path<CartId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let cart = carts::lock(&mut tx, cart_id.0, by.user(), shop.now()).await?;
        carts::delete(&mut tx, cart.id).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Adds a product to the cart with this id.
    ///
    /// If the product is already in the cart, the quantities are added up. Returns the whole cart.
    ///
    /// Problems: `out_of_stock`, `cart_full`, `amount_out_of_range`.
    #[oai(path = "/carts/:cart_id/items", method = "post", operation_id = "addAnonymousCartItem")]
    async fn add_anonymous_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        cart_id: Path<CartId>,
        body: Body<NewItem>,
    ) -> ApiResult<Created<CartView>> {
        let new = body.parse().await;
        let mut tx = shop.db.write().await?;
        let cart = carts::lock(&mut tx, cart_id.0, by.user(), shop.now()).await?;
        add(tx, &shop, cart, new).await
    }

    /// Sets the quantity of an item in the cart with this id.
    ///
    /// Returns the whole cart. To remove the item, use `DELETE`.
    ///
    /// Problems: `out_of_stock`, `product_unavailable`, `amount_out_of_range`.
    #[oai(path = "/carts/:cart_id/items/:item_id", method = "patch", operation_id = "changeAnonymousCartItem")]
    async fn change_anonymous_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        cart_id: Path<CartId>,
        item_id: Path<CartItemId>,
        body: Body<ItemChange>,
    ) -> ApiResult<Reply<CartView>> {
        let change = body.parse().await;
        let mut tx = shop.db.write().await?;
        let cart = carts::lock(&mut tx, cart_id.0, by.user(), shop.now()).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Removes an item from the cart with this id.
    ///
    /// The other items are kept.
    #[oai(path = "/carts/:cart_id/items/:item_id", method = "delete", operation_id = "removeAnonymousCartItem")]
    async fn remove_anonymous_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        cart_id: Path<CartId>,
        item_id: Path<CartItemId>,
    ) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let cart = carts::lock(&mut tx, cart_id.0, by.user(), shop.now()).await?;
        remove(tx, &cart, item_id.0).await
    }
}
