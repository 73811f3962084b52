//! Every setting, read once and checked before anything starts.
//!
//! A setting is an environment variable, most also a flag. Secrets are variables only: a flag shows in `ps`. What is
//! wrong is told in one line that names the setting, its value (never a secret's) and what is accepted.

use std::{
    fmt::Display,
    fs,
    io::Write,
    net::{IpAddr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::{db, media::place::Place, money::Currency};

// What is written to the fields is what `--help` prints, where backticks and angle brackets would stand as they are.
#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// The settings as text, with their flags, variables and defaults: what `--help` shows.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct SettingArgs {
    /// Where the API listens
    #[arg(long, env = "BIND", default_value = "127.0.0.1:8000", global = true)]
    bind: String,
    /// Where a worker program serves /health/* and /metrics [default: nowhere]
    #[arg(long, env = "WORKER_BIND", global = true)]
    worker_bind: Option<String>,
    /// Where everything the embedded default writes is kept
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true)]
    data_dir: PathBuf,
    /// sqlite://FILE or postgres://… [default: sqlite://DATA_DIR/cartwright.db]
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    database_url: Option<String>,
    /// redis://HOST:PORT/N for a cache shared by all processes of this shop [default: none, each has its own]
    #[arg(long, env = "REDIS_URL", global = true, hide_env_values = true)]
    redis_url: Option<String>,
    /// Whether `serve` also runs the three workers [default: true on SQLite, false on PostgreSQL]
    #[arg(long, env = "INLINE_WORKERS", global = true)]
    inline_workers: Option<String>,
    /// How many jobs one worker does at a time
    #[arg(long, env = "WORKER_CONCURRENCY", default_value = "8", global = true)]
    worker_concurrency: String,
    /// How long an access token works
    #[arg(long, env = "ACCESS_TOKEN_TTL", default_value = "1d", global = true)]
    access_token_ttl: String,
    /// How long a refresh token works
    #[arg(long, env = "REFRESH_TOKEN_TTL", default_value = "7d", global = true)]
    refresh_token_ttl: String,
    /// The shop's name, in e-mails and in the API document
    #[arg(long, env = "STORE_NAME", default_value = "Cartwright", global = true)]
    store_name: String,
    /// The one currency of the shop, an ISO 4217 code
    #[arg(long, env = "STORE_CURRENCY", default_value = "USD", global = true)]
    store_currency: String,
    /// The address customers and providers reach the shop by [default: http://BIND]
    #[arg(long, env = "PUBLIC_URL", global = true)]
    public_url: Option<String>,
    /// Where your shop's own pages are, for the links in e-mails: /verify-email, /reset-password [default: PUBLIC_URL]
    #[arg(long, env = "STOREFRONT_URL", global = true)]
    storefront_url: Option<String>,
    /// smtp://HOST:PORT or smtps://USER:PASSWORD@HOST [default: each e-mail becomes DATA_DIR/outbox/*.eml]
    #[arg(long, env = "SMTP_URL", global = true, hide_env_values = true)]
    smtp_url: Option<String>,
    /// Whom e-mails come from
    #[arg(long, env = "MAIL_FROM", default_value = "shop@localhost", global = true)]
    mail_from: String,
    /// Where Stripe is, for tests and self-hosted gateways [default: Stripe's]
    #[arg(long, env = "STRIPE_API_BASE", global = true)]
    stripe_api_base: Option<String>,
    /// How long an unpaid online order holds its stock
    #[arg(long, env = "RESERVATION_TTL", default_value = "30m", global = true)]
    reservation_ttl: String,
    /// How few pieces of a product are left when the admins are told
    #[arg(long, env = "LOW_STOCK_THRESHOLD", default_value = "5", global = true)]
    low_stock_threshold: String,
    /// Where pictures are kept: file://FOLDER, the same for all programs, or s3://BUCKET/PREFIX [default: file://DATA_DIR/media]
    #[arg(long, env = "MEDIA_URL", global = true)]
    media_url: Option<String>,
    /// The largest request body
    #[arg(long, env = "BODY_LIMIT", default_value = "1MiB", global = true)]
    body_limit: String,
    /// Origins whose pages may call the API, comma-separated; * for all [default: none]
    #[arg(long, env = "CORS_ORIGINS", default_value = "", hide_default_value = true, global = true)]
    cors_origins: String,
    /// on or off: whether sign-ins, registrations, letters and new carts are limited; off for load tests
    #[arg(long, env = "RATE_LIMITS", default_value = "on", global = true)]
    rate_limits: String,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks like 10.0.0.0/8, comma-separated [default: none]
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "", hide_default_value = true, global = true)]
    trusted_proxies: String,
    /// pretty or json [default: pretty on a terminal, else json]
    #[arg(long, env = "LOG_FORMAT", global = true)]
    log_format: Option<String>,
    #[command(flatten)]
    retention: RetentionArgs,
}

