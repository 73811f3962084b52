//! The demo shop: a small shop of household goods with two customers, an admin and some weeks of history, for trying the
//! API, and as many further products as a load test needs.

mod generated;
mod history;

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use futures_util::{TryStreamExt, stream::FuturesUnordered};
use images::still_life;
use platform::{
    clock::Timestamp,
    db::Tx,
    money::{Amount, Currency, Money},
    thread_pool::ThreadPool,
};
use serde::Deserialize;

use crate::{
    accounts::{self, NewUser, Passwords, Role, User},
    catalog::{
        self, NewProduct, Part,
        images::{self as catalog_images, StoredImage},
    },
    shop::{
        Shop,
        ids::{BrandId, CategoryId, ProductId},
    },
};

use history::{DemoData, PastShop};

/// How many generated products one transaction writes, so that other writers get their turn.
const BATCH: usize = 500;

/// Who can sign in to the demo shop.
#[derive(Clone, Copy, Debug)]
pub struct SignIns {
    pub customer: SignIn,
    pub other_customer: SignIn,
    pub admin: SignIn,
}

#[derive(Clone, Copy, Debug)]
pub struct SignIn {
    pub email: &'static str,
    pub password: &'static str,
}

pub const SIGN_INS: SignIns = SignIns {
    customer: SignIn { email: "customer@example.com", password: "demo-customer-1" },
    other_customer: SignIn { email: "jonas@example.com", password: "demo-customer-2" },
    admin: SignIn { email: "admin@example.com", password: "demo-admin-1" },
};

#[derive(Deserialize)]
struct Catalog {
    categories: Vec<DemoCategory>,
    brands: Vec<DemoBrand>,
    products: Vec<DemoProduct>,
}

#[derive(Deserialize)]
struct DemoCategory {
    name: String,
    slug: String,
    description: String,
}

#[derive(Deserialize)]
struct DemoBrand {
    name: String,
    slug: String,
}

/// A product of the demo catalog; `category` and `brand` are slugs, `price` has two decimals.
#[derive(Deserialize)]
struct DemoProduct {
    name: String,
    slug: String,
    description: String,
    price: String,
    category: String,
    brand: Option<String>,
    stock: i64,
}

/// The ids of categories and brands, by slug.
struct CatalogIds {
    categories: HashMap<String, CategoryId>,
    brands: HashMap<String, BrandId>,
}

impl CatalogIds {
    fn category(&self, product: &DemoProduct) -> Option<CategoryId> {
        self.categories.get(&product.category).copied()
    }

    fn brand(&self, product: &DemoProduct) -> Option<BrandId> {
        product.brand.as_ref().and_then(|slug| self.brands.get(slug)).copied()
    }
}

/// How many products the demo catalog has, before any generated ones.
///
/// # Errors
/// Never: the file is part of the program.
pub fn size() -> anyhow::Result<usize> {
    Ok(catalog()?.products.len())
}

