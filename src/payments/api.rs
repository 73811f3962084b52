//! The endpoints of payments.

use platform::{
    db::Tx,
    http::{
        body::Body,
        client_address::ClientAddress,
        idempotency::{Idempotency, Location, Outcome},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::Ask,
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

/// Asks for an order to be paid.
#[derive(Object)]
struct PaymentInput {
    /// The id of one's own order.
    order: OrderId,
    /// Default: the order's payment method.
    #[oai(nullable)]
    provider: Option<Provider>,
    /// What the buyer pays with, as the provider names it, e.g. Stripe's `pm_…`. Left out: the buyer chooses in the
    /// browser, with the `client_secret` that the payment shows.
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
    /// Asks for an order to be paid.
    ///
    /// Answers at once; the provider is asked in the background. One payment of an order can be open at a time; after a
    /// failed one a new one may be made. After the third declined payment of an order the next has to wait: 10 seconds,
    /// then 30 seconds, 1, 5 and 15 minutes, at last an hour. A user, and an address, may ask for so many payments an hour;
    /// one that is refused is none of them. `Retry-After` says for how long.
    ///
    /// Problems: `already_paid`, `order_cancelled`, `payment_in_progress`, `provider_not_configured`, `rate_limited`.
    #[oai(path = "/payments", method = "post", operation_id = "createPayment")]
    async fn create(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        from: ClientAddress,
        /// 1 to 255 printable characters, new for each thing you want done. Kept for 24 hours.
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

    /// Lists payments of one's own orders, newest first. Admins see everybody's.
    ///
    /// An order has several when earlier ones failed.
    #[oai(path = "/payments", method = "get", operation_id = "listPayments")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        /// Only those of this order.
        order: Ask<i64>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<PaymentView>> {
        let (order, page) = (order.get("order")?.map(OrderId), Page::asked(&page, &per_page)?);
        let of = (!by.is_admin()).then_some(by.id);
        let (payments, total) = store::list(&mut shop.db.read().await?, of, order, page.size, page.offset()).await?;
        let shown = payments.into_iter().map(|payment| PaymentView::of(payment, &shop)).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Shows a payment.
    ///
    /// Ask again until its status is `captured`, `failed`, `cancelled` or `refunded`; or follow the order's events.
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
    let input = body.judged().await?;
    let mut tx = shop.db.write().await?;
    let create = async |tx: &mut Tx| {
        let order = orders::lock(tx, input.order).await?.filter(|order| order.user_id == by.id || by.is_admin());
        let order =
            order.ok_or_else(|| Problem::invalid_field("order", "unknown", "names an order that does not exist"))?;
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
