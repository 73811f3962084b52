//! A shop of its own for each story: the real HTTP server over its own database, with a mail server, payment providers
//! and a clock that belong to the story.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use argon2::Params;
use cartwright::{
    accounts::{self, NewUser, Passwords, Role},
    app::{
        api::{self, Contract},
        context,
        settings::{SettingArgs, Settings},
        workers,
    },
    shop::Shop,
};
use clap::Parser;
use futures_util::future::join_all;
use memchr::memmem;
use payment_simulator::{Options, Provider, Simulator, Webhook};
use platform::{
    clock::{Clock, Timestamp},
    db::Db,
    http::server,
};
use poem::{Endpoint, Response};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex as AsyncMutex};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::{
    database::{Database, Engine},
    log::StoryLog,
    people::{Order, PASSWORD, Person, Product, money},
    smtp::MailServer,
};

/// Every story begins on 15 January 2025, 06:31 UTC.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_736_922_698_809_214);

/// The shop of a story. Cloning is cheap.
#[derive(Clone)]
pub struct TestShop {
    house: Arc<House>,
    shop: Shop,
    address: String,
    http: reqwest::Client,
    _open: Arc<DropGuard>,
}

/// What stays when a shop closes and opens again with other settings.
struct House {
    folder: PathBuf,
    database: Database,
    clock: Clock,
    mail: MailServer,
    simulator: Simulator,
    /// Knows its shop, so it is let go when that closes.
    admin: AsyncMutex<Option<Person>>,
    expected: Mutex<Expected>,
    /// Of every shop that was opened in it.
    databases: Mutex<Vec<Db>>,
}

/// What a story says will be unusual at its end.
#[expect(clippy::struct_excessive_bools, reason = "each is told by a story of its own")]
#[derive(Clone, Copy, Default)]
pub struct Expected {
    pub dead_letters: bool,
    pub waiting_jobs: bool,
    pub wrong_stock: bool,
    pub repeated_mail: bool,
    pub swept_jobs: bool,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: SettingArgs,
}

impl TestShop {
    /// A new shop; `None` when its engine is not here.
    pub async fn opens(engine: Engine) -> Option<Self> {
        let folder = folder();
        let database = Database::create(engine, &folder).await;
        let shop = Self::moves_in(folder, database).await?;
        if engine == Engine::Sqlite {
            shop.db().migrate().await.expect("the migrations run");
        }
        Some(shop)
    }

    /// The shop of an earlier version whose newest migration was `version`, with what it left behind, opened by this one;
    /// `None` when its engine is not here. Its providers have forgotten everything.
    pub async fn takes_over(engine: Engine, version: i64, rows: &str) -> Option<Self> {
        let folder = folder();
        let database = Database::of_version(engine, &folder, version, rows).await;
        Self::moves_in(folder, database).await
    }

    async fn moves_in(folder: PathBuf, database: Option<Database>) -> Option<Self> {
        let Some(database) = database else {
            std::fs::remove_dir_all(&folder).expect("the folder just made");
            return None;
        };
        let clock = Clock::fixed_at(BEGINNING);
        let options = Options { clock: clock.clone(), ..Options::default() };
        let house = House {
            folder,
            database,
            clock,
            mail: MailServer::start().await,
            simulator: Simulator::start(options).await.expect("the payment simulator starts"),
            admin: AsyncMutex::default(),
            expected: Mutex::default(),
            databases: Mutex::default(),
        };
        let settings = settings(&house);
        Some(open(Arc::new(house), settings).await)
    }

    /// The same shop, opened again beside itself with other settings: what another process would be.
    pub async fn opens_again(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(&self.house);
        change(&mut settings);
        open(Arc::clone(&self.house), settings).await
    }

    /// Takes everything down.
    pub async fn closes(self) {
        self.house.admin.lock().await.take();
        let databases = std::mem::take(&mut *self.house.databases.lock().unwrap());
        join_all(databases.iter().map(Db::close)).await;
        self.house.database.drop().await;
        std::fs::remove_dir_all(&self.house.folder).expect("the story's folder can be removed");
    }

    pub fn inside(&self) -> &Shop {
        &self.shop
    }

    pub fn db(&self) -> &Db {
        &self.shop.db
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Where its pictures are, unless they are in a bucket.
    pub fn media_folder(&self) -> PathBuf {
        self.house.folder.join("media")
    }

    pub fn mail(&self) -> &MailServer {
        &self.house.mail
    }

    /// The payment providers.
    pub fn simulator(&self) -> &Simulator {
        &self.house.simulator
    }

    pub fn now(&self) -> Timestamp {
        self.house.clock.now()
    }

    /// Moves the clock. Nothing happens by itself.
    pub fn time_passes(&self, by: Duration) {
        self.house.clock.advance(by);
    }

    /// Runs every job that is due, and what follows from it, until none is.
    pub async fn runs_its_jobs(&self) {
        loop {
            let mut ran = 0;
            for worker in workers::all() {
                ran += worker.run_due(&self.shop).await.expect("the workers reach the database");
            }
            if ran == 0 {
                return;
            }
        }
    }

    pub fn expected(&self) -> Expected {
        *self.house.expected.lock().unwrap()
    }

    /// Says that the shop warns of this, or calls it an error: a text that is part of the line.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn expects_in_log(&self, text: &str) {
        StoryLog::of_this_thread().expects(text);
    }

