//! The endpoints of the catalog.

use std::sync::Arc;

use poem::{
    Request,
    http::{StatusCode, header},
    web::Data,
};
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use super::{
    Brand, Category, NewProduct, Product, ProductChange,
    list::{self, Filter, Order},
    store,
    view::{self, BrandView, CategoryView, ProductView},
};
use crate::{
    accounts::{self, Admin},
    cache::{Cached, Part},
    db::Tx,
    http::{
        body::Body,
        paging::Page,
        problem::{ApiResult, Faults, FieldError, Problem},
        query::Ask,
        reply::{Created, Done, List, Reply, json_bytes, tagged},
        tags::Tag,
    },
    ids::{BrandId, CategoryId, ProductId},
    money::{Amount, Money},
    shop::Shop,
};

/// Anybody may keep an answer, but asks whether it still holds before using it.
const REVALIDATE: &str = "public, no-cache";

/// A product to be made.
#[derive(Object)]
struct ProductInput {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    #[oai(validator(max_length = 10000))]
    description: Option<String>,
    price: Amount,
    /// The id of a category.
    category: Option<CategoryId>,
    /// The id of a brand.
    brand: Option<BrandId>,
    /// How many there are. Default 0.
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    /// Whether customers see it. Default true.
    is_active: Option<bool>,
}

/// A product as it is to be. Optional fields left out keep their value; `null` clears `description`, `category` and
/// `brand`.
#[derive(Object)]
struct ProductReplacement {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    #[oai(validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    price: Amount,
    category: MaybeUndefined<CategoryId>,
    brand: MaybeUndefined<BrandId>,
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    is_active: Option<bool>,
}

/// What is to be different about a product. Fields left out stay.
#[derive(Object)]
struct ProductPatch {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    #[oai(validator(max_length = 10000))]
    description: MaybeUndefined<String>,
    price: Option<Amount>,
    category: MaybeUndefined<CategoryId>,
    brand: MaybeUndefined<BrandId>,
    #[oai(validator(minimum(value = "0"), maximum(value = "2147483647")))]
    stock: Option<i64>,
    is_active: Option<bool>,
}

