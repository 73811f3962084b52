//! The endpoints of orders.

use std::{sync::Arc, time::Duration};

use platform::{
    db::Tx,
    http::{
        body::Body,
        connection::Peer,
        idempotency::{Once, Stored},
        limits::{Limit, Place},
        paging::Page,
        problem::{ApiResult, Faults, FieldError, Problem},
        query::{self, Ask},
        reply::{Created, Done, List, Reply, json_bytes},
        server::Stopping,
    },
    money::Amount,
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::{
    Checkout, Order, OrderStatus, PaymentStatus, Settings,
    events::{
        followers::Followers,
        stream::{self, Events},
    },
    list::{self, Filter},
    store,
    view::{self, OrderView},
};
use crate::{
    accounts::{self, Admin, SignedIn},
    catalog::Part,
    dashboard::Day,
    payments::Provider,
    shop::{
        Shop,
        ids::{OrderId, ProductId, UserId},
        tags::Tag,
    },
};

/// What to order. Without `items`, the cart.
#[derive(Object)]
#[oai(rename = "Checkout")]
struct CheckoutInput {
    /// Where to send it. Left out: the profile's address; without one the order has none.
    #[oai(validator(max_length = 1000))]
    shipping_address: Option<String>,
    /// Default `cash_on_delivery`.
    payment_method: Option<Provider>,
    /// Orders these and leaves the cart alone. A product named twice is one line; one that customers cannot see does not
    /// exist.
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

/// Where an order is to go.
#[derive(Object)]
struct OrderInput {
    /// Where to send it, in as many lines as it takes. Blank only if the order has no address.
    #[oai(validator(max_length = 1000))]
    shipping_address: String,
}

/// What is to be different about an order.
#[derive(Object)]
struct OrderPatch {
    /// Where to send it, in as many lines as it takes. Blank only if the order has no address.
    #[oai(validator(max_length = 1000))]
    shipping_address: Option<String>,
}

/// Where an order is moved.
#[derive(Object)]
struct StatusChange {
    /// A later status, in any case: `confirmed`, `shipped`, `delivered` or `cancelled`.
    #[oai(validator(max_length = 20))]
    status: String,
}

impl CheckoutInput {
    /// What is wanted; whether the products exist is asked in the transaction.
    async fn checkout(self, tx: &mut Tx, shop: &Shop) -> ApiResult<Checkout> {
        let mut errors = Vec::new();
        let expected_total = self.expected_total.and_then(|amount| {
            let read = shop.store.currency.parse(&amount);
            read.map_err(|why| errors.push(FieldError::new("expected_total", "amount", why))).ok()
        });
        let items = self.items.map(|items| items.into_iter().map(|item| (item.product, item.quantity)).collect());
        let items: Option<Vec<_>> = items;
        let items = match items {
            Some(items) => Some(super::add_up(tx, shop, &items, errors).await?),
            None => Problem::unless_empty(errors).map(|()| None)?,
        };
        Ok(Checkout {
            shipping_address: self.shipping_address,
            payment_method: self.payment_method.unwrap_or(Provider::CashOnDelivery),
            items,
            expected_total,
        })
    }
}

/// Per user. Each order writes letters and takes stock, which a robot would like to do without end.
fn orders_of_one(shop: &Shop) -> Limit {
    Limit::new(
        "orders",
        shop.part::<Settings>().orders_per_hour,
        Duration::from_hours(1),
        "Too many orders were placed with this account.",
    )
}

/// Per user. Each change is kept for those who follow the order.
const ADDRESS_CHANGES: Limit =
    Limit::new("address_changes", 30, Duration::from_hours(1), "Too many addresses of orders were changed.");

pub struct OrdersApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Orders")]
impl OrdersApi {
    /// Places an order.
    ///
    /// From the cart, which is empty afterwards, or from `items`. Prices are the catalog's. Send an `Idempotency-Key`:
    /// the same request again, after a lost answer, then gives the first order instead of a second. An order of 0.00 is
    /// `confirmed` and `paid` at once, whatever its payment method.
    ///
    /// Problems: `cart_empty`, `out_of_stock`, `product_unavailable`, `total_changed`, `amount_out_of_range`,
    /// `provider_not_configured`, `rate_limited`, `currency_changed`.
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
        let once = Once::of(request, "/api/orders", body.bytes(), by.id.0)?;
        let place = match shop.limits.take(&orders_of_one(&shop), &by.id.to_string()).await {
            Ok(place) => place,
            // Who lost the answer to the last order they may place gets it all the same.
            Err(refused) => {
                let stored = once.given_before(&mut shop.db.read().await?).await?;
                return stored.map(|stored| stored.replay("/api/orders")).ok_or(refused);
            }
        };
        let (place, input) = shop.limits.unless_invalid(place, body.judged().await).await?;
        match place_once(&shop, by.id, &once, input).await {
            Ok(Placed::Before(stored)) => {
                shop.limits.give_back(place).await;
                Ok(stored.replay("/api/orders"))
            }
            Ok(Placed::Now(answer)) => Ok(answer),
            Err(problem) => shop.limits.unless_our_fault(place, Err(problem)).await,
        }
    }

    /// Lists one's own orders, newest first; admins see everybody's.
    ///
    /// The filters narrow what the caller may see, so a customer who asks for another `user` gets an empty list.
    /// `X-Total-Count` says how many orders fit the filters, `Link` where the other pages are.
    #[oai(path = "/orders", method = "get", operation_id = "listOrders")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// `true`: only one's own, also for an admin.
        mine: Ask<bool>,
        /// Only orders with this status.
        status: Ask<OrderStatus>,
        /// Only orders with this payment status.
        payment_status: Ask<PaymentStatus>,
        /// Only orders of the user with this id; for admins.
        user: Ask<i64>,
        /// Only orders of the user with this e-mail, in any case; for admins.
        email: Ask<String>,
        /// Only the order with this number, in any case: what people quote.
        number: Ask<String>,
        /// Only orders placed on this day or later, in UTC.
        from: Ask<Day>,
        /// Only orders placed on this day or before, in UTC.
        to: Ask<Day>,
        /// `created_at`, `updated_at` or `total_price`, with `-` for the other way round; several, comma-separated.
        /// Default `-created_at`.
        #[oai(validator(
            pattern = "^-?(created_at|updated_at|total_price)(,-?(created_at|updated_at|total_price)){0,2}$"
        ))]
        ordering: Ask<String>,
        /// Which page, from 1.
        page: Ask<i64>,
        /// How many on a page, at most 100.
        per_page: Ask<i64>,
    ) -> ApiResult<List<OrderView>> {
        let mut faults = Faults::default();
        let filter = Filter {
            visible_to: (faults.note(mine.get("mine")).unwrap_or(false) || !by.is_admin()).then_some(by.id),
            user: faults.note(user.get("user")).map(UserId),
            email: faults.note(email.get("email")).map(|typed| accounts::key(typed.trim())),
            number: faults.note(number.get("number")).map(|typed| typed.trim().to_uppercase()),
            placed: list::placed(faults.note(day(&from, "from")), faults.note(day(&to, "to"))),
            status: faults.note(status.get("status")),
            payment_status: faults.note(payment_status.get("payment_status")),
            ordering: faults.note(query::ordering(&ordering, list::COLUMNS)),
        };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.end()?;
        let mut tx = shop.db.read().await?;
        let (orders, total) = list::orders(&mut tx, &filter, page).await?;
        let shown = view::orders(&mut tx, orders).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Shows an order.
    ///
    /// Customers see their own orders, admins all. To see how it changes, follow its events instead of asking again and again.
    #[oai(path = "/orders/:id", method = "get", operation_id = "getOrder")]
    async fn get(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Reply<OrderView>> {
        let mut tx = shop.db.read().await?;
        let order = visible(store::find(&mut tx, id.0).await?, by)?;
        Ok(Reply::json(&view::order(&mut tx, order).await?))
    }

    /// Follows an order as it changes.
    ///
    /// Server-sent events: `order` with an Order and `payment` with a Payment as data, each whole and as it was after a
    /// change, as `GET` answers it, but for what a buyer pays with. A new stream begins with how things stand, so no other request is needed. When
    /// the stream ends (the network, a server that is replaced, a session that ended), open it again with the `id` of the
    /// last event as `Last-Event-ID`, at any server of the shop: it goes on with what came after, and misses nothing. With
    /// an id that is unknown or too old it begins anew.
    ///
    /// `EventSource` of browsers cannot send the token; read the stream with `fetch`. Comment lines every 15 seconds keep
    /// the connection open. A user may have 20 streams open, and a browser six connections to one server: share one stream
    /// of an order among the parts of a page.
    ///
    /// Problems: `too_many_streams`.
    #[oai(path = "/orders/:id/events", method = "get", operation_id = "followOrder")]
    #[allow(clippy::too_many_arguments)] // one for each thing it hears of
    async fn events(
        &self,
        shop: Data<&Shop>,
        stopping: Data<&Stopping>,
        request: &Request,
        by: SignedIn,
        id: Path<OrderId>,
        /// The `id` of the last event that was seen. Left out: begin with how things stand.
        #[oai(name = "Last-Event-ID")]
        last_seen: Header<Option<String>>,
    ) -> ApiResult<Events> {
        let order = visible(store::find(&mut shop.db.read().await?, id.0).await?, by)?;
        // First the place, then the beginning: what happens in between is heard of.
        let follower = shop.part::<Arc<Followers>>().follow(by.id, order.id)?;
        let token = accounts::bearer(request).unwrap_or_default();
        stream::open(&shop, follower, order.id, token, last_seen.as_deref(), stopping.0.0.clone(), Peer::of(request))
            .await
    }

    /// Replaces an order's shipping address.
    ///
    /// While it is `pending` or `confirmed`. Nothing else of an order can be replaced, so an order may be sent back as it was
    /// received. A customer may change 30 addresses an hour; one that is as it was before is no change.
    ///
    /// Problems: `order_already_shipped`, `order_cancelled`, `rate_limited`.
    #[oai(path = "/orders/:id", method = "put", operation_id = "replaceOrder")]
    async fn replace(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        id: Path<OrderId>,
        body: Body<OrderInput>,
    ) -> ApiResult<Reply<OrderView>> {
        let place = place_of_change(&shop, by).await?;
        let address = body.judged().await.map(|input| Some(input.shipping_address));
        change_address(&shop, by, id.0, address, place).await
    }

    /// Changes an order's shipping address.
    ///
    /// While it is `pending` or `confirmed`. A customer may change 30 addresses an hour; one that is as it was before is no
    /// change.
    ///
    /// Problems: `order_already_shipped`, `order_cancelled`, `rate_limited`.
    #[oai(path = "/orders/:id", method = "patch", operation_id = "changeOrder")]
    async fn change(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        id: Path<OrderId>,
        body: Body<OrderPatch>,
    ) -> ApiResult<Reply<OrderView>> {
        let place = place_of_change(&shop, by).await?;
        let address = body.judged().await.map(|input| input.shipping_address);
        change_address(&shop, by, id.0, address, place).await
    }

    /// Cancels an order that has not shipped. Its stock returns, and what was paid is refunded.
    ///
    /// A review that its buyer wrote of a product that is in no other order of theirs is deleted. Cancelling again gives the
    /// same answer.
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

    /// Moves an order forward.
    ///
    /// `pending → confirmed → shipped → delivered`, also over steps, never back; `cancelled` from the first two. The buyer
    /// hears of the new status by e-mail, and whoever follows the order at once.
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
        let change = body.judged().await;
        let mut tx = shop.db.write().await?;
        let order = store::lock(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let status = change?.status.to_lowercase();
        let status: OrderStatus =
            status.parse().map_err(|why: String| Problem::invalid_field("status", "enum", why))?;
        let shown = super::advance(&mut tx, order, status, shop.now()).await?;
        if status == OrderStatus::Cancelled {
            commit_cancelled(&shop, tx, &shown).await?;
        } else {
            tx.commit().await?;
        }
        Ok(Reply::json(&shown))
    }
}

/// What came of a request for an order.
enum Placed {
    Now(Created<OrderView>),
    /// By an earlier request with the same key.
    Before(Stored),
}

async fn place_once(shop: &Shop, buyer: UserId, once: &Once, input: CheckoutInput) -> ApiResult<Placed> {
    let mut tx = shop.db.write().await?;
    if let Some(stored) = once.answered(&mut tx, shop.now()).await? {
        return Ok(Placed::Before(stored));
    }
    let checkout = input.checkout(&mut tx, shop).await?;
    let placed = super::place(&mut tx, shop, buyer, checkout).await?;
    let answer = json_bytes(&placed);
    once.keep(&mut tx, &answer).await?;
    commit_and_forget(shop, tx, &placed).await?;
    Ok(Placed::Now(Created::bytes(answer).header("location", &format!("/api/orders/{}", placed.id))))
}

fn day(asked: &Ask<Day>, name: &str) -> ApiResult<Option<Day>> {
    asked.get(name).map_err(|_| Problem::invalid_field(name, "date", "must be a date like 2026-01-31"))
}

/// Somebody else's order is as unknown as one that does not exist.
fn visible(order: Option<Order>, by: SignedIn) -> ApiResult<Order> {
    order.filter(|order| order.user_id == by.id || by.is_admin()).ok_or_else(Problem::not_found)
}

/// Admins, who may change everybody's addresses, may do so as often as they like.
async fn place_of_change(shop: &Shop, by: SignedIn) -> ApiResult<Place> {
    if by.is_admin() { Ok(Place::None) } else { shop.limits.take(&ADDRESS_CHANGES, &by.id.to_string()).await }
}

/// Only what changes something keeps its place.
async fn change_address(
    shop: &Shop,
    by: SignedIn,
    id: OrderId,
    address: ApiResult<Option<String>>,
    place: Place,
) -> ApiResult<Reply<OrderView>> {
    let outcome = set_address(shop, by, id, address).await;
    if !matches!(outcome, Ok((_, true))) {
        shop.limits.give_back(place).await;
    }
    outcome.map(|(shown, _)| Reply::json(&shown))
}

/// The order, and whether its address has changed. What is wrong with the body is told only after the order was found.
async fn set_address(
    shop: &Shop,
    by: SignedIn,
    id: OrderId,
    address: ApiResult<Option<String>>,
) -> ApiResult<(OrderView, bool)> {
    let mut tx = shop.db.write().await?;
    let order = visible(store::lock(&mut tx, id).await?, by)?;
    let (shown, changed) = match address? {
        None => (view::order(&mut tx, order).await?, false),
        // An order without an address may be sent back as it was received.
        Some(address) if address.trim().is_empty() && !order.shipping_address.is_empty() => {
            return Err(Problem::invalid_field("shipping_address", "required", "must not be blank"));
        }
        Some(address) => {
            let changed = address != order.shipping_address;
            (super::change_address(&mut tx, order, address, shop.now()).await?, changed)
        }
    };
    tx.commit().await?;
    Ok((shown, changed))
}

async fn cancel(shop: &Shop, by: SignedIn, id: OrderId) -> ApiResult<OrderView> {
    let mut tx = shop.db.write().await?;
    let order = visible(store::lock(&mut tx, id).await?, by)?;
    let cancelled = super::cancel(&mut tx, order, shop.now()).await?;
    commit_cancelled(shop, tx, &cancelled).await?;
    Ok(cancelled)
}

/// The stock of the order's products has changed.
async fn commit_and_forget(shop: &Shop, tx: Tx, order: &OrderView) -> ApiResult<()> {
    let parts: Vec<Part> = order.items.iter().map(|line| Part::Product(line.product)).collect();
    Ok(shop.commit_and_forget(tx, &parts).await?)
}

/// The same of a cancelled order. The rating of a review that went with it showed in lists, too.
async fn commit_cancelled(shop: &Shop, tx: Tx, order: &OrderView) -> ApiResult<()> {
    let products = order.items.iter().map(|line| Part::Product(line.product));
    let parts: Vec<Part> = products.chain([Part::ProductLists]).collect();
    Ok(shop.commit_and_forget(tx, &parts).await?)
}
