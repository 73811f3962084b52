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
        reply::{Created, Done, MadeOrFound, Reply},
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
        shop.part::<Settings>().carts_per_minute,
        Duration::from_mins(1),
        "Too many carts were made from this address.",
    )
}

/// A cart. Its prices are today's.
#[derive(Object)]
#[oai(rename = "Cart")]
struct CartView {
    id: CartId,
    /// Whose it is; `null` for an anonymous one.
    user: Option<UserId>,
    items: Vec<CartItemView>,
    /// Pieces, not products.
    total_items: i64,
    total_price: Amount,
    created_at: Timestamp,
}

/// A product in a cart.
#[derive(Object)]
#[oai(rename = "CartItem")]
struct CartItemView {
    id: CartItemId,
    product: ProductId,
    name: String,
    price: Amount,
    quantity: i64,
    subtotal: Amount,
    /// Whether this many can be ordered now.
    available: bool,
}

#[derive(Object)]
struct CartSummary {
    /// Pieces, not products.
    total_items: i64,
    total_price: Amount,
}

/// A product to put into a cart.
#[derive(Object)]
struct NewItem {
    /// The id of a product.
    product: ProductId,
    /// How many pieces, 1 to 9,999. Default 1.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "9999")))]
    quantity: Option<i64>,
}

#[derive(Object)]
struct ItemChange {
    /// How many pieces it is to be, 1 to 9,999.
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
    /// Shows one's own cart.
    ///
    /// The user's, made when first needed, so there always is one; without a sign-in the anonymous one that `X-Cart-Id`
    /// names. `available` says of each item whether that many can be ordered now.
    ///
    /// Problems: `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart", method = "get", operation_id = "getCart")]
    async fn get(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Reply<CartView>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let shown = cart_view(&mut tx, &shop, cart).await?;
        tx.commit().await?;
        Ok(Reply::json(&shown))
    }

    /// Adds a product. Adding one that is in already adds up.
    ///
    /// Answers the whole cart. The same as `POST /api/cart/items`.
    ///
    /// Problems: `out_of_stock`, `cart_full`, `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart", method = "post", operation_id = "addToCart")]
    async fn add(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        body: Body<NewItem>,
    ) -> ApiResult<Created<CartView>> {
        let new = body.judged().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        add(tx, &shop, cart, new).await
    }

    /// Adds a product. Adding one that is in already adds up.
    ///
    /// Answers the whole cart.
    ///
    /// Problems: `out_of_stock`, `cart_full`, `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart/items", method = "post", operation_id = "addCartItem")]
    async fn add_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        body: Body<NewItem>,
    ) -> ApiResult<Created<CartView>> {
        let new = body.judged().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        add(tx, &shop, cart, new).await
    }

    /// Empties one's own cart.
    ///
    /// The cart itself stays.
    ///
    /// Problems: `not_found`.
    #[oai(path = "/cart", method = "delete", operation_id = "clearCart")]
    async fn clear(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Done> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        super::clear(&mut tx, cart.id).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Says how much is in one's own cart and what it costs.
    ///
    /// For the little number beside the cart.
    ///
    /// Problems: `amount_out_of_range`, `not_found`.
    #[oai(path = "/cart/summary", method = "get", operation_id = "getCartSummary")]
    async fn summary(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
    ) -> ApiResult<Reply<CartSummary>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let shown = cart_view(&mut tx, &shop, cart).await?;
        tx.commit().await?;
        Ok(Reply::json(&CartSummary { total_items: shown.total_items, total_price: shown.total_price }))
    }

    /// Shows one product in one's own cart.
    ///
    /// With today's price, and whether that many can be ordered now.
    ///
    /// Problems: `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "get", operation_id = "getCartItem")]
    async fn get_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
    ) -> ApiResult<Reply<CartItemView>> {
        let (mut tx, cart) = CurrentCart::of(by, &cart_id)?.read(&shop).await?;
        let item = super::find_item(&mut tx, cart.id, item_id.0).await?;
        tx.commit().await?;
        Ok(Reply::json(&item_view(&shop, item)?))
    }

    /// Changes a quantity. Answers the whole cart.
    ///
    /// To take it out, delete it.
    ///
    /// Problems: `out_of_stock`, `product_unavailable`, `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "patch", operation_id = "changeCartItem")]
    async fn change_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
        body: Body<ItemChange>,
    ) -> ApiResult<Reply<CartView>> {
        let change = body.judged().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Changes a quantity. Answers the whole cart.
    ///
    /// To take it out, delete it.
    ///
    /// Problems: `out_of_stock`, `product_unavailable`, `amount_out_of_range`.
    #[oai(path = "/cart/items/:item_id", method = "put", operation_id = "replaceCartItem")]
    async fn replace_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
        body: Body<ItemChange>,
    ) -> ApiResult<Reply<CartView>> {
        let change = body.judged().await;
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Takes a product out of one's own cart.
    ///
    /// The rest of the cart stays.
    #[oai(path = "/cart/items/:item_id", method = "delete", operation_id = "removeCartItem")]
    async fn remove_item(
        &self,
        shop: Data<&Shop>,
        by: Visitor,
        /// For who is not signed in: the id of an anonymous cart, from `POST /api/carts`. With a token it is ignored.
        #[oai(name = "X-Cart-Id")]
        cart_id: Header<Option<CartId>>,
        item_id: Path<CartItemId>,
    ) -> ApiResult<Done> {
        let (tx, cart) = CurrentCart::of(by, &cart_id)?.lock(&shop).await?;
        remove(tx, &shop, &cart, item_id.0).await
    }

    /// Makes an anonymous cart, whose id is the secret to reach it.
    ///
    /// With a token it answers the user's own cart instead: 201 when that was made, else 200. How many
    /// anonymous carts one address can make in a minute is limited.
    ///
    /// Problems: `amount_out_of_range`, `rate_limited`.
    #[oai(path = "/carts", method = "post", operation_id = "createCart")]
    async fn create(&self, shop: Data<&Shop>, by: Visitor, from: ClientAddress) -> ApiResult<MadeOrFound<CartView>> {
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
        Ok(MadeOrFound::json(&shown, made))
    }

    /// Shows an anonymous cart, or one's own, by its id.
    ///
    /// Whoever knows the id of an anonymous cart may see and change it, so keep it as you would a password. A user's
    /// cart is reached with that user's token only.
    ///
    /// Problems: `amount_out_of_range`.
    #[oai(path = "/carts/:cart_id", method = "get", operation_id = "getAnonymousCart")]
    async fn get_anonymous(&self, shop: Data<&Shop>, by: Visitor, cart_id: Path<CartId>) -> ApiResult<Reply<CartView>> {
        let mut tx = shop.db.read().await?;
        let cart = super::find(&mut tx, cart_id.0, by.user()).await?;
        Ok(Reply::json(&cart_view(&mut tx, &shop, cart).await?))
    }

    /// Deletes an anonymous cart, or one's own, by its id.
    ///
    /// With everything in it. A user's next cart is made when it is needed.
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
    /// Adding one that is in already adds up. Answers the whole cart.
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
        let new = body.judged().await;
        let mut tx = shop.db.write().await?;
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
        add(tx, &shop, cart, new).await
    }

    /// Changes a quantity in the cart with this id. Answers the whole cart.
    ///
    /// To take it out, delete it.
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
        let change = body.judged().await;
        let mut tx = shop.db.write().await?;
        let cart = super::lock(&mut tx, cart_id.0, by.user()).await?;
        change_quantity(tx, &shop, cart, item_id.0, change).await
    }

    /// Takes a product out of the cart with this id.
    ///
    /// The rest of the cart stays.
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
