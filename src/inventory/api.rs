//! What admins see of stock.

use poem::web::Data;
use poem_openapi::{Object, OpenApi};

use super::Mismatch;
use crate::{
    accounts::Admin,
    clock::Timestamp,
    http::{
        problem::{ApiResult, Problem},
        reply::Reply,
        tags::Tag,
    },
    shop::Shop,
};

/// The last comparison of every product's stock with its movements.
#[derive(Object)]
struct Reconciliation {
    /// When it was made; `null` before the first.
    checked_at: Option<Timestamp>,
    /// How many products were compared.
    products: i64,
    /// What did not add up, at most 100. Empty is how it should be.
    mismatches: Vec<Mismatch>,
}

pub struct InventoryApi;

#[OpenApi(prefix_path = "/api")]
impl InventoryApi {
    /// Shows whether all stock adds up.
    ///
    /// The stock worker makes the comparison every minute. It reports differences and repairs nothing.
    #[oai(
        path = "/admin/inventory/reconciliation",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "getReconciliation"
    )]
    async fn reconciliation(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Reconciliation>> {
        let Some((checked_at, products, mismatches)) = super::reconciliation(&shop.db).await? else {
            return Ok(Reply::json(&Reconciliation { checked_at: None, products: 0, mismatches: vec![] }));
        };
        let mismatches = serde_json::from_str(&mismatches).map_err(Problem::internal)?;
        Ok(Reply::json(&Reconciliation { checked_at: Some(checked_at), products, mismatches }))
    }
}
