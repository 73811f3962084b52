//! Renders the pages. Each is self-contained: nothing is loaded from elsewhere, and only its own script runs.

use std::sync::LazyLock;

use minijinja::{
    Environment, context,
    value::{Serde, Value},
};
use platform::http::problem::{ApiResult, Problem};
use poem::{
    Response,
    http::{HeaderValue, header},
};
use serde::Serialize;
use uuid::Uuid;

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    for (name, source) in [
        ("layout.html", include_str!("pages/layout.html")),
        ("links.html", include_str!("pages/links.html")),
        ("copy.html", include_str!("pages/copy.html")),
        ("plain.html", include_str!("pages/plain.html")),
        ("demo.html", include_str!("pages/demo.html")),
        ("email.html", include_str!("pages/email.html")),
    ] {
        pages.add_template(name, source).expect("the pages can be read");
    }
    pages
});

pub fn page(name: &str, shown: &impl Serialize) -> ApiResult<Response> {
    let nonce = Uuid::new_v4().simple().to_string();
    let template = PAGES.get_template(name).map_err(Problem::internal)?;
    let html = template.render(context! { nonce => &nonce, ..Value::from(Serde(shown)) }).map_err(Problem::internal)?;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src 'self'; frame-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = Response::builder().content_type("text/html; charset=utf-8").body(html);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).map_err(Problem::internal)?);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
