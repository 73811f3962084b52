//! What all endpoints share. The features bring their endpoints to their program, which puts them together.

pub mod aliases;
pub mod body;
pub mod client_address;
pub mod connection;
mod cors;
pub mod described;
pub mod documented;
pub mod edge;
pub mod etags;
pub mod form;
pub mod framing;
mod handler;
pub mod idempotency;
mod json;
pub mod limits;
pub mod paging;
pub mod problem;
pub mod problem_types;
pub mod query;
pub mod reply;
pub mod schema;
pub mod server;
pub mod static_page;
pub mod upload;

use std::sync::Arc;

use ipnet::IpNet;
use poem::Request;

use self::problem::{ApiResult, Problem};

/// What HTTP needs to know of the settings.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where the pages that explain problems are. Without a slash at its end.
    pub public_url: String,
    /// The largest body, in bytes.
    pub body_limit: usize,
    /// Origins whose pages may read the answers; `*` for all.
    pub cors_origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpSettings {
    /// Those that the program gave its endpoints, as data of the request.
    ///
    /// # Errors
    /// 500 when it gave none.
    pub fn of(request: &Request) -> ApiResult<&Self> {
        let given = request.data::<Arc<Self>>().map(AsRef::as_ref);
        given.ok_or_else(|| Problem::internal("the program gave no HttpSettings"))
    }
}