    /// The same, where it depends on the moment.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn allows_in_log(&self, text: &str) {
        StoryLog::of_this_thread().allows(text);
    }

    pub fn expects_dead_letters(&self) {
        self.allows_in_log("job failed for good; kept as a dead letter");
        self.house.expected.lock().unwrap().dead_letters = true;
    }

    pub fn expects_waiting_jobs(&self) {
        self.house.expected.lock().unwrap().waiting_jobs = true;
    }

    pub fn expects_wrong_stock(&self) {
        self.allows_in_log("stock does not match its movements");
        self.house.expected.lock().unwrap().wrong_stock = true;
    }

    pub fn expects_repeated_mail(&self) {
        self.house.expected.lock().unwrap().repeated_mail = true;
    }

    pub fn expects_swept_jobs(&self) {
        self.house.expected.lock().unwrap().swept_jobs = true;
    }

    /// Somebody who is not signed in.
    pub fn visitor(&self) -> Person {
        Person::unknown(self)
    }

    /// Somebody who has an account and is signed in. No e-mail waits to be sent: to be told of that, let them
    /// [`register`](Self::registers).
    pub async fn customer(&self, email: &str) -> Person {
        self.gives_an_account(email, Role::Customer).await
    }

    /// Registers, as a visitor does.
    pub async fn registers(&self, email: &str) -> super::answer::Answer {
        let registration = json!({"email": email, "password": PASSWORD, "first_name": "Ada"});
        self.visitor().post("/api/auth/register").json(&registration).await
    }

    /// The same shop beside itself, where nobody may try too often.
    pub async fn with_limits(&self) -> Self {
        self.opens_again(|settings| settings.rate_limits = true).await
    }

    /// The one who runs the shop. Made when first asked for.
    pub async fn admin(&self) -> Person {
        let mut admin = self.house.admin.lock().await;
        if let Some(admin) = &*admin {
            return admin.of(self);
        }
        admin.insert(self.gives_an_account("boss@example.com", Role::Admin).await).clone()
    }

    pub async fn gives_an_account(&self, email: &str, role: Role) -> Person {
        let hash = self.shop.get::<Passwords>().hash(PASSWORD.to_owned()).await.expect("a core to hash on");
        let new = NewUser {
            email: email.to_owned(),
            username: None,
            password_hash: hash,
            role,
            first_name: if role == Role::Admin { String::new() } else { "Ada".to_owned() },
            last_name: String::new(),
            phone_number: String::new(),
            address: "12 St James's Square".to_owned(),
        };
        let mut tx = self.db().write().await.expect("a transaction");
        let user = accounts::register(&mut tx, new, self.now()).await.expect("an account");
        tx.commit().await.expect("the account is kept");
        let mut person = Person::unknown(self);
        person.email = email.to_owned();
        person.id = user.id.0;
        person.signs_in().await;
        person
    }

    /// Puts a product on the shelf: `shop.sells("Mug").at(12_00).in_stock(1).await`.
    pub fn sells(&self, name: &str) -> Offer {
        let product = json!({"name": name, "price": "10.00", "stock": 100});
        Offer { shop: self.clone(), product }
    }

    pub async fn stock_of(&self, product: &Product) -> i64 {
        let found: (i64,) = self
            .db()
            .query("SELECT stock FROM products WHERE id = $1")
            .bind(product.id)
            .fetch_one()
            .await
            .expect("the product is there");
        found.0
    }

    /// Stripe says what happened, signed, at this moment. Its answer is ours.
    pub async fn hears_from_stripe(&self, event: &str, intent: &str) -> super::answer::Answer {
        self.receives(&self.simulator().webhook_of(Provider::Stripe, event, intent)).await
    }

    /// The providers tell, in order, what happened since they were last asked to.
    pub async fn hears_from_the_providers(&self) {
        for webhook in self.simulator().webhooks() {
            self.receives(&webhook).await.is(200);
        }
    }

    /// A webhook comes in.
    pub async fn receives(&self, webhook: &Webhook) -> super::answer::Answer {
        let address = format!("/api/payments/webhooks/{}", webhook.provider.name());
        let request = self.visitor().post(&address);
        let request = webhook.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(webhook.media_type, webhook.body.clone()).await
    }

    /// How an order stands, as the boss sees it: `("confirmed", "paid")`.
    pub async fn standing_of(&self, order: &Order) -> (String, String) {
        let order = self.admin().await.sees(order).await;
        let text = |name: &str| order[name].as_str().expect("a status").to_owned();
        (text("status"), text("payment_status"))
    }

    /// How many rows a `SELECT COUNT(*)` counts.
    pub async fn counts(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = self.db().query(sql).fetch_one().await.expect("a count");
        count
    }

    /// What nobody may read and stands in the database all the same, wherever it is.
    pub async fn secrets_kept(&self) -> Option<&'static str> {
        let everything = self.house.database.everything().await;
        let kept = |secret: &&&str| memmem::find(&everything, secret.as_bytes()).is_some();
        SECRETS.iter().find(kept).copied()
    }

    /// Reaches into the database behind the shop's back.
    pub async fn tampers(&self, sql: &'static str) -> u64 {
        let mut tx = self.db().write().await.expect("a transaction");
        let changed = tx.query(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        tx.commit().await.expect("the change is kept");
        changed
    }
}

