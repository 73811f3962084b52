//! The endpoints of categories.

use platform::{
    cache::Cached,
    http::{
        body::{Body, cleared},
        etags::IfMatch,
        paging::{Page, PageNumber, PageSize},
        problem::{ApiResult, Problem},
        query::Ask,
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

/// A category to be made, or as it is to be.
#[derive(Object)]
struct CategoryInput {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

/// What is to be different about a category.
#[derive(Object)]
struct CategoryPatch {
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    #[oai(nullable, validator(max_length = 10000))]
    description: MaybeUndefined<String>,
}

pub struct CategoriesApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl CategoriesApi {
    /// Lists categories.
    ///
    /// In the order they were made. Takes no sign-in.
    #[oai(path = "/categories", method = "get", operation_id = "listCategories")]
    async fn list_categories(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<Tagged<Vec<CategoryView>>> {
        let page = Page::asked(&page, &per_page)?;
        let load = async {
            let (rows, total) = store::list_categories(&mut shop.db.browse().await?, page.size, page.offset()).await?;
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
    ) -> ApiResult<Tagged<CategoryView>> {
        let load = async {
            let found =
                store::find_category(&mut shop.db.browse().await?, id.0).await?.ok_or_else(Problem::not_found)?;
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
        let input = body.judged().await?;
        let mut tx = shop.db.write().await?;
        let made: CategoryView =
            catalog::create_category(&mut tx, &input.name, None, &cleared(input.description).unwrap_or_default())
                .await?
                .into();
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
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
        /// The `ETag` of the category as you saw it. If it was changed since, nothing is done: 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<CategoryInput>,
    ) -> ApiResult<Reply<CategoryView>> {
        let input = body.judged().await.map(|input| (Some(input.name), cleared(input.description)));
        change_category(&shop, id.0, &seen, input).await
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
        /// The `ETag` of the category as you saw it. If it was changed since, nothing is done: 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<CategoryPatch>,
    ) -> ApiResult<Reply<CategoryView>> {
        let input = body.judged().await.map(|input| (input.name, cleared(input.description)));
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
        /// The `ETag` of the category as you saw it. If it was changed since, nothing is done: 412.
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
