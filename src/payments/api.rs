//! The endpoints of payments.

use platform::{
    db::Tx,
    http::{
        body::Body,
        client_address::ClientAddress,
        idempotency::{Idempotency, Location, Outcome},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::OptionalQuery,
        reply::{Accepted, List, Reply},
    },
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::{Payment, attempts, limits, store, view::PaymentView};
use crate::{
    accounts::SignedIn,
    orders,
    shop::{
        Provider, Shop,
        ids::{OrderId, PaymentId},
        tags::Tag,
    },
};

/// A new payment for an order.
#[derive(Object)]
struct PaymentInput {
    /// The id of the order. It must be the customer's own.
    order: OrderId,
    /// The payment provider. Default: the order's payment method.
    #[oai(nullable)]
    provider: Option<Provider>,
    /// The payment method to charge, as the provider identifies it, e.g. Stripe's `pm_…`. Without it, the buyer chooses
    /// one in the browser with the payment's `client_secret`.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    payment_method: Option<String>,
}

/// A payment of one's own order; an admin sees everybody's.
pub(super) async fn visible(tx: &mut Tx, by: SignedIn, id: PaymentId) -> ApiResult<Payment> {
    let payment = store::find(tx, id).await?.ok_or_else(Problem::not_found)?;
    let order = orders::find(tx, payment.order_id).await?;
    let visible = order.is_some_and(|order| order.user_id == by.id || by.is_admin());
    if visible { Ok(payment) } else { Err(Problem::not_found()) }
}

pub struct PaymentsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Payments")]
impl PaymentsApi {
    /// Creates a payment for an order.
    ///
    /// Returns immediately; the payment is sent to the provider in the background. An order can have one open payment
    /// at a time; after a failed one, create another. From the third declined payment of an order on, the next one must
    /// wait: 10 seconds, then 30 seconds, 1, 5 and 15 minutes, and finally an hour. The number of payments per hour is
    /// limited for each user and each IP address; rejected requests do not count. `Retry-After` has the number of
    /// seconds to wait.
    ///
    /// Problems: `already_paid`, `order_cancelled`, `payment_in_progress`, `provider_not_configured`, `rate_limited`.
    #[oai(path = "/payments", method = "post", operation_id = "createPayment")]
    async fn create(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        from: ClientAddress,
        /// A unique key for this operation, 1 to 255 printable ASCII characters, for example a UUID. A repeated request
        /// with the same key returns the first response. Keys expire after 24 hours.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<PaymentInput>,
    ) -> ApiResult<Accepted<PaymentView>> {
        let location = Location::In("/api/payments");
        let idempotency = Idempotency::of(request, "/api/payments", location, body.bytes(), by.id.0)?;
        let permits = match limits::acquire(&shop, by.id, from).await {
            Ok(permits) => permits,
            Err(refused) => return idempotency.replay_or(refused, &shop.db).await,
        };
        let outcome = create_once(&shop, by, &idempotency, &body).await;
        if !outcome.as_ref().is_ok_and(Outcome::is_completed) {
            permits.release(&shop).await;
        }
        Ok(outcome?.response())
    }

    /// Lists the payments of the customer's own orders, or of all orders for admins.
    ///
    /// Newest first. An order has several payments if earlier ones failed.
    #[oai(path = "/payments", method = "get", operation_id = "listPayments")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// Only payments of the order with this id.
        order: OptionalQuery<i64>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<PaymentView>> {
        let (order, page) = (order.get("order")?.map(OrderId), Page::from_query(&page, &per_page)?);
        let of = (!by.is_admin()).then_some(by.id);
        let (payments, total) = store::list(&mut shop.db.read().await?, of, order, page.size, page.offset()).await?;
        let shown = payments.into_iter().map(|payment| PaymentView::of(payment, &shop)).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Returns a payment.
    ///
    /// Poll until its status is `captured`, `failed`, `cancelled` or `refunded`, or follow the order's events.
    #[oai(path = "/payments/:id", method = "get", operation_id = "getPayment")]
    async fn get(&self, shop: Data<&Shop>, by: SignedIn, id: Path<PaymentId>) -> ApiResult<Reply<PaymentView>> {
        Ok(Reply::json(&PaymentView::of(visible(&mut shop.db.read().await?, by, id.0).await?, &shop)))
    }
}

async fn create_once(
    shop: &Shop,
    by: SignedIn,
    idempotency: &Idempotency,
    body: &Body<PaymentInput>,
) -> ApiResult<Outcome<PaymentView, 202>> {
    let input = body.parse().await?;
    let mut tx = shop.db.write().await?;
    let create = async |tx: &mut Tx| {
        let order = orders::lock(tx, input.order).await?.filter(|order| order.user_id == by.id || by.is_admin());
        let order =
            order.ok_or_else(|| Problem::invalid_field("order", "unknown", "must be the id of an existing order"))?;
        let provider = input.provider.unwrap_or(order.payment_method);
        let payment = super::create(tx, shop, &order, provider, input.payment_method, shop.now()).await?;
        Ok(PaymentView::from(payment))
    };
    let outcome = idempotency.run(&mut tx, shop.now(), create).await?;
    if let Outcome::Completed(payment, _) = &outcome {
        tx.commit().await?;
        attempts::count_accepted(payment.provider);
    }
    Ok(outcome)
}