/// Loads the demo shop into an empty database, with as many further `products` if given. In a database that has
/// products it changes nothing and returns `None`. `progress` is called with the number of products that were written.
///
/// # Errors
/// When the files or the database cannot be written, or one of the demo's accounts exists already.
pub async fn load(shop: &Shop, products: Option<usize>, progress: impl Fn(usize)) -> anyhow::Result<Option<SignIns>> {
    if catalog::any_products(&mut shop.db.read().await?).await? {
        return Ok(None);
    }
    let catalog = catalog()?;
    let images = draw_images(shop, &catalog).await?;
    let SignIns { customer, other_customer, admin } = SIGN_INS;
    let hashes = (hash(shop, customer).await?, hash(shop, other_customer).await?, hash(shop, admin).await?);
    let past = PastShop::of(shop)?;

    let mut tx = shop.db.write().await?;
    if catalog::any_products(&mut tx).await? {
        return Ok(None); // another process was faster
    }
    let now = shop.now();
    let nora = register_with_address(&mut tx, nora_account(hashes.0), "Falmouth", "GB", now).await?;
    let jonas = register_with_address(&mut tx, jonas_account(hashes.1), "Berlin", "DE", now).await?;
    register(&mut tx, edmund_account(hashes.2), now).await?;
    let ids = create_categories_and_brands(&mut tx, &catalog).await?;
    let stocked = create_products(&mut tx, shop.store.currency, &catalog, &ids, &images, now).await?;
    let data = DemoData { nora, jonas, products: stocked };
    history::create(&mut tx, &past, &data, now).await?;
    tx.commit().await?;
    past.run_due_jobs(shop.now()).await?;
    history::create_current_orders(shop, &past, &data).await?;
    past.close().await;
    progress(catalog.products.len());

    generate(shop, &catalog, &ids, products.unwrap_or(0), &progress).await?;
    shop.cache.invalidate(&[Part::Catalog]).await;
    Ok(Some(SIGN_INS))
}

fn catalog() -> anyhow::Result<Catalog> {
    serde_json::from_str(include_str!("catalog.json")).context("the demo catalog cannot be read")
}

/// Whether the demo's admin can sign in with the demo's password. If so, anyone who knows the demo has full access anyway.
///
/// # Errors
/// When the database is unavailable.
pub async fn has_demo_admin(shop: &Shop) -> accounts::Result<bool> {
    can_sign_in(shop, SIGN_INS.admin).await
}

/// Whether a sign-in works: its password may have been changed.
///
/// # Errors
/// When the database is unavailable.
pub async fn can_sign_in(shop: &Shop, sign_in: SignIn) -> accounts::Result<bool> {
    accounts::has_password(shop, sign_in.email, sign_in.password).await
}

async fn hash(shop: &Shop, sign_in: SignIn) -> accounts::Result<String> {
    shop.get::<Passwords>().hash(sign_in.password.to_owned()).await
}

async fn register(tx: &mut Tx, new: NewUser, now: Timestamp) -> anyhow::Result<User> {
    let email = new.email.clone();
    match accounts::register(tx, new, now).await {
        Err(accounts::Error::EmailTaken) => {
            bail!("{email} has an account already: the demo shop goes into an empty database only")
        }
        registered => Ok(registered?),
    }
}

/// A customer with an address.
async fn register_with_address(
    tx: &mut Tx,
    new: NewUser,
    city: &str,
    country: &str,
    now: Timestamp,
) -> anyhow::Result<User> {
    let user = register(tx, new, now).await?;
    let user = User { city: city.to_owned(), country: country.to_owned(), ..user };
    accounts::update_profile(tx, &user).await?;
    Ok(user)
}

fn nora_account(password_hash: String) -> NewUser {
    NewUser {
        email: SIGN_INS.customer.email.to_owned(),
        username: Some("customer".to_owned()),
        password_hash,
        role: Role::Customer,
        first_name: "Nora".to_owned(),
        last_name: "Castell".to_owned(),
        phone_number: "+44 20 7946 0123".to_owned(),
        address: "14 Chandler's Row, TR11 3XY".to_owned(),
    }
}

fn jonas_account(password_hash: String) -> NewUser {
    NewUser {
        email: SIGN_INS.other_customer.email.to_owned(),
        username: Some("jonas".to_owned()),
        password_hash,
        role: Role::Customer,
        first_name: "Jonas".to_owned(),
        last_name: "Brandt".to_owned(),
        phone_number: "+49 30 23125 123".to_owned(),
        address: "Ahornallee 7, 14050".to_owned(),
    }
}

fn edmund_account(password_hash: String) -> NewUser {
    NewUser {
        email: SIGN_INS.admin.email.to_owned(),
        username: Some("admin".to_owned()),
        password_hash,
        role: Role::Admin,
        first_name: "Edmund".to_owned(),
        last_name: "Harrow".to_owned(),
        phone_number: String::new(),
        address: String::new(),
    }
}

