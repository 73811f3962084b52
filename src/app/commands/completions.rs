//! `cartwright completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, print_line};

/// Print completions for a shell
#[derive(Args, Clone, Copy)]
#[command(after_help = "\
Examples:
  cartwright completions bash > ~/.local/share/bash-completion/completions/cartwright
  cartwright completions fish > ~/.config/fish/completions/cartwright.fish
  cartwright completions zsh > ~/.zfunc/_cartwright")]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn run(args: CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cartwright", &mut script);
    print_line(String::from_utf8(script)?.trim_end())
}