#[allow(clippy::doc_markdown)]
/// How long things are kept that nobody needs for ever. The stock worker sweeps them hourly.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "How long things are kept")]
struct RetentionArgs {
    /// Anonymous carts that nobody touched
    #[arg(long, env = "CART_TTL", default_value = "30d", global = true)]
    cart_ttl: String,
    /// Sessions and e-mail links that have expired, at least 2d
    #[arg(long, env = "SESSION_RETENTION", default_value = "30d", global = true)]
    session_retention: String,
    /// Idempotency keys with their answers, at least 1d, which the API promises
    #[arg(long, env = "IDEMPOTENCY_KEY_TTL", default_value = "1d", global = true)]
    idempotency_key_ttl: String,
    /// Jobs that are done, at least 1d; dead letters stay until an admin discards them
    #[arg(long, env = "JOB_RETENTION", default_value = "7d", global = true)]
    job_retention: String,
    /// Webhooks that were acted on, at least 7d, because providers repeat them
    #[arg(long, env = "WEBHOOK_RETENTION", default_value = "90d", global = true)]
    webhook_retention: String,
    /// Which letters left, so that none is sent twice, at least 2d
    #[arg(long, env = "LETTER_RETENTION", default_value = "90d", global = true)]
    letter_retention: String,
    /// The events of orders that were delivered or cancelled
    #[arg(long, env = "ORDER_EVENT_RETENTION", default_value = "90d", global = true)]
    order_event_retention: String,
}

/// What `--help` says of the settings that are variables only.
pub const SECRETS_HELP: &str = "\
Settings that are variables only, because flags show in `ps`:
  JWT_SECRET             Signs access tokens, at least 32 bytes [default on SQLite: made once, kept in DATA_DIR]
  STRIPE_SECRET_KEY      Turns Stripe on
  STRIPE_WEBHOOK_SECRET  Checks Stripe's webhooks
  AWS_ACCESS_KEY_ID      Opens the bucket of MEDIA_URL, with AWS_SECRET_ACCESS_KEY
  AWS_REGION             Where the bucket is [default: us-east-1]
  AWS_ENDPOINT_URL       Another S3 than Amazon's, e.g. http://127.0.0.1:9000 with AWS_ALLOW_HTTP=true
  RUST_LOG               What is logged, e.g. info or cartwright=debug [default: info]

Every setting may also stand in a file named .env in the current folder.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub bind: SocketAddr,
    pub worker_bind: Option<SocketAddr>,
    pub data_dir: PathBuf,
    pub database_url: SecretString,
    pub redis_url: Option<SecretString>,
    pub inline_workers: bool,
    pub worker_concurrency: usize,
    pub jwt_secret: SecretString,
    pub access_token_ttl: Duration,
    pub refresh_token_ttl: Duration,
    pub store_name: String,
    pub currency: Currency,
    /// Without a slash at its end.
    pub public_url: String,
    /// Where the links in e-mails lead. Without a slash at its end.
    pub storefront_url: String,
    pub smtp_url: Option<SecretString>,
    pub mail_from: String,
    pub stripe: Option<StripeSettings>,
    pub reservation_ttl: Duration,
    /// Pieces. An order that brings a product down to it is told to the admins.
    pub low_stock_threshold: i64,
    pub media: Place,
    /// Bytes.
    pub body_limit: usize,
    pub cors_origins: Vec<String>,
    pub rate_limits: bool,
    pub trusted_proxies: Vec<IpNet>,
    pub retention: Retention,
}

/// How long things are kept that nobody needs for ever.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Anonymous ones, since they were last touched.
    pub carts: Duration,
    /// Since their last token expired.
    pub sessions: Duration,
    pub idempotency_keys: Duration,
    /// Since they were done.
    pub jobs: Duration,
    pub webhooks: Duration,
    pub letters: Duration,
    /// Since the order ended.
    pub order_events: Duration,
}

#[derive(Clone, Debug)]
pub struct StripeSettings {
    pub secret_key: SecretString,
    /// Without it no webhook is believed; payments are then confirmed by the answers and the scheduled look-up.
    pub webhook_secret: Option<SecretString>,
    pub api_base: Option<String>,
}

/// One line that says which setting is wrong, and how.
#[derive(Debug, thiserror::Error)]
#[error("{setting}={value}: {accepted}")]
pub struct SettingError {
    setting: &'static str,
    value: String,
    accepted: String,
}

