//! The client's address, which rate limits count by.
//!
//! It is the peer of the connection. Anybody can send `X-Forwarded-For`, so only what trusted proxies added to it counts:
//! it is read from the right, the nearest, up to the first address that is no trusted proxy.
//!
//! [`is_from_this_machine`] is stricter: a request that a proxy forwarded is not, wherever the proxy runs.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use poem::{Addr, FromRequest, Request, RequestBody, Result, http::HeaderMap};

use super::{HttpSettings, problem::ApiResult};

/// The address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    fn of(request: &Request, trusted: &[IpNet]) -> Self {
        Self(behind(peer(request), request.headers(), trusted))
    }

    /// What counts as one client: an IPv4 address, or an IPv6 /64 network, which usually belongs to one household.
    #[must_use]
    pub fn network(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

impl<'a> FromRequest<'a> for ClientAddress {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request, &HttpSettings::of(request)?.trusted_proxies))
    }
}

/// Whether a request was made on this machine and not forwarded by a proxy.
///
/// # Errors
/// 500 when the request has no [`HttpSettings`].
pub fn is_from_this_machine(request: &Request) -> ApiResult<bool> {
    let settings = HttpSettings::of(request)?;
    let (peer, headers) = (peer(request), request.headers());
    let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(&peer));
    let is_proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
    Ok((peer.is_loopback() || peer == ip(request.local_addr())) && !is_proxy && !is_proxied)
}

/// Headers that proxies add to a request.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

fn peer(request: &Request) -> IpAddr {
    ip(request.remote_addr())
}

fn ip(address: &Addr) -> IpAddr {
    match address {
        Addr::SocketAddr(address) => address.ip().to_canonical(),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED), // the server only listens on TCP
    }
}

/// The right-most address that is no trusted proxy. If an entry cannot be parsed, the proxy that sent it.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_ours = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    // A client may send any bytes; what our proxies appended is read nevertheless.
    let lines = headers.get_all("x-forwarded-for").iter().rev().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let lines: Vec<_> = lines.collect();
    let mut forwarded = lines.iter().flat_map(|line| line.rsplit(','));
    let mut known = peer;
    while is_ours(&known) {
        match forwarded.next().and_then(read) {
            Some(next) => known = next,
            None => break,
        }
    }
    known
}

/// Some proxies add the port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn addresses_from_untrusted_proxies_are_ignored() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_counts() {
        let ours = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(client("10.0.0.1", &["198.51.100.1"], &ours), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"], &ours), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.0.0.2"], &ours), "198.51.100.1");
        assert_eq!(client("fd00::1", &["198.51.100.1:4711"], &ours), "198.51.100.1");
        assert_eq!(client("fd00::1", &["[2001:db8::7]:4711"], &ours), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::7]"], &ours), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["::ffff:198.51.100.1"], &ours), "198.51.100.1");
    }

    #[test]
    fn what_cannot_be_read_leaves_the_nearest_that_could() {
        let ours = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.1", &[], &ours), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, unknown"], &ours), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &ours), "10.0.0.3");
    }

    #[test]
    fn bytes_that_are_no_text_hide_nobody() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", poem::http::HeaderValue::from_bytes(b"\xff, 198.51.100.1").unwrap());
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(behind(proxy, &headers, &["10.0.0.0/8".parse().unwrap()]).to_string(), "198.51.100.1");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network();
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::"), network("2001:db8:1:3::"));
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
    }
}
