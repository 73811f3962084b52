//! The endpoints of carts: the caller's under `/api/cart`, and any that the caller may access under `/api/carts/{cart_id}`.
//!
//! The caller's cart (`CurrentCart`) is the user's, or without a sign-in the anonymous one of `X-Cart-Id`. With a token that
//! header is ignored, so that a page may go on sending it after its customer has signed in.

use std::time::Duration;

use platform::{
    clock::Timestamp,
    db::Tx,
    http::{
        body::Body,
        client_address::ClientAddress,
        limits::Limit,
        problem::ApiResult,
        reply::{Created, CreatedOrFound, Done, Reply},
    },
    money::Amount,
};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::{Cart, CartItem, Settings};
use crate::{
    accounts::{self, Visitor},
    pricing,
    shop::{
        Shop,
        ids::{CartId, CartItemId, ProductId, UserId},
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

/// A cart. Prices are the current prices of the catalog.
#[derive(Object)]
#[oai(rename = "Cart")]
struct CartView {
    /// The id of the cart. Keep the id of an anonymous cart secret: it gives access to the cart.
    id: CartId,
    /// The id of the user who owns the cart; `null` for an anonymous cart.
    user: Option<UserId>,
    /// The products in the cart, one entry per product.
    items: Vec<CartItemView>,
    /// The number of units: the sum of all quantities.
    total_items: i64,
    /// The sum of all subtotals.
    total_price: Amount,
    /// When the cart was created.
    created_at: Timestamp,
}

/// A product in a cart.
#[derive(Object)]
#[oai(rename = "CartItem")]
struct CartItemView {
    /// The id of the entry in the cart.
    id: CartItemId,
    /// The id of the product.
    product: ProductId,
    /// The current name of the product.
    name: String,
    /// The current price of one unit.
    price: Amount,
    /// The number of units, 1 to 9,999.
    quantity: i64,
    /// `price` times `quantity`.
    subtotal: Amount,
    /// Whether this quantity can be ordered now.
    available: bool,
}

#[derive(Object)]
struct CartSummary {
    /// The number of units: the sum of all quantities.
    total_items: i64,
    /// The sum of all subtotals.
    total_price: Amount,
}

/// A product to add to a cart.
#[derive(Object)]
struct NewItem {
    /// The id of the product.
    product: ProductId,
    /// The number of units to add, 1 to 9,999. Default: 1.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "9999")))]
    quantity: Option<i64>,
}

#[derive(Object)]
struct ItemChange {
    /// The new number of units, 1 to 9,999.
    #[oai(validator(minimum(value = "1"), maximum(value = "9999")))]
    quantity: i64,
}

fn item_view(shop: &Shop, item: CartItem) -> ApiResult<CartItemView> {
    let subtotal = pricing::subtotal(item.price, item.quantity)?;
    Ok(CartItemView {
        available: item.is_available(),
        id: item.id,
        product: item.product_id,
        name: item.name,
        price: shop.store.currency.format(item.price),
        quantity: item.quantity,
        subtotal: shop.store.currency.format(subtotal),
    })
}

async fn cart_view(tx: &mut Tx, shop: &Shop, cart: Cart) -> ApiResult<CartView> {
    let items = super::items(tx, cart.id).await?;
    Ok(CartView {
        id: cart.id,
        user: cart.user_id,
        total_items: items.iter().map(|item| item.quantity).sum(),
        total_price: shop.store.currency.format(super::total(&items)?),
        items: items.into_iter().map(|item| item_view(shop, item)).collect::<ApiResult<_>>()?,
        created_at: cart.created_at,
    })
}

pub struct CartsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Cart")]
impl CartsApi {
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
        super::clear(&mut tx, cart.id).await?;
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
        let item = super::find_item(&mut tx, cart.id, item_id.0).await?;
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
        remove(tx, &shop, &cart, item_id.0).await
    }

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
            Some(user) => super::find_or_create(&mut tx, user.id, shop.now()).await?,
            None => (super::create_anonymous(&mut tx, shop.now()).await?, true),
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
        let cart = super::find(&mut tx, cart_id.0, by.user()).await?;
        Ok(Reply::json(&cart_view(&mut tx, &shop, cart).await?))
    }

    /// Deletes an anonymous cart, or the user's own, by its id.
    ///
    /// Its items are deleted too. A new cart for the user is created when it is needed.
    #[oai(path = "/carts/:cart_id", method = "delete", operation_id = "deleteAnonymousCart")]
    async fn delete_anonymous(&self, shop: Data<&Shop>, by: Visitor, cart_id: Path<CartId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
        super::delete(&mut tx, cart.id).await?;
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
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
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
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
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
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
        remove(tx, &shop, &cart, item_id.0).await
    }
}

/// The cart of a request to `/api/cart`.
enum CurrentCart {
    User(UserId),
    Anonymous(CartId),
}

impl CurrentCart {
    /// # Errors
    /// 401 without a sign-in and without a cart id.
    fn of(by: Visitor, cart: &Header<Option<CartId>>) -> ApiResult<Self> {
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
    async fn read(self, shop: &Shop) -> ApiResult<(Tx, Cart)> {
        let mut tx = shop.db.read().await?;
        let found = match self {
            Self::User(user) => super::find_of(&mut tx, user).await?,
            Self::Anonymous(cart) => Some(super::find(&mut tx, cart, None).await?),
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
    async fn lock(self, shop: &Shop) -> ApiResult<(Tx, Cart)> {
        let mut tx = shop.db.write().await?;
        let cart = match self {
            Self::User(user) => super::find_or_create(&mut tx, user, shop.now()).await?.0,
            Self::Anonymous(cart) => super::lock(&mut tx, cart, None).await?,
        };
        Ok((tx, cart))
    }
}

async fn add(mut tx: Tx, shop: &Shop, cart: Cart, new: ApiResult<NewItem>) -> ApiResult<Created<CartView>> {
    let new = new?;
    super::add(&mut tx, shop, cart.id, new.product, new.quantity.unwrap_or(1)).await?;
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
    let item = super::find_item(&mut tx, cart.id, item).await?;
    super::set_quantity(&mut tx, shop, cart.id, &item, change?.quantity).await?;
    let shown = cart_view(&mut tx, shop, cart).await?;
    tx.commit().await?;
    Ok(Reply::json(&shown))
}

async fn remove(mut tx: Tx, shop: &Shop, cart: &Cart, item: CartItemId) -> ApiResult<Done> {
    let item = super::find_item(&mut tx, cart.id, item).await?;
    super::remove(&mut tx, cart.id, item.id, shop.now()).await?;
    tx.commit().await?;
    Ok(Done::Done)
}
