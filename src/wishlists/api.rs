//! The endpoints of the wishlist.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::ApiResult,
        query::OptionalQuery,
        reply::{CreatedOrFound, Done, List},
    },
    money::Amount,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};

use super::{Entry, store};
use crate::{
    accounts::SignedIn,
    catalog::view,
    shop::{Shop, ids::ProductId, tags::Tag},
};

/// A product to add to the wishlist.
#[derive(Object)]
#[oai(rename = "Wish")]
struct NewEntry {
    /// The id of the product.
    product: ProductId,
}

/// A product on the wishlist, with its current data from the catalog.
#[derive(Object)]
#[oai(rename = "WishlistEntry")]
struct EntryView {
    /// The id of the product.
    product: ProductId,
    /// The current name of the product.
    name: String,
    /// The current price of one unit.
    price: Amount,
    /// The URL of the product's first image; `null` if there is none.
    image: Option<String>,
    /// Whether the product is in stock.
    in_stock: bool,
    /// When the product was added to the wishlist.
    added_at: Timestamp,
}

async fn entry_views(tx: &mut Tx, shop: &Shop, entries: Vec<Entry>) -> Result<Vec<EntryView>> {
    let (products, times): (Vec<_>, Vec<_>) = entries.into_iter().map(|entry| (entry.product, entry.added_at)).unzip();
    let products = view::products(tx, shop, products).await?;
    let entry = |(product, added_at): (view::ProductView, Timestamp)| EntryView {
        product: product.id,
        name: product.name,
        price: product.price,
        image: product.image,
        in_stock: product.stock > 0,
        added_at,
    };
    Ok(products.into_iter().zip(times).map(entry).collect())
}

pub struct WishlistsApi;

#[OpenApi(prefix_path = "/api", tag = "Tag::Wishlist")]
impl WishlistsApi {
    /// Lists the products on the wishlist.
    ///
    /// The most recently added product first. A product that is no longer sold is left out, and appears again if it
    /// becomes available again.
    #[oai(path = "/wishlist", method = "get", operation_id = "getWishlist")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        page: OptionalQuery<PageNumber>,
        per_page: OptionalQuery<PageSize>,
    ) -> ApiResult<List<EntryView>> {
        let page = Page::from_query(&page, &per_page)?;
        let mut tx = shop.db.read().await?;
        let (entries, total) = store::list(&mut tx, by.id, page.size, page.offset()).await?;
        let shown = entry_views(&mut tx, &shop, entries).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Adds a product to the wishlist.
    ///
    /// Returns 200 instead of 201 if the product is already on the wishlist; its position does not change.
    #[oai(path = "/wishlist", method = "post", operation_id = "addToWishlist")]
    async fn add(&self, shop: Data<&Shop>, by: SignedIn, body: Body<NewEntry>) -> ApiResult<CreatedOrFound<EntryView>> {
        let product = body.parse().await?.product;
        let mut tx = shop.db.write().await?;
        let (entry, added) = super::add(&mut tx, by.id, product, shop.now()).await?;
        let shown = entry_views(&mut tx, &shop, vec![entry]).await?.remove(0);
        tx.commit().await?;
        Ok(CreatedOrFound::json(&shown, added))
    }

    /// Removes a product from the wishlist.
    ///
    /// Returns 404 if the product is not on the wishlist.
    #[oai(path = "/wishlist/:product", method = "delete", operation_id = "removeFromWishlist")]
    async fn remove(&self, shop: Data<&Shop>, by: SignedIn, product: Path<ProductId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        super::remove(&mut tx, by.id, product.0).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }
}
