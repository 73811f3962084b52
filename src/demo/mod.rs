//! The demo shop: a small shop of household things with a customer and an admin, for trying the API, and as many further
//! products as a test of speed needs.

mod generated;
mod pictures;

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use futures_util::{TryStreamExt, stream::FuturesUnordered};
use serde::Deserialize;

use crate::{
    accounts::{self, NewUser, Role, User},
    cache::Part,
    catalog::{
        self, NewProduct,
        images::{self, Kept},
    },
    clock::Timestamp,
    db::Tx,
    http::problem::ApiResult,
    ids::{BrandId, CategoryId},
    money::{Amount, Currency, Money},
    shop::Shop,
    thread_pool::ThreadPool,
};

/// How many generated products one transaction writes, so that a running shop gets its turn in between.
const BATCH: usize = 500;

/// Who can sign in to the demo shop.
#[derive(Clone, Copy, Debug)]
pub struct SignIns {
    pub customer: SignIn,
    pub admin: SignIn,
}

#[derive(Clone, Copy, Debug)]
pub struct SignIn {
    pub email: &'static str,
    pub password: &'static str,
}

const SIGN_INS: SignIns = SignIns {
    customer: SignIn { email: "customer@example.com", password: "demo-customer-1" },
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

/// Where each slug's category and brand are.
struct Shelves {
    categories: HashMap<String, CategoryId>,
    brands: HashMap<String, BrandId>,
}

impl Shelves {
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
/// Never in a program that was built whole.
pub fn size() -> anyhow::Result<usize> {
    Ok(catalog()?.products.len())
}

/// Loads the demo shop into an empty database, with so many further `products` when asked for. In a database that has
/// products it changes nothing and returns `None`. `progress` hears how many products were written.
///
/// # Errors
/// When the files or the database cannot be written, or somebody has an account of the demo's.
pub async fn load(shop: &Shop, products: Option<usize>, progress: impl Fn(usize)) -> anyhow::Result<Option<SignIns>> {
    if catalog::any_products(&mut shop.db.read().await?).await? {
        return Ok(None);
    }
    let catalog = catalog()?;
    let pictures = hang_pictures(shop, &catalog).await?;
    let hashes = (hash(shop, SIGN_INS.customer).await?, hash(shop, SIGN_INS.admin).await?);

    let mut tx = shop.db.write().await?;
    if catalog::any_products(&mut tx).await? {
        return Ok(None); // somebody else was faster
    }
    let now = shop.now();
    let nora = register(&mut tx, customer(hashes.0), now).await?;
    accounts::update_profile(&mut tx, &User { city: "Falmouth".to_owned(), country: "GB".to_owned(), ..nora }).await?;
    register(&mut tx, admin(hashes.1), now).await?;
    let shelves = put_up_shelves(&mut tx, &catalog).await?;
    fill_shelves(&mut tx, shop.settings.currency, &catalog, &shelves, &pictures, now).await?;
    tx.commit().await?;
    progress(catalog.products.len());

    generate(shop, &catalog, &shelves, products.unwrap_or(0), &progress).await?;
    shop.cache.forget(&[Part::Catalog]).await;
    Ok(Some(SIGN_INS))
}

fn catalog() -> anyhow::Result<Catalog> {
    serde_json::from_str(include_str!("catalog.json")).context("the demo catalog cannot be read")
}

async fn hash(shop: &Shop, sign_in: SignIn) -> ApiResult<String> {
    shop.passwords.hash(sign_in.password.to_owned()).await
}

async fn register(tx: &mut Tx, new: NewUser, now: Timestamp) -> anyhow::Result<User> {
    let email = new.email.clone();
    match accounts::register(tx, new, now).await {
        Err(problem) if problem.code == "email_taken" => {
            bail!("{email} has an account already: the demo shop goes into an empty database only")
        }
        registered => Ok(registered?),
    }
}

fn customer(password_hash: String) -> NewUser {
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

fn admin(password_hash: String) -> NewUser {
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

async fn put_up_shelves(tx: &mut Tx, catalog: &Catalog) -> anyhow::Result<Shelves> {
    let mut shelves = Shelves { categories: HashMap::new(), brands: HashMap::new() };
    for category in &catalog.categories {
        let made = catalog::create_category(tx, &category.name, Some(&category.slug), &category.description).await?;
        shelves.categories.insert(category.slug.clone(), made.id);
    }
    for brand in &catalog.brands {
        let made = catalog::create_brand(tx, &brand.name, Some(&brand.slug)).await?;
        shelves.brands.insert(brand.slug.clone(), made.id);
    }
    Ok(shelves)
}

/// Products are listed newest first, so a few hours lie between any two and the file's first product is the newest.
async fn fill_shelves(
    tx: &mut Tx,
    currency: Currency,
    catalog: &Catalog,
    shelves: &Shelves,
    pictures: &HashMap<String, Kept>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut arrived = now;
    for product in &catalog.products {
        let new = NewProduct {
            name: product.name.clone(),
            slug: Some(product.slug.clone()),
            description: product.description.clone(),
            price: price(currency, &product.price)?,
            stock: product.stock,
            is_active: true,
            category: shelves.category(product),
            brand: shelves.brand(product),
            sku: None,
        };
        let made = catalog::create_product(tx, new, arrived).await?;
        if let Some(picture) = pictures.get(&product.slug) {
            images::show(tx, made.id, picture, arrived).await?;
        }
        arrived = arrived - Duration::from_hours(7);
    }
    Ok(())
}

/// The catalog's prices have two decimals. In a currency without decimals their digits are kept, because 84.00 there
/// is as believable as 8400.
fn price(currency: Currency, text: &str) -> anyhow::Result<Money> {
    let hundredths: Currency = "USD".parse().map_err(anyhow::Error::msg)?;
    let Money(minor) = hundredths.parse(&Amount::new(text)).map_err(anyhow::Error::msg)?;
    Ok(Money(minor * 10_i64.pow(u32::from(currency.decimals.max(2) - 2))))
}

/// Draws every product's picture, on all cores, and keeps it with the shop's files.
async fn hang_pictures(shop: &Shop, catalog: &Catalog) -> anyhow::Result<HashMap<String, Kept>> {
    let pool = ThreadPool::<()>::on_all_cores("demo", catalog.products.len());
    let mut drawing: FuturesUnordered<_> = catalog
        .products
        .iter()
        .map(|product| async {
            let (slug, category) = (product.slug.clone(), product.category.clone());
            let picture = pool.run(move |()| pictures::draw(&slug, &category)).await??;
            anyhow::Ok((product.slug.clone(), picture))
        })
        .collect();
    let mut hung = HashMap::new();
    while let Some((slug, picture)) = drawing.try_next().await? {
        hung.insert(slug, images::keep(shop, picture).await.context("MEDIA_URL: the pictures cannot be written")?);
    }
    Ok(hung)
}

async fn generate(
    shop: &Shop,
    catalog: &Catalog,
    shelves: &Shelves,
    further: usize,
    progress: impl Fn(usize),
) -> anyhow::Result<()> {
    let mut products = generated::products(catalog, shelves, shop.settings.currency)?.take(further);
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
