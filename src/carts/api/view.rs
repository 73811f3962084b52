//! Carts as the API shows them, and the bodies of requests about them.

use platform::{clock::Timestamp, db::Tx, http::problem::ApiResult, money::Amount};
use poem_openapi::Object;

use crate::{
    carts::{self, Cart, CartItem},
    pricing,
    shop::{
        Shop,
        ids::{CartId, CartItemId, ProductId, UserId},
    },
};

/// A cart. Prices are the current prices of the catalog.
#[derive(Object)]
#[oai(rename = "Cart")]
pub struct CartView {
    /// The id of the cart. Keep the id of an anonymous cart secret: it gives access to the cart.
    pub id: CartId,
    /// The id of the user who owns the cart; `null` for an anonymous cart.
    pub user: Option<UserId>,
    /// The products in the cart, one entry per product.
    pub items: Vec<CartItemView>,
    /// The number of units: the sum of all quantities.
    pub total_items: i64,
    /// The sum of all subtotals.
    pub total_price: Amount,
    /// When the cart was created.
    pub created_at: Timestamp,
}

/// A product in a cart.
#[derive(Object)]
#[oai(rename = "CartItem")]
pub struct CartItemView {
    /// The id of the entry in the cart.
    pub id: CartItemId,
    /// The id of the product.
    pub product: ProductId,
    /// The current name of the product.
    pub name: String,
    /// The current price of one unit.
    pub price: Amount,
    /// The number of units, 1 to 9,999.
    pub quantity: i64,
    /// `price` times `quantity`.
    pub subtotal: Amount,
    /// Whether this quantity can be ordered now.
    pub available: bool,
}

#[derive(Object)]
pub struct CartSummary {
    /// The number of units: the sum of all quantities.
    pub total_items: i64,
    /// The sum of all subtotals.
    pub total_price: Amount,
}

/// A product to add to a cart.
#[derive(Object)]
pub struct NewItem {
    /// The id of the product.
    pub product: ProductId,
    /// The number of units to add, 1 to 9,999. Default: 1.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "9999")))]
    pub quantity: Option<i64>,
}

#[derive(Object)]
pub struct ItemChange {
    /// The new number of units, 1 to 9,999.
    #[oai(validator(minimum(value = "1"), maximum(value = "9999")))]
    pub quantity: i64,
}

pub fn item_view(shop: &Shop, item: CartItem) -> ApiResult<CartItemView> {
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

pub async fn cart_view(tx: &mut Tx, shop: &Shop, cart: Cart) -> ApiResult<CartView> {
    let items = carts::items(tx, cart.id).await?;
    Ok(CartView {
        id: cart.id,
        user: cart.user_id,
        total_items: items.iter().map(|item| item.quantity).sum(),
        total_price: shop.store.currency.format(carts::total(&items)?),
        items: items.into_iter().map(|item| item_view(shop, item)).collect::<ApiResult<_>>()?,
        created_at: cart.created_at,
    })
}
