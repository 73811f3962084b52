//! The endpoints of payments.

use platform::{
    db::Tx,
    http::{
        HttpSettings,
        body::{self, Body},
        client_address::ClientAddress,
        idempotency::{Once, Stored},
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::Ask,
        reply::{Accepted, List, Reply, json_bytes},
    },
    money::{Amount, Currency, Money},
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Binary,
};

use super::{
    Payment, attempts,
    refunds::{self, RefundView},
    store,
    view::PaymentView,
    webhooks,
};
use crate::{
    accounts::{Admin, SignedIn},
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

/// How much money is to go back.
#[derive(Object)]
#[oai(nullable_all)]
struct RefundInput {
    /// More than nothing. Default: all that is left.
    amount: Option<Amount>,
}

fn read_amount(currency: Currency, amount: &Amount) -> ApiResult<Money> {
    let money = currency.parse(amount).map_err(|why| Problem::invalid_field("amount", "amount", why))?;
    if money == Money(0) {
        return Err(Problem::invalid_field("amount", "minimum", "must be more than nothing"));
    }
    Ok(money)
}

/// A payment of one's own order; an admin sees everybody's.
async fn visible(tx: &mut Tx, by: SignedIn, id: PaymentId) -> ApiResult<Payment> {
    let payment = store::find(tx, id).await?.ok_or_else(Problem::not_found)?;
    let order = orders::find(tx, payment.order_id).await?;
    let visible = order.is_some_and(|order| order.user_id == by.id || by.is_admin());
    if visible { Ok(payment) } else { Err(Problem::not_found()) }
}

/// The event was kept, now or before.
#[derive(Object)]
struct Received {
    received: bool,
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
        let once = Once::of(request, "/api/payments", body.bytes(), by.id.0)?;
        let places = match attempts::take_places(&shop, by.id, from).await {
            Ok(places) => places,
            // Who lost the answer to the last payment they may ask for gets it all the same.
            Err(refused) => {
                let stored = once.given_before(&mut shop.db.read().await?).await?;
                return stored.map(|stored| stored.replay("/api/payments")).ok_or(refused);
            }
        };
        let asked = ask_once(&shop, by, &once, &body).await;
        if !matches!(asked, Ok(Asked::Now(_))) {
            places.give_back(&shop).await;
        }
        match asked? {
            Asked::Now(answer) => Ok(answer),
            Asked::Before(stored) => Ok(stored.replay("/api/payments")),
        }
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

    /// Lists the refunds of a payment, oldest first.
    ///
    /// Those that somebody made on the provider's own page are among them. One that `failed` moved no money: the payment's
    /// `refunded` does not count it, and an admin may ask for another.
    #[oai(path = "/payments/:id/refunds", method = "get", operation_id = "listRefunds")]
    async fn refunds(&self, shop: Data<&Shop>, by: SignedIn, id: Path<PaymentId>) -> ApiResult<Reply<Vec<RefundView>>> {
        let mut tx = shop.db.read().await?;
        let payment = visible(&mut tx, by, id.0).await?;
        let made = store::refunds_of(&mut tx, payment.id).await?;
        let shown: Vec<_> = made.into_iter().map(|refund| RefundView::of(refund, payment.currency)).collect();
        Ok(Reply::json(&shown))
    }

    /// Gives money back, all of it or a part.
    ///
    /// Answers at once; the provider is asked in the background, and the payment shows how much has gone back. Never more
    /// than was captured goes back. A full refund cancels the order if it has not shipped, and its stock returns. Send an
    /// `Idempotency-Key`: the same request again then gives the first answer instead of a second refund.
    ///
    /// Problems: `not_captured`, `already_refunded`, `refund_exceeds_payment`.
    #[oai(path = "/payments/:id/refund", method = "post", operation_id = "refundPayment")]
    async fn refund(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: Admin,
        id: Path<PaymentId>,
        /// 1 to 255 printable characters, new for each thing you want done. Kept for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<RefundInput>,
    ) -> ApiResult<Accepted<RefundView>> {
        let once = Once::of(request, format!("/api/payments/{}/refund", id.0), body.bytes(), by.0.id.0)?;
        let input = body.judged().await;
        let mut tx = shop.db.write().await?;
        let payment = store::find(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let input = input?;
        let amount = input.amount.map(|amount| read_amount(payment.currency, &amount)).transpose()?;
        let location = format!("/api/payments/{}", payment.id);
        if let Some(stored) = once.answered(&mut tx, shop.now()).await? {
            return Ok(stored.again(&location));
        }
        let (refund, payment) = refunds::ask(&mut tx, id.0, amount, shop.now()).await?;
        let answer = json_bytes(&RefundView::of(refund, payment.currency));
        once.keep(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(Accepted::bytes(answer).header("location", &location))
    }

    /// Takes what Stripe tells. For Stripe, not for frontends.
    ///
    /// The signature is checked on the raw body. An event is kept once; it is acted on in the background.
    ///
    /// Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`.
    #[oai(path = "/payments/webhooks/stripe", method = "post", operation_id = "receiveStripeWebhook")]
    async fn stripe_webhook(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        sender: ClientAddress,
        body: Binary<poem::Body>,
    ) -> ApiResult<Reply<Received>> {
        receive(&shop, request, sender, Provider::Stripe, body).await
    }

    /// Takes what PayPal tells. For PayPal, not for frontends.
    ///
    /// PayPal is asked whether the signature is its own, but not about what lacks one of PayPal's five headers, nor about
    /// more from an address that sent a hundred forged ones within ten minutes. An event is kept once; it is acted on in the
    /// background.
    ///
    /// Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`, `provider_unavailable`, `rate_limited`.
    #[oai(path = "/payments/webhooks/paypal", method = "post", operation_id = "receivePaypalWebhook")]
    async fn paypal_webhook(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        sender: ClientAddress,
        body: Binary<poem::Body>,
    ) -> ApiResult<Reply<Received>> {
        receive(&shop, request, sender, Provider::Paypal, body).await
    }

    /// Takes what Razorpay tells. For Razorpay, not for frontends.
    ///
    /// The signature is checked on the raw body. An event is kept once; it is acted on in the background.
    ///
    /// Problems: `malformed_json`, `invalid_signature`, `provider_not_configured`.
    #[oai(path = "/payments/webhooks/razorpay", method = "post", operation_id = "receiveRazorpayWebhook")]
    async fn razorpay_webhook(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        sender: ClientAddress,
        body: Binary<poem::Body>,
    ) -> ApiResult<Reply<Received>> {
        receive(&shop, request, sender, Provider::Razorpay, body).await
    }
}

/// What came of asking for a payment.
enum Asked {
    Now(Accepted<PaymentView>),
    /// By an earlier request with the same key.
    Before(Stored),
}

async fn ask_once(shop: &Shop, by: SignedIn, once: &Once, body: &Body<PaymentInput>) -> ApiResult<Asked> {
    let input = body.judged().await?;
    let mut tx = shop.db.write().await?;
    if let Some(stored) = once.answered(&mut tx, shop.now()).await? {
        return Ok(Asked::Before(stored));
    }
    let order = orders::lock(&mut tx, input.order).await?.filter(|order| order.user_id == by.id || by.is_admin());
    let order =
        order.ok_or_else(|| Problem::invalid_field("order", "unknown", "names an order that does not exist"))?;
    let provider = input.provider.unwrap_or(order.payment_method);
    let payment = super::begin(&mut tx, shop, &order, provider, input.payment_method, shop.now()).await?;
    let location = format!("/api/payments/{}", payment.id);
    let answer = json_bytes(&PaymentView::from(payment));
    once.keep(&mut tx, &answer).await?;
    tx.commit().await?;
    attempts::count_accepted(provider);
    Ok(Asked::Now(Accepted::bytes(answer).header("location", &location)))
}

async fn receive(
    shop: &Shop,
    request: &Request,
    sender: ClientAddress,
    provider: Provider,
    body: Binary<poem::Body>,
) -> ApiResult<Reply<Received>> {
    let bytes = body::read(request, &mut poem::RequestBody::new(body.0), HttpSettings::of(request)?.body_limit).await?;
    webhooks::receive(shop, provider, sender, request.headers(), &bytes).await?;
    Ok(Reply::json(&Received { received: true }))
}
