//! `cartwright simulate-payments`.

use std::net::SocketAddr;

use payment_simulator::{ADDRESS, Options, Simulator};

use crate::app::programs;
use anyhow::{Context, bail};
use clap::{Args, CommandFactory, parser::ValueSource};

use super::{Cli, say};

// What is written to the fields is what `--help` prints, where angle brackets would stand as they are.
#[allow(clippy::doc_markdown, rustdoc::bare_urls)]
/// Simulate Stripe, PayPal and Razorpay on this machine, without money
///
/// A complete checkout, offline: the providers' APIs with fixed public keys, a page on which the buyer pays, is declined or
/// cancels, and webhooks signed like the providers'. All state is in memory only. It does not start if live keys are set.
///
/// On start it prints the settings for the shop's .env. Its web page shows open payments, test cards and faults. Scripts can
/// use POST /pay/{provider}/{id}/pay, /decline or /cancel, and compare the results with GET /simulator/ledger.
#[derive(Args, Clone)]
#[command(verbatim_doc_comment, after_help = help())]
pub struct SimulatePaymentsArgs {
    /// The address to listen on, on this machine only
    // Under the name of the shop's own flag, whose place it takes here.
    #[arg(id = "bind", long, value_name = "ADDRESS", default_value = ADDRESS)]
    bind: String,
    /// The URL of the shop that webhooks are sent to, e.g. http://127.0.0.1:8000 [default: not sent]
    #[arg(long, value_name = "URL")]
    webhooks_to: Option<String>,
    /// The probability that a call or webhook fails, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    faults: f64,
    /// The seed of the random faults; the same seed gives the same faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn help() -> String {
    let faults: Vec<String> = payment_simulator::Fault::ALL.iter().map(|fault| fault.name()).collect();
    format!(
        "\
Test cards, as `payment_method` of a payment with Stripe:
{}
Faults, set with POST /simulator/faults and {{\"provider\": \"stripe\", \"fault\": \"cut_after\", \"times\": 2}} or
{{\"rate\": 0.3, \"seed\": 7}}; cleared with DELETE:
  {}

Examples:
  cartwright simulate-payments --webhooks-to http://127.0.0.1:8000
      Beside `cartwright serve`, with the printed settings in .env
  cartwright simulate-payments --webhooks-to http://127.0.0.1:8000 --faults 0.3 --seed 7
      Nearly a third of all calls and webhooks fail",
        payment_simulator::card_table(),
        faults.join(", ").replace("rate_limited, ", "rate_limited,\n  ").replace("_late, ", "_late,\n  ")
    )
}

pub async fn run(args: SimulatePaymentsArgs) -> anyhow::Result<()> {
    payment_simulator::refuse_beside_live_keys()?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // the one TLS library
    let stop = programs::stop_signal()?;
    let simulator = Simulator::start(args.options()?).await?;
    introduce(&simulator, args.webhooks_to.as_deref())?;
    stop.cancelled().await;
    Ok(())
}

impl SimulatePaymentsArgs {
    fn options(&self) -> anyhow::Result<Options> {
        let bind = if bind_was_said() { &self.bind } else { ADDRESS };
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

/// A shop's `BIND` in the environment is not meant for the simulator, but clap hands it down with the shop's flag.
fn bind_was_said() -> bool {
    let said = Cli::command().get_matches();
    said.subcommand().and_then(|(_, command)| command.value_source("bind")) == Some(ValueSource::CommandLine)
}

fn introduce(simulator: &Simulator, webhooks_to: Option<&str>) -> anyhow::Result<()> {
    let url = simulator.url();
    say(format!("# SIMULATOR of Stripe, PayPal and Razorpay at {url}: no money moves."))?;
    say("# Add these lines to the shop's .env, and remove them before the shop goes live:")?;
    for (name, value) in payment_simulator::settings(url) {
        say(format!("{name}={value}"))?;
    }
    match webhooks_to {
        Some(shop) => say(format!("# Webhooks are sent to {shop}/api/payments/webhooks/…")),
        None => say("# Webhooks are not sent; to send them, use --webhooks-to http://127.0.0.1:8000."),
    }?;
    say(format!("# Buyers pay at {url}/. Ctrl-C stops the simulator and deletes its state."))
}
