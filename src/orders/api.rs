//! The endpoints of orders.

use std::collections::HashMap;

use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::{Checkout, Line, Order, OrderStatus, PaymentStatus, store};
use crate::{
    accounts::{Admin, SignedIn},
    cache::Part,
    clock::Timestamp,
    db::Tx,
    http::{
        body::Body,
        idempotency::Once,
        paging::Page,
        problem::{ApiResult, Problem},
        query::Ask,
        reply::{Created, Done, List, Reply, json_bytes},
        tags::Tag,
    },
    ids::{OrderId, OrderLineId, ProductId, UserId},
    money::Amount,
    payments::Provider,
    shop::Shop,
};

/// What to order. Without `items`, the cart.
#[derive(Object)]
#[oai(rename = "Checkout")]
struct CheckoutInput {
    /// Where to send it. Left out: the profile's address.
    #[oai(validator(max_length = 1000))]
    shipping_address: Option<String>,
    /// Default `cash_on_delivery`.
    payment_method: Option<Provider>,
    /// Orders these and leaves the cart alone. A product named twice is one line.
    #[oai(validator(min_items = 1, max_items = 100))]
    items: Option<Vec<CheckoutItem>>,
    /// What the customer was shown. Another total than ours is refused instead of charged.
    expected_total: Option<Amount>,
}

#[derive(Object)]
struct CheckoutItem {
    /// The id of a product.
    product: ProductId,
    #[oai(validator(minimum(value = "1"), maximum(value = "9999")))]
    quantity: i64,
}

/// An order.
#[derive(Object)]
#[oai(rename = "Order")]
pub struct OrderView {
    id: OrderId,
    /// What people quote.
    order_number: String,
    user: UserId,
    status: OrderStatus,
    payment_status: PaymentStatus,
    payment_method: Provider,
    shipping_address: String,
    total_price: Amount,
    items: Vec<LineView>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A product of an order, as it was when it was bought.
#[derive(Object)]
#[oai(rename = "OrderLine")]
struct LineView {
    id: OrderLineId,
    product: ProductId,
    name: String,
    quantity: i64,
    price: Amount,
    subtotal: Amount,
}

#[derive(Object)]
struct StatusChange {
    /// The next status, in any case: `confirmed`, `shipped`, `delivered` or `cancelled`.
    #[oai(validator(max_length = 20))]
    status: String,
}

async fn order_view(tx: &mut Tx, shop: &Shop, order: Order) -> ApiResult<OrderView> {
    let lines = store::lines(tx, order.id).await?;
    Ok(shown(shop, order, lines))
}

/// A page of orders with their lines.
async fn order_views(tx: &mut Tx, shop: &Shop, orders: Vec<Order>) -> ApiResult<Vec<OrderView>> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    let mut lines: HashMap<OrderId, Vec<Line>> = HashMap::new();
    for (order, line) in store::lines_of_all(tx, &ids).await? {
        lines.entry(order).or_default().push(line);
    }
    let with_lines = |order: Order| {
        let lines = lines.remove(&order.id).unwrap_or_default();
        shown(shop, order, lines)
    };
    Ok(orders.into_iter().map(with_lines).collect())
}

