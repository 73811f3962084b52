//! Every setting, read once and checked before anything starts.
//!
//! A setting is an environment variable, most also a flag. Secrets are variables only: a flag shows in `ps`. An error is one
//! line with the setting, its value (never a secret's) and what is accepted.

mod buying;
mod jwt_secret;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use platform::{
    db,
    http::HttpSettings,
    media::storage::Storage,
    money::Currency,
    settings::{
        Checked, address, boolean, comma_separated, duration, invalid, network, non_empty, number, size, web_address,
    },
    telemetry::LogFormat,
};
use secrecy::SecretString;

use self::{buying::BuyingArgs, jwt_secret::jwt_secret};
use crate::{
    accounts, carts, inventory, orders,
    payments::{
        self,
        providers::{ONLINE, OnlineProvider},
        settings::PaymentArgs,
    },
    retention::{self, settings::RetentionArgs},
    shop::Store,
};

// What is written to the fields is what `--help` prints, where backticks and angle brackets would stand as they are.
#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// The settings as text, with their flags, variables and defaults: what `--help` shows.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct SettingArgs {
    /// The address the API listens on
    #[arg(long, env = "BIND", default_value = "127.0.0.1:8000", global = true)]
    bind: String,
    /// The address on which a worker program serves /health/* and /metrics [default: none]
    #[arg(long, env = "WORKER_BIND", global = true)]
    worker_bind: Option<String>,
    /// The address on which the API serves /metrics and /health/* to everyone [default: BIND, to this machine only]
    #[arg(long, env = "METRICS_BIND", global = true)]
    metrics_bind: Option<String>,
    /// The folder for the SQLite database, media, e-mails and the token secret
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true)]
    data_dir: PathBuf,
    /// sqlite://FILE or postgres://… [default: sqlite://DATA_DIR/cartwright.db]
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    database_url: Option<String>,
    /// redis://HOST:PORT/N, a cache shared by all processes of the shop [default: each process has its own]
    #[arg(long, env = "REDIS_URL", global = true, hide_env_values = true)]
    redis_url: Option<String>,
    /// Whether `serve` also runs the three workers [default: true on SQLite, false on PostgreSQL]
    #[arg(long, env = "INLINE_WORKERS", global = true)]
    inline_workers: Option<String>,
    /// The number of jobs that a worker runs concurrently
    #[arg(long, env = "WORKER_CONCURRENCY", default_value = "8", global = true)]
    worker_concurrency: String,
    /// The lifetime of an access token
    #[arg(long, env = "ACCESS_TOKEN_TTL", default_value = "1d", global = true)]
    access_token_ttl: String,
    /// The lifetime of a refresh token
    #[arg(long, env = "REFRESH_TOKEN_TTL", default_value = "7d", global = true)]
    refresh_token_ttl: String,
    /// The name of the shop, for e-mails
    #[arg(long, env = "STORE_NAME", default_value = "Cartwright", global = true)]
    store_name: String,
    /// The currency of all prices, an ISO 4217 code
    #[arg(long, env = "STORE_CURRENCY", default_value = "USD", global = true)]
    store_currency: String,
    /// The public URL of the API, for customers and payment providers [default: http://BIND]
    #[arg(long, env = "PUBLIC_URL", global = true)]
    public_url: Option<String>,
    /// The URL of your storefront, for links in e-mails: /verify-email, /reset-password [default: PUBLIC_URL]
    #[arg(long, env = "STOREFRONT_URL", global = true)]
    storefront_url: Option<String>,
    /// smtp://HOST:PORT or smtps://USER:PASSWORD@HOST [default: e-mails are written to DATA_DIR/outbox]
    #[arg(long, env = "SMTP_URL", global = true, hide_env_values = true)]
    smtp_url: Option<String>,
    /// The sender of all e-mails
    #[arg(long, env = "MAIL_FROM", default_value = "shop@localhost", global = true)]
    mail_from: String,
    /// A folder of e-mail templates that replace the built-in ones; see `emails export` [default: none]
    #[arg(long, env = "TEMPLATES_DIR", global = true)]
    templates_dir: Option<String>,
    /// How long an unpaid online order reserves its stock
    #[arg(long, env = "RESERVATION_TTL", default_value = "30m", global = true)]
    reservation_ttl: String,
    /// The stock of a product at which admins get an e-mail
    #[arg(long, env = "LOW_STOCK_THRESHOLD", default_value = "5", global = true)]
    low_stock_threshold: String,
    /// Where images are stored: file://FOLDER, shared by all programs, or s3://BUCKET/PREFIX [default: file://DATA_DIR/media]
    #[arg(long, env = "MEDIA_URL", global = true)]
    media_url: Option<String>,
    /// The maximum size of a request body
    #[arg(long, env = "BODY_LIMIT", default_value = "1MiB", global = true)]
    body_limit: String,
    /// Browser origins that may call the API, comma-separated; * for all [default: none]
    #[arg(long, env = "CORS_ORIGINS", default_value = "", hide_default_value = true, global = true)]
    cors_origins: String,
    /// on or off: rate limits of sign-ins, registrations, e-mails, new carts and payments; off for load tests
    #[arg(long, env = "RATE_LIMITS", default_value = "on", global = true)]
    rate_limits: String,
    /// Proxies whose X-Forwarded-For is trusted: addresses or networks like 10.0.0.0/8, comma-separated [default: none]
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "", hide_default_value = true, global = true)]
    trusted_proxies: String,
    /// pretty or json [default: pretty on a terminal, else json]
    #[arg(long, env = "LOG_FORMAT", global = true)]
    log_format: Option<String>,
    #[command(flatten)]
    payments: PaymentArgs,
    #[command(flatten)]
    buying: BuyingArgs,
    #[command(flatten)]
    retention: RetentionArgs,
}

