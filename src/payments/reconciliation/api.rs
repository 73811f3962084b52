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

/// The result of the latest comparison with the providers' records.
#[derive(Object)]
struct PaymentReconciliation {
    /// When the comparison was made; `null` before the first one.
    checked_at: Option<Timestamp>,
    /// The number of payments compared: those that ended or changed since the previous comparison.
    payments: i64,
    /// All unresolved differences, oldest first, including those of earlier comparisons. They are not repaired
    /// automatically.
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
    /// Returns the differences between the shop's and the providers' records.
    ///
    /// Every ten minutes the payment worker compares what the providers captured and refunded with what the shop
    /// recorded. A difference is listed until a comparison no longer finds it.
    #[oai(path = "/payments/reconciliation", method = "get", operation_id = "getPaymentReconciliation")]
    async fn get(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<PaymentReconciliation>> {
        Ok(Reply::json(&latest(&shop).await?))
    }

    /// Starts a comparison with the providers' records.
    ///
    /// Returns the result of the latest comparison immediately; the payment worker makes the new one in the background.
    /// It covers every payment that ended or changed within the last week, including those compared recently. Poll the
    /// result until `checked_at` changes. A request before that does not start another comparison.
    #[oai(path = "/payments/reconciliation", method = "post", operation_id = "startPaymentReconciliation")]
    async fn start(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Accepted<PaymentReconciliation>> {
        super::request(&shop).await?;
        Ok(Accepted::json(&latest(&shop).await?))
    }
}
