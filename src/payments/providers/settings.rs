//! The settings of the providers. Keys are variables only; where an API is can also be given by a flag.

use std::collections::HashMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use platform::settings::{Checked, comma_separated, invalid, non_empty, secret, web_address};
use secrecy::{ExposeSecret, SecretString};

use super::ONLINE;
use crate::shop::Provider;

/// An environment variable, and what `--help` says of it.
pub struct Variable {
    pub name: &'static str,
    pub help: &'static str,
}

/// The settings of a provider whose key is set.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The public id that belongs to the secret key, e.g. PayPal's client id. Empty at providers whose key has one part.
    pub key_id: String,
    pub secret_key: SecretString,
    /// What verifies webhooks: the current secret and, while it is rotated, the one before; at PayPal the webhook's id.
    /// Empty at a provider without [`OnlineProvider::webhook_key`](super::OnlineProvider::webhook_key). At the others no
    /// webhook is accepted while it is empty; payments are then confirmed by responses and the scheduled check.
    pub webhook_secrets: Vec<SecretString>,
    pub api_base: String,
}

/// The flags and variables that say where the providers' APIs are.
#[derive(Clone, Debug)]
pub struct ProviderArgs(HashMap<&'static str, String>);

impl ProviderArgs {
    /// The settings of every provider whose key is set.
    ///
    /// # Errors
    /// [`platform::settings::SettingError`] for the first setting that cannot be.
    pub fn check(&self) -> Checked<HashMap<Provider, ProviderSettings>> {
        let mut settings = HashMap::new();
        for online in ONLINE {
            if let Some(read) = (online.read)(self.0.get(online.api_base.name))? {
                settings.insert(online.provider, read);
            }
        }
        Ok(settings)
    }
}

impl Args for ProviderArgs {
    fn augment_args(command: Command) -> Command {
        command.args(ONLINE.iter().map(|online| flag(&online.api_base)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(variable: &Variable) -> Arg {
    Arg::new(variable.name)
        .long(variable.name.to_lowercase().replace('_', "-"))
        .env(variable.name)
        .value_name(variable.name)
        .help(variable.help)
        .global(true)
}

impl FromArgMatches for ProviderArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let variables = ONLINE.iter().map(|online| online.api_base.name);
        let value = |name| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Self(variables.filter_map(value).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A key's id and its secret; neither can be used without the other.
pub(super) fn key_pair(id: &'static str, with: &'static str) -> Checked<Option<(String, SecretString)>> {
    match (secret(id), secret(with)) {
        (Some(id), Some(secret)) => Ok(Some((id.expose_secret().to_owned(), secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid(with, "(unset)", format!("set it too, or unset {id}"))),
        (None, Some(_)) => Err(invalid(id, "(unset)", format!("set it too, or unset {with}"))),
    }
}

/// The secrets of a comma-separated variable.
pub(super) fn secrets(variable: &str) -> Vec<SecretString> {
    let value = secret(variable);
    comma_separated(value.as_ref().map_or("", |value| value.expose_secret())).map(SecretString::from).collect()
}

/// Where the provider's API is, if not at `default`.
pub(super) fn api_base(setting: &'static str, value: Option<&String>, default: &str) -> Checked<String> {
    non_empty(value).map_or_else(|| Ok(default.to_owned()), |text| web_address(setting, text))
}
