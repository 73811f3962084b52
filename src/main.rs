//! placeholder
use cartwright::*;
use clap::Parser;
#[derive(Parser)]
struct A { #[command(flatten)] s: settings::SettingArgs }
fn main() -> std::process::ExitCode {
    programs::ending(programs::block_on(async {
        let a = A::parse();
        let settings = programs::begin(&a.s)?;
        let stop = programs::stop_signal()?;
        let listener = programs::listen("BIND", settings.bind).await?;
        let shop = shop::Shop::new(settings, clock::Clock::default())?;
        programs::prepare(&shop).await?;
        programs::serve(shop, listener, stop).await;
        Ok(())
    }))
}
