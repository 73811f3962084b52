//! The commands of `cartwright`, one file each. Results go to stdout, everything else to stderr.

mod admin;
mod completions;
mod currency;
mod doctor;
mod emails;
mod import;
mod jobs;
mod migrate;
mod openapi;
mod seed;
mod serve;

use std::{
    fmt::Display,
    io::{ErrorKind, Write},
};

use platform::clock::Clock;

use crate::{
    app::{
        context, programs,
        settings::{SettingArgs, Settings, secrets_help},
    },
    shop::Shop,
};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// A headless commerce backend: a documented REST API with background jobs.
///
/// Without a command it serves the API. `cartwright serve --demo` starts a shop with products, orders and users that you
/// can try immediately, without any installation or configuration.
#[derive(Parser)]
#[command(name = "cartwright", version, after_help = secrets_help(), verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    /// Migrate the database schema
    ///
    /// It is safe to run it repeatedly or concurrently. An SQLite database is migrated automatically by the first program
    /// that opens it; a PostgreSQL database only by this command or `serve --migrate`.
    #[command(verbatim_doc_comment)]
    Migrate,
    Seed(seed::SeedArgs),
    /// Import data from a file
    #[command(subcommand)]
    Import(import::ImportCommand),
    Currency(currency::CurrencyArgs),
    /// Manage admin accounts
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Print the OpenAPI document
    ///
    /// The document that a running shop serves at /openapi.json, sorted and indented. Needs no database.
    Openapi,
    /// List, retry and discard background jobs
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Render the shop's e-mails, and check your own templates
    #[command(subcommand)]
    Emails(emails::EmailsCommand),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command of the command line.
///
/// # Errors
/// The error of the command.
pub async fn run() -> anyhow::Result<()> {
    let Cli { command, settings } = Cli::parse();
    match command.unwrap_or(Command::Serve(serve::ServeArgs::default())) {
        Command::Serve(args) => serve::run(args, &settings).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Seed(args) => seed::run(args, &settings).await,
        Command::Import(command) => import::run(command, &settings).await,
        Command::Currency(args) => currency::run(args, &settings).await,
        Command::Admin(command) => admin::run(command, &settings).await,
        Command::Openapi => openapi::run(settings.currency()?),
        Command::Jobs(command) => jobs::run(command, &settings).await,
        Command::Emails(command) => emails::run(command, &settings),
        Command::Doctor(args) => doctor::run(args, &settings).await,
        Command::Completions(args) => completions::run(args),
    }
}

/// The shop, with its database reachable and its schema current.
async fn open(settings: Settings) -> anyhow::Result<Shop> {
    let shop = context::shop(settings, Clock::default())?;
    programs::prepare(&shop).await?;
    Ok(shop)
}

/// The same, with the prices in the currency of the settings.
async fn open_with_currency(settings: Settings) -> anyhow::Result<Shop> {
    let shop = context::shop(settings, Clock::default())?;
    programs::prepare_and_check_currency(&shop).await?;
    Ok(shop)
}

/// Prints a result to stdout. A reader that closes the pipe, like `head`, is no error.
fn print_line(text: impl Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A progress bar on stderr, shown only in a terminal.
fn progress_bar(total: usize, what: &'static str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")?;
    Ok(ProgressBar::new(u64::try_from(total)?).with_style(style).with_message(what))
}
