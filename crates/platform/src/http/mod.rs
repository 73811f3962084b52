//! What all endpoints share: parameters, bodies, responses, problems, limits, idempotency and the server.

pub mod aliases;
pub mod body;
pub mod client_address;
pub mod connection;
pub mod content_coding;
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
pub mod response_cache;
pub mod schema;
pub mod server;
pub mod static_page;
pub mod upload;

use std::sync::Arc;

use ipnet::IpNet;
use poem::Request;

use self::problem::{ApiResult, Problem};

/// The settings of the HTTP layer.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The public address of the shop, without a trailing slash. Links to problem pages start with it.
    pub public_url: String,
    /// The largest JSON body, in bytes.
    pub body_limit: usize,
    /// Origins whose pages may read responses; `*` for all.
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpSettings {
    /// The settings among the data of a request.
    ///
    /// # Errors
    /// 500 when there are none.
    pub fn of(request: &Request) -> ApiResult<&Self> {
        let given = request.data::<Arc<Self>>().map(AsRef::as_ref);
        given.ok_or_else(|| Problem::internal("the program gave no HttpSettings"))
    }
}