/// A category to be made, or as it is to be.
#[derive(Object)]
struct CategoryInput {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    #[oai(validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

/// What is to be different about a category.
#[derive(Object)]
struct CategoryPatch {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    #[oai(validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

/// A brand to be made, or as it is to be.
#[derive(Object)]
struct BrandInput {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
}

/// What is to be different about a brand.
#[derive(Object)]
struct BrandPatch {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
}

/// `null` clears a text; one left out stays.
fn cleared(text: MaybeUndefined<String>) -> Option<String> {
    match text {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(String::new()),
        MaybeUndefined::Value(text) => Some(text),
    }
}

fn money(shop: &Shop, field: &str, amount: &Amount) -> Result<Money, FieldError> {
    shop.settings.currency.parse(amount).map_err(|why| FieldError::new(field, "amount", why))
}

/// The price, or a stand-in for one whose fault is noted.
fn price(shop: &Shop, amount: &Amount, errors: &mut Vec<FieldError>) -> Money {
    money(shop, "price", amount).unwrap_or_else(|error| {
        errors.push(error);
        Money(0)
    })
}

pub struct CatalogApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl CatalogApi {
    /// Lists products.
    ///
    /// Newest first, or by how well they match a search. `X-Total-Count` says how many there are, `Link` where the
    /// other pages are.
    #[oai(path = "/products", method = "get", operation_id = "listProducts")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn list_products(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        /// Words to find in name, description, category or brand, anywhere in a word; every one must occur. Quoted phrases count whole.
        search: Ask<String>,
        /// The id or slug of a category.
        category: Ask<String>,
        /// The id or slug of a brand.
        brand: Ask<String>,
        /// The lowest price, inclusive.
        min_price: Ask<Amount>,
        /// The highest price, inclusive.
        max_price: Ask<Amount>,
        /// Only what is, or is not, in stock.
        in_stock: Ask<bool>,
        /// Only active or inactive products; for admins.
        is_active: Ask<bool>,
        /// `price`, `name`, `created_at` or `rating`, with `-` for the other way round; several, comma-separated.
        ordering: Ask<String>,
        /// Which page, from 1.
        page: Ask<i64>,
        /// How many on a page, at most 100.
        per_page: Ask<i64>,
    ) -> ApiResult<List<ProductView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let limit = |field: &str, amount: &Ask<Amount>| {
            let given = amount.get(field)?.map(|amount| money(&shop, field, &amount)).transpose();
            given.map_err(|error| Problem::invalid(vec![error]))
        };
        let mut faults = Faults::default();
        let filter = Filter {
            terms: faults.note(search.get("search").and_then(|typed| list::search_terms(&typed.unwrap_or_default()))),
            category: faults.note(category.get("category")),
            brand: faults.note(brand.get("brand")),
            min_price: faults.note(limit("min_price", &min_price)),
            max_price: faults.note(limit("max_price", &max_price)),
            in_stock: faults.note(in_stock.get("in_stock")),
            is_active: if admin { faults.note(is_active.get("is_active")) } else { Some(true) },
            order: faults
                .note(ordering.get("ordering").and_then(|fields| fields.as_deref().map_or(Ok(vec![]), Order::read))),
        };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.end()?;
        let load = async {
            let mut tx = shop.db.read().await?;
            let (products, total) = list::products(&mut tx, &filter, page).await?;
            Ok(Cached::new(json_bytes(&view::products(&mut tx, &shop, products).await?), total))
        };
        let list = answer(&shop, admin, Part::Catalog, &format!("products:{filter:?}{page:?}"), load).await?;
        Ok(paged(request, admin, &list, page))
    }

