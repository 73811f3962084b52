//! `cartwright serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use payment_simulator::Simulator;
use platform::clock::Clock;

use crate::{
    app::{
        context,
        demo::{self, SignIns},
        programs::{self, Listeners},
        settings::{SettingArgs, Settings},
    },
    shop::Shop,
};
use anyhow::{Context, bail};
use clap::Args;

use super::print_line;

/// Serve the API (the default command)
///
/// On SQLite, the default, everything runs in this program and is stored in `DATA_DIR`, including the workers that send
/// e-mails and call payment providers. On PostgreSQL the workers are separate programs: email-worker, payment-worker
/// and stock-worker. On Ctrl-C and SIGTERM, requests and jobs in progress are finished first.
#[derive(Args, Clone, Copy, Default)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  cartwright serve --demo
      A demo shop; see http://127.0.0.1:8000/
  cartwright serve --demo --simulate-payments
      The same with simulated Stripe, PayPal and Razorpay, without keys, network or money
  cartwright serve --bind 0.0.0.0:80 --public-url https://shop.example.com
      Behind a proxy that terminates TLS
  DATABASE_URL=postgres://cartwright:…@db/cartwright cartwright serve --migrate
      On PostgreSQL, migrating its schema first"
)]
pub struct ServeArgs {
    /// Load the demo shop into an empty database first, and print its sign-ins
    #[arg(long)]
    demo: bool,
    /// Migrate the schema of a PostgreSQL database first
    #[arg(long)]
    migrate: bool,
    /// Start the payment simulator and use it for payments; not allowed with live keys
    #[arg(long)]
    simulate_payments: bool,
}

pub async fn run(args: ServeArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    let mut settings = programs::init(settings)?;
    settings.demo = args.demo;
    let stop = programs::stop_signal()?;
    let listeners = Listeners::open(&settings).await?; // first, so that a taken port is reported at once
    let address = listeners.api.local_addr()?;
    let _simulator = if args.simulate_payments { Some(simulate_payments(&mut settings, address).await?) } else { None };
    let shop = context::shop(settings, Clock::default())?;
    tokio::select! {
        ready = prepare(&shop, args) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    tracing::info!(%address, "listening");
    programs::serve(shop, listeners, stop).await;
    Ok(())
}

/// Starts the simulator and sets it as the payment provider of the shop, which listens at this address.
async fn simulate_payments(settings: &mut Settings, shop: SocketAddr) -> anyhow::Result<Simulator> {
    payment_simulator::reject_live_keys()?;
    if !settings.inline_workers {
        bail!(
            "--simulate-payments needs the workers in this program: set INLINE_WORKERS=true, or run \
             `payment-simulator` and give every program the settings that it prints"
        );
    }
    let shop = local_address(shop);
    let options = payment_simulator::Options {
        bind: payment_simulator::DEFAULT_ADDRESS.parse()?,
        webhooks_to: Some(format!("http://{shop}")),
        ..payment_simulator::Options::default()
    };
    let simulator = Simulator::start(options).await?;
    settings.pay_with_simulator(simulator.url());
    print_line(format!("Payments are SIMULATED, no money moves: {}", simulator.url()))?;
    Ok(simulator)
}

/// The address by which this machine reaches a listener.
fn local_address(listening: SocketAddr) -> SocketAddr {
    let host = match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        named => named,
    };
    SocketAddr::new(host, listening.port())
}

async fn prepare(shop: &Shop, args: ServeArgs) -> anyhow::Result<()> {
    if args.migrate {
        shop.wait_for_database().await?;
        shop.db.migrate().await.context("the database cannot be migrated")?;
    }
    programs::prepare_and_check_currency(shop).await?;
    if args.demo {
        let loaded = demo::load(shop, None, |_| {}).await?;
        print_sign_ins(loaded)?;
        print_addresses(shop)?;
    }
    Ok(())
}

/// Prints the addresses of the shop and the e-mails.
fn print_addresses(shop: &Shop) -> anyhow::Result<()> {
    let front = local_address(shop.get::<Settings>().bind);
    print_line(format!("Open http://{front}/ to start"))?;
    match shop.mailer.outbox() {
        Some(outbox) => print_line(format!("E-mails are written to {} and shown on that page", outbox.display())),
        None => print_line("E-mails are sent through SMTP_URL"),
    }
}

/// Prints the sign-ins of the demo shop.
pub fn print_sign_ins(loaded: Option<SignIns>) -> anyhow::Result<()> {
    let Some(SignIns { customer, other_customer, admin }) = loaded else {
        return print_line("The database already has products, so the demo shop was not loaded. Nothing was changed.");
    };
    print_line("The demo shop is loaded. You can sign in as:")?;
    for customer in [customer, other_customer] {
        print_line(format!("  customer: {} / {}", customer.email, customer.password))?;
    }
    print_line(format!("  admin:    {} / {}", admin.email, admin.password))
}
