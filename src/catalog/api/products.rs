//! The endpoints of products.

use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path, types::MaybeUndefined};

use super::{answer, conditional, paged};
use crate::{
    accounts::{self, Admin},
    cache::{Cached, Part},
    catalog::{
        self, NewProduct, Product, ProductChange,
        list::{self, Filter},
        store,
        view::{self, ProductView},
    },
    http::{
        body::{Body, cleared},
        paging::Page,
        problem::{ApiResult, Faults, FieldError, Problem},
        query::{self, Ask},
        reply::{Created, Done, List, Reply, json_bytes},
        tags::Tag,
    },
    ids::{BrandId, CategoryId, ProductId},
    money::{Amount, Money},
    shop::Shop,
};

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

pub struct ProductsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl ProductsApi {
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
        #[oai(validator(pattern = "^-?(price|name|created_at|rating)(,-?(price|name|created_at|rating))*$"))]
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
            terms: list::terms(&faults.note(query::search(&search))),
            category: faults.note(category.get("category")),
            brand: faults.note(brand.get("brand")),
            min_price: faults.note(limit("min_price", &min_price)),
            max_price: faults.note(limit("max_price", &max_price)),
            in_stock: faults.note(in_stock.get("in_stock")),
            is_active: faults.note(is_active.get("is_active")).filter(|_| admin).or((!admin).then_some(true)),
            order: faults.note(query::ordering(&ordering, list::COLUMNS)),
        };
        let page = faults.note(Page::asked(&page, &per_page));
        faults.end()?;
        let load = async {
            let mut tx = shop.db.read().await?;
            let (products, total) = list::products(&mut tx, &filter, page).await?;
            Ok(Cached::new(json_bytes(&view::products(&mut tx, &shop, products).await?), total))
        };
        let list = answer(&shop, admin, Part::ProductLists, &format!("products:{filter:?}{page:?}"), load).await?;
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
        catalog::check_parents(&mut tx, new.category, new.brand, errors).await?;
        let product = catalog::create_product(&mut tx, new, shop.now()).await?;
        let made = view::product(&mut tx, &shop, product).await?;
        shop.commit_and_forget(tx, &[Part::Catalog]).await?;
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
        catalog::delete_product(&mut tx, id.0, shop.now()).await?;
        shop.commit_and_forget(tx, &[Part::Catalog]).await?;
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
    catalog::check_parents(&mut tx, change.category.value().copied(), change.brand.value().copied(), errors).await?;
    let product = catalog::change_product(&mut tx, product, change, shop.now()).await?;
    let changed = view::product(&mut tx, shop, product).await?;
    shop.commit_and_forget(tx, &[Part::Catalog]).await?;
    Ok(Reply::json(&changed))
}
