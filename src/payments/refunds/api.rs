//! The endpoints of refunds.

use platform::{
    db::Tx,
    http::{
        body::Body,
        idempotency::{Idempotency, Location},
        problem::{ApiResult, Problem},
        reply::{Accepted, Reply},
    },
    money::{Amount, Currency, Money},
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};

use super::view::RefundView;
use crate::{
    accounts::{Admin, SignedIn},
    payments::{self, api::visible},
    shop::{Shop, ids::PaymentId, tags::Tag},
};

/// The amount to refund.
#[derive(Object)]
#[oai(nullable_all)]
struct RefundInput {
    /// The amount, greater than 0. Default: all that is left of the captured amount.
    amount: Option<Amount>,
}

fn read_amount(currency: Currency, amount: &Amount) -> ApiResult<Money> {
    let money = currency.parse(amount).map_err(|why| Problem::invalid_field("amount", "amount", why))?;
    if money == Money(0) {
        return Err(Problem::invalid_field("amount", "minimum", "must be greater than 0"));
    }
    Ok(money)
}

pub struct RefundsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Payments")]
impl RefundsApi {
    /// Lists the refunds of a payment, oldest first.
    ///
    /// Includes refunds made in the provider's dashboard. A `failed` refund moved no money: it does not count in the
    /// payment's `refunded`, and an admin can create another.
    #[oai(path = "/payments/:id/refunds", method = "get", operation_id = "listRefunds")]
    async fn list(&self, shop: Data<&Shop>, by: SignedIn, id: Path<PaymentId>) -> ApiResult<Reply<Vec<RefundView>>> {
        let mut tx = shop.db.read().await?;
        let payment = visible(&mut tx, by, id.0).await?;
        let refunds = super::of_payment(&mut tx, payment.id).await?;
        let shown: Vec<_> = refunds.into_iter().map(|refund| RefundView::of(refund, payment.currency)).collect();
        Ok(Reply::json(&shown))
    }

    /// Refunds a payment fully or partially.
    ///
    /// Returns immediately; the provider is called in the background, and the payment's `refunded` shows how much was
    /// refunded. At most the captured amount can be refunded. A full refund cancels the order if it has not shipped,
    /// and returns its stock. Send an `Idempotency-Key`: repeating the request then returns the first response instead
    /// of creating another refund.
    ///
    /// Problems: `not_captured`, `already_refunded`, `refund_exceeds_payment`.
    #[oai(path = "/payments/:id/refund", method = "post", operation_id = "refundPayment")]
    async fn create(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: Admin,
        id: Path<PaymentId>,
        /// A unique key for this operation, 1 to 255 printable ASCII characters, for example a UUID. A repeated request
        /// with the same key returns the first response. Keys expire after 24 hours.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<RefundInput>,
    ) -> ApiResult<Accepted<RefundView>> {
        let location = format!("/api/payments/{}", id.0);
        let path = format!("{location}/refund");
        let idempotency = Idempotency::of(request, path, Location::At(location), body.bytes(), by.0.id.0)?;
        let input = body.parse().await;
        let mut tx = shop.db.write().await?;
        let payment = payments::find(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        let input = input?;
        let amount = input.amount.map(|amount| read_amount(payment.currency, &amount)).transpose()?;
        let create = async |tx: &mut Tx| {
            let (refund, payment) = super::create(tx, id.0, amount, shop.now()).await?;
            Ok(RefundView::of(refund, payment.currency))
        };
        let outcome = idempotency.run(&mut tx, shop.now(), create).await?;
        if outcome.is_completed() {
            tx.commit().await?;
        }
        Ok(outcome.response())
    }
}
