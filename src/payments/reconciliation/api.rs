//! The endpoints of reconciliation, for admins.

use platform::{
    clock::Timestamp,
    http::{
        problem::ApiResult,
        reply::{Accepted, Reply},
    },
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi};

use super::Difference;
use crate::{
    accounts::Admin,
    shop::{Shop, tags::Tag},
};

/// What the last comparison with the providers' books found.
#[derive(Object)]
struct PaymentReconciliation {
    /// When it was made; null before the first.
    checked_at: Option<Timestamp>,
    /// How many payments it compared: those that ended or changed since the comparison before.
    payments: i64,
    /// Every difference that stands, oldest first, also of earlier comparisons. None is repaired by itself.
    differences: Vec<Difference>,
}

async fn latest(shop: &Shop) -> ApiResult<PaymentReconciliation> {
    let (run, differences) = super::latest(shop).await?;
    let (checked_at, payments) = run.map_or((None, 0), |(checked_at, payments)| (Some(checked_at), payments));
    Ok(PaymentReconciliation { checked_at, payments, differences })
}

pub struct ReconciliationApi;

#[OpenApi(prefix_path = "/api/admin", tag = "Tag::Admin")]
impl ReconciliationApi {
    /// Shows where our books and the providers' differ.
    ///
    /// The payment worker compares every ten minutes what the providers captured and gave back with what was recorded. A
    /// difference stands until a comparison finds it gone; nothing is repaired in silence.
    #[oai(path = "/payments/reconciliation", method = "get", operation_id = "getPaymentReconciliation")]
    async fn get(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<PaymentReconciliation>> {
        Ok(Reply::json(&latest(&shop).await?))
    }

    /// Has the books compared now.
    ///
    /// Answers at once, with what the last comparison found; the payment worker makes the new one in the background. It
    /// compares every payment that ended or changed within the last week, also what was compared lately. Ask for the
    /// result until `checked_at` has changed. Asked again before that, it is the same comparison.
    #[oai(path = "/payments/reconciliation", method = "post", operation_id = "startPaymentReconciliation")]
    async fn start(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Accepted<PaymentReconciliation>> {
        super::request(&shop).await?;
        Ok(Accepted::json(&latest(&shop).await?))
    }
}