    /// Shows a product.
    ///
    /// Inactive products are shown to admins only. Keep the `ETag` and send it as `If-None-Match`: an unchanged product
    /// is 304.
    #[oai(path = "/products/:id", method = "get", operation_id = "getProduct")]
    async fn get_product(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        id: Path<ProductId>,
    ) -> ApiResult<Reply<ProductView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let load = async {
            let mut tx = shop.db.read().await?;
            let product = store::find_product(&mut tx, id.0).await?.filter(|product| product.is_active || admin);
            let product = product.ok_or_else(Problem::not_found)?;
            Ok(Cached::new(json_bytes(&view::product(&mut tx, &shop, product).await?), 1))
        };
        let product = answer(&shop, admin, Part::Product(id.0), &format!("product:{}", id.0), load).await?;
        Ok(conditional(request, admin, &product))
    }

    /// Makes a product.
    ///
    /// Customers see it at once, unless `is_active` is false. Images are uploaded afterwards.
    #[oai(path = "/products", method = "post", operation_id = "createProduct")]
    async fn create_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        body: Body<ProductInput>,
    ) -> ApiResult<Created<ProductView>> {
        let input = body.check()?;
        let mut errors = Vec::new();
        let new = NewProduct {
            price: price(&shop, &input.price, &mut errors),
            name: input.name,
            slug: None,
            description: input.description.unwrap_or_default(),
            stock: input.stock.unwrap_or(0),
            is_active: input.is_active.unwrap_or(true),
            category: input.category,
            brand: input.brand,
            sku: None,
        };
        let mut tx = shop.db.write().await?;
        super::check_parents(&mut tx, new.category, new.brand, errors).await?;
        let product = super::create_product(&mut tx, new, shop.now()).await?;
        let made = view::product(&mut tx, &shop, product).await?;
        commit_and_forget(&shop, tx).await?;
        Ok(Created::json(&made).header("location", &format!("/api/products/{}", made.id)))
    }

    /// Replaces a product.
    ///
    /// Optional fields left out keep their value. `stock` is a count: the difference is written down as a movement.
    #[oai(path = "/products/:id", method = "put", operation_id = "replaceProduct")]
    async fn replace_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        body: Body<ProductReplacement>,
    ) -> ApiResult<Reply<ProductView>> {
        change(&shop, id.0, |errors| {
            let input = body.check()?;
            Ok(ProductChange {
                name: Some(input.name),
                description: cleared(input.description),
                price: Some(price(&shop, &input.price, errors)),
                stock: input.stock,
                is_active: input.is_active,
                category: input.category,
                brand: input.brand,
            })
        })
        .await
    }

    /// Changes a product.
    ///
    /// Fields left out stay. `stock` is a count: the difference is written down as a movement.
    #[oai(path = "/products/:id", method = "patch", operation_id = "changeProduct")]
    async fn change_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        body: Body<ProductPatch>,
    ) -> ApiResult<Reply<ProductView>> {
        change(&shop, id.0, |errors| {
            let input = body.check()?;
            Ok(ProductChange {
                name: input.name,
                description: cleared(input.description),
                price: input.price.map(|amount| price(&shop, &amount, errors)),
                stock: input.stock,
                is_active: input.is_active,
                category: input.category,
                brand: input.brand,
            })
        })
        .await
    }

    /// Deletes a product. One that was ever ordered becomes inactive instead.
    ///
    /// Order lines of the past keep its name and price.
    #[oai(path = "/products/:id", method = "delete", operation_id = "deleteProduct")]
    async fn delete_product(&self, shop: Data<&Shop>, _by: Admin, id: Path<ProductId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        store::lock_product(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        super::delete_product(&mut tx, id.0, shop.now()).await?;
        commit_and_forget(&shop, tx).await?;
        Ok(Done::Done)
    }

    /// Lists categories.
    ///
    /// In the order they were made. Takes no sign-in.
    #[oai(path = "/categories", method = "get", operation_id = "listCategories")]
    async fn list_categories(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        page: Ask<i64>,
        per_page: Ask<i64>,
    ) -> ApiResult<List<CategoryView>> {
        let page = Page::asked(&page, &per_page)?;
        let load = async {
            let (rows, total) = store::list_categories(&mut shop.db.read().await?, page.size, page.offset()).await?;
            Ok(Cached::new(json_bytes(&rows.into_iter().map(CategoryView::from).collect::<Vec<_>>()), total))
        };
        let list = answer(&shop, false, Part::Catalog, &format!("categories:{page:?}"), load).await?;
        Ok(paged(request, false, &list, page))
    }

    /// Shows a category.
    ///
    /// Its products are at `GET /api/products?category={id}`.
    #[oai(path = "/categories/:id", method = "get", operation_id = "getCategory")]
    async fn get_category(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        id: Path<CategoryId>,
    ) -> ApiResult<Reply<CategoryView>> {
        let load = async {
            let found = store::find_category(&mut shop.db.read().await?, id.0).await?.ok_or_else(Problem::not_found)?;
            Ok(Cached::new(json_bytes(&CategoryView::from(found)), 1))
        };
        let category = answer(&shop, false, Part::Catalog, &format!("category:{}", id.0), load).await?;
        Ok(conditional(request, false, &category))
    }

    /// Makes a category.
    ///
    /// Its slug is made from the name, and made unique.
    #[oai(path = "/categories", method = "post", operation_id = "createCategory")]
    async fn create_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        body: Body<CategoryInput>,
    ) -> ApiResult<Created<CategoryView>> {
        let input = body.check()?;
        let mut tx = shop.db.write().await?;
        let made: CategoryView =
            super::create_category(&mut tx, &input.name, None, &cleared(input.description).unwrap_or_default())
                .await?
                .into();
        commit_and_forget(&shop, tx).await?;
        Ok(Created::json(&made).header("location", &format!("/api/categories/{}", made.id)))
    }

    /// Replaces a category.
    ///
    /// `description` left out keeps its value, `null` clears it. The slug stays, so that links go on working.
    #[oai(path = "/categories/:id", method = "put", operation_id = "replaceCategory")]
    async fn replace_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<CategoryId>,
        body: Body<CategoryInput>,
    ) -> ApiResult<Reply<CategoryView>> {
        change_category(&shop, id.0, || body.check().map(|input| (Some(input.name), cleared(input.description)))).await
    }

    /// Changes a category.
    ///
    /// Fields left out stay. The slug stays, so that links go on working.
    #[oai(path = "/categories/:id", method = "patch", operation_id = "changeCategory")]
    async fn change_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<CategoryId>,
        body: Body<CategoryPatch>,
    ) -> ApiResult<Reply<CategoryView>> {
        change_category(&shop, id.0, || body.check().map(|input| (input.name, cleared(input.description)))).await
    }

    /// Deletes a category that has no products.
    ///
    /// Move or delete its products first.
    ///
    /// Problems: `in_use`.
    #[oai(path = "/categories/:id", method = "delete", operation_id = "deleteCategory")]
    async fn delete_category(&self, shop: Data<&Shop>, _by: Admin, id: Path<CategoryId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        store::lock_category(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        super::delete_category(&mut tx, id.0).await?;
        commit_and_forget(&shop, tx).await?;
        Ok(Done::Done)
    }

    /// Lists brands.
    ///
    /// In the order they were made. Takes no sign-in.
    #[oai(path = "/brands", method = "get", operation_id = "listBrands")]
    async fn list_brands(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        page: Ask<i64>,
        per_page: Ask<i64>,
    ) -> ApiResult<List<BrandView>> {
        let page = Page::asked(&page, &per_page)?;
        let load = async {
            let (rows, total) = store::list_brands(&mut shop.db.read().await?, page.size, page.offset()).await?;
            Ok(Cached::new(json_bytes(&rows.into_iter().map(BrandView::from).collect::<Vec<_>>()), total))
        };
        let list = answer(&shop, false, Part::Catalog, &format!("brands:{page:?}"), load).await?;
        Ok(paged(request, false, &list, page))
    }

    /// Shows a brand.
    ///
    /// Its products are at `GET /api/products?brand={id}`.
    #[oai(path = "/brands/:id", method = "get", operation_id = "getBrand")]
    async fn get_brand(&self, shop: Data<&Shop>, request: &Request, id: Path<BrandId>) -> ApiResult<Reply<BrandView>> {
        let load = async {
            let found = store::find_brand(&mut shop.db.read().await?, id.0).await?.ok_or_else(Problem::not_found)?;
            Ok(Cached::new(json_bytes(&BrandView::from(found)), 1))
        };
        let brand = answer(&shop, false, Part::Catalog, &format!("brand:{}", id.0), load).await?;
        Ok(conditional(request, false, &brand))
    }

    /// Makes a brand.
    ///
    /// Its slug is made from the name, and made unique.
    #[oai(path = "/brands", method = "post", operation_id = "createBrand")]
    async fn create_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        body: Body<BrandInput>,
    ) -> ApiResult<Created<BrandView>> {
        let input = body.check()?;
        let mut tx = shop.db.write().await?;
        let made: BrandView = super::create_brand(&mut tx, &input.name, None).await?.into();
        commit_and_forget(&shop, tx).await?;
        Ok(Created::json(&made).header("location", &format!("/api/brands/{}", made.id)))
    }

    /// Replaces a brand.
    ///
    /// The slug stays, so that links go on working.
    #[oai(path = "/brands/:id", method = "put", operation_id = "replaceBrand")]
    async fn replace_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        body: Body<BrandInput>,
    ) -> ApiResult<Reply<BrandView>> {
        change_brand(&shop, id.0, || body.check().map(|input| Some(input.name))).await
    }

    /// Changes a brand.
    ///
    /// The slug stays, so that links go on working.
    #[oai(path = "/brands/:id", method = "patch", operation_id = "changeBrand")]
    async fn change_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        body: Body<BrandPatch>,
    ) -> ApiResult<Reply<BrandView>> {
        change_brand(&shop, id.0, || body.check().map(|input| input.name)).await
    }

    /// Deletes a brand that has no products.
    ///
    /// Move or delete its products first.
    ///
    /// Problems: `in_use`.
    #[oai(path = "/brands/:id", method = "delete", operation_id = "deleteBrand")]
    async fn delete_brand(&self, shop: Data<&Shop>, _by: Admin, id: Path<BrandId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        super::delete_brand(&mut tx, id.0).await?;
        commit_and_forget(&shop, tx).await?;
        Ok(Done::Done)
    }
}

