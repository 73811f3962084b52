//! The endpoints to list and show orders, subscribe to their events, and change their addresses.

use std::{sync::Arc, time::Duration};

use platform::{
    day::Day,
    http::{
        body::Body,
        connection::Peer,
        limits::{Limit, Place},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, Ask},
        reply::{List, Reply},
        server::Stopping,
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
    list::{self, Filter},
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

/// Per user. Each change inserts an event.
const ADDRESS_CHANGES: Limit =
    Limit::new("address_changes", 30, Duration::from_hours(1), "Too many addresses of orders were changed.");

pub struct OrdersApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Orders")]
impl OrdersApi {
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
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<OrderView>> {
        let mut faults = ValidationErrors::default();
        let filter = Filter {
            visible_to: (faults.note(mine.get("mine")).unwrap_or(false) || !by.is_admin()).then_some(by.id),
            user: faults.note(user.get("user")).map(UserId),
            email: faults.note(email.get("email")).map(|typed| accounts::lookup_key(typed.trim())),
            number: faults.note(number.get("number")).map(|typed| typed.trim().to_uppercase()),
            placed: list::placed_between(faults.note(day(&from, "from")), faults.note(day(&to, "to"))),
            status: faults.note(status.get("status")),
            payment_status: faults.note(payment_status.get("payment_status")),
            ordering: faults.note(query::ordering(&ordering, list::COLUMNS)),
        };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
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
        let order = super::visible(store::find(&mut tx, id.0).await?, by)?;
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
    #[allow(clippy::too_many_arguments)] // one for each thing a stream depends on
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
        let order = super::visible(store::find(&mut shop.db.read().await?, id.0).await?, by)?;
        // Before the first events are read, so that no change in between is missed.
        let subscription = shop.part::<Arc<Subscribers>>().subscribe(by.id, order.id)?;
        let token = accounts::bearer(request).unwrap_or_default();
        let (stop, client) = (stopping.0.0.clone(), Peer::of(request));
        Ok(stream::open(&shop, subscription, order.id, token, last_seen.as_deref(), stop, client).await?)
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
        let place = acquire_address_change(&shop, by).await?;
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
        let place = acquire_address_change(&shop, by).await?;
        let address = body.judged().await.map(|input| input.shipping_address);
        change_address(&shop, by, id.0, address, place).await
    }
}

fn day(asked: &Ask<Day>, name: &str) -> ApiResult<Option<Day>> {
    asked.get(name).map_err(|_| Problem::invalid_field(name, "date", "must be a date like 2026-01-31"))
}

/// Admins are not limited.
async fn acquire_address_change(shop: &Shop, by: SignedIn) -> ApiResult<Place> {
    if by.is_admin() { Ok(Place::None) } else { shop.limits.take(&ADDRESS_CHANGES, &by.id.to_string()).await }
}

/// A request that changes nothing does not count.
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
