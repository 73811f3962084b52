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

pub struct RefundsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Payments")]
impl RefundsApi {
    /// Lists the refunds of a payment, oldest first.
    ///
    /// Those that somebody made on the provider's own page are among them. One that `failed` moved no money: the payment's
    /// `refunded` does not count it, and an admin may ask for another.
    #[oai(path = "/payments/:id/refunds", method = "get", operation_id = "listRefunds")]
    async fn list(&self, shop: Data<&Shop>, by: SignedIn, id: Path<PaymentId>) -> ApiResult<Reply<Vec<RefundView>>> {
        let mut tx = shop.db.read().await?;
        let payment = visible(&mut tx, by, id.0).await?;
        let refunds = super::of_payment(&mut tx, payment.id).await?;
        let shown: Vec<_> = refunds.into_iter().map(|refund| RefundView::of(refund, payment.currency)).collect();
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
    async fn create(
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
        let location = format!("/api/payments/{}", id.0);
        let path = format!("{location}/refund");
        let idempotency = Idempotency::of(request, path, Location::At(location), body.bytes(), by.0.id.0)?;
        let input = body.judged().await;
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
