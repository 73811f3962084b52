//! The `cartwright` program: reads the command line and does one command.

use std::process::ExitCode;

use cartwright::app::{commands, programs};

fn main() -> ExitCode {
    programs::ending(run())
}

fn run() -> anyhow::Result<()> {
    programs::read_env_file()?;
    programs::block_on(commands::run())
}
