//! The endpoints to list and show orders, subscribe to their events, and change their addresses.

use std::{sync::Arc, time::Duration};

use platform::{
    day::Day,
    http::{
        body::Body,
        connection::Peer,
        limits::{Limit, Permit},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, OptionalQuery},
        reply::{List, Reply},
        server::Shutdown,
    },
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::{
    OrderStatus, PaymentStatus,
    events::{
        stream::{self, Events},
        subscribers::Subscribers,
    },
    list::{self, OrderFilter},
    store,
    view::{self, OrderView},
};
use crate::{
    accounts::{self, SignedIn},
    shop::{
        Shop,
        ids::{OrderId, UserId},
        tags::Tag,
    },
};

/// The fields of an order that can be replaced.
#[derive(Object)]
struct OrderInput {
    /// The shipping address, in one or more lines. Must not be blank, unless the order has no address.
    #[oai(validator(max_length = 1000))]
    shipping_address: String,
}

/// The fields of the order to change. A field left out keeps its value.
#[derive(Object)]
struct OrderPatch {
    /// The shipping address, in one or more lines. Must not be blank, unless the order has no address.
    #[oai(validator(max_length = 1000))]
    shipping_address: Option<String>,
}

/// Per user. Each change inserts an event.
const ADDRESS_CHANGES: Limit =
    Limit::new("address_changes", 30, Duration::from_hours(1), "Too many changes of shipping addresses.");

