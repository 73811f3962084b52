//! The endpoints of products.

use std::time::Duration;

use platform::{
    cache::{Cached, Freshness},
    db::{self, Tx},
    http::{
        client_address::ClientAddress,
        etags::IfMatch,
        form::Form,
        limits::Limit,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::{self, OptionalQuery},
        reply::{Created, Done, FoundOrMoved, Reply, Tagged, json_bytes},
    },
    money::{Amount, Money},
    validation::{FieldError, ValidationErrors},
};
use poem::{Request, web::Data};
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
    types::ParseFromJSON,
};

use super::{
    answer, conditional, paged,
    parsed_form::{ParsedForm, delete_image_if_rejected},
    product_input::{ProductInput, ProductPatch, ProductReplacement},
    tag_of,
};
use crate::{
    accounts::{self, Admin},
    catalog::{
        self, NewProduct, Part, Product, ProductChange, images,
        list::{self, ProductFilter},
        problems,
        slugs::{self, Found},
        store,
        view::{self, ProductView},
    },
    shop::{Shop, ids::ProductId, tags::Tag},
};

fn money(shop: &Shop, field: &str, amount: &Amount) -> Result<Money, FieldError> {
    shop.store.currency.parse(amount).map_err(|why| FieldError::new(field, "amount", why))
}

/// A list so far back is counted as a search: all that comes before it is read, too.
const DEEP: i64 = 1_000;

/// Per address. Who is shown results while they type searches a few times a second, for a few seconds.
const SEARCHES: Limit = Limit::new("searches", 120, Duration::from_mins(1), "Too many searches from this IP address.");

/// A list that takes too long is not an error of the database.
fn or_too_slow(error: db::Error) -> Problem {
    if !db::is_timeout(&error) {
        return error.into();
    }
    tracing::info!("a product list query took too long and was aborted");
    let detail = "The search took too long. Search for fewer or rarer words, or filter by category or brand.";
    problems::TOO_SLOW.problem(detail)
}

pub struct ProductsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl ProductsApi {
    /// Lists products.
    ///
    /// Newest first, or by relevance for a search. `X-Total-Count` has the number of matching products, `Link` the URLs
    /// of the other pages. The number of searches that an IP address can make per minute is limited.
    ///
    /// Problems: `rate_limited`, `too_slow`.
    #[oai(path = "/products", method = "get", operation_id = "listProducts")]
    #[allow(clippy::too_many_arguments)] // one for each query parameter of the contract
    async fn list_products(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        from: ClientAddress,
        /// Words to find in the name, description, category or brand, anywhere in a word and ignoring case. Each of the
        /// first six must occur. A phrase in quotes is one term. If no word has three letters or more, only the names
        /// of products, categories and brands are searched, and each word finds at most a thousand products.
        search: OptionalQuery<String>,
        /// Only products of the category with this id or slug.
        category: OptionalQuery<String>,
        /// Only products of the brand with this id or slug.
        brand: OptionalQuery<String>,
        /// Only the product with exactly this SKU.
        sku: OptionalQuery<String>,
        /// The minimum price, inclusive.
        min_price: OptionalQuery<Amount>,
        /// The maximum price, inclusive.
        max_price: OptionalQuery<Amount>,
        /// Only products that are in stock (`true`) or out of stock (`false`).
        in_stock: OptionalQuery<bool>,
        /// Only active or inactive products. For admins; ignored for others.
        is_active: OptionalQuery<bool>,
        /// The sort order: `price`, `name`, `created_at` or `rating`, prefixed with `-` for descending. Separate
        /// several fields by commas.
        #[oai(validator(pattern = "^-?(price|name|created_at|rating)(,-?(price|name|created_at|rating)){0,3}$"))]
        ordering: OptionalQuery<String>,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<Tagged<Vec<ProductView>>> {
        let admin = accounts::is_admin(request, &shop).await;
        let limit = |field: &str, amount: &OptionalQuery<Amount>| {
            let given = amount.get(field)?.map(|amount| money(&shop, field, &amount)).transpose();
            given.map_err(|error| Problem::invalid(vec![error]))
        };
        let mut errors = ValidationErrors::default();
        let filter = ProductFilter {
            terms: list::terms(&errors.note(query::search(&search))),
            category: errors.note(category.get("category")),
            brand: errors.note(brand.get("brand")),
            sku: errors.note(sku.get("sku")),
            min_price: errors.note(limit("min_price", &min_price)),
            max_price: errors.note(limit("max_price", &max_price)),
            in_stock: errors.note(in_stock.get("in_stock")),
            is_active: errors.note(is_active.get("is_active")).filter(|_| admin).or((!admin).then_some(true)),
            order: errors.note(query::ordering(&ordering, list::COLUMNS)),
        };
        let page = errors.note(Page::from_query(&page, &per_page));
        errors.into_result()?;
        let limited = !admin && (!filter.terms.is_empty() || page.offset() > DEEP);
        if limited {
            shop.limits.take(&SEARCHES, &from.network()).await?;
        }
        let load = async {
            let mut tx = shop.db.browse().await?;
            let (products, total) = list::products(&mut tx, &filter, page).await.map_err(or_too_slow)?;
            Ok(Cached::new(json_bytes(&view::products(&mut tx, &shop, products).await?), total))
        };
        let mut list = answer(&shop, admin, Part::ProductLists, &format!("products:{filter:?}{page:?}"), load).await?;
        list.freshness = list.freshness.filter(|_| !limited); // so that each request is counted
        Ok(paged(request, admin, &list, page))
    }

    /// Returns a product.
    ///
    /// Inactive products are visible to admins only. Send the `ETag` of the response as `If-None-Match` in the next
    /// request: if the product has not changed, the response is 304 without a body.
    #[oai(path = "/products/:id", method = "get", operation_id = "getProduct")]
    async fn get_product(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        id: Path<ProductId>,
    ) -> ApiResult<Tagged<ProductView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let product = load(&shop, admin, id.0).await?;
        Ok(conditional(request, admin, &product))
    }

