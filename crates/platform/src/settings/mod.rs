//! Parsers of settings. Each returns the value, or one line that names the setting and says what is accepted.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use bytesize::ByteSize;
use ipnet::IpNet;
use secrecy::SecretString;

/// An invalid setting, in one line: `SETTING=value: what is accepted`.
#[derive(Debug, thiserror::Error)]
#[error("{setting}={value}: {accepted}")]
pub struct SettingError {
    setting: &'static str,
    value: String,
    accepted: String,
}

/// A parsed setting.
pub type Checked<T> = Result<T, SettingError>;

/// `None` for an empty variable, which container tools pass for one that is not set.
pub fn non_empty(setting: Option<&String>) -> Option<&str> {
    setting.map(String::as_str).filter(|text| !text.is_empty())
}

/// The error of a setting.
pub fn invalid(setting: &'static str, value: impl Display, accepted: impl Display) -> SettingError {
    SettingError { setting, value: value.to_string(), accepted: accepted.to_string() }
}

/// An address and a port.
///
/// # Errors
/// For any other text.
pub fn address(setting: &'static str, text: &str) -> Checked<SocketAddr> {
    text.parse().map_err(|_| invalid(setting, text, "write an address and a port, like 127.0.0.1:8000"))
}

/// An http:// or https:// address, without a trailing slash.
///
/// # Errors
/// For any other text.
pub fn web_address(setting: &'static str, text: &str) -> Checked<String> {
    let valid =
        (text.starts_with("http://") || text.starts_with("https://")) && text.parse::<poem::http::Uri>().is_ok();
    if valid {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(invalid(setting, text, "write an http:// or https:// address"))
    }
}

/// The entries of a comma-separated list.
pub fn comma_separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// An address or a network.
///
/// # Errors
/// For any other text.
pub fn network(setting: &'static str, text: &str) -> Checked<IpNet> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(one)
        .map_err(|_| invalid(setting, text, "write addresses or networks, like 10.0.0.7 or 10.0.0.0/8"))
}

/// `true`, `1`, `on`, `yes`, or their opposites.
///
/// # Errors
/// For any other text, with `accepted`.
pub fn boolean(setting: &'static str, text: &str, accepted: &str) -> Checked<bool> {
    match text {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        other => Err(invalid(setting, other, accepted)),
    }
}

/// The longest duration that makes sense: ten years.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// A duration from 1 s to 10 years, like `1h 30m`.
///
/// # Errors
/// For any other text.
pub fn duration(setting: &'static str, text: &str) -> Checked<Duration> {
    let sensible =
        humantime::parse_duration(text).ok().filter(|given| (Duration::from_secs(1)..=LONGEST).contains(given));
    sensible.ok_or_else(|| invalid(setting, text, "write a duration from 1s to 10years, like 30m or 1h 30m"))
}

/// A duration of at least `least`.
///
/// # Errors
/// For a shorter one, or any other text.
pub fn at_least(setting: &'static str, text: &str, least: Duration) -> Checked<Duration> {
    let given = duration(setting, text)?;
    if given >= least {
        return Ok(given);
    }
    Err(invalid(setting, text, format!("write at least {}", humantime::format_duration(least))))
}

/// A size in bytes, at least 1 KiB.
///
/// # Errors
/// For any other text.
pub fn size(setting: &'static str, text: &str) -> Checked<usize> {
    let bytes = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    let sensible = bytes.filter(|bytes| *bytes >= 1024);
    sensible.ok_or_else(|| invalid(setting, text, "write a size of at least 1KiB, like 1MiB"))
}

/// A secret from the environment; `None` when it is not set or empty.
pub fn secret(variable: &str) -> Option<SecretString> {
    std::env::var(variable).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}

/// A whole number in a range, both ends included.
///
/// # Errors
/// For any other text.
pub fn number<N: FromStr + PartialOrd + Display + Copy>(
    setting: &'static str,
    text: &str,
    (least, most): (N, N),
) -> Checked<N> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| invalid(setting, text, format!("write a number from {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses_and_networks() {
        let networks: Vec<_> =
            comma_separated(" 10.0.0.7, fd00::/8,,").map(|text| network("X", text).unwrap()).collect();
        assert_eq!(networks, ["10.0.0.7/32".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for refused in ["proxy.example.com", "10.0.0.0/33", "*"] {
            assert!(network("X", refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn durations_and_sizes_are_read_or_refused_with_a_reason() {
        assert_eq!(duration("X", "30m").unwrap(), Duration::from_mins(30));
        assert_eq!(duration("X", "7d").unwrap(), Duration::from_hours(168));
        assert_eq!(duration("X", "1h 30m").unwrap(), Duration::from_mins(90));
        assert_eq!(size("X", "1MiB").unwrap(), 1_048_576);
        assert_eq!(size("X", "2 MB").unwrap(), 2_000_000);
        for refused in ["", "30", "m", "-1m", "0s", "11years", "99999999999999999999d"] {
            assert_eq!(
                duration("TTL", refused).unwrap_err().to_string(),
                format!("TTL={refused}: write a duration from 1s to 10years, like 30m or 1h 30m")
            );
        }
        for refused in ["", "10", "-1MiB", "one"] {
            assert!(size("X", refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_has_a_least_cannot_be_set_shorter() {
        assert_eq!(at_least("X", "48h", Duration::from_hours(48)).unwrap(), Duration::from_hours(48));
        assert_eq!(
            at_least("X", "1h", Duration::from_hours(48)).unwrap_err().to_string(),
            "X=1h: write at least 2days"
        );
    }
}
