//! The endpoints of categories.

use platform::{
    cache::Cached,
    http::{
        body::{Body, null_as_empty},
        etags::IfMatch,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::OptionalQuery,
        reply::{Created, Done, Reply, Tagged, json_bytes},
    },
};
use poem::{Request, web::Data};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    types::MaybeUndefined,
};

use super::{answer, conditional, paged, tag_of};
use crate::{
    accounts::Admin,
    catalog::{self, Category, Part, store, view::CategoryView},
    shop::{Shop, ids::CategoryId, tags::Tag},
};

/// The fields of a category.
#[derive(Object)]
struct CategoryInput {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// A description, at most 10,000 characters. `null` clears it.
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

/// The fields of the category to change. A field left out keeps its value.
#[derive(Object)]
struct CategoryPatch {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// A description, at most 10,000 characters. `null` clears it.
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

pub struct CategoriesApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl CategoriesApi {
    /// Lists categories.
    ///
    /// Ordered by id, the oldest first. No sign-in is required.
    #[oai(path = "/categories", method = "get", operation_id = "listCategories")]
    async fn list_categories(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<Tagged<Vec<CategoryView>>> {
        let page = Page::from_query(&page, &per_page)?;
        let load = async {
            let (rows, total) = store::list_categories(&mut shop.db.browse().await?, page.size, page.offset()).await?;
            Ok(Cached::new(json_bytes(&rows.into_iter().map(CategoryView::from).collect::<Vec<_>>()), total))
        };
        let list = answer(&shop, false, Part::Catalog, &format!("categories:{page:?}"), load).await?;
        Ok(paged(request, false, &list, page))
    }

    /// Returns a category.
    ///
    /// Its products are at `GET /api/products?category={id}`.
    #[oai(path = "/categories/:id", method = "get", operation_id = "getCategory")]
    async fn get_category(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        id: Path<CategoryId>,
    ) -> ApiResult<Tagged<CategoryView>> {
        let load = async {
            let found =
                store::find_category(&mut shop.db.browse().await?, id.0).await?.ok_or_else(Problem::not_found)?;
            Ok(Cached::new(json_bytes(&CategoryView::from(found)), 1))
        };
        let category = answer(&shop, false, Part::Catalog, &format!("category:{}", id.0), load).await?;
        Ok(conditional(request, false, &category))
    }

    /// Creates a category.
    ///
    /// Its slug is generated from the name and made unique.
    #[oai(path = "/categories", method = "post", operation_id = "createCategory")]
    async fn create_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        body: Body<CategoryInput>,
    ) -> ApiResult<Created<CategoryView>> {
        let input = body.parse().await?;
        let mut tx = shop.db.write().await?;
        let made: CategoryView =
            catalog::create_category(&mut tx, &input.name, None, &null_as_empty(input.description).unwrap_or_default())
                .await?
                .into();
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Created::json(&made).header("location", &format!("/api/categories/{}", made.id)))
    }

    /// Replaces a category.
    ///
    /// If `description` is left out, it keeps its value; `null` clears it. The slug does not change, so links keep
    /// working.
    #[oai(path = "/categories/:id", method = "put", operation_id = "replaceCategory")]
    async fn replace_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<CategoryId>,
        /// The `ETag` of the category when you loaded it. If the category has changed since, the request is rejected
        /// with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<CategoryInput>,
    ) -> ApiResult<Reply<CategoryView>> {
        let input = body.parse().await.map(|input| (Some(input.name), null_as_empty(input.description)));
        change_category(&shop, id.0, &seen, input).await
    }

    /// Updates a category.
    ///
    /// A field left out keeps its value. The slug does not change, so links keep working.
    #[oai(path = "/categories/:id", method = "patch", operation_id = "changeCategory")]
    async fn change_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<CategoryId>,
        /// The `ETag` of the category when you loaded it. If the category has changed since, the request is rejected
        /// with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<CategoryPatch>,
    ) -> ApiResult<Reply<CategoryView>> {
        let input = body.parse().await.map(|input| (input.name, null_as_empty(input.description)));
        change_category(&shop, id.0, &seen, input).await
    }

    /// Deletes a category that has no products.
    ///
    /// Move or delete its products first.
    ///
    /// Problems: `in_use`.
    #[oai(path = "/categories/:id", method = "delete", operation_id = "deleteCategory")]
    async fn delete_category(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<CategoryId>,
        /// The `ETag` of the category when you loaded it. If the category has changed since, the request is rejected
        /// with 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
    ) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let category = store::lock_category(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        seen.check(&tag_of(&CategoryView::from(category)))?;
        catalog::delete_category(&mut tx, id.0).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Done::Done)
    }
}

async fn change_category(
    shop: &Shop,
    id: CategoryId,
    seen: &IfMatch,
    input: ApiResult<(Option<String>, Option<String>)>,
) -> ApiResult<Reply<CategoryView>> {
    let mut tx = shop.db.write().await?;
    let mut category: Category = store::lock_category(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    seen.check(&tag_of(&CategoryView::from(category.clone())))?;
    let (name, description) = input?;
    category.name = name.unwrap_or(category.name);
    category.description = description.unwrap_or(category.description);
    store::update_category(&mut tx, &category).await?;
    shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
    Ok(Reply::json(&category.into()))
}
