//! Settings stand in several files for the people who set them: each file has all that it should have.

use std::fs;

use cartwright::{
    app::settings::{SettingArgs, secrets_help},
    payments::providers::ONLINE,
};
use clap::{Arg, Args, Command};

use crate::support::sources::root;

/// Set by the image, whatever the environment of the host.
const SET_BY_THE_IMAGE: [&str; 2] = ["BIND", "DATA_DIR"];

/// The variables of all flags, and those that are variables only.
fn all() -> Vec<String> {
    let command = SettingArgs::augment_args(Command::new("cartwright"));
    let flags = command.get_arguments().filter_map(Arg::get_env).map(|name| name.to_string_lossy().into_owned());
    let help = secrets_help();
    let words = help.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
    let variables = words.filter(|word| word.contains('_') && word.len() > 1).map(ToOwned::to_owned);
    flags.chain(variables).chain(of_providers()).collect()
}

fn of_providers() -> impl Iterator<Item = String> {
    ONLINE.iter().flat_map(|online| {
        let webhook_key = online.webhook_key.as_ref().map(|key| key.name);
        let names = [Some(online.api_base.name), Some(online.key), online.key_secret, webhook_key];
        names.into_iter().flatten().map(ToOwned::to_owned)
    })
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("{file} is there"))
}

/// Fails with the settings that a file does not have.
fn has(file: &str, settings: impl IntoIterator<Item = String>, is_in_file: impl Fn(&str) -> bool) {
    let mut missing: Vec<String> = settings.into_iter().filter(|name| !is_in_file(name)).collect();
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "{file} lacks {}", missing.join(", "));
}

#[test]
fn the_example_has_every_setting() {
    let example = read(".env.example");
    let names: Vec<&str> =
        example.lines().filter_map(|line| line.trim_start_matches('#').split_once('=')).map(|(name, _)| name).collect();
    has(".env.example", all(), |name| names.contains(&name));
}

#[test]
fn compose_passes_every_setting_on() {
    let compose = read("docker-compose.yml");
    let names: Vec<&str> =
        compose.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    has("docker-compose.yml", all(), |name| SET_BY_THE_IMAGE.contains(&name) || names.contains(&name));
}

#[test]
fn the_page_about_payments_has_every_setting_of_payments() {
    let page = read("docs/payments.md");
    let (_, section) = page.split_once("\n## Settings\n").expect("the settings");
    let rows: Vec<&str> = section.lines().take_while(|line| !line.starts_with("## ")).collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row.strip_prefix("| ")?.split(" | ").next()).collect();
    let of_payments = all().into_iter().filter(|name| name.starts_with("PAYMENT")).chain(of_providers());
    has("docs/payments.md", of_payments, |name| names.iter().any(|cell| cell.contains(&format!("`{name}`"))));
}

#[test]
fn the_api_is_fuzzed_with_every_provider() {
    let script = read(".ci/fuzz-api");
    let names: Vec<&str> = script.split_whitespace().filter_map(|word| Some(word.split_once('=')?.0)).collect();
    has(".ci/fuzz-api", of_providers(), |name| names.contains(&name));
}