    /// Returns a product by its slug.
    ///
    /// A former slug of a product returns 301 with the current URL, unless another product uses it now.
    #[oai(path = "/products/by-slug/:slug", method = "get", operation_id = "getProductBySlug")]
    async fn get_product_by_slug(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        slug: Path<String>,
    ) -> ApiResult<FoundOrMoved<ProductView>> {
        let admin = accounts::is_admin(request, &shop).await;
        let (Found { product, slug: today }, leads_there) = find_slug(&shop, &slug).await?;
        let mut product = load(&shop, admin, product).await?;
        if today == *slug {
            product.freshness = product.freshness.zip(leads_there).map(|(product, slug)| product.and(slug));
            return Ok(FoundOrMoved::Found(conditional(request, admin, &product)));
        }
        Ok(FoundOrMoved::Moved(format!("/api/products/by-slug/{}", escaped(&today))))
    }

    /// Creates a product.
    ///
    /// Customers can see it immediately, unless `is_active` is false. A form can include its first image; upload more
    /// images afterwards. If the product is rejected, the image is not stored.
    ///
    /// Problems: `slug_taken`, `sku_taken`, `invalid_image`, `malformed_body`, `media_unavailable`.
    #[oai(path = "/products", method = "post", operation_id = "createProduct")]
    async fn create_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        form: Form<ProductInput>,
    ) -> ApiResult<Created<ProductView>> {
        let form = ParsedForm::parse(&shop, &form, ProductInput::read).await?;
        let image = form.image.clone();
        let created = delete_image_if_rejected(&shop, image, create(&shop, form).await).await?;
        Ok(Created::json(&created).header("location", &format!("/api/products/{}", created.id)))
    }

    /// Replaces a product.
    ///
    /// An optional field left out keeps its value. `stock` sets the number of units that can be sold; the difference is
    /// recorded as a stock movement. A stale `stock` would return units that have been sold since to the stock: send
    /// the `ETag` as `If-Match` to get 412 instead, or leave `stock` out. To set the stock from a count, use `POST
    /// /api/admin/inventory/{product}/count`. An image in a form becomes the first image.
    ///
    /// Problems: `slug_taken`, `sku_taken`, `too_many_images`, `invalid_image`, `malformed_body`, `media_unavailable`.
    #[oai(path = "/products/:id", method = "put", operation_id = "replaceProduct")]
    async fn replace_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        /// The `ETag` of the product when you loaded it. If the product has been changed or sold since, the request is
        /// rejected with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        form: Form<ProductReplacement>,
    ) -> ApiResult<Reply<ProductView>> {
        change(&shop, id.0, &seen, &form, ProductReplacement::read).await
    }

    /// Updates a product.
    ///
    /// A field left out keeps its value. `stock` sets the number of units that can be sold, as in `PUT`. An image in a
    /// form becomes the first image.
    ///
    /// Problems: `slug_taken`, `sku_taken`, `too_many_images`, `invalid_image`, `malformed_body`, `media_unavailable`.
    #[oai(path = "/products/:id", method = "patch", operation_id = "changeProduct")]
    async fn change_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        /// The `ETag` of the product when you loaded it. If the product has been changed or sold since, the request is
        /// rejected with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        form: Form<ProductPatch>,
    ) -> ApiResult<Reply<ProductView>> {
        change(&shop, id.0, &seen, &form, ProductPatch::read).await
    }

    /// Deletes a product.
    ///
    /// A product that was ever ordered is deactivated instead. Existing orders keep its name and price.
    #[oai(path = "/products/:id", method = "delete", operation_id = "deleteProduct")]
    async fn delete_product(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<ProductId>,
        /// The `ETag` of the product when you loaded it. If the product has been changed or sold since, the request is
        /// rejected with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
    ) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        lock(&mut tx, &shop, id.0, &seen).await?;
        catalog::delete_product(&mut tx, id.0, shop.now()).await?;
        shop.commit_and_invalidate(tx, &Part::of_product_and_slug(id.0)).await?;
        Ok(Done::Done)
    }
}

