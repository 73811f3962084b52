//! The endpoints of brands.

use platform::{
    cache::Cached,
    http::{
        body::Body,
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
};

use super::{answer, conditional, paged, tag_of};
use crate::{
    accounts::Admin,
    catalog::{
        self, Brand, Part, store,
        view::{self, BrandView},
    },
    shop::{Shop, ids::BrandId, tags::Tag},
};

/// The fields of a brand.
#[derive(Object)]
struct BrandInput {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
}

/// The fields of the brand to change. A field left out keeps its value.
#[derive(Object)]
struct BrandPatch {
    /// The name, 1 to 255 characters.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
}

pub struct BrandsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Catalog")]
impl BrandsApi {
    /// Lists brands.
    ///
    /// Ordered by id, the oldest first. No sign-in is required.
    #[oai(path = "/brands", method = "get", operation_id = "listBrands")]
    async fn list_brands(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<Tagged<Vec<BrandView>>> {
        let page = Page::from_query(&page, &per_page)?;
        let load = async {
            let (rows, total) = store::list_brands(&mut shop.db.browse().await?, page.size, page.offset()).await?;
            Ok(Cached::new(
                json_bytes(&rows.into_iter().map(|brand| view::brand(&shop, brand)).collect::<Vec<_>>()),
                total,
            ))
        };
        let list = answer(&shop, false, Part::Catalog, &format!("brands:{page:?}"), load).await?;
        Ok(paged(request, false, &list, page))
    }

    /// Returns a brand.
    ///
    /// Its products are at `GET /api/products?brand={id}`.
    #[oai(path = "/brands/:id", method = "get", operation_id = "getBrand")]
    async fn get_brand(&self, shop: Data<&Shop>, request: &Request, id: Path<BrandId>) -> ApiResult<Tagged<BrandView>> {
        let load = async {
            let found = store::find_brand(&mut shop.db.browse().await?, id.0).await?.ok_or_else(Problem::not_found)?;
            Ok(Cached::new(json_bytes(&view::brand(&shop, found)), 1))
        };
        let brand = answer(&shop, false, Part::Catalog, &format!("brand:{}", id.0), load).await?;
        Ok(conditional(request, false, &brand))
    }

    /// Creates a brand.
    ///
    /// Its slug is generated from the name and made unique.
    #[oai(path = "/brands", method = "post", operation_id = "createBrand")]
    async fn create_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        body: Body<BrandInput>,
    ) -> ApiResult<Created<BrandView>> {
        let input = body.parse().await?;
        let mut tx = shop.db.write().await?;
        let made = view::brand(&shop, catalog::create_brand(&mut tx, &input.name, None).await?);
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Created::json(&made).header("location", &format!("/api/brands/{}", made.id)))
    }

    /// Replaces a brand.
    ///
    /// The slug does not change, so links keep working.
    #[oai(path = "/brands/:id", method = "put", operation_id = "replaceBrand")]
    async fn replace_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        /// The `ETag` of the brand when you loaded it. If the brand has changed since, the request is rejected with
        /// 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<BrandInput>,
    ) -> ApiResult<Reply<BrandView>> {
        let name = body.parse().await.map(|input| Some(input.name));
        change_brand(&shop, id.0, &seen, name).await
    }

    /// Updates a brand.
    ///
    /// A field left out keeps its value. The slug does not change, so links keep working.
    #[oai(path = "/brands/:id", method = "patch", operation_id = "changeBrand")]
    async fn change_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        /// The `ETag` of the brand when you loaded it. If the brand has changed since, the request is rejected with
        /// 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
        body: Body<BrandPatch>,
    ) -> ApiResult<Reply<BrandView>> {
        let name = body.parse().await.map(|input| input.name);
        change_brand(&shop, id.0, &seen, name).await
    }

    /// Deletes a brand that has no products.
    ///
    /// Move or delete its products first.
    ///
    /// Problems: `in_use`.
    #[oai(path = "/brands/:id", method = "delete", operation_id = "deleteBrand")]
    async fn delete_brand(
        &self,
        shop: Data<&Shop>,
        _by: Admin,
        id: Path<BrandId>,
        /// The `ETag` of the brand when you loaded it. If the brand has changed since, the request is rejected with
        /// 412.
        #[oai(name = "If-Match")]
        seen: Header<IfMatch>,
    ) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        let brand = store::lock_brand(&mut tx, id.0).await?.ok_or_else(Problem::not_found)?;
        seen.check(&tag_of(&view::brand(&shop, brand.clone())))?;
        catalog::delete_brand(&mut tx, brand, shop.now()).await?;
        shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
        Ok(Done::Done)
    }
}

async fn change_brand(
    shop: &Shop,
    id: BrandId,
    seen: &IfMatch,
    name: ApiResult<Option<String>>,
) -> ApiResult<Reply<BrandView>> {
    let mut tx = shop.db.write().await?;
    let mut brand: Brand = store::lock_brand(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    seen.check(&tag_of(&view::brand(shop, brand.clone())))?;
    brand.name = name?.unwrap_or(brand.name);
    store::update_brand(&mut tx, &brand).await?;
    shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
    Ok(Reply::json(&view::brand(shop, brand)))
}
