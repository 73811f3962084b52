//! Which requests may see the page of a demo.

use platform::http::problem::ApiResult;
use poem::{
    Addr, Request,
    http::{HeaderMap, Uri, header},
};

use crate::{
    app::{demo, settings::Settings},
    shop::Shop,
};

/// Headers that a proxy or a tunnel adds. A request with one may come from another machine.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip"];

/// A browser on the machine of a demo.
///
/// The page shows passwords, and e-mails with links that choose new ones. So the shop must have been started as a demo, on
/// data that still is the demo's; and the browser must have connected on this machine, to a name of this machine, for a
/// page of its own: a shop may be reached from the network, through a proxy or a tunnel, or by a web page elsewhere that
/// makes the browser ask for it.
pub struct Visitor {
    /// The shop's address, as the browser knows it.
    pub base: String,
}

impl Visitor {
    pub async fn of_demo(request: &Request, shop: &Shop) -> ApiResult<Option<Self>> {
        if !shop.get::<Settings>().demo {
            return Ok(None);
        }
        let is_here =
            matches!(request.remote_addr().0, Addr::SocketAddr(peer) if peer.ip().to_canonical().is_loopback());
        let Some(host) = local_host(request.headers()).filter(|_| is_here) else { return Ok(None) };
        Ok(demo::has_demo_admin(shop).await?.then(|| Self { base: format!("http://{host}") }))
    }
}

/// The `Host` of a direct request, if it is a name of this machine.
fn local_host(headers: &HeaderMap) -> Option<String> {
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) || headers.contains_key(header::ORIGIN) {
        return None;
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let address: Uri = format!("http://{host}/").parse().ok()?;
    let name = address.host()?.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let is_own = name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    (is_own && address.authority()?.as_str() == host && !host.contains('@')).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn host_of(headers: &[(&'static str, &'static str)]) -> Option<String> {
        local_host(
            &headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect(),
        )
    }

    #[test]
    fn requests_to_this_machine_have_a_local_host() {
        for host in ["localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.2", "[::1]:8000", "LOCALHOST:8000"] {
            assert_eq!(host_of(&[("host", host)]), Some(host.to_owned()));
        }
        for host in [
            "shop.example",
            "shop.example:8000",
            "192.168.0.7:8000",
            "0.0.0.0:8000",
            "localhost.example",
            "127.0.0.1.example",
            "localhost@shop.example",
            "shop.example@localhost",
            "localhost/",
            "",
        ] {
            assert_eq!(host_of(&[("host", host)]), None, "{host}");
        }
        assert_eq!(host_of(&[]), None);
    }

    #[test]
    fn requests_through_a_proxy_or_of_another_page_are_remote() {
        for header in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "origin"] {
            assert_eq!(host_of(&[("host", "localhost:8000"), (header, "x")]), None, "{header}");
        }
    }
}
