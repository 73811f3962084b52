//! The `payment-simulator` program.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use clap::Parser;
use payment_simulator::{DEFAULT_ADDRESS, Fault, Options, Simulator, reject_live_keys, settings, test_card_table};
use platform::telemetry::{self, LogFormat};
use tokio::signal::unix::{SignalKind, signal};

// `--help` prints the doc comments as they are, so URLs have no angle brackets.
#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// Simulates Stripe, PayPal and Razorpay on this machine. No money moves.
///
/// Use it to build and test a checkout without accounts or network. It provides
///
///   - the APIs of the three providers, with public test keys
///   - a checkout page for each payment, where you pay, decline or cancel as the buyer
///   - webhooks, signed as the providers sign them
///   - faults: timeouts, lost responses, late and duplicated webhooks
///
/// At start it prints the settings of a shop that uses it. Copy them into the shop's .env file.
///
/// All data is kept in memory and lost when the program stops. It does not start when live keys are set.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = after_help())]
struct Args {
    /// Where to listen; this machine only
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    bind: SocketAddr,
    /// The shop to send webhooks to, e.g. http://127.0.0.1:8000 [default: none are sent]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    webhooks_to: Option<String>,
    /// The probability of a fault in a request or webhook, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = parse_rate)]
    faults: f64,
    /// The seed of the random faults; the same seed gives the same faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn after_help() -> String {
    let faults: Vec<String> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    let faults: Vec<String> = faults.chunks(5).map(|line| format!("  {}\n", line.join(", "))).collect();
    format!(
        "\
Test cards, as `payment_method` at Stripe:
{cards}
Faults:
{faults}
  POST /simulator/faults with {{\"provider\": \"stripe\", \"fault\": \"cut_after\", \"times\": 2}} injects a fault into the
  next requests, {{\"rate\": 0.3, \"seed\": 7}} into random ones. DELETE /simulator/faults removes all.

Scripts:
  POST /pay/{{provider}}/{{id}}/pay, /decline or /cancel does what the buyer does on the checkout page.
  GET /simulator/ledger lists all captures and refunds. GET / lists all endpoints.

Examples:
  payment-simulator --webhooks-to http://127.0.0.1:8000
      For a shop that runs on port 8000
  payment-simulator --webhooks-to http://127.0.0.1:8000 --faults 0.3 --seed 7
      The same, with faults in 30% of all requests and webhooks",
        cards = test_card_table(),
        faults = faults.concat(),
    )
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    telemetry::log_to_stderr(LogFormat::Pretty)?;
    reject_live_keys()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let simulator = Simulator::start(Options {
        bind: args.bind,
        webhooks_to: args.webhooks_to.clone(),
        fault_rate: args.faults,
        seed: args.seed,
        ..Options::default()
    })
    .await?;
    io::stdout().write_all(introduction(simulator.url(), args.webhooks_to.as_deref()).as_bytes())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The shop's settings, with everything else as comments, so that the output is a valid `.env` file.
fn introduction(url: &str, webhooks_to: Option<&str>) -> String {
    let settings: String = settings(url).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let webhooks = match webhooks_to {
        Some(shop) => format!("Webhooks are sent to {shop}/api/payments/webhooks/…"),
        None => "No webhooks are sent. To send them, use --webhooks-to http://127.0.0.1:8000".to_owned(),
    };
    format!(
        "\
# Simulating Stripe, PayPal and Razorpay at {url}. No money moves.
# Copy these lines into the shop's .env, and remove them before you accept real payments:
{settings}# {webhooks}
# Checkout pages: {url}/. Press Ctrl-C to stop; all data is lost.
"
    )
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "use a number from 0 to 1".to_owned())
}

fn parse_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("use the shop's address, like http://127.0.0.1:8000".to_owned())
    }
}