async fn load(shop: &Shop, admin: bool, id: ProductId) -> ApiResult<Cached> {
    let load = async {
        let mut tx = shop.db.browse().await?;
        let product = store::find_product(&mut tx, id).await?.filter(|product| product.is_active || admin);
        let product = product.ok_or_else(Problem::not_found)?;
        Ok(Cached::new(json_bytes(&view::product(&mut tx, shop, product).await?), 1))
    };
    answer(shop, admin, Part::Product(id), &format!("product:{id}"), load).await
}

/// The product of a slug, and how long it is that. Its id and current slug are cached; the product itself is cached by
/// its id.
async fn find_slug(shop: &Shop, slug: &str) -> ApiResult<(Found, Option<Freshness>)> {
    if slug.contains('\0') {
        return Err(Problem::not_found()); // PostgreSQL has no NUL in texts
    }
    let load = async {
        let found = slugs::find(&mut shop.db.browse().await?, slug).await?.ok_or_else(Problem::not_found)?;
        Ok(Cached::new(format!("{} {}", found.product, found.slug).into_bytes(), 1))
    };
    let cached = answer(shop, false, Part::Slugs, &format!("slug:{slug}"), load).await?;
    let found = String::from_utf8_lossy(&cached.body);
    let (product, slug) = found.split_once(' ').ok_or_else(Problem::not_found)?;
    let found = Found { product: ProductId(product.parse().map_err(Problem::internal)?), slug: slug.to_owned() };
    Ok((found, cached.freshness))
}

/// A slug, percent-encoded for a URL: it can have letters of any script.
fn escaped(slug: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    slug.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn create(shop: &Shop, form: ParsedForm<NewProduct>) -> ApiResult<ProductView> {
    let ParsedForm { fields: new, errors, image } = form;
    let mut tx = shop.db.write().await?;
    catalog::check_parents(&mut tx, new.category, new.brand, errors).await?;
    let product = slugs::create(&mut tx, new, shop.now()).await?;
    if let Some(image) = image {
        images::show(&mut tx, product.id, &image, shop.now()).await?;
    }
    let created = view::product(&mut tx, shop, product).await?;
    shop.commit_and_invalidate(tx, &Part::of_new_product()).await?;
    Ok(created)
}

/// A product to be changed from a state that the client has seen.
async fn lock(tx: &mut Tx, shop: &Shop, id: ProductId, seen: &IfMatch) -> ApiResult<Product> {
    let product = store::lock_product(tx, id).await?.ok_or_else(Problem::not_found)?;
    if seen.is_given() {
        seen.check(&tag_of(&view::product(tx, shop, product.clone()).await?))?;
    }
    Ok(product)
}

/// The form is validated only after the product was found and compared with `If-Match`.
async fn change<T: ParseFromJSON + Send + 'static>(
    shop: &Shop,
    id: ProductId,
    seen: &IfMatch,
    form: &Form<T>,
    read: fn(T, &Shop, &mut Vec<FieldError>) -> ProductChange,
) -> ApiResult<Reply<ProductView>> {
    if form.has_image() {
        store::find_product(&mut shop.db.read().await?, id).await?.ok_or_else(Problem::not_found)?;
    }
    let form = ParsedForm::parse(shop, form, read).await;
    let image = form.as_ref().ok().and_then(|form| form.image.clone());
    let changed = change_locked(shop, id, seen, form).await;
    Ok(Reply::json(&delete_image_if_rejected(shop, image, changed).await?))
}

async fn change_locked(
    shop: &Shop,
    id: ProductId,
    seen: &IfMatch,
    form: ApiResult<ParsedForm<ProductChange>>,
) -> ApiResult<ProductView> {
    let mut tx = shop.db.write().await?;
    let product = lock(&mut tx, shop, id, seen).await?;
    let ParsedForm { fields: change, mut errors, image } = form?;
    let slug = change.slug.clone().filter(|slug| *slug != product.slug);
    errors.extend(slug.as_deref().and_then(|slug| slugs::check(slug).err()));
    catalog::check_parents(&mut tx, change.category.value().copied(), change.brand.value().copied(), errors).await?;
    let product = catalog::change_product(&mut tx, product, change, shop.now()).await?;
    if let Some(image) = image {
        images::check_limit(&mut tx, id).await?;
        images::show_first(&mut tx, id, &image, shop.now()).await?;
    }
    let changed = view::product(&mut tx, shop, product).await?;
    let parts: &[Part] = if slug.is_some() { &Part::of_product_and_slug(id) } else { &Part::of_product(id) };
    shop.commit_and_invalidate(tx, parts).await?;
    Ok(changed)
}
