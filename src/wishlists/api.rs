//! The endpoints of the wishlist.

use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    http::{
        body::Body,
        paging::{Page, PageNumber, PageSize},
        problem::ApiResult,
        query::Ask,
        reply::{Done, List, MadeOrFound},
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

/// A product to put on the wishlist.
#[derive(Object)]
#[oai(rename = "Wish")]
struct NewEntry {
    /// The id of a product.
    product: ProductId,
}

/// A product on the wishlist, with what the catalog says of it now.
#[derive(Object)]
#[oai(rename = "WishlistEntry")]
struct EntryView {
    /// The id of the product.
    product: ProductId,
    name: String,
    /// Today's price.
    price: Amount,
    /// The address of its first image, as the product has it.
    image: Option<String>,
    /// Whether any can be ordered now.
    in_stock: bool,
    /// When it was first put on the list.
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
    /// Lists what is on the wishlist.
    ///
    /// The latest first. A product that left the shop is not shown; should it come back, so does its entry.
    #[oai(path = "/wishlist", method = "get", operation_id = "getWishlist")]
    async fn list(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        by: SignedIn,
        page: Ask<PageNumber>,
        per_page: Ask<PageSize>,
    ) -> ApiResult<List<EntryView>> {
        let page = Page::asked(&page, &per_page)?;
        let mut tx = shop.db.read().await?;
        let (entries, total) = store::list(&mut tx, by.id, page.size, page.offset()).await?;
        let shown = entry_views(&mut tx, &shop, entries).await?;
        Ok(List::page(&shown, total, page, request.original_uri()))
    }

    /// Puts a product on the wishlist.
    ///
    /// One that is on it already stays where it is, and the answer is 200 instead of 201.
    #[oai(path = "/wishlist", method = "post", operation_id = "addToWishlist")]
    async fn add(&self, shop: Data<&Shop>, by: SignedIn, body: Body<NewEntry>) -> ApiResult<MadeOrFound<EntryView>> {
        let product = body.judged().await?.product;
        let mut tx = shop.db.write().await?;
        let (entry, added) = super::add(&mut tx, by.id, product, shop.now()).await?;
        let shown = entry_views(&mut tx, &shop, vec![entry]).await?.remove(0);
        tx.commit().await?;
        Ok(MadeOrFound::json(&shown, added))
    }

    /// Takes a product off the wishlist.
    ///
    /// One that is not on it: 404.
    #[oai(path = "/wishlist/:product", method = "delete", operation_id = "removeFromWishlist")]
    async fn remove(&self, shop: Data<&Shop>, by: SignedIn, product: Path<ProductId>) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        super::remove(&mut tx, by.id, product.0).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }
}