type Checked<T> = Result<T, SettingError>;

/// A variable that is set to nothing is not set, as container tools like to pass them.
fn given(setting: Option<&String>) -> Option<&str> {
    setting.map(String::as_str).filter(|text| !text.is_empty())
}

fn wrong(setting: &'static str, value: impl Display, accepted: impl Display) -> SettingError {
    SettingError { setting, value: value.to_string(), accepted: accepted.to_string() }
}

impl SettingArgs {
    /// How to log, which must be known before anything else can be told.
    ///
    /// # Errors
    /// [`SettingError`] when the format is unknown.
    pub fn log_format(&self) -> Checked<LogFormat> {
        use std::io::IsTerminal;
        match given(self.log_format.as_ref()) {
            Some("pretty") => Ok(LogFormat::Pretty),
            Some("json") => Ok(LogFormat::Json),
            None => Ok(if std::io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json }),
            Some(other) => Err(wrong("LOG_FORMAT", other, "write pretty or json")),
        }
    }

    /// Where the program with these settings tells whether it is ready. Checks nothing else and makes nothing.
    ///
    /// # Errors
    /// [`SettingError`] when the address is none.
    pub fn health_address(&self) -> Checked<SocketAddr> {
        match given(self.worker_bind.as_ref()) {
            Some(text) => address("WORKER_BIND", text),
            None => address("BIND", &self.bind),
        }
    }

    /// Checks every setting and makes the folder the embedded default lives in.
    ///
    /// # Errors
    /// [`SettingError`] for the first setting that cannot be.
    pub fn check(&self) -> Checked<Settings> {
        let bind = address("BIND", &self.bind)?;
        let database_url = self.database_url()?;
        let embedded = db::sqlite_file(&database_url);
        fs::create_dir_all(&self.data_dir).map_err(|error| {
            wrong(
                "DATA_DIR",
                self.data_dir.display(),
                format!("the folder cannot be made ({error}); name one that can be written"),
            )
        })?;
        if let Some(folder) = embedded.as_deref().and_then(Path::parent) {
            fs::create_dir_all(folder).map_err(|error| {
                wrong("DATABASE_URL", folder.display(), format!("the folder cannot be made ({error})"))
            })?;
        }
        let reservation_ttl = duration("RESERVATION_TTL", &self.reservation_ttl)?;
        let public_url = given(self.public_url.as_ref())
            .map_or(Ok(format!("http://{bind}")), |text| web_address("PUBLIC_URL", text))?;
        Ok(Settings {
            worker_bind: given(self.worker_bind.as_ref()).map(|text| address("WORKER_BIND", text)).transpose()?,
            redis_url: self.redis_url()?,
            inline_workers: given(self.inline_workers.as_ref())
                .map_or(Ok(embedded.is_some()), |text| truth("INLINE_WORKERS", text, "write true or false"))?,
            worker_concurrency: self.worker_concurrency()?,
            jwt_secret: jwt_secret(embedded.is_some().then_some(&self.data_dir))?,
            access_token_ttl: duration("ACCESS_TOKEN_TTL", &self.access_token_ttl)?,
            refresh_token_ttl: duration("REFRESH_TOKEN_TTL", &self.refresh_token_ttl)?,
            store_name: self.store_name.clone(),
            currency: self.currency()?,
            storefront_url: given(self.storefront_url.as_ref())
                .map_or(Ok(public_url.clone()), |text| web_address("STOREFRONT_URL", text))?,
            public_url,
            smtp_url: given(self.smtp_url.as_ref()).map(SecretString::from),
            mail_from: self.mail_from.clone(),
            stripe: self.stripe()?,
            media: self.media()?,
            low_stock_threshold: self.low_stock_threshold()?,
            body_limit: size("BODY_LIMIT", &self.body_limit)?,
            cors_origins: listed(&self.cors_origins).map(ToOwned::to_owned).collect(),
            rate_limits: truth("RATE_LIMITS", &self.rate_limits, "write on or off")?,
            trusted_proxies: listed(&self.trusted_proxies)
                .map(|text| network("TRUSTED_PROXIES", text))
                .collect::<Checked<_>>()?,
            retention: self.retention.check()?,
            data_dir: self.data_dir.clone(),
            database_url: database_url.into(),
            reservation_ttl,
            bind,
        })
    }

    /// The store's currency, which the API document depends on. Checks nothing else.
    ///
    /// # Errors
    /// [`SettingError`] when there is no such currency.
    pub fn currency(&self) -> Checked<Currency> {
        let text = &self.store_currency;
        text.parse().map_err(|accepted| wrong("STORE_CURRENCY", text, format!("write {accepted}")))
    }

    fn database_url(&self) -> Checked<String> {
        let Some(url) = given(self.database_url.as_ref()) else {
            return Ok(format!("sqlite://{}", self.data_dir.join("cartwright.db").display()));
        };
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let scheme = url.split_once(':').map_or("…", |(scheme, _)| scheme);
        if known {
            Ok(url.to_owned())
        } else {
            Err(wrong(
                "DATABASE_URL",
                format!("{scheme}:…"),
                "write sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME",
            ))
        }
    }

    fn redis_url(&self) -> Checked<Option<SecretString>> {
        let Some(url) = given(self.redis_url.as_ref()) else { return Ok(None) };
        redis::Client::open(url)
            .map_err(|_| wrong("REDIS_URL", "…", "write redis://HOST:PORT or rediss://USER:PASSWORD@HOST:PORT"))?;
        Ok(Some(url.into()))
    }

    fn worker_concurrency(&self) -> Checked<usize> {
        let count = self.worker_concurrency.parse().ok().filter(|count| (1..=64).contains(count));
        count.ok_or_else(|| wrong("WORKER_CONCURRENCY", &self.worker_concurrency, "write a number from 1 to 64"))
    }

    fn media(&self) -> Checked<Place> {
        let Some(url) = given(self.media_url.as_ref()) else { return Ok(Place::Folder(self.data_dir.join("media"))) };
        Place::read(url).ok_or_else(|| wrong("MEDIA_URL", url, "write file:///FOLDER or s3://BUCKET/PREFIX"))
    }

    fn low_stock_threshold(&self) -> Checked<i64> {
        let count = self.low_stock_threshold.parse().ok().filter(|count| (0..=2_147_483_647).contains(count));
        count.ok_or_else(|| {
            wrong("LOW_STOCK_THRESHOLD", &self.low_stock_threshold, "write a number from 0 to 2147483647")
        })
    }

    fn stripe(&self) -> Checked<Option<StripeSettings>> {
        let Some(secret_key) = secret("STRIPE_SECRET_KEY") else { return Ok(None) };
        if !secret_key.expose_secret().starts_with("sk_") && !secret_key.expose_secret().starts_with("rk_") {
            return Err(wrong(
                "STRIPE_SECRET_KEY",
                "…",
                "it starts with sk_ or rk_; you find it in Stripe's dashboard",
            ));
        }
        let api_base = given(self.stripe_api_base.as_ref());
        if let Some(base) = api_base
            && !base.starts_with("http")
        {
            return Err(wrong("STRIPE_API_BASE", base, "write an http:// or https:// address"));
        }
        Ok(Some(StripeSettings {
            secret_key,
            webhook_secret: secret("STRIPE_WEBHOOK_SECRET"),
            api_base: api_base.map(ToOwned::to_owned),
        }))
    }
}

