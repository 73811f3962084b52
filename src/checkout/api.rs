//! The endpoints to place an order, cancel it and change its status.

use std::time::Duration;

use platform::{
    db::Tx,
    http::{
        body::Body,
        described::{Kind, Text},
        idempotency::{Idempotency, Location, Outcome},
        limits::Limit,
        problem::{ApiResult, Problem},
        reply::{Created, Done, Reply},
    },
    money::Amount,
    validation::{FieldError, ValidationErrors},
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    registry::MetaSchema,
};

use super::Checkout;
use crate::{
    accounts::{Admin, SignedIn},
    catalog::Part,
    orders::{self, OrderStatus, view::OrderView, visible},
    shop::{
        Provider, Shop,
        ids::{OrderId, ProductId, UserId},
        tags::Tag,
    },
};

/// What to order: `items`, or without them the cart.
#[derive(Object)]
#[oai(rename = "Checkout", nullable_all)]
struct CheckoutInput {
    /// The shipping address, in one or more lines. Default: the address of the profile. If that is empty too, the order
    /// has none.
    #[oai(validator(max_length = 1000))]
    shipping_address: Option<String>,
    /// How the customer pays. Default: `cash_on_delivery`.
    payment_method: Option<Provider>,
    /// The products to order instead of the cart, which is then not changed. Entries for the same product are added up.
    /// A product that customers cannot see counts as nonexistent.
    #[oai(validator(min_items = 1, max_items = 100))]
    items: Option<Vec<CheckoutItem>>,
    /// The total that the customer was shown. If the current total differs, the order is rejected with 409
    /// `total_changed`.
    expected_total: Option<Amount>,
}

#[derive(Object)]
struct CheckoutItem {
    /// The id of the product.
    product: ProductId,
    /// The number of units, 1 to 9,999.
    #[oai(validator(minimum(value = "1"), maximum(value = "9999")))]
    quantity: i64,
}

/// The new status of an order.
#[derive(Object)]
struct StatusChange {
    /// A later status: `confirmed`, `shipped`, `delivered` or `cancelled`. Upper and lower case are both accepted.
    #[oai(validator(max_length = 20))]
    status: Text<NextStatus>,
}

/// A status that an order can be moved to, in any case.
enum NextStatus {}

impl Kind for NextStatus {
    fn describe(schema: &mut MetaSchema) {
        use OrderStatus::{Cancelled, Confirmed, Delivered, Shipped};
        schema.format = Some("any-case");
        schema.enum_items = [Confirmed, Shipped, Delivered, Cancelled].map(|status| status.as_str().into()).to_vec();
    }
}

impl CheckoutInput {
    /// The validated order. Whether the products exist is checked in the transaction.
    async fn checkout(self, tx: &mut Tx, shop: &Shop) -> ApiResult<Checkout> {
        let mut errors = Vec::new();
        let expected_total = self.expected_total.and_then(|amount| {
            let read = shop.store.currency.parse(&amount);
            read.map_err(|why| errors.push(FieldError::new("expected_total", "amount", why))).ok()
        });
        let items = self.items.map(|items| items.into_iter().map(|item| (item.product, item.quantity)).collect());
        let items: Option<Vec<_>> = items;
        let items = match items {
            Some(items) => Some(super::read_items(tx, shop, &items, errors).await?),
            None => ValidationErrors(errors).into_result().map(|()| None)?,
        };
        Ok(Checkout {
            shipping_address: self.shipping_address,
            payment_method: self.payment_method.unwrap_or(Provider::CashOnDelivery),
            items,
            expected_total,
        })
    }
}

/// Per user. Each order sends e-mails and takes stock, which must not happen without limit.
fn order_limit(shop: &Shop) -> Limit {
    Limit::new(
        "orders",
        shop.get::<orders::Settings>().orders_per_hour,
        Duration::from_hours(1),
        "Too many orders from this account.",
    )
}

