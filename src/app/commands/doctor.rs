//! `cartwright doctor`. It changes nothing that a start would not change.

use std::{future::Future, net::SocketAddr, path::Path, time::Duration};

use crate::{
    app::{
        context, programs,
        settings::{SettingArgs, Settings},
    },
    catalog::currency,
    payments::providers::{ONLINE, OnlineProvider},
    shop::Shop,
};
use anyhow::bail;
use clap::Args;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::print_line;

/// How long a dependency may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Check all settings and dependencies
///
/// Prints one line per check, with advice for each problem. Exits with status 1 if a check fails.
#[derive(Args, Clone, Copy)]
pub struct DoctorArgs {
    /// Only check whether a running program with these settings is ready; for container health checks
    ///
    /// Asks `WORKER_BIND` if it is set, otherwise `BIND`. Exits with status 0 if it is ready.
    #[arg(long)]
    ready: bool,
}

pub async fn run(args: DoctorArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    if args.ready { ready(settings.health_address()?).await } else { check_all(settings).await }
}

async fn ready(address: SocketAddr) -> anyhow::Result<()> {
    if is_ready(address).await { Ok(()) } else { bail!("{address} is not ready") }
}

/// Whether `/health/ready` at an address of this machine answers 200.
async fn is_ready(mut address: SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    let answer = timeout(TIMEOUT, get(address, "/health/ready")).await;
    matches!(answer, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 "))
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The result of one check.
enum Finding {
    Ok(String),
    Warn(String),
    Fail(String),
}

use Finding::{Fail, Ok as Fine, Warn};
use platform::{clock::Clock, db};

async fn check_all(args: &SettingArgs) -> anyhow::Result<()> {
    let shop = match programs::init(args).and_then(|settings| context::shop(settings, Clock::default())) {
        Ok(shop) => shop,
        Err(error) => {
            print_finding("settings", &Fail(format!("{error:#}")))?;
            bail!("correct the setting and run this again; the other checks need valid settings");
        }
    };
    let settings = &shop.get::<Settings>();
    let mut findings = vec![
        ("settings", Fine("all values are valid".to_owned())),
        ("DATA_DIR", folder(&settings.data_dir).await),
        ("MEDIA_URL", media(&shop).await),
        ("DATABASE_URL", database(&shop).await),
        ("prices", prices(&shop).await),
        ("REDIS_URL", redis(&shop).await),
        ("e-mail", mail(&shop).await),
    ];
    findings.extend(ONLINE.iter().map(|online| (online.name, provider(online, settings))));
    findings.push(("BIND", port(settings.bind).await));
    for (name, address) in [("WORKER_BIND", settings.worker_bind), ("METRICS_BIND", settings.metrics_bind)] {
        if let Some(address) = address {
            findings.push((name, port(address).await));
        }
    }
    for (name, finding) in &findings {
        print_finding(name, finding)?;
    }
    match findings.iter().filter(|(_, finding)| matches!(finding, Fail(_))).count() {
        0 => Ok(()),
        1 => bail!("1 check failed"),
        many => bail!("{many} checks failed"),
    }
}

fn print_finding(name: &str, finding: &Finding) -> anyhow::Result<()> {
    let (mark, what) = match finding {
        Fine(what) => ("ok", what),
        Warn(what) => ("warn", what),
        Fail(what) => ("FAIL", what),
    };
    print_line(format!("{mark:4}  {name:12}  {}", what.replace('\n', " ")))
}

async fn folder(folder: &Path) -> Finding {
    let probe = folder.join(".doctor");
    let written = async {
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(&probe, b"").await?;
        tokio::fs::remove_file(&probe).await
    };
    match written.await {
        Ok(()) => Fine(format!("{} is writable", folder.display())),
        Err(error) => Fail(format!(
            "{} is not writable ({error}); change its permissions or choose another folder",
            folder.display()
        )),
    }
}

async fn media(shop: &Shop) -> Finding {
    match with_timeout(shop.media.check_writable()).await {
        Ok(what) => Fine(what),
        Err(why) => Fail(why),
    }
}

async fn database(shop: &Shop) -> Finding {
    let file = db::sqlite_file(shop.get::<Settings>().database_url.expose_secret());
    if let Some(file) = file.filter(|file| !file.exists()) {
        return Fine(format!("{} does not exist yet; the first start creates it", file.display()));
    }
    match with_timeout(shop.db.ping()).await {
        Err(why) => {
            Fail(format!("cannot connect to the database: {why}; check the URL and that the server is running"))
        }
        Ok(()) => match with_timeout(shop.db.pending_migrations()).await {
            Err(why) => Fail(format!("the migrations cannot be read: {why}")),
            Ok(0) => Fine("connected; the schema is up to date".to_owned()),
            Ok(pending) if shop.db.migrates_on_start() => {
                Fine(format!("connected; the next start applies {pending} migration(s)"))
            }
            Ok(pending) => Fail(format!("the schema lacks {pending} migration(s); run `cartwright migrate`")),
        },
    }
}

async fn prices(shop: &Shop) -> Finding {
    let file = db::sqlite_file(shop.get::<Settings>().database_url.expose_secret());
    let is_there = file.is_none_or(|file| file.exists());
    if !is_there || !matches!(with_timeout(shop.db.pending_migrations()).await, Ok(0)) {
        return Fine("not checked, because the database is not ready".to_owned());
    }
    match with_timeout(currency::require(shop)).await {
        Ok(()) => Fine(format!("the currency is {}", shop.store.currency)),
        Err(why) => Fail(why),
    }
}

async fn with_timeout<T, E: std::fmt::Display>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    let answer = timeout(TIMEOUT, answer).await.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?;
    answer.map_err(|error| error.to_string())
}

async fn redis(shop: &Shop) -> Finding {
    match timeout(TIMEOUT, shop.cache.redis_answers()).await {
        Ok(None) => Fine("not set: each process has its own cache".to_owned()),
        Ok(Some(true)) => Fine("connected".to_owned()),
        _ => Fail(
            "cannot connect to Redis, so the shop is slower and each process counts rate limits separately; check the \
             URL and that the server is running"
                .to_owned(),
        ),
    }
}

async fn mail(shop: &Shop) -> Finding {
    let outbox = shop.get::<Settings>().data_dir.join("outbox");
    match shop.mailer.check().await {
        Err(why) => Fail(why),
        Ok(()) if shop.get::<Settings>().smtp_url.is_some() => Fine("connected to the mail server".to_owned()),
        Ok(()) => Warn(format!("SMTP_URL is not set: e-mails are written to {} instead of sent", outbox.display())),
    }
}

/// Checks the settings only: whether a key works shows in a payment.
fn provider(online: &OnlineProvider, settings: &Settings) -> Finding {
    let Some(keys) = settings.payments.providers.get(&online.provider) else {
        return Fine(format!("disabled, because {} is not set", online.key));
    };
    match &online.webhook_key {
        None => Fine("all keys are set; webhooks need none".to_owned()),
        Some(key) if keys.webhook_secrets.is_empty() => {
            Warn(format!("{} is not set: webhooks are rejected, so payments are confirmed later", key.name))
        }
        Some(_) => Fine("all keys are set, including the one for webhooks".to_owned()),
    }
}

async fn port(address: SocketAddr) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_) => Fine(format!("{address} is free")),
        Err(_) if is_ready(address).await => Fine(format!("a shop is running at {address}")),
        Err(error) => {
            Fail(format!("cannot listen on {address} ({error}); choose another address or stop the other program"))
        }
    }
}