async fn create_categories_and_brands(tx: &mut Tx, catalog: &Catalog) -> anyhow::Result<CatalogIds> {
    let mut ids = CatalogIds { categories: HashMap::new(), brands: HashMap::new() };
    for category in &catalog.categories {
        let made = catalog::create_category(tx, &category.name, Some(&category.slug), &category.description).await?;
        ids.categories.insert(category.slug.clone(), made.id);
    }
    for brand in &catalog.brands {
        let made = catalog::create_brand(tx, &brand.name, Some(&brand.slug)).await?;
        ids.brands.insert(brand.slug.clone(), made.id);
    }
    Ok(ids)
}

/// Products are listed newest first, so they are created some hours apart and the file's first product is the newest. In all
/// that is five weeks, so that each was there before it was ordered.
async fn create_products(
    tx: &mut Tx,
    currency: Currency,
    catalog: &Catalog,
    ids: &CatalogIds,
    images: &HashMap<String, StoredImage>,
    now: Timestamp,
) -> anyhow::Result<HashMap<String, ProductId>> {
    let mut arrived = now;
    let mut products = HashMap::new();
    for product in &catalog.products {
        let new = NewProduct {
            name: product.name.clone(),
            slug: Some(product.slug.clone()),
            description: product.description.clone(),
            price: price(currency, &product.price)?,
            stock: product.stock,
            is_active: true,
            category: ids.category(product),
            brand: ids.brand(product),
            sku: None,
        };
        let made = catalog::create_product(tx, new, arrived).await?;
        if let Some(image) = images.get(&product.slug) {
            catalog_images::show(tx, made.id, image, arrived).await?;
        }
        products.insert(product.slug.clone(), made.id);
        arrived = arrived - Duration::from_hours(14);
    }
    Ok(products)
}

/// The catalog's prices have two decimals. In a currency without decimals their digits are kept, because 84.00 there
/// is as believable as 8400.
fn price(currency: Currency, text: &str) -> anyhow::Result<Money> {
    let hundredths: Currency = "USD".parse().map_err(anyhow::Error::msg)?;
    let Money(minor) = hundredths.parse(&Amount::new(text)).map_err(anyhow::Error::msg)?;
    Ok(Money(minor * 10_i64.pow(u32::from(currency.decimals.max(2) - 2))))
}

/// Draws every product's image, on all cores, and stores it.
async fn draw_images(shop: &Shop, catalog: &Catalog) -> anyhow::Result<HashMap<String, StoredImage>> {
    let pool = ThreadPool::<()>::on_all_cores("demo", catalog.products.len());
    let mut drawing: FuturesUnordered<_> = catalog
        .products
        .iter()
        .map(|product| async {
            let (slug, category) = (product.slug.clone(), product.category.clone());
            let image = pool.run(move |()| still_life::draw(&slug, &category)).await??;
            anyhow::Ok((product.slug.clone(), image))
        })
        .collect();
    let mut stored = HashMap::new();
    while let Some((slug, image)) = drawing.try_next().await? {
        stored.insert(
            slug,
            catalog_images::store_image(shop, image).await.context("MEDIA_URL: the images cannot be written")?,
        );
    }
    Ok(stored)
}

async fn generate(
    shop: &Shop,
    catalog: &Catalog,
    ids: &CatalogIds,
    further: usize,
    progress: impl Fn(usize),
) -> anyhow::Result<()> {
    let mut products = generated::products(catalog, ids, shop.store.currency)?.take(further);
    let mut written = catalog.products.len();
    loop {
        let batch: Vec<NewProduct> = products.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        written += batch.len();
        let mut tx = shop.db.write().await?;
        let now = shop.now();
        for product in batch {
            catalog::create_product(&mut tx, product, now).await?;
        }
        tx.commit().await?;
        progress(written);
    }
}
