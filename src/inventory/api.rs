//! The endpoints for admins to see and change stock.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, OptionalQuery},
        reply::{List, Reply},
    },
    validation::ValidationErrors,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};

use super::{Mismatch, Movement};
use crate::{
    accounts::Admin,
    catalog::{
        self, Part, Product,
        list::{self, ProductFilter},
    },
    shop::{
        Shop,
        ids::{MovementId, OrderId, ProductId},
        tags::Tag,
    },
};

/// The inventory of a product.
#[derive(Object)]
#[oai(rename = "InventoryItem")]
struct InventoryView {
    /// The id of the product.
    product: ProductId,
    /// The name of the product.
    name: String,
    /// The number of units that can be sold.
    stock: i64,
    /// The number of units that are sold but not shipped: those of `pending` and `confirmed` orders. They are not part
    /// of `stock`; the shelf holds `stock` plus `reserved` units.
    reserved: i64,
}

/// An adjustment of the stock.
#[derive(Object)]
struct Adjustment {
    /// The number of units to add, or to remove if negative. Must not be 0.
    #[oai(validator(minimum(value = "-2147483647"), maximum(value = "2147483647")))]
    delta: i64,
    /// The reason, for example `Two broke in the storeroom`. 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    reason: String,
}

/// The result of a stock count.
#[derive(Object)]
struct Count {
    /// The number of units on the shelf, including those that are sold but not shipped.
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    counted: i64,
    /// The reason, at most 255 characters. Default: `counted`.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    reason: Option<String>,
}

/// A change of a product's stock. The stock is the sum of all its movements.
#[derive(Object)]
#[oai(rename = "StockMovement")]
struct MovementView {
    /// The id of the movement.
    id: MovementId,
    /// The id of the product.
    product: ProductId,
    /// The number of units added, or removed if negative.
    delta: i64,
    /// The reason: a text written by an admin, or `received` (initial stock or import), `adjusted` (an admin set
    /// another stock), `counted` (a stock count), `ordered` (taken by an order), or `returned` (a cancelled order).
    reason: String,
    /// The id of the order that took or returned the units; `null` for other movements.
    order: Option<OrderId>,
    /// When the stock changed.
    created_at: Timestamp,
}

impl From<Movement> for MovementView {
    fn from(movement: Movement) -> Self {
        Self {
            id: movement.id,
            product: movement.product_id,
            delta: movement.delta,
            reason: movement.reason,
            order: movement.order_id,
            created_at: movement.created_at,
        }
    }
}

/// A page of products with the reserved units of each.
async fn inventory_views(tx: &mut Tx, products: Vec<Product>) -> Result<Vec<InventoryView>> {
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    let reserved = super::reserved(tx, &ids).await?;
    let view = |product: Product| InventoryView {
        product: product.id,
        reserved: reserved.get(&product.id).copied().unwrap_or(0),
        name: product.name,
        stock: product.stock,
    };
    Ok(products.into_iter().map(view).collect())
}

/// The latest comparison of every product's stock with its movements.
#[derive(Object)]
struct Reconciliation {
    /// When the comparison was made; `null` before the first one.
    checked_at: Option<Timestamp>,
    /// The number of products that were compared.
    products: i64,
    /// The products whose stock differs from their movements, at most 100. Normally empty.
    mismatches: Vec<Mismatch>,
}

pub struct InventoryApi;