/// What `--help` says of the settings that are variables only.
#[must_use]
pub fn secrets_help() -> String {
    let providers: Vec<String> = ONLINE.iter().flat_map(provider_keys_help).collect();
    let providers = providers.join("\n");
    format!(
        "\
Settings that are environment variables only, because flags are visible in `ps`:
  JWT_SECRET             Signs access tokens, at least 32 bytes [default on SQLite: generated once and stored in DATA_DIR]
{providers}
  AWS_ACCESS_KEY_ID      Access to the bucket of MEDIA_URL, with AWS_SECRET_ACCESS_KEY
  AWS_REGION             The region of the bucket [default: us-east-1]
  AWS_ENDPOINT_URL       The URL of an S3-compatible service, e.g. http://127.0.0.1:9000 with AWS_ALLOW_HTTP=true
  RUST_LOG               The log level, e.g. info or cartwright=debug [default: info]

Settings are also read from a file named .env in the current folder."
    )
}

fn provider_keys_help(online: &OnlineProvider) -> Vec<String> {
    let line = |name: &str, help: &str| format!("  {name:<21}  {help}");
    let with = online.key_secret.map(|secret| format!(", with {secret}")).unwrap_or_default();
    let key = line(online.key, &format!("Enables {}{with}", online.name));
    let webhook_key = online.webhook_key.as_ref().map(|key| line(key.name, key.help));
    [key].into_iter().chain(webhook_key).collect()
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub bind: SocketAddr,
    pub worker_bind: Option<SocketAddr>,
    /// Where the API's metrics are, if not on `bind`.
    pub metrics_bind: Option<SocketAddr>,
    pub data_dir: PathBuf,
    pub database_url: SecretString,
    pub redis_url: Option<SecretString>,
    pub inline_workers: bool,
    pub worker_concurrency: usize,
    pub store: Store,
    pub smtp_url: Option<SecretString>,
    pub mail_from: String,
    /// The folder of e-mail templates that replace built-in ones.
    pub templates_dir: Option<PathBuf>,
    /// The address of the payment simulator, if it is used. There is no variable for it.
    pub simulator: Option<String>,
    /// Whether this is a demo, whose page at `/` shows sign-ins and e-mails to this machine. There is no variable for it, only
    /// `serve --demo`.
    pub demo: bool,
    pub media: Storage,
    /// Bytes.
    pub body_limit: usize,
    pub cors_origins: Vec<String>,
    pub rate_limits: bool,
    pub trusted_proxies: Vec<IpNet>,
    pub accounts: accounts::Settings,
    pub inventory: inventory::Settings,
    pub carts: carts::Settings,
    pub orders: orders::Settings,
    pub payments: payments::settings::Settings,
    pub retention: retention::settings::Settings,
}

