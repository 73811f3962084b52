//! What the programs have in common: start, run until a stop signal, and stop cleanly.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use platform::{allocator, clock::Clock, http::server, jobs::worker::Worker, telemetry};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        api::{self, Contract},
        context, health,
        settings::{SettingArgs, Settings, secrets_help},
        workers,
    },
    catalog::{self, currency},
    shop::Shop,
};

/// The listeners of `serve`.
pub struct Listeners {
    pub api: TcpListener,
    /// For `METRICS_BIND`.
    pub metrics: Option<TcpListener>,
}

impl Listeners {
    /// # Errors
    /// When an address is in use, with what to do.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let api = listen("BIND", settings.bind).await?;
        let metrics = match settings.metrics_bind {
            Some(address) => Some(listen("METRICS_BIND", address).await?),
            None => None,
        };
        Ok(Self { api, metrics })
    }
}

/// Serves the API until `stop`, with the inline workers if the settings enable them.
pub async fn serve(shop: Shop, listeners: Listeners, stop: CancellationToken) {
    let mut parts = JoinSet::new();
    parts.spawn(health::keep_measuring(shop.clone(), stop.clone()));
    parts.spawn(catalog::follow_other_processes(shop.clone(), stop.clone()));
    if let Some(metrics) = listeners.metrics {
        parts.spawn(server::serve(metrics, health::only(shop.clone()), stop.clone()));
    }
    if shop.get::<Settings>().inline_workers {
        for worker in workers::all() {
            parts.spawn(worker.concurrency(shop.get::<Settings>().worker_concurrency).run(shop.clone(), stop.clone()));
        }
    }
    let app = api::app(&shop, &Contract::of(shop.store.currency));
    server::serve(listeners.api, app, stop).await;
    parts.join_all().await;
    shop.db.close().await;
}

/// Binds an address, which `setting` names in the error.
///
/// # Errors
/// When it is in use, with what to do.
pub async fn listen(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{setting}={address}: cannot listen there; choose another address or stop the other program")
    })
}

/// A token that Ctrl-C and SIGTERM cancel.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        cancelled.cancel();
    });
    Ok(stop)
}

/// Starts logging, installs the TLS library and reads the settings. Every program does this first.
///
/// # Errors
/// When a setting is invalid, in one line.
pub fn init(args: &SettingArgs) -> anyhow::Result<Settings> {
    telemetry::log_to_stderr(args.log_format()?)?;
    // An error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::spawn(super::metrics::REGISTRY.clone().upkeep());
    Ok(args.check()?)
}

/// The command line of a worker program.
#[derive(Parser)]
#[command(version, after_help = secrets_help())]
struct WorkerArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

/// Runs a worker program.
#[must_use]
pub fn worker_program(worker: Worker<Shop>) -> ExitCode {
    run(|| run_worker(WorkerArgs::parse(), worker))
}

async fn run_worker(args: WorkerArgs, worker: Worker<Shop>) -> anyhow::Result<()> {
    let settings = init(&args.settings)?;
    let stop = stop_signal()?;
    let health_address = settings.worker_bind;
    let shop = context::shop(settings, Clock::default())?;
    let mut health_server = JoinSet::new();
    if let Some(address) = health_address {
        let listener = listen("WORKER_BIND", address).await?;
        health_server.spawn(server::serve(listener, health::only(shop.clone()), stop.clone()));
    }
    tokio::select! {
        ready = prepare_and_check_currency(&shop) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    if health_address.is_some() {
        health_server.spawn(health::keep_measuring(shop.clone(), stop.clone()));
    }
    worker.concurrency(shop.get::<Settings>().worker_concurrency).run(shop.clone(), stop).await;
    health_server.join_all().await;
    shop.db.close().await;
    Ok(())
}

/// Waits for the database, and migrates it or requires a current schema.
///
/// # Errors
/// When the database refuses the connection, or lacks migrations.
pub async fn prepare(shop: &Shop) -> anyhow::Result<()> {
    shop.wait_for_database().await?;
    if shop.db.migrates_on_start() {
        shop.db.migrate().await.context("the database cannot be migrated")
    } else {
        shop.require_current_schema().await
    }
}

/// The same, and requires that the prices are in the currency of the settings.
///
/// # Errors
/// Also when they are not, with what to do.
pub async fn prepare_and_check_currency(shop: &Shop) -> anyhow::Result<()> {
    prepare(shop).await?;
    currency::require(shop).await
}

/// Runs a program. An error is printed to stderr in one line.
#[must_use]
pub fn run<F: Future<Output = anyhow::Result<()>>>(program: impl FnOnce() -> F) -> ExitCode {
    allocator::set_mmap_threshold();
    match read_env_file().and_then(|()| block_on(program())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Reads `.env`, which never overrides a variable of the environment. Call it before any thread starts.
fn read_env_file() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => anyhow::bail!(".env cannot be read: {error}"),
    }
}

/// How many threads read and write files. tokio would start up to 512, each with its own heap; work that takes long or much
/// memory has dedicated threads ([`platform::thread_pool`]).
const FILE_THREADS: usize = 16;

fn block_on<T>(program: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().max_blocking_threads(FILE_THREADS).enable_all().build()?;
    runtime.block_on(program)
}