impl RetentionArgs {
    fn check(&self) -> Checked<Retention> {
        let (no_least, a_day) = (Duration::ZERO, Duration::from_hours(24));
        Ok(Retention {
            carts: kept_for("CART_TTL", &self.cart_ttl, no_least)?,
            // A letter about a session, and any letter, is tried for a day.
            sessions: kept_for("SESSION_RETENTION", &self.session_retention, 2 * a_day)?,
            idempotency_keys: kept_for("IDEMPOTENCY_KEY_TTL", &self.idempotency_key_ttl, a_day)?,
            // The row of a scheduled job is what keeps it from running twice in its period.
            jobs: kept_for("JOB_RETENTION", &self.job_retention, a_day)?,
            webhooks: kept_for("WEBHOOK_RETENTION", &self.webhook_retention, 7 * a_day)?,
            letters: kept_for("LETTER_RETENTION", &self.letter_retention, 2 * a_day)?,
            order_events: kept_for("ORDER_EVENT_RETENTION", &self.order_event_retention, no_least)?,
        })
    }
}

/// A duration of at least so many days.
fn kept_for(setting: &'static str, text: &str, least: Duration) -> Checked<Duration> {
    let kept = duration(setting, text)?;
    if kept >= least {
        return Ok(kept);
    }
    Err(wrong(setting, text, format!("write at least {}d", least.as_secs() / 86_400)))
}

fn address(setting: &'static str, text: &str) -> Checked<SocketAddr> {
    text.parse().map_err(|_| wrong(setting, text, "write an address and a port, like 127.0.0.1:8000"))
}

fn web_address(setting: &'static str, text: &str) -> Checked<String> {
    let valid =
        (text.starts_with("http://") || text.starts_with("https://")) && text.parse::<poem::http::Uri>().is_ok();
    if valid {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(wrong(setting, text, "write an http:// or https:// address"))
    }
}