/// The body is judged only after the product was found.
async fn change(
    shop: &Shop,
    id: ProductId,
    input: impl FnOnce(&mut Vec<FieldError>) -> ApiResult<ProductChange>,
) -> ApiResult<Reply<ProductView>> {
    let mut tx = shop.db.write().await?;
    let product: Product = store::lock_product(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let mut errors = Vec::new();
    let change = input(&mut errors)?;
    super::check_parents(&mut tx, change.category.value().copied(), change.brand.value().copied(), errors).await?;
    let product = super::change_product(&mut tx, product, change, shop.now()).await?;
    let changed = view::product(&mut tx, shop, product).await?;
    commit_and_forget(shop, tx).await?;
    Ok(Reply::json(&changed))
}

async fn change_category(
    shop: &Shop,
    id: CategoryId,
    input: impl FnOnce() -> ApiResult<(Option<String>, Option<String>)>,
) -> ApiResult<Reply<CategoryView>> {
    let mut tx = shop.db.write().await?;
    let mut category: Category = store::lock_category(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let (name, description) = input()?;
    category.name = name.unwrap_or(category.name);
    category.description = description.unwrap_or(category.description);
    store::update_category(&mut tx, &category).await?;
    commit_and_forget(shop, tx).await?;
    Ok(Reply::json(&category.into()))
}

async fn change_brand(
    shop: &Shop,
    id: BrandId,
    input: impl FnOnce() -> ApiResult<Option<String>>,
) -> ApiResult<Reply<BrandView>> {
    let mut tx = shop.db.write().await?;
    let mut brand: Brand = store::lock_brand(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    brand.name = input()?.unwrap_or(brand.name);
    store::update_brand(&mut tx, &brand).await?;
    commit_and_forget(shop, tx).await?;
    Ok(Reply::json(&brand.into()))
}

async fn commit_and_forget(shop: &Shop, tx: Tx) -> ApiResult<()> {
    tx.commit().await?;
    shop.cache.forget(&[Part::Catalog]).await;
    Ok(())
}

/// What admins see is always fresh and never kept; what customers see comes from the cache.
async fn answer(
    shop: &Shop,
    admin: bool,
    part: Part,
    key: &str,
    load: impl Future<Output = ApiResult<Cached>>,
) -> ApiResult<Cached> {
    if admin {
        return load.await;
    }
    shop.cache.get(part, key, load).await.map_err(Arc::unwrap_or_clone)
}

fn conditional<T>(request: &Request, admin: bool, found: &Cached) -> Reply<T> {
    let fresh = Reply::bytes(found.body.clone()).status(StatusCode::OK);
    if admin {
        return fresh;
    }
    tagged(request.header(header::IF_NONE_MATCH), &found.tag, fresh, REVALIDATE).header("vary", "Authorization")
}

fn paged<T>(request: &Request, admin: bool, found: &Cached, page: Page) -> Reply<T> {
    conditional(request, admin, found)
        .header("x-total-count", &found.total.to_string())
        .header("link", &page.links(request.original_uri(), found.total))
}
