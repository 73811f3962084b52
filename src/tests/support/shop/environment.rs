//! What a shop needs around it, and how it opens.

use std::sync::{Arc, Mutex, OnceLock};

use argon2::Params;
use cartwright::{
    app::{
        api::{self, Contract},
        context,
        settings::{SettingArgs, Settings},
    },
    catalog,
    shop::Shop,
};
use clap::Parser;
use futures_util::future::join_all;
use payment_simulator::{Options, Simulator};
use platform::{
    clock::Clock,
    db::Db,
    http::{edge::Edge, server},
};
use poem::{Endpoint, Response};
use reqwest::redirect::Policy;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex as AsyncMutex};
use tokio_util::sync::CancellationToken;

use super::{BEGINNING, Expected, JWT_SECRET, TestShop};
use crate::support::{
    database::{Database, Engine},
    folder::folder,
    http_client,
    people::Person,
    smtp::MailServer,
};

/// What stays when a shop closes and opens again with other settings.
pub struct Environment {
    pub folder: TempDir,
    pub database: Database,
    pub clock: Clock,
    pub mail: MailServer,
    pub simulator: Simulator,
    /// Knows its shop, so it is let go when that closes.
    pub admin: AsyncMutex<Option<Person>>,
    pub expected: Mutex<Expected>,
    /// Of every shop that was opened in it.
    pub databases: Mutex<Vec<Db>>,
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
        let database = Database::create(engine, folder.path()).await;
        Self::open_in(folder, database).await
    }

    /// The shop of an earlier version whose newest migration was `version`, with what it left behind, opened by this one;
    /// `None` when its engine is not here. Its providers have forgotten everything.
    pub async fn upgrade_from(engine: Engine, version: i64, rows: &str) -> Option<Self> {
        let folder = folder();
        let database = Database::of_version(engine, folder.path(), version, rows).await;
        Self::open_in(folder, database).await
    }

    async fn open_in(folder: TempDir, database: Option<Database>) -> Option<Self> {
        let database = database?;
        let clock = Clock::fixed_at(BEGINNING);
        let options = Options { clock: clock.clone(), ..Options::default() };
        let environment = Environment {
            folder,
            database,
            clock,
            mail: MailServer::start().await,
            simulator: Simulator::start(options).await.expect("the payment simulator starts"),
            admin: AsyncMutex::default(),
            expected: Mutex::default(),
            databases: Mutex::default(),
        };
        let settings = settings(&environment);
        Some(open(Arc::new(environment), settings).await)
    }

    /// The same shop, opened again beside itself with other settings: what another process would be.
    pub async fn opens_again(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(&self.environment);
        change(&mut settings);
        open(Arc::clone(&self.environment), settings).await
    }

    /// The same shop on a copy of its SQLite database, which may be damaged without harm to this one. Nothing may be
    /// writing meanwhile.
    pub async fn on_a_copy_of_its_database(&self) -> Self {
        let copy = self.environment.database.copy_file(self.environment.folder.path());
        self.opens_again(|settings| settings.database_url = copy.into()).await
    }

    /// Takes everything down.
    pub async fn closes(self) {
        self.environment.admin.lock().await.take();
        let databases = std::mem::take(&mut *self.environment.databases.lock().unwrap());
        join_all(databases.iter().map(Db::close)).await;
        self.environment.database.drop().await;
        std::fs::remove_dir_all(self.environment.folder.path()).expect("the story's folder can be removed");
    }
}

fn settings(environment: &Environment) -> Settings {
    let folder = environment.folder.path().to_str().expect("a folder in UTF-8");
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
    settings.database_url = environment.database.url.clone().into();
    settings.redis_url = None;
    settings.rate_limits = false; // all stories come from one address
    settings.accounts.jwt_secret = JWT_SECRET.into();
    // People of the stories sign in thousands of times.
    settings.accounts.password_cost = Params::new(Params::MIN_M_COST, 1, 1, None).expect("the least there is");
    settings.smtp_url = Some(environment.mail.url().into());
    settings.pay_with_simulator(environment.simulator.url());
    settings
}

/// The API of a shop. Nearly all have the same currency and with it the same contract, which takes a while to make.
fn app(shop: &Shop) -> Edge<impl Endpoint<Output = Response> + use<>> {
    static OF_MOST: OnceLock<Contract> = OnceLock::new();
    let currency = shop.store.currency;
    let of_most = OF_MOST.get_or_init(|| Contract::of("USD".parse().expect("a currency")));
    if currency == "USD".parse().expect("a currency") {
        api::app(shop, of_most)
    } else {
        api::app(shop, &Contract::of(currency))
    }
}

async fn open(environment: Arc<Environment>, settings: Settings) -> TestShop {
    let shop = context::shop(settings, environment.clock.clone()).expect("the shop opens");
    environment.databases.lock().unwrap().push(shop.db.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on 127.0.0.1");
    let address = format!("http://{}", listener.local_addr().expect("the address just bound"));
    let stop = CancellationToken::new();
    tokio::spawn(catalog::follow_other_processes(shop.clone(), stop.clone()));
    tokio::spawn(server::serve(listener, app(&shop), stop.clone()));
    let http = http_client().redirect(Policy::none()).build().expect("an HTTP client");
    TestShop { environment, shop, address, http, _open: Arc::new(stop.drop_guard()) }
}
