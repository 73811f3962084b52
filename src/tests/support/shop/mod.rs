//! A shop of its own for each story: the real HTTP server over its own database, with a mail server, payment providers
//! and a clock that belong to the story.

mod environment;
mod expected;
mod offer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use cartwright::{
    accounts::{self, NewUser, Passwords, Role},
    app::{settings::Settings, workers},
    shop::Shop,
};
use memchr::memmem;
use payment_simulator::{Provider, Simulator, Webhook};
use platform::{clock::Timestamp, db::Db};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::sync::DropGuard;

use super::{
    answer::Answer,
    database,
    people::{Order, PASSWORD, Person, Product},
    smtp::MailServer,
};
use environment::Environment;
pub use expected::Expected;
pub use offer::Offer;

/// Every story begins on 15 January 2025, 06:31 UTC.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_736_922_698_809_214);

/// The shop of a story. Cloning is cheap.
#[derive(Clone)]
pub struct TestShop {
    environment: Arc<Environment>,
    shop: Shop,
    address: String,
    http: reqwest::Client,
    _open: Arc<DropGuard>,
}

impl TestShop {
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

    /// Where its image files are, unless they are in a bucket.
    pub fn media_folder(&self) -> PathBuf {
        self.environment.folder.path().join("media")
    }

    pub fn mail(&self) -> &MailServer {
        &self.environment.mail
    }

    /// The payment providers.
    pub fn simulator(&self) -> &Simulator {
        &self.environment.simulator
    }

    pub fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    /// Moves the clock. Nothing happens by itself.
    pub fn time_passes(&self, by: Duration) {
        self.environment.clock.advance(by);
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

    /// Somebody who is not signed in.
    pub fn visitor(&self) -> Person {
        Person::unknown(self)
    }

    /// Somebody who has an account and is signed in. No e-mail waits to be sent, unlike after
    /// [`registers`](Self::registers).
    pub async fn customer(&self, email: &str) -> Person {
        self.creates_account(email, Role::Customer).await
    }

    /// Registers, as a visitor does.
    pub async fn registers(&self, email: &str) -> Answer {
        let registration = json!({"email": email, "password": PASSWORD, "first_name": "Ada"});
        self.visitor().post("/api/auth/register").json(&registration).await
    }

    /// The same shop beside itself, where nobody may try too often.
    pub async fn with_limits(&self) -> Self {
        self.opens_again(|settings| settings.rate_limits = true).await
    }

    /// The admin, created when first asked for.
    pub async fn admin(&self) -> Person {
        let mut admin = self.environment.admin.lock().await;
        if let Some(admin) = &*admin {
            return admin.of(self);
        }
        admin.insert(self.creates_account("boss@example.com", Role::Admin).await).clone()
    }

    pub async fn creates_account(&self, email: &str, role: Role) -> Person {
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

    /// Creates a product: `shop.sells("Mug").at(12_00).in_stock(1).await`.
    pub fn sells(&self, name: &str) -> Offer {
        let product = json!({"name": name, "price": "10.00", "stock": 100});
        Offer { shop: self.clone(), product }
    }

    pub async fn stock_of(&self, product: &Product) -> i64 {
        let found: (i64,) = self
            .db()
            .query("SELECT units FROM stock WHERE product_id = $1")
            .bind(product.id)
            .fetch_one()
            .await
            .expect("the product is there");
        found.0
    }

    /// A webhook of Stripe's comes in, signed at this moment.
    pub async fn receives_from_stripe(&self, event: &str, intent: &str) -> Answer {
        self.receives_webhook(&self.simulator().webhook_of(Provider::Stripe, event, intent)).await
    }

    /// The webhooks of everything that happened since the last call come in, in order.
    pub async fn receives_all_webhooks(&self) {
        for webhook in self.simulator().webhooks() {
            self.receives_webhook(&webhook).await.is(200);
        }
    }

    /// A webhook comes in.
    pub async fn receives_webhook(&self, webhook: &Webhook) -> Answer {
        let address = format!("/api/payments/webhooks/{}", webhook.provider.name());
        let request = self.visitor().post(&address);
        let request = webhook.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(webhook.media_type, webhook.body.clone()).await
    }

    /// The statuses of an order and of its payment: `("confirmed", "paid")`.
    pub async fn statuses_of(&self, order: &Order) -> (String, String) {
        let order = self.admin().await.sees(order).await;
        let text = |name: &str| order[name].as_str().expect("a status").to_owned();
        (text("status"), text("payment_status"))
    }

    /// How many rows a `SELECT COUNT(*)` counts.
    pub async fn counts(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = self.db().query(sql).fetch_one().await.expect("a count");
        count
    }

    /// Reaches into the database behind the shop's back.
    pub async fn tampers(&self, sql: &'static str) -> u64 {
        let mut tx = self.db().write().await.expect("a transaction");
        let changed = tx.query(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        tx.commit().await.expect("the change is kept");
        changed
    }

    /// A secret that is stored in the database all the same, wherever it is.
    pub async fn secrets_kept(&self) -> Option<&'static str> {
        let settings = self.inside().get::<Settings>();
        let everything = database::everything(settings.database_url.expose_secret()).await;
        let kept = |secret: &&&str| memmem::find(&everything, secret.as_bytes()).is_some();
        SECRETS.iter().find(kept).copied()
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