#[OpenApi(prefix_path = "/api/admin/inventory", tag = "Tag::Admin")]
impl InventoryApi {
    /// Lists the inventory of all products.
    ///
    /// Including inactive products. Newest first, or by relevance for a search.
    #[oai(path = "/", method = "get", operation_id = "listInventory")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Words to find, as in `GET /api/products`.
        search: OptionalQuery<String>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<InventoryView>> {
        let mut errors = ValidationErrors::default();
        let terms = list::terms(&errors.note(query::search(&search)));
        let filter = ProductFilter { terms, ..ProductFilter::default() };
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let mut tx = shop.db.read().await?;
        let (products, total) = list::products(&mut tx, &filter, page).await?;
        let shown = inventory_views(&mut tx, products).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Adjusts the stock of a product.
    ///
    /// Adds `delta` to the stock, records a movement with the reason, and returns the product's inventory. Returns 409
    /// `out_of_stock` if there are fewer units than `delta` removes, and 409 `stock_out_of_range` if the stock would
    /// exceed 2,147,483,647. To enter the result of a stock count, use `count` instead.
    ///
    /// Problems: `out_of_stock`, `stock_out_of_range`.
    #[oai(path = "/:product/adjust", method = "post", operation_id = "adjustInventory")]
    async fn adjust(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        product: Path<ProductId>,
        body: Body<Adjustment>,
    ) -> ApiResult<Reply<InventoryView>> {
        let adjustment = body.parse().await;
        let mut tx = shop.db.write().await?;
        let found = catalog::find_product(&mut tx, product.0).await?.ok_or_else(Problem::not_found)?;
        let Adjustment { delta, reason } = adjustment?;
        if delta == 0 {
            return Err(Problem::invalid_field("delta", "nonzero", "must not be 0"));
        }
        let stock = super::adjust(&mut tx, &found, delta, &reason, shop.now()).await?;
        let shown = inventory_views(&mut tx, vec![Product { stock, ..found }]).await?.remove(0);
        shop.commit_and_invalidate(tx, &Part::of_stock([product.0])).await?;
        Ok(Reply::json(&shown))
    }

    /// Sets the stock of a product from a stock count.
    ///
    /// Send the number of units on the shelf, including those that are sold but not shipped: `stock` becomes `counted`
    /// minus `reserved`, even if units were sold while you counted. The difference is recorded as a movement; repeating
    /// the same count changes nothing. If orders reserve more units than were counted, returns 409
    /// `count_below_reserved`, with `reserved`.
    ///
    /// Problems: `count_below_reserved`.
    #[oai(path = "/:product/count", method = "post", operation_id = "countInventory")]
    async fn count(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        product: Path<ProductId>,
        body: Body<Count>,
    ) -> ApiResult<Reply<InventoryView>> {
        let count = body.parse().await;
        let mut tx = shop.db.write().await?;
        let found = catalog::find_product(&mut tx, product.0).await?.ok_or_else(Problem::not_found)?;
        let Count { counted, reason } = count?;
        let (stock, reserved) = super::count(&mut tx, &found, counted, reason.as_deref(), shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_stock([product.0])).await?;
        Ok(Reply::json(&InventoryView { product: found.id, name: found.name, stock, reserved }))
    }

    /// Lists stock movements.
    ///
    /// Newest first. Every change of the stock is listed with its reason.
    #[oai(path = "/movements", method = "get", operation_id = "listMovements")]
    async fn movements(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only movements of the product with this id.
        product: OptionalQuery<i64>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<MovementView>> {
        let mut errors = ValidationErrors::default();
        let product = errors.note(product.get("product")).map(ProductId);
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let mut tx = shop.db.read().await?;
        let (movements, total) = super::movements(&mut tx, product, page.size, page.offset()).await?;
        let shown = movements.into_iter().map(MovementView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Returns the result of the latest stock comparison.
    ///
    /// The stock worker compares every product's stock with its movements every minute. Differences are reported, not
    /// repaired.
    #[oai(path = "/reconciliation", method = "get", operation_id = "getReconciliation")]
    async fn reconciliation(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Reconciliation>> {
        let Some((checked_at, products, mismatches)) = super::reconciliation(&shop.db).await? else {
            return Ok(Reply::json(&Reconciliation { checked_at: None, products: 0, mismatches: vec![] }));
        };
        let mismatches = serde_json::from_str(&mismatches).map_err(Problem::internal)?;
        Ok(Reply::json(&Reconciliation { checked_at: Some(checked_at), products, mismatches }))
    }
}