pub struct OrdersApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Orders")]
impl OrdersApi {
    /// Lists the customer's own orders, or all orders for admins.
    ///
    /// Newest first. Filters only narrow what the caller may see, so a customer who filters by another `user` gets an
    /// empty list. `X-Total-Count` has the number of matching orders, `Link` the URLs of the other pages.
    #[oai(path = "/orders", method = "get", operation_id = "listOrders")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// If `true`, only the caller's own orders, for admins too.
        mine: OptionalQuery<bool>,
        /// Only orders with this status.
        status: OptionalQuery<OrderStatus>,
        /// Only orders with this payment status.
        payment_status: OptionalQuery<PaymentStatus>,
        /// Only orders of the user with this id. For admins.
        user: OptionalQuery<i64>,
        /// Only orders of the user with this e-mail address, ignoring case. For admins.
        email: OptionalQuery<String>,
        /// Only the order with this order number, ignoring case.
        number: OptionalQuery<String>,
        /// Only orders placed on or after this day, in UTC.
        from: OptionalQuery<Day>,
        /// Only orders placed on or before this day, in UTC.
        to: OptionalQuery<Day>,
        /// The sort order: `created_at`, `updated_at` or `total_price`, prefixed with `-` for descending. Separate
        /// several fields by commas. Default: `-created_at`.
        #[oai(validator(
            pattern = "^-?(created_at|updated_at|total_price)(,-?(created_at|updated_at|total_price)){0,2}$"
        ))]
        ordering: OptionalQuery<String>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<OrderView>> {
        let mut errors = ValidationErrors::default();
        let filter = OrderFilter {
            visible_to: (errors.note(mine.get("mine")).unwrap_or(false) || !by.is_admin()).then_some(by.id),
            user: errors.note(user.get("user")).map(UserId),
            email: errors.note(email.get("email")).map(|typed| accounts::lookup_key(typed.trim())),
            number: errors.note(number.get("number")).map(|typed| typed.trim().to_uppercase()),
            placed: list::placed_between(errors.note(day(&from, "from")), errors.note(day(&to, "to"))),
            status: errors.note(status.get("status")),
            payment_status: errors.note(payment_status.get("payment_status")),
            ordering: errors.note(query::ordering(&ordering, list::COLUMNS)),
        };
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let mut tx = shop.db.read().await?;
        let (orders, total) = list::orders(&mut tx, &filter, page).await?;
        let shown = view::orders(&mut tx, orders).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Returns an order.
    ///
    /// Customers can see their own orders, admins all orders. To follow the status, use the order's events instead of
    /// polling.
    #[oai(path = "/orders/:id", method = "get", operation_id = "getOrder")]
    async fn get(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Reply<OrderView>> {
        let mut tx = shop.db.read().await?;
        let order = super::visible(store::find(&mut tx, id.0).await?, by)?;
        Ok(Reply::json(&view::order(&mut tx, order).await?))
    }

    /// Streams the changes of an order.
    ///
    /// Sends server-sent events: `order` with an Order and `payment` with a Payment as data. Each has the complete
    /// object after a change, as returned by `GET`, except that payments lack the fields for the buyer to pay with. A
    /// new stream starts with the current state, so no other request is needed. When the stream ends (network failure,
    /// server restart, end of the session), reconnect to any server of the shop with the `id` of the last event as
    /// `Last-Event-ID`: the stream continues with the events after it. If that id is unknown or too old, the stream
    /// starts again with the current state.
    ///
    /// The browser's `EventSource` cannot send the token; read the stream with `fetch`. A comment line every 15 seconds
    /// keeps the connection open. A user can have 20 open streams, and a browser six connections per server: share one
    /// stream of an order within a page.
    ///
    /// Problems: `too_many_streams`.
    #[oai(path = "/orders/:id/events", method = "get", operation_id = "followOrder")]
    #[allow(clippy::too_many_arguments)] // one for each thing a stream depends on
    async fn events(
        &self,
        shop: Data<&Shop>,
        shutdown: Data<&Shutdown>,
        request: &Request,
        by: SignedIn,
        id: Path<OrderId>,
        /// The `id` of the last event received. Without it, the stream starts with the current state.
        #[oai(name = "Last-Event-ID")]
        last_seen: Header<Option<String>>,
    ) -> ApiResult<Events> {
        let order = super::visible(store::find(&mut shop.db.read().await?, id.0).await?, by)?;
        // Before the first events are read, so that no change in between is missed.
        let subscription = shop.get::<Arc<Subscribers>>().subscribe(by.id, order.id)?;
        let token = accounts::bearer(request).unwrap_or_default();
        let (stop, client) = (shutdown.0.0.clone(), Peer::of(request));
        Ok(stream::open(&shop, subscription, order.id, token, last_seen.as_deref(), stop, client).await?)
    }

    /// Replaces the shipping address of an order.
    ///
    /// Possible while the order is `pending` or `confirmed`. Other fields are ignored, so an order can be sent back as
    /// it was received. A customer can change 30 addresses an hour; requests that change nothing do not count.
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
        let permit = acquire_address_change(&shop, by).await?;
        let address = body.parse().await.map(|input| Some(input.shipping_address));
        change_address(&shop, by, id.0, address, permit).await
    }

    /// Updates the shipping address of an order.
    ///
    /// Possible while the order is `pending` or `confirmed`. A customer can change 30 addresses an hour; requests that
    /// change nothing do not count.
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
        let permit = acquire_address_change(&shop, by).await?;
        let address = body.parse().await.map(|input| input.shipping_address);
        change_address(&shop, by, id.0, address, permit).await
    }
}

fn day(parameter: &OptionalQuery<Day>, name: &str) -> ApiResult<Option<Day>> {
    parameter.get(name).map_err(|_| Problem::invalid_field(name, "date", "must be a date like 2026-01-31"))
}

/// Admins are not limited.
async fn acquire_address_change(shop: &Shop, by: SignedIn) -> ApiResult<Permit> {
    if by.is_admin() { Ok(Permit::None) } else { shop.limits.take(&ADDRESS_CHANGES, &by.id.to_string()).await }
}

/// A request that changes nothing does not count.
async fn change_address(
    shop: &Shop,
    by: SignedIn,
    id: OrderId,
    address: ApiResult<Option<String>>,
    permit: Permit,
) -> ApiResult<Reply<OrderView>> {
    let outcome = set_address(shop, by, id, address).await;
    if !matches!(outcome, Ok((_, true))) {
        shop.limits.release(permit).await;
    }
    outcome.map(|(shown, _)| Reply::json(&shown))
}

/// Returns the order, and whether its address changed. The body's errors are returned only after the order was found.
async fn set_address(
    shop: &Shop,
    by: SignedIn,
    id: OrderId,
    address: ApiResult<Option<String>>,
) -> ApiResult<(OrderView, bool)> {
    let mut tx = shop.db.write().await?;
    let order = super::visible(store::lock(&mut tx, id).await?, by)?;
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