pub struct CheckoutApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Orders")]
impl CheckoutApi {
    /// Places an order.
    ///
    /// Orders the cart, which is empty afterwards, or `items`. Prices are read from the catalog, never from the
    /// request. Send an `Idempotency-Key`: repeating the request after a lost response then returns the first order
    /// instead of placing another. An order with a total of 0.00 is `confirmed` and `paid` immediately, whatever its
    /// payment method.
    ///
    /// Problems: `cart_empty`, `out_of_stock`, `product_unavailable`, `total_changed`, `amount_out_of_range`,
    /// `provider_not_configured`, `rate_limited`, `currency_changed`.
    #[oai(path = "/orders", method = "post", operation_id = "placeOrder")]
    async fn place(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// A unique key for this operation, 1 to 255 printable ASCII characters, for example a UUID. A repeated request
        /// with the same key returns the first response. Keys expire after 24 hours.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<CheckoutInput>,
    ) -> ApiResult<Created<OrderView>> {
        let location = Location::In("/api/orders");
        let idempotency = Idempotency::of(request, "/api/orders", location, body.bytes(), by.id.0)?;
        let permit = match shop.limits.take(&order_limit(&shop), &by.id.to_string()).await {
            Ok(permit) => permit,
            Err(refused) => return idempotency.replay_or(refused, &shop.db).await,
        };
        let (permit, input) = shop.limits.release_if_invalid(permit, body.parse().await).await?;
        match place_idempotently(&shop, by.id, &idempotency, input).await {
            Ok(Outcome::Completed(_, response)) => Ok(response),
            Ok(Outcome::Replayed(response)) => {
                shop.limits.release(permit).await;
                Ok(response)
            }
            Err(problem) => shop.limits.release_on_server_error(permit, Err(problem)).await,
        }
    }

    /// Cancels an order that has not shipped.
    ///
    /// Its stock is returned, and captured payments are refunded. The customer's reviews of products that are in no
    /// other order of theirs are deleted. Cancelling again returns the same response.
    ///
    /// Problems: `invalid_transition`, `stock_out_of_range`.
    #[oai(path = "/orders/:id/cancel", method = "post", operation_id = "cancelOrder")]
    async fn cancel(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Reply<OrderView>> {
        Ok(Reply::json(&cancel(&shop, by, id.0).await?))
    }

    /// Cancels an order that has not shipped.
    ///
    /// The same as `POST /api/orders/{id}/cancel`: the order is kept, with the status `cancelled`.
    ///
    /// Problems: `invalid_transition`, `stock_out_of_range`.
    #[oai(path = "/orders/:id", method = "delete", operation_id = "deleteOrder")]
    async fn delete(&self, shop: Data<&Shop>, by: SignedIn, id: Path<OrderId>) -> ApiResult<Done> {
        cancel(&shop, by, id.0).await?;
        Ok(Done::Done)
    }

    /// Updates the status of an order.
    ///
    /// The status moves forward along `pending → confirmed → shipped → delivered`, and can skip steps but never move
    /// back; `pending` and `confirmed` orders can become `cancelled`. The customer is told by e-mail, and event streams
    /// of the order receive the change immediately.
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
        let change = body.parse().await;
        let mut tx = shop.db.write().await?;
        let order = orders::lock(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let status = change?.status.to_lowercase();
        let status: OrderStatus =
            status.parse().map_err(|why: String| Problem::invalid_field("status", "enum", why))?;
        let shown = super::advance(&mut tx, order, status, shop.now()).await?;
        if status == OrderStatus::Cancelled {
            commit_cancellation(&shop, tx, &shown).await?;
        } else {
            tx.commit().await?;
        }
        Ok(Reply::json(&shown))
    }
}

async fn place_idempotently(
    shop: &Shop,
    buyer: UserId,
    idempotency: &Idempotency,
    input: CheckoutInput,
) -> ApiResult<Outcome<OrderView, 201>> {
    let mut tx = shop.db.write().await?;
    let place = async |tx: &mut Tx| {
        let checkout = input.checkout(tx, shop).await?;
        Ok(super::place(tx, shop, buyer, checkout).await?)
    };
    let outcome = idempotency.run(&mut tx, shop.now(), place).await?;
    if let Outcome::Completed(order, _) = &outcome {
        commit_stock_change(shop, tx, order).await?;
    }
    Ok(outcome)
}

async fn cancel(shop: &Shop, by: SignedIn, id: OrderId) -> ApiResult<OrderView> {
    let mut tx = shop.db.write().await?;
    let order = visible(orders::lock(&mut tx, id).await?, by)?;
    let cancelled = super::cancel(&mut tx, order, shop.now()).await?;
    commit_cancellation(shop, tx, &cancelled).await?;
    Ok(cancelled)
}

/// Commits, and invalidates the order's products in the cache: their stock changed.
async fn commit_stock_change(shop: &Shop, tx: Tx, order: &OrderView) -> ApiResult<()> {
    let products = order.items.iter().map(|line| line.product);
    Ok(shop.commit_and_invalidate(tx, &Part::of_stock(products)).await?)
}

/// The same for a cancelled order: a review may have been deleted with it, too, which changes a rating.
async fn commit_cancellation(shop: &Shop, tx: Tx, order: &OrderView) -> ApiResult<()> {
    let products = order.items.iter().map(|line| line.product);
    Ok(shop.commit_and_invalidate(tx, &Part::of_products(products)).await?)
}
