//! The `cartwright` program: reads the command line and does one command.

use std::process::ExitCode;

use cartwright::app::{commands, programs};

fn main() -> ExitCode {
    programs::run(commands::run)
}
