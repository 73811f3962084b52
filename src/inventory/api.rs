//! The endpoints for admins to see and change stock.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, Ask},
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
        list::{self, Filter},
    },
    shop::{
        Shop,
        ids::{MovementId, OrderId, ProductId},
        tags::Tag,
    },
};

/// A product as the storeroom sees it.
#[derive(Object)]
#[oai(rename = "InventoryItem")]
struct InventoryView {
    /// The id of the product.
    product: ProductId,
    name: String,
    /// How many can be sold.
    stock: i64,
    /// How many are sold and not sent yet: those of orders that are `pending` or `confirmed`. They are no part of `stock`:
    /// on the shelf lie `stock` and `reserved` together.
    reserved: i64,
}

/// A correction of the stock.
#[derive(Object)]
struct Adjustment {
    /// How many more there are, or with a `-` how many less; not 0.
    #[oai(validator(minimum(value = "-2147483647"), maximum(value = "2147483647")))]
    delta: i64,
    /// Why, in your own words: `Two broke in the storeroom`.
    #[oai(validator(min_length = 1, max_length = 255))]
    reason: String,
}

/// What was counted.
#[derive(Object)]
struct Count {
    /// How many lie on the shelf, with those that are sold and not sent yet.
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    counted: i64,
    /// Why, in your own words. Default `counted`.
    #[oai(nullable, validator(min_length = 1, max_length = 255))]
    reason: Option<String>,
}

/// One change of a product's stock. The stock is the sum of them.
#[derive(Object)]
#[oai(rename = "StockMovement")]
struct MovementView {
    id: MovementId,
    /// The id of the product.
    product: ProductId,
    /// How many came; how many went, with a `-`.
    delta: i64,
    /// Why: an admin's own words, or `received` (the product was made with it, or imported), `adjusted` (set to another
    /// number), `counted`, `ordered`, `returned` (a cancelled order gave it back).
    reason: String,
    /// The id of the order that took it or gave it back.
    order: Option<OrderId>,
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

#[OpenApi(prefix_path = "/api/admin/inventory", tag = "Tag::Admin")]
impl InventoryApi {
    /// Lists what is in stock.
    ///
    /// Every product, the inactive ones too, newest first or by how well they match a search.
    #[oai(path = "/", method = "get", operation_id = "listInventory")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Words to find, as in the list of products.
        search: Ask<String>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<InventoryView>> {
        let mut faults = ValidationErrors::default();
        let filter = Filter { terms: list::terms(&faults.note(query::search(&search))), ..Filter::default() };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let mut tx = shop.db.read().await?;
        let (products, total) = list::products(&mut tx, &filter, page).await?;
        let shown = inventory_views(&mut tx, products).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Corrects the stock of a product.
    ///
    /// Adds `delta` to it and writes the movement that explains it. Answers how the product stands now. Taking away more
    /// than there are: 409 `out_of_stock`; more than 2,147,483,647 in all: 409 `stock_out_of_range`. Who counted the
    /// shelf says so at `count` instead.
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
        let adjustment = body.judged().await;
        let mut tx = shop.db.write().await?;
        let found = catalog::find_product(&mut tx, product.0).await?.ok_or_else(Problem::not_found)?;
        let Adjustment { delta, reason } = adjustment?;
        if delta == 0 {
            return Err(Problem::invalid_field("delta", "nonzero", "must not be 0"));
        }
        let stock = super::adjust(&mut tx, &found, delta, &reason, shop.now()).await?;
        let shown = inventory_views(&mut tx, vec![Product { stock, ..found }]).await?.remove(0);
        shop.commit_and_invalidate(tx, &[Part::Product(product.0)]).await?;
        Ok(Reply::json(&shown))
    }

    /// Sets the stock of a product by a count of the shelf.
    ///
    /// Send how many lie there, also those that are sold and not sent yet: `stock` becomes `counted` less `reserved`, whatever
    /// was sold while you counted, and the difference is written down as a movement. The same count again changes nothing.
    /// Fewer than orders hold: 409 `count_below_reserved`, with `reserved`.
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
        let count = body.judged().await;
        let mut tx = shop.db.write().await?;
        let found = catalog::find_product(&mut tx, product.0).await?.ok_or_else(Problem::not_found)?;
        let Count { counted, reason } = count?;
        let (stock, reserved) = super::count(&mut tx, &found, counted, reason.as_deref(), shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Product(product.0)]).await?;
        Ok(Reply::json(&InventoryView { product: found.id, name: found.name, stock, reserved }))
    }

    /// Lists the changes of stock.
    ///
    /// Newest first. Every unit that came or went is in it, with the reason.
    #[oai(path = "/movements", method = "get", operation_id = "listMovements")]
    async fn movements(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        _by: Admin,
        /// Only those of the product with this id.
        product: Ask<i64>,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<MovementView>> {
        let mut faults = ValidationErrors::default();
        let product = faults.note(product.get("product")).map(ProductId);
        let page = faults.note(Page::asked(&page, &per_page));
        faults.into_result()?;
        let mut tx = shop.db.read().await?;
        let (movements, total) = super::movements(&mut tx, product, page.size, page.offset()).await?;
        let shown = movements.into_iter().map(MovementView::from).collect();
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Shows whether all stock adds up.
    ///
    /// The stock worker makes the comparison every minute. It reports differences and repairs nothing.
    #[oai(path = "/reconciliation", method = "get", operation_id = "getReconciliation")]
    async fn reconciliation(&self, shop: Data<&Shop>, _by: Admin) -> ApiResult<Reply<Reconciliation>> {
        let Some((checked_at, products, mismatches)) = super::reconciliation(&shop.db).await? else {
            return Ok(Reply::json(&Reconciliation { checked_at: None, products: 0, mismatches: vec![] }));
        };
        let mismatches = serde_json::from_str(&mismatches).map_err(Problem::internal)?;
        Ok(Reply::json(&Reconciliation { checked_at: Some(checked_at), products, mismatches }))
    }
}
