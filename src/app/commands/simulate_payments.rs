//! `cartwright simulate-payments`.

use std::net::SocketAddr;

use payment_simulator::{ADDRESS, Options, Simulator};

use crate::app::programs;
use anyhow::{Context, bail};
use clap::{Args, CommandFactory, parser::ValueSource};

use super::{Cli, print_line};

// What is written to the fields is what `--help` prints, where angle brackets would stand as they are.
#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// Simulate Stripe, PayPal and Razorpay on this machine; no money moves
///
/// A whole checkout, offline: the providers' APIs with fixed keys that anybody may know, a page on which the buyer pays,
/// is declined or goes away, and webhooks signed as the providers sign them. It keeps everything in memory, forgets it
/// when it ends, and does not start beside live keys.
///
/// At start it prints the settings that make a shop use it; put them into the shop's .env. What is to be paid, the test
/// cards and the faults are shown at its address. A script does the same by POST /pay/{provider}/{id}/pay, /decline or
/// /cancel, and compares with GET /simulator/ledger.
#[derive(Args, Clone)]
#[command(verbatim_doc_comment, after_help = help())]
pub struct SimulatePaymentsArgs {
    /// Where it listens, on this machine only
    // It replaces the shop's flag of the same name.
    #[arg(id = "bind", long, value_name = "ADDRESS", default_value = ADDRESS)]
    bind: String,
    /// The shop that webhooks are sent to, e.g. http://127.0.0.1:8000 [default: they are not sent]
    #[arg(long, value_name = "URL")]
    webhooks_to: Option<String>,
    /// The probability that a call or a webhook meets a fault, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    faults: f64,
    /// What the faults are drawn with: the same number, the same dice
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn help() -> String {
    let faults: Vec<String> = payment_simulator::Fault::ALL.iter().map(|fault| fault.name()).collect();
    format!(
        "\
Test cards, as `payment_method` of a payment with Stripe:
{}
Faults, by POST /simulator/faults with {{\"provider\": \"stripe\", \"fault\": \"cut_after\", \"times\": 2}} or
{{\"rate\": 0.3, \"seed\": 7}}; DELETE ends them:
  {}

Examples:
  cartwright simulate-payments --webhooks-to http://127.0.0.1:8000
      Beside `cartwright serve`, with the printed settings in .env
  cartwright simulate-payments --webhooks-to http://127.0.0.1:8000 --faults 0.3 --seed 7
      Where nearly a third of all calls and webhooks go wrong",
        payment_simulator::card_table(),
        faults.join(", ").replace("rate_limited, ", "rate_limited,\n  ").replace("_late, ", "_late,\n  ")
    )
}

pub async fn run(args: SimulatePaymentsArgs) -> anyhow::Result<()> {
    payment_simulator::refuse_beside_live_keys()?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // the one TLS library
    let stop = programs::stop_signal()?;
    let simulator = Simulator::start(args.options()?).await?;
    print_settings(&simulator, args.webhooks_to.as_deref())?;
    stop.cancelled().await;
    Ok(())
}

impl SimulatePaymentsArgs {
    fn options(&self) -> anyhow::Result<Options> {
        let bind = if is_bind_given() { &self.bind } else { ADDRESS };
        let bind: SocketAddr =
            bind.parse().with_context(|| format!("--bind {bind}: write an address and a port, like {ADDRESS}"))?;
        if !(0.0..=1.0).contains(&self.faults) {
            bail!("--faults {}: write a probability from 0 to 1", self.faults);
        }
        let shop = self.webhooks_to.clone();
        if let Some(url) = &shop
            && !url.starts_with("http://")
            && !url.starts_with("https://")
        {
            bail!("--webhooks-to {url}: write the shop's address, like http://127.0.0.1:8000");
        }
        Ok(Options { bind, webhooks_to: shop, faults: self.faults, seed: self.seed, ..Options::default() })
    }
}

/// Whether `--bind` is on the command line. The shop's `BIND` is not meant for the simulator, but clap also reads that.
fn is_bind_given() -> bool {
    let matches = Cli::command().get_matches();
    matches.subcommand().and_then(|(_, command)| command.value_source("bind")) == Some(ValueSource::CommandLine)
}

fn print_settings(simulator: &Simulator, webhooks_to: Option<&str>) -> anyhow::Result<()> {
    let url = simulator.url();
    print_line(format!("# SIMULATOR of Stripe, PayPal and Razorpay at {url}: no money moves."))?;
    print_line("# Put these lines into the shop's .env, and take them out before it sells anything:")?;
    for (name, value) in payment_simulator::settings(url) {
        print_line(format!("{name}={value}"))?;
    }
    match webhooks_to {
        Some(shop) => print_line(format!("# Webhooks go to {shop}/api/payments/webhooks/…")),
        None => print_line("# No webhooks are sent; --webhooks-to http://127.0.0.1:8000 sends them."),
    }?;
    print_line(format!("# Buyers pay at {url}/. Ctrl-C ends it, and everything is forgotten."))
}