fn shown(shop: &Shop, order: Order, lines: Vec<Line>) -> OrderView {
    OrderView {
        id: order.id,
        order_number: order.order_number,
        user: order.user_id,
        status: order.status,
        payment_status: order.payment_status,
        payment_method: order.payment_method,
        shipping_address: order.shipping_address,
        total_price: shop.settings.currency.format(order.total_price),
        items: lines.into_iter().map(|line| line_view(shop, line)).collect(),
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}

fn line_view(shop: &Shop, line: Line) -> LineView {
    LineView {
        id: line.id,
        product: line.product_id,
        name: line.name,
        quantity: line.quantity,
        price: shop.settings.currency.format(line.price),
        subtotal: shop.settings.currency.format(line.price.times(line.quantity).unwrap_or_default()),
    }
}

impl CheckoutInput {
    fn checkout(self, shop: &Shop) -> ApiResult<Checkout> {
        let expected_total = self.expected_total.map(|amount| {
            shop.settings.currency.parse(&amount).map_err(|why| Problem::invalid_field("expected_total", "amount", why))
        });
        let items = self.items.map(|items| super::add_up(items.into_iter().map(|item| (item.product, item.quantity))));
        Ok(Checkout {
            shipping_address: self.shipping_address,
            payment_method: self.payment_method.unwrap_or(Provider::CashOnDelivery),
            items: items.transpose()?,
            expected_total: expected_total.transpose()?,
        })
    }
}

pub struct OrdersApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Orders")]
impl OrdersApi {
    /// Places an order.
    ///
    /// From the cart, which is empty afterwards, or from `items`. Prices are the catalog's. Send an `Idempotency-Key`:
    /// the same request again, after a lost answer, then gives the first order instead of a second.
    ///
    /// Problems: `cart_empty`, `out_of_stock`, `product_unavailable`, `total_changed`, `amount_out_of_range`,
    /// `provider_not_configured`.
    #[oai(path = "/orders", method = "post", operation_id = "placeOrder")]
    async fn place(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// 1 to 255 printable characters, new for each thing you want done. Kept for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<CheckoutInput>,
    ) -> ApiResult<Created<OrderView>> {
        let once = Once::of(request, body.bytes(), by.id)?;
        let checkout = body.check()?.checkout(&shop)?;
        let mut tx = shop.db.write().await?;
        if let Some(stored) = once.answered(&mut tx, shop.now()).await? {
            return Ok(stored.replay("/api/orders"));
        }
        let order = super::place(&mut tx, &shop, by.id, checkout).await?;
        let placed = order_view(&mut tx, &shop, order).await?;
        let answer = json_bytes(&placed);
        once.keep(&mut tx, &answer).await?;
        tx.commit().await?;
        forget(&shop, placed.items.iter().map(|line| line.product)).await;
        Ok(Created::bytes(answer).header("location", &format!("/api/orders/{}", placed.id)))
    }

    /// Lists one's own orders, newest first. Admins see everybody's.
    ///
    /// With their lines, as they were when they were bought.
    #[oai(path = "/orders", method = "get", operation_id = "listOrders")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// `true`: only one's own, also for an admin.
        mine: Ask<bool>,
        page: Ask<i64>,
        per_page: Ask<i64>,
    ) -> ApiResult<List<OrderView>> {
        let page = Page::asked(&page, &per_page)?;
        let mine = mine.get("mine")?.unwrap_or(false) || !by.is_admin();
        let of = mine.then_some(by.id);
        let mut tx = shop.db.read().await?;
        let (orders, total) = store::list(&mut tx, of, page.size, page.offset()).await?;
        let shown = order_views(&mut tx, &shop, orders).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Shows an order.
    ///
    /// Customers see their own orders, admins all.
    #[oai(path = "/orders/:id", method = "get", operation_id = "getOrder")]
    async fn get(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Reply<OrderView>> {
        let mut tx = shop.db.read().await?;
        let order = visible(store::find(&mut tx, id.0).await?, by)?;
        Ok(Reply::json(&order_view(&mut tx, &shop, order).await?))
    }

    /// Cancels an order that has not shipped. Its stock returns, and what was paid is refunded.
    ///
    /// Cancelling again gives the same answer.
    ///
    /// Problems: `invalid_transition`, `stock_out_of_range`.
    #[oai(path = "/orders/:id/cancel", method = "post", operation_id = "cancelOrder")]
    async fn cancel(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Reply<OrderView>> {
        Ok(Reply::json(&cancel(&shop, by, id.0).await?))
    }

    /// Cancels an order that has not shipped.
    ///
    /// The same as `POST /api/orders/{id}/cancel`: the order stays on record as `cancelled`.
    ///
    /// Problems: `invalid_transition`, `stock_out_of_range`.
    #[oai(path = "/orders/:id", method = "delete", operation_id = "deleteOrder")]
    async fn delete(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Done> {
        cancel(&shop, by, id.0).await?;
        Ok(Done::Done)
    }

    /// Moves an order to its next status.
    ///
    /// `pending → confirmed → shipped → delivered`; `cancelled` from the first two.
    ///
    /// Problems: `invalid_transition`, `stock_out_of_range`.
    #[oai(path = "/orders/:id/status", method = "put", operation_id = "setOrderStatus")]
    async fn set_status(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<OrderId>,
        body: Body<StatusChange>,
    ) -> ApiResult<Reply<OrderView>> {
        let mut tx = shop.db.write().await?;
        let order = store::lock(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let status = body.check()?.status.to_lowercase();
        let status: OrderStatus =
            status.parse().map_err(|why: String| Problem::invalid_field("status", "enum", why))?;
        let order = super::advance(&mut tx, order, status, shop.now()).await?;
        let shown = order_view(&mut tx, &shop, order).await?;
        tx.commit().await?;
        if status == OrderStatus::Cancelled {
            forget(&shop, shown.items.iter().map(|line| line.product)).await;
        }
        Ok(Reply::json(&shown))
    }
}

/// Somebody else's order is as unknown as one that does not exist.
fn visible(order: Option<Order>, by: SignedIn) -> ApiResult<Order> {
    order.filter(|order| order.user_id == by.id || by.is_admin()).ok_or_else(Problem::not_found)
}

async fn cancel(shop: &Shop, by: SignedIn, id: OrderId) -> ApiResult<OrderView> {
    let mut tx = shop.db.write().await?;
    let order = visible(store::lock(&mut tx, id).await?, by)?;
    let order = super::cancel(&mut tx, order, shop.now()).await?;
    let cancelled = order_view(&mut tx, shop, order).await?;
    tx.commit().await?;
    forget(shop, cancelled.items.iter().map(|line| line.product)).await;
    Ok(cancelled)
}

/// The stock of these products has changed.
async fn forget(shop: &Shop, products: impl Iterator<Item = ProductId>) {
    let parts: Vec<Part> = products.map(Part::Product).collect();
    shop.cache.forget(&parts).await;
}
