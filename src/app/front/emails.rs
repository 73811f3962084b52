//! The outbox of a demo: the list, and each e-mail.
//!
//! What an e-mail says may come from anybody, a customer's name for example. It is shown in a frame that can run nothing,
//! load nothing and lead nowhere, and which no page but ours can show.

use platform::{
    clock::Timestamp,
    http::problem::{ApiResult, Problem},
    mail::outbox::{self, OutboxEmail},
};
use poem::{
    Request, Response, handler,
    http::{HeaderValue, header},
    web::{Data, Path},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Visitor, about, page};
use crate::shop::Shop;

/// What the frame may do: look as it looks.
const FRAMED: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";

/// The newest e-mails and where they are; `null` where a mail server takes them.
pub async fn list(shop: &Shop) -> ApiResult<Value> {
    let Some(outbox) = shop.mailer.outbox().map(ToOwned::to_owned) else { return Ok(Value::Null) };
    let folder = outbox.display().to_string();
    let (newest, total) = read(move || outbox::newest(&outbox)).await?;
    Ok(json!({"folder": folder, "total": total, "emails": newest.iter().map(shown).collect::<Vec<_>>()}))
}

#[handler]
pub async fn email(request: &Request, shop: Data<&Shop>, Path(name): Path<String>) -> ApiResult<Response> {
    let (visitor, entry) = find(request, &shop, name).await?;
    let links: Vec<Value> = links(&entry.email.text).map(|link| link_shown(link, &visitor.base)).collect();
    page("email.html", &json!({"shop": about(&shop), "email": shown(&entry), "text": entry.email.text, "links": links}))
}

/// The e-mail itself, for the frame. Its links open new windows, which the frame may not: so they do nothing.
#[handler]
pub async fn framed(request: &Request, shop: Data<&Shop>, Path(name): Path<String>) -> ApiResult<Response> {
    let (_, entry) = find(request, &shop, name).await?;
    let html = entry.email.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let mut response = Response::builder().content_type("text/html; charset=utf-8").body(html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMED));
    Ok(response)
}

async fn find(request: &Request, shop: &Shop, name: String) -> ApiResult<(Visitor, OutboxEmail)> {
    let visitor = Visitor::to_demo(request, shop).await?.ok_or_else(Problem::not_found)?;
    let outbox = shop.mailer.outbox().ok_or_else(Problem::not_found)?.to_owned();
    let entry = read(move || outbox::find(&outbox, &name)).await?.ok_or_else(Problem::not_found)?;
    Ok((visitor, entry))
}

/// Files are read off the async threads.
async fn read<T: Send + 'static>(read: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> ApiResult<T> {
    tokio::task::spawn_blocking(read).await.map_err(Problem::internal)?.map_err(Problem::internal)
}

fn shown(entry: &OutboxEmail) -> Value {
    let in_address = entry.name.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    json!({
        "address": format!("/outbox/{in_address}"),
        "from": entry.email.from,
        "to": entry.email.to,
        "subject": entry.email.subject,
        "at": Timestamp::from_date_time(OffsetDateTime::from(entry.at)).in_words(),
    })
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| word.starts_with("http://") || word.starts_with("https://"))
}

/// Where a link leads, and what the storefront's page there would ask of the shop. A token is one of ours: anything else in
/// its place is not made a command of.
fn link_shown(link: &str, base: &str) -> Value {
    let token = |page: &str| {
        let (_, token) = link.split_once(page)?;
        let is_ours =
            !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_ours.then_some(token)
    };
    let command = |path: &str, sent: Value| {
        Some(format!("curl -si {base}{path} \\\n  -H 'Content-Type: application/json' \\\n  -d '{sent}'"))
    };
    let asks = if let Some(token) = token("/verify-email?token=") {
        command("/api/auth/email/verify", json!({"token": token}))
    } else if let Some(token) = token("/reset-password?token=") {
        command("/api/auth/password/reset", json!({"token": token, "password": "a new password"}))
    } else {
        None
    };
    json!({"url": link, "asks": asks})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_a_token_of_ours_comes_with_its_command() {
        let asks = |link: &str| link_shown(link, "http://localhost:8000")["asks"].as_str().map(ToOwned::to_owned);
        let verify = asks("https://front.example/verify-email?token=Ab-9_x").unwrap();
        assert!(
            verify.contains("http://localhost:8000/api/auth/email/verify") && verify.contains(r#"{"token":"Ab-9_x"}"#)
        );
        assert!(asks("http://x/reset-password?token=1").unwrap().contains("\"password\""));
        for other in ["http://x/reset-password?token=", "http://x/reset-password?token=1';reboot;'", "http://x/"] {
            assert_eq!(asks(other), None);
        }
    }
}