/// The entries of a comma-separated list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn network(setting: &'static str, text: &str) -> Checked<IpNet> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(one)
        .map_err(|_| wrong(setting, text, "write addresses or networks, like 10.0.0.7 or 10.0.0.0/8"))
}

fn truth(setting: &'static str, text: &str, accepted: &str) -> Checked<bool> {
    match text {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        other => Err(wrong(setting, other, accepted)),
    }
}

fn duration(setting: &'static str, text: &str) -> Checked<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    let sensible = seconds.filter(|seconds| (1..=315_360_000).contains(seconds));
    sensible.map(Duration::from_secs).ok_or_else(|| wrong(setting, text, "write a number and s, m, h or d, like 30m"))
}

fn size(setting: &'static str, text: &str) -> Checked<usize> {
    let (number, unit) = match (text.strip_suffix("MiB"), text.strip_suffix("KiB")) {
        (Some(number), _) => (number, 1 << 20),
        (_, Some(number)) => (number, 1 << 10),
        _ => (text, 1),
    };
    let bytes =
        number.trim().parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes >= 1024);
    bytes.ok_or_else(|| wrong(setting, text, "write a size of at least 1KiB, like 1MiB"))
}

fn secret(variable: &str) -> Option<SecretString> {
    std::env::var(variable).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}

/// The key of all access tokens. The embedded default makes one and keeps it, so that sign-ins outlive a restart.
fn jwt_secret(keep_in: Option<&PathBuf>) -> Checked<SecretString> {
    const ACCEPTED: &str =
        "write at least 32 random bytes, e.g. from `openssl rand -base64 48`, the same for every process";
    match (secret("JWT_SECRET"), keep_in) {
        (Some(given), _) if given.expose_secret().len() >= 32 => Ok(given),
        (Some(_), _) => Err(wrong("JWT_SECRET", "(too short)", ACCEPTED)),
        (None, None) => Err(wrong("JWT_SECRET", "(unset)", ACCEPTED)),
        (None, Some(folder)) => {
            let file = folder.join("jwt_secret");
            kept_secret(&file).map_err(|error| {
                wrong("DATA_DIR", folder.display(), format!("{} cannot be used ({error})", file.display()))
            })
        }
    }
}

fn kept_secret(file: &Path) -> std::io::Result<SecretString> {
    if !file.exists() {
        // Written aside and linked into place, so that two programs that start together agree on one.
        let draft = file.with_extension(uuid::Uuid::new_v4().to_string());
        let made = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
            .map(|part| part.simple().to_string())
            .concat();
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        new.write_all(made.as_bytes())?;
        new.sync_all()?;
        let _ = fs::hard_link(&draft, file); // somebody else's came first: then theirs is it
        fs::remove_file(&draft)?;
    }
    let kept = fs::read_to_string(file)?;
    match kept.len() {
        32.. => Ok(kept.into()),
        _ => Err(std::io::Error::other("it holds less than 32 bytes; delete it, and everybody signs in anew")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwt_secret");
        let made = kept_secret(&file).unwrap();
        assert!(made.expose_secret().len() >= 32);
        assert_eq!(made.expose_secret(), kept_secret(&file).unwrap().expose_secret());
        fs::write(&file, "").unwrap();
        assert!(kept_secret(&file).is_err());
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let networks: Vec<_> = listed(" 10.0.0.7, fd00::/8,,").map(|text| network("X", text).unwrap()).collect();
        assert_eq!(networks, ["10.0.0.7/32".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for refused in ["proxy.example.com", "10.0.0.0/33", "*"] {
            assert!(network("X", refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn durations_and_sizes_are_read_or_refused_with_a_reason() {
        assert_eq!(duration("X", "30m").unwrap(), Duration::from_mins(30));
        assert_eq!(duration("X", "7d").unwrap(), Duration::from_hours(168));
        assert_eq!(size("X", "1MiB").unwrap(), 1_048_576);
        for refused in ["", "30", "m", "-1m", "0s", "1w", "99999999999999999999d"] {
            assert_eq!(
                duration("TTL", refused).unwrap_err().to_string(),
                format!("TTL={refused}: write a number and s, m, h or d, like 30m")
            );
        }
        assert!(size("X", "10").is_err());
        assert_eq!(kept_for("X", "48h", Duration::from_hours(48)).unwrap(), Duration::from_hours(48));
        assert_eq!(kept_for("X", "1h", Duration::from_hours(48)).unwrap_err().to_string(), "X=1h: write at least 2d");
    }
}