const JWT_SECRET: &str = "a secret of the stories, long enough";

/// Passwords, keys, tokens that are signed, and the card that everybody tries.
const SECRETS: [&str; 9] = [
    PASSWORD,
    JWT_SECRET,
    "eyJ0eXAi",
    "eyJhbGci",
    payment_simulator::STRIPE_SECRET_KEY,
    payment_simulator::STRIPE_WEBHOOK_SECRET,
    payment_simulator::PAYPAL_CLIENT_SECRET,
    payment_simulator::RAZORPAY_KEY_SECRET,
    "4242424242424242",
];

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("cartwright-story-{}", Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).expect("a folder for the story");
    folder
}

fn settings(house: &House) -> Settings {
    let folder = house.folder.to_str().expect("a folder in UTF-8");
    let flags = [
        "stories",
        "--data-dir",
        folder,
        "--bind",
        "127.0.0.1:0",
        "--inline-workers",
        "false",
        "--public-url",
        "https://shop.test",
    ];
    // Checked as an SQLite shop, which needs no secret from the environment; the story's own follow.
    let sqlite = format!("sqlite://{folder}/shop.db");
    let flags = Flags::parse_from(flags.into_iter().chain(["--database-url", &sqlite]));
    let mut settings = flags.settings.check().expect("the settings of a story");
    settings.database_url = house.database.url.clone().into();
    settings.redis_url = None;
    settings.rate_limits = false; // all stories come from one address
    settings.accounts.jwt_secret = JWT_SECRET.into();
    // People of the stories sign in thousands of times.
    settings.accounts.password_cost = Params::new(Params::MIN_M_COST, 1, 1, None).expect("the least there is");
    settings.smtp_url = Some(house.mail.url().into());
    settings.pay_with_simulator(house.simulator.url());
    settings
}

/// The API of a shop. Nearly all have the same currency and with it the same contract, which takes a while to make.
fn app(shop: &Shop) -> impl Endpoint<Output = Response> + use<> {
    static OF_MOST: OnceLock<Contract> = OnceLock::new();
    let currency = shop.store.currency;
    let of_most = OF_MOST.get_or_init(|| Contract::of("USD".parse().expect("a currency")));
    if currency == "USD".parse().expect("a currency") {
        api::app(shop, of_most)
    } else {
        api::app(shop, &Contract::of(currency))
    }
}

async fn open(house: Arc<House>, settings: Settings) -> TestShop {
    let shop = context::shop(settings, house.clock.clone()).expect("the shop opens");
    house.databases.lock().unwrap().push(shop.db.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on 127.0.0.1");
    let address = format!("http://{}", listener.local_addr().expect("the address just bound"));
    let stop = CancellationToken::new();
    tokio::spawn(server::serve(listener, app(&shop), stop.clone()));
    // Without certificates, which take long to read: nobody here speaks TLS.
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]);
    let http = http.build().expect("an HTTP client");
    TestShop { house, shop, address, http, _open: Arc::new(stop.drop_guard()) }
}

/// A product on its way to the shelf.
pub struct Offer {
    shop: TestShop,
    product: Value,
}

impl Offer {
    /// Minor units: `12_00` is 12.00.
    pub fn at(self, price: i64) -> Self {
        self.with("price", money(price))
    }

    pub fn in_stock(self, stock: i64) -> Self {
        self.with("stock", stock)
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.product[field] = value.into();
        self
    }
}

impl IntoFuture for Offer {
    type Output = Product;
    type IntoFuture = Pin<Box<dyn Future<Output = Product> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let made = self.shop.admin().await.post("/api/products").json(&self.product).await.is(201);
            Product::from(made.json())
        })
    }
}
