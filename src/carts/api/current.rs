//! The endpoints of the caller's cart, under `/api/cart`.

use platform::http::{
    body::Body,
    problem::ApiResult,
    reply::{Created, Done, Reply},
};
use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{
    add, change_quantity,
    current_cart::CurrentCart,
    remove,
    view::{CartItemView, CartSummary, CartView, ItemChange, NewItem, cart_view, item_view},
};
use crate::{
    accounts::Visitor,
    carts,
    shop::{
        Shop,
        ids::{CartId, CartItemId},
        tags::Tag,
    },
};

pub struct CurrentCartApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Cart")]
impl CurrentCartApi {
    /// Returns the current cart.
    ///
    /// That is the signed-in user's cart, which is created when first needed, or without a sign-in the anonymous cart
    /// named by `X-Cart-Id`. Each item's `available` tells whether that quantity can be ordered now.
    ///
    /// Problems: `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart", method = "get", operation_id = "getCart")]
    async fn get(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Reply<CartView>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let shown = cart_view(&mut tx, &shop, cart).await?;
        tx.commit().await?;
        Ok(Reply::json(&shown))
    }

    /// Adds a product to the current cart.
    ///
    /// If the product is already in the cart, the quantities are added up. Returns the whole cart. The same as `POST
    /// /api/cart/items`.
    ///
    /// Problems: `out_of_stock`, `cart_full`, `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart", method = "post", operation_id = "addToCart")]
    async fn add(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        body: Body<NewItem>,
    ) -> ApiResult<Created<CartView>> {
        let new = body.parse().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        add(tx, &shop, cart, new).await
    }

    /// Adds a product to the current cart.
    ///
    /// If the product is already in the cart, the quantities are added up. Returns the whole cart.
    ///
    /// Problems: `out_of_stock`, `cart_full`, `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart/items", method = "post", operation_id = "addCartItem")]
    async fn add_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        body: Body<NewItem>,
    ) -> ApiResult<Created<CartView>> {
        let new = body.parse().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        add(tx, &shop, cart, new).await
    }

    /// Removes all products from the current cart.
    ///
    /// The cart itself is kept.
    ///
    /// Problems: `not_found`.
    #[oai(path = "/cart", method = "delete", operation_id = "clearCart")]
    async fn clear(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Done> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        carts::clear(&mut tx, cart.id).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Returns the number of units and the total of the current cart.
    ///
    /// For example, for a cart icon in the page header.
    ///
    /// Problems: `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart/summary", method = "get", operation_id = "getCartSummary")]
    async fn summary(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Reply<CartSummary>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let shown = cart_view(&mut tx, &shop, cart).await?;
        tx.commit().await?;
        Ok(Reply::json(&CartSummary { total_items: shown.total_items, total_price: shown.total_price }))
    }

    /// Returns an item of the current cart.
    ///
    /// With its current price, and whether its quantity can be ordered now.
    ///
    /// Problems: `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "get", operation_id = "getCartItem")]
    async fn get_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
    ) -> ApiResult<Reply<CartItemView>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let item = carts::find_item(&mut tx, cart.id, item_id.0).await?;
        tx.commit().await?;
        Ok(Reply::json(&item_view(&shop, item)?))
    }

    /// Sets the quantity of an item in the current cart.
    ///
    /// Returns the whole cart. To remove the item, use `DELETE`.
    ///
    /// Problems: `out_of_stock`, `product_unavailable`, `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "patch", operation_id = "changeCartItem")]
    async fn change_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
        body: Body<ItemChange>,
    ) -> ApiResult<Reply<CartView>> {
        let change = body.parse().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Sets the quantity of an item in the current cart.
    ///
    /// Returns the whole cart. To remove the item, use `DELETE`.
    ///
    /// Problems: `out_of_stock`, `product_unavailable`, `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "put", operation_id = "replaceCartItem")]
    async fn replace_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
        body: Body<ItemChange>,
    ) -> ApiResult<Reply<CartView>> {
        let change = body.parse().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Removes an item from the current cart.
    ///
    /// The other items are kept.
    #[oai(path = "/cart/items/:item_id", method = "delete", operation_id = "removeCartItem")]
    async fn remove_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// The id of an anonymous cart from `POST /api/carts`, required without a sign-in. Ignored with a token.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
    ) -> ApiResult<Done> {
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        remove(tx, &cart, item_id.0).await
    }
}