impl Settings {
    /// The settings of the HTTP server.
    #[must_use]
    pub fn http(&self) -> HttpSettings {
        HttpSettings {
            public_url: self.store.public_url.clone(),
            body_limit: self.body_limit,
            cors_origins: self.cors_origins.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
        }
    }
}

impl SettingArgs {
    /// The log format, which is needed before anything is logged.
    ///
    /// # Errors
    /// [`SettingError`](platform::settings::SettingError) when the format is unknown.
    pub fn log_format(&self) -> Checked<LogFormat> {
        use std::io::IsTerminal;
        match non_empty(self.log_format.as_ref()) {
            Some("pretty") => Ok(LogFormat::Pretty),
            Some("json") => Ok(LogFormat::Json),
            None => Ok(if std::io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json }),
            Some(other) => Err(invalid("LOG_FORMAT", other, "write pretty or json")),
        }
    }

    /// The address at which a program with these settings serves `/health/ready`. Checks and creates nothing else.
    ///
    /// # Errors
    /// [`SettingError`](platform::settings::SettingError) when the address is none.
    pub fn health_address(&self) -> Checked<SocketAddr> {
        match non_empty(self.worker_bind.as_ref()) {
            Some(text) => address("WORKER_BIND", text),
            None => address("BIND", &self.bind),
        }
    }

    /// Checks every setting, and creates the folder of an embedded database.
    ///
    /// # Errors
    /// [`SettingError`](platform::settings::SettingError) for the first setting that cannot be.
    pub fn check(&self) -> Checked<Settings> {
        let bind = address("BIND", &self.bind)?;
        let database_url = self.database_url()?;
        let embedded = db::sqlite_file(&database_url);
        fs::create_dir_all(&self.data_dir).map_err(|error| {
            invalid(
                "DATA_DIR",
                self.data_dir.display(),
                format!("the folder cannot be created ({error}); choose one that is writable"),
            )
        })?;
        if let Some(folder) = embedded.as_deref().and_then(Path::parent) {
            fs::create_dir_all(folder).map_err(|error| {
                invalid("DATABASE_URL", folder.display(), format!("the folder cannot be created ({error})"))
            })?;
        }
        let reservation_ttl = duration("RESERVATION_TTL", &self.reservation_ttl)?;
        let public_url = non_empty(self.public_url.as_ref())
            .map_or(Ok(format!("http://{bind}")), |text| web_address("PUBLIC_URL", text))?;
        Ok(Settings {
            worker_bind: non_empty(self.worker_bind.as_ref()).map(|text| address("WORKER_BIND", text)).transpose()?,
            metrics_bind: non_empty(self.metrics_bind.as_ref())
                .map(|text| address("METRICS_BIND", text))
                .transpose()?,
            redis_url: self.redis_url()?,
            inline_workers: non_empty(self.inline_workers.as_ref())
                .map_or(Ok(embedded.is_some()), |text| boolean("INLINE_WORKERS", text, "write true or false"))?,
            worker_concurrency: number("WORKER_CONCURRENCY", &self.worker_concurrency, (1, 64))?,
            accounts: accounts::Settings {
                jwt_secret: jwt_secret(embedded.is_some().then_some(&self.data_dir))?,
                access_token_ttl: duration("ACCESS_TOKEN_TTL", &self.access_token_ttl)?,
                refresh_token_ttl: duration("REFRESH_TOKEN_TTL", &self.refresh_token_ttl)?,
                password_cost: argon2::Params::default(),
            },
            store: Store {
                name: self.store_name.clone(),
                currency: self.currency()?,
                storefront_url: non_empty(self.storefront_url.as_ref())
                    .map_or(Ok(public_url.clone()), |text| web_address("STOREFRONT_URL", text))?,
                public_url,
            },
            smtp_url: non_empty(self.smtp_url.as_ref()).map(SecretString::from),
            mail_from: self.mail_from.clone(),
            templates_dir: self.templates_dir(),
            payments: self.payments.check(self.buying.payments_per_hour()?)?,
            simulator: None,
            demo: false,
            media: self.media()?,
            inventory: inventory::Settings {
                low_stock_threshold: number("LOW_STOCK_THRESHOLD", &self.low_stock_threshold, (0, 2_147_483_647))?,
            },
            body_limit: size("BODY_LIMIT", &self.body_limit)?,
            cors_origins: comma_separated(&self.cors_origins).map(ToOwned::to_owned).collect(),
            rate_limits: boolean("RATE_LIMITS", &self.rate_limits, "write on or off")?,
            trusted_proxies: comma_separated(&self.trusted_proxies)
                .map(|text| network("TRUSTED_PROXIES", text))
                .collect::<Checked<_>>()?,
            carts: self.buying.carts()?,
            orders: orders::Settings { orders_per_hour: self.buying.orders_per_hour()?, reservation_ttl },
            retention: self.retention.check()?,
            data_dir: self.data_dir.clone(),
            database_url: database_url.into(),
            bind,
        })
    }

    /// The store's currency, which the API document depends on. Checks nothing else.
    ///
    /// # Errors
    /// [`SettingError`](platform::settings::SettingError) when there is no such currency.
    pub fn currency(&self) -> Checked<Currency> {
        let text = &self.store_currency;
        text.parse().map_err(|accepted| invalid("STORE_CURRENCY", text, format!("write {accepted}")))
    }

    /// What rendering e-mails needs: the folder of templates, the store's name and the sender. Checks nothing.
    #[must_use]
    pub fn emails(&self) -> (Option<PathBuf>, &str, &str) {
        (self.templates_dir(), &self.store_name, &self.mail_from)
    }

    fn templates_dir(&self) -> Option<PathBuf> {
        non_empty(self.templates_dir.as_ref()).map(PathBuf::from)
    }

    fn database_url(&self) -> Checked<String> {
        let Some(url) = non_empty(self.database_url.as_ref()) else {
            return Ok(format!("sqlite://{}", self.data_dir.join("cartwright.db").display()));
        };
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let scheme = url.split_once(':').map_or("…", |(scheme, _)| scheme);
        if known {
            Ok(url.to_owned())
        } else {
            Err(invalid(
                "DATABASE_URL",
                format!("{scheme}:…"),
                "write sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME",
            ))
        }
    }

    fn redis_url(&self) -> Checked<Option<SecretString>> {
        let Some(url) = non_empty(self.redis_url.as_ref()) else { return Ok(None) };
        redis::Client::open(url)
            .map_err(|_| invalid("REDIS_URL", "…", "write redis://HOST:PORT or rediss://USER:PASSWORD@HOST:PORT"))?;
        Ok(Some(url.into()))
    }

    fn media(&self) -> Checked<Storage> {
        let Some(url) = non_empty(self.media_url.as_ref()) else {
            return Ok(Storage::Folder(self.data_dir.join("media")));
        };
        Storage::parse(url).ok_or_else(|| invalid("MEDIA_URL", url, "write file:///FOLDER or s3://BUCKET/PREFIX"))
    }
}
